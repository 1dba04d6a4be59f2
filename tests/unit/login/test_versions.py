"""Which shared passwords hold after a start: the configuration's or those that an admin has set since."""

from datetime import UTC, datetime, timedelta

import pytest

from jhaws.login import versions
from jhaws.login.versions import Configured
from jhaws.store import Fingerprint, Groups, Version

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
TUTORS = ("tutors",)


def version(number: int, password: str, *, by: str = "", groups: Groups = None) -> Version:
    return Version(number, groups, f"hash of {password}", NOW - timedelta(days=1), by, None)


def configured(password: str, groups: Groups = None) -> Configured:
    return Configured(groups, password, "JhawsAuthenticator.user_password")


def fingerprint(password: str, groups: Groups = None) -> Fingerprint:
    return Fingerprint(groups, f"hash of {password}")


def compare(now: list[Configured], before: list[Fingerprint]) -> versions.Comparison:
    return versions.compare(now, before, is_same=lambda value, stored: stored == f"hash of {value}")


@pytest.mark.parametrize(
    ("now", "before", "current", "ended"),
    [
        # Nothing was there before.
        ([configured("a")], [], [], []),
        # The same as at the last start: an admin's goes on, whether the configuration's has ended or not.
        ([configured("a")], [fingerprint("a")], [version(1, "a")], []),
        ([configured("a")], [fingerprint("a")], [version(2, "b", by="root")], []),
        ([configured("a")], [fingerprint("a")], [version(1, "a"), version(2, "b", by="root")], []),
        # Changed in the configuration: all others of all users end, those of groups do not.
        ([configured("c")], [fingerprint("a")], [version(1, "a")], [1]),
        ([configured("c")], [fingerprint("a")], [version(1, "a"), version(2, "b", by="root")], [1, 2]),
        ([configured("c")], [fingerprint("a")], [version(3, "t", groups=TUTORS, by="root")], []),
        # Taken out: what it made ends, an admin's goes on.
        ([], [fingerprint("a")], [version(1, "a"), version(2, "b", by="root")], [1]),
        ([], [fingerprint("a")], [version(2, "b", by="root")], []),
        # A group's: the order of its groups says nothing; two passwords of the same groups do not end each other.
        (
            [configured("t", ("x", "y"))],
            [fingerprint("t", ("y", "x"))],
            [version(1, "t", groups=("y", "x")), version(2, "u", groups=("x",), by="root")],
            [],
        ),
        (
            [configured("t", TUTORS), configured("u", TUTORS)],
            [fingerprint("t", TUTORS)],
            [version(1, "t", groups=TUTORS), version(2, "old", groups=TUTORS, by="root")],
            [2],
        ),
        # The same text for other groups is another password.
        ([configured("t", ("staff",))], [fingerprint("t", TUTORS)], [version(1, "t", groups=TUTORS)], [1]),
        # No groups at all are not all users.
        ([configured("t", ())], [fingerprint("t", None)], [version(1, "t")], [1]),
    ],
)
def test_what_was_said_last_holds(
    now: list[Configured], before: list[Fingerprint], current: list[Version], ended: list[int]
) -> None:
    """A changed value of the configuration ends the others, an unchanged one nothing, a missing one its own."""
    found = versions.find_ended(current, compare(now, before))

    assert [each.number for each in found] == ended


def test_a_version_ends_at_its_time() -> None:
    """It opens until then, and no longer at that very moment."""
    ending = Version(1, None, "h", NOW, "root", NOW)

    assert versions.is_current(ending, now=NOW - timedelta(seconds=1))
    assert not versions.is_current(ending, now=NOW)
    assert versions.is_current(version(1, "a"), now=NOW + timedelta(days=9999))


def test_the_log_says_which_of_two_holds() -> None:
    """One sentence where the configuration has won, and one where it has not; none where they agree."""
    own, theirs = version(1, "a"), version(2, "b", by="root")
    won, lost = compare([configured("c")], [fingerprint("a")]), compare([configured("a")], [fingerprint("a")])

    [sentence] = versions.explain([own, theirs], [own, theirs], won)
    assert sentence == (
        "JhawsAuthenticator.user_password was changed in the configuration since the last start and holds now; the "
        "password that root set on 2026-11-20 has ended."
    )
    [sentence] = versions.explain([theirs], [], lost)
    assert "is as at the last start, so the password that root set on 2026-11-20 goes on instead" in sentence
    assert list(versions.explain([own], [], lost)) == []
    assert list(versions.explain([], [], won)) == []
