"""When a person may enter, and what the undo of an import does to a hub that has changed since."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from jhaws.login import people
from jhaws.login.importing import Actor, find_rights_fault, fit_undo
from jhaws.login.people import BLOCKED, ENDED, WAITING
from jhaws.login.roster import Entry
from jhaws.login.roster_cells import NO_END
from jhaws.login.roster_changes import Change, Changes
from jhaws.store import ListedPerson, Standing

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)
LATER, BEFORE = NOON + timedelta(seconds=1), NOON - timedelta(seconds=1)


@pytest.mark.parametrize(
    ("standing", "state", "reason", "configured_reason"),
    [
        (None, "allowed", None, None),
        (Standing(), "allowed", None, None),
        (Standing(ends_at=LATER), "allowed", None, None),
        (Standing(ends_at=NOON), "ended", ENDED, ENDED),
        (Standing(ends_at=BEFORE), "ended", ENDED, ENDED),
        (Standing(waiting=True), "waiting", WAITING, None),
        (Standing(waiting=True, ends_at=LATER), "waiting", WAITING, None),
        (Standing(waiting=True, ends_at=BEFORE), "ended", ENDED, ENDED),
        (Standing(blocked=True), "blocked", BLOCKED, BLOCKED),
        (Standing(blocked=True, waiting=True, ends_at=BEFORE), "blocked", BLOCKED, BLOCKED),
    ],
)
def test_who_may_enter(
    standing: Standing | None, state: str, reason: str | None, configured_reason: str | None
) -> None:
    """A block before an end before waiting, which alone does not hold for names of the configuration."""
    assert people.find_state(standing or Standing(), now=NOON) == state
    assert people.find_refusal(standing, configured=False, now=NOON) == reason
    assert people.find_refusal(standing, configured=True, now=NOON) == configured_reason


def entry(name: str, *groups: str, admin: bool = False, end_at: datetime = NO_END, note: str = "") -> Entry:
    return Entry(name, frozenset(groups), admin, end_at, note)


def person(entry: Entry, *, created: datetime = BEFORE) -> ListedPerson:
    end = None if entry.end_at == NO_END else entry.end_at
    return ListedPerson(
        1,
        entry.name,
        bool(entry.admin),
        tuple(entry.groups or ()),
        created.replace(tzinfo=None),
        None,
        Standing(ends_at=end),
        entry.note or "",
    )


def hub(*people: ListedPerson) -> dict[str, ListedPerson]:
    return {each.name: each for each in people}


def test_an_undo_writes_only_what_the_import_changed() -> None:
    """A group that somebody gave since then stays, and so does a person who was made anew."""
    opposite = Changes(
        added=(entry("gone"), entry("back")),
        changed=(
            Change(entry("ann", "new", note="new"), entry("ann", "new", note="old")),
            Change(entry("away", "new"), entry("away")),
        ),
        removed=(entry("imported"), entry("again"), entry("left")),
    )
    current = hub(
        person(entry("back")),
        person(entry("ann", "since", note="new")),
        person(entry("imported"), created=NOON),
        person(entry("again"), created=LATER),
    )
    changes, remarks = fit_undo(opposite, current, imported_at=NOON, keep=frozenset())

    assert changes == Changes(
        added=(entry("gone"),),
        changed=(Change(entry("ann", "since", note="new"), entry("ann", "since", note="old")),),
        removed=(entry("imported"),),
    )
    assert len(remarks) == 3


def test_an_undo_leaves_what_somebody_decided_since_the_import() -> None:
    """Field by field, with a sentence; who is as before by hand needs none."""
    imported = {"end_at": LATER, "note": "new"}
    opposite = Changes(
        changed=(
            Change(entry("eve", "g", **imported), entry("eve", "old", note="old")),
            Change(entry("kim", **imported), entry("kim")),
            Change(entry("lee", "g"), entry("lee")),
        )
    )
    current = hub(
        person(entry("eve", end_at=BEFORE, note="new")),
        person(entry("kim", end_at=BEFORE, note="later")),
        person(entry("lee")),
    )
    changes, remarks = fit_undo(opposite, current, imported_at=NOON, keep=frozenset())

    eve = Change(entry("eve", end_at=BEFORE, note="new"), entry("eve", end_at=BEFORE, note="old"))
    assert changes == Changes(changed=(eve,))
    assert remarks == [
        "1 of the import stay: they are gone, already as before, or to be kept as they are.",
        "What was changed since the import stays; people with that: 2.",
    ]


@pytest.mark.parametrize("manage_groups", [False, True])
def test_an_undo_removes_whom_the_import_added_unless_somebody_changed_them(manage_groups: bool) -> None:
    """A block would be gone with them; groups that a login gives with `manage_groups` are nobody's decision."""
    opposite = Changes(removed=tuple(entry(name, end_at=LATER) for name in ("as-made", "noted", "blocked", "grouped")))
    blocked = person(entry("blocked", end_at=LATER), created=NOON)
    current = hub(
        person(entry("as-made", end_at=LATER), created=NOON),
        person(entry("noted", end_at=LATER, note="since"), created=NOON),
        replace(blocked, standing=Standing(blocked=True, ends_at=LATER)),
        person(entry("grouped", "by-login", end_at=LATER), created=NOON),
    )
    changes, remarks = fit_undo(opposite, current, imported_at=NOON, keep=frozenset(), manage_groups=manage_groups)

    removed = ["as-made", "grouped"] if manage_groups else ["as-made"]
    assert [each.name for each in changes.removed] == removed
    said = f"{4 - len(removed)} of the import stay: they are changed since; delete them yourself if they shall go."
    assert remarks == [said]


def test_an_undo_takes_nothing_from_who_must_keep_it() -> None:
    """Neither the admin flag nor time, and nobody of them is removed; their note is undone."""
    opposite = Changes(
        changed=(
            Change(entry("root", admin=True, note="new"), entry("root", end_at=NOON, note="old")),
            Change(entry("bob", admin=True), entry("bob")),
        ),
        removed=(entry("me"),),
    )
    current = hub(
        person(entry("root", admin=True, note="new")),
        person(entry("bob", admin=True)),
        person(entry("me"), created=NOON),
    )
    changes, _ = fit_undo(opposite, current, imported_at=NOON, keep=frozenset({"root", "me"}))

    assert changes == Changes(
        changed=(
            Change(entry("root", admin=True, note="new"), entry("root", admin=True, note="old")),
            Change(entry("bob", admin=True), entry("bob")),
        )
    )


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        (Changes(added=(entry("ann", admin=True),)), "Only admins"),
        (Changes(removed=(entry("ann", admin=True),)), "Only admins"),
        (Changes(changed=(Change(entry("ann", admin=True), entry("ann", admin=True, note="x")),)), "Only admins"),
        (Changes(added=(entry("ann", "g"),)), "admin:groups"),
        (Changes(changed=(Change(entry("ann", "g"), entry("ann")),)), "admin:groups"),
        (Changes(added=(entry("ann"),), removed=(entry("bob", "g"),)), None),
    ],
)
def test_admins_and_groups_need_more_rights(changes: Changes, said: str | None) -> None:
    """As in JupyterHub only admins make or change admins; a group may bring rights."""
    fault = find_rights_fault(changes, Actor("someone"))

    assert (fault is None) == (said is None)
    assert (said or "") in (fault or "")
    assert find_rights_fault(changes, Actor("root", is_admin=True, may_group=True)) is None
