"""What an import changes, and its undo."""

import json
from datetime import UTC, datetime

import pytest

from jhaws.login import roster_changes
from jhaws.login.roster import Entry
from jhaws.login.roster_cells import NO_END
from jhaws.login.roster_changes import Change, Changes

MARCH = datetime(2027, 2, 28, 23, tzinfo=UTC)
APRIL = datetime(2027, 3, 31, 22, tzinfo=UTC)


def entry(
    name: str, groups: tuple[str, ...] = (), *, admin: bool = False, end_at: datetime = NO_END, note: str = ""
) -> Entry:
    """A complete entry."""
    return Entry(name, frozenset(groups), admin, end_at, note)


CURRENT = {
    person.name: person
    for person in (
        entry("ann", ("a", "b"), end_at=MARCH, note="left bench"),
        entry("bob", ("a",)),
        entry("root", admin=True),
        entry("teacher", ("staff",), admin=True, end_at=MARCH),
    )
}
KEEP = {"root", "teacher"}


def compare(*entries: Entry, remove_missing: bool = False) -> Changes:
    """Compare a list with a hub of two students, an admin of the configuration, and a teacher who imports."""
    return roster_changes.compare(entries, CURRENT, remove_missing=remove_missing, keep=KEEP)


def test_new_people_are_added_complete_and_in_the_order_of_the_list() -> None:
    """What the list does not say about somebody new is empty: no groups, no admin, no end."""
    changes = compare(Entry("zoe", groups=frozenset({"a"})), Entry("cid"))

    assert changes == Changes(added=(entry("zoe", ("a",)), entry("cid")))


@pytest.mark.parametrize(
    ("new", "fields"),
    [
        (Entry("ann"), ()),
        (Entry("ann", groups=frozenset({"b", "a"})), ()),
        (Entry("ann", groups=frozenset({"a"})), ("groups",)),
        (Entry("ann", groups=frozenset()), ("groups",)),
        (Entry("ann", admin=False), ()),
        (Entry("ann", admin=True), ("admin",)),
        (Entry("ann", end_at=MARCH), ()),
        (Entry("ann", end_at=APRIL), ("end_at",)),
        (Entry("ann", end_at=NO_END), ("end_at",)),
        (Entry("ann", note=""), ("note",)),
        (entry("ann"), ("groups", "end_at", "note")),
    ],
)
def test_a_change_names_its_fields(new: Entry, fields: tuple[str, ...]) -> None:
    """Only what the list says and the hub has otherwise is a change; None leaves a field as it is."""
    changes = compare(new)

    assert [change.fields for change in changes.changed] == ([fields] if fields else [])
    assert changes.unchanged == (0 if fields else 1)
    for change in changes.changed:
        assert change.old == CURRENT["ann"]
        assert None not in vars(change.new).values()


def test_a_hub_that_knows_nothing_of_a_person_has_empty_fields() -> None:
    """None among the hub's people counts as empty, so an empty cell changes nothing."""
    changes = roster_changes.compare([entry("ann")], {"ann": Entry("ann")}, remove_missing=False, keep=())

    assert changes == Changes(unchanged=1)


def test_people_who_are_missing_stay_unless_they_are_to_go() -> None:
    """Nobody is removed by default; with remove_missing it is all but those who are to be kept."""
    assert compare(Entry("bob")).removed == ()

    changes = compare(Entry("bob"), remove_missing=True)

    assert changes.removed == (CURRENT["ann"],)
    assert changes.problems == ()
    assert changes.remarks == (
        "Not in the list, and not removed as you or an admin of the configuration: 'root', 'teacher'.",
    )


def test_a_remark_names_twenty_people_at_most() -> None:
    """A hub with many admins in its configuration does not make an endless sentence."""
    people = {f"u{number:02}": entry(f"u{number:02}") for number in range(25)}
    changes = roster_changes.compare([Entry("new")], people, remove_missing=True, keep=people)

    assert changes.remarks[0].endswith("'u18', 'u19' and 5 more.")


def test_an_empty_list_removes_nobody() -> None:
    """A file without names is a mistake, not the wish to remove everybody."""
    changes = compare(remove_missing=True)

    assert changes == Changes(problems=changes.problems)
    assert "empty list" in changes.problems[0]


@pytest.mark.parametrize(
    ("new", "said"),
    [
        (Entry("teacher", admin=False), "takes the admin flag from 'teacher'"),
        (Entry("root", admin=False), "takes the admin flag from 'root'"),
        (Entry("teacher", end_at=datetime(2027, 1, 1, tzinfo=UTC)), "gives 'teacher' an earlier end"),
        (Entry("root", end_at=APRIL), "gives 'root' an earlier end"),
    ],
)
def test_nobody_locks_himself_out(new: Entry, said: str) -> None:
    """An import never takes flag or time from its admin or one of the configuration, and says so in a sentence."""
    changes = compare(new, Entry("bob", admin=True))

    assert [change.new.name for change in changes.changed] == ["bob"]
    assert len(changes.problems) == 1
    assert said in changes.problems[0]


@pytest.mark.parametrize(
    "new", [Entry("teacher", groups=frozenset()), Entry("teacher", end_at=APRIL), Entry("root", note="spare key")]
)
def test_the_importing_admin_may_change_the_rest(new: Entry) -> None:
    """Groups, notes and more time are no loss of rights."""
    changes = compare(new)

    assert len(changes.changed) == 1
    assert changes.problems == ()


ALL_KINDS = compare(
    entry("zoe", ("ü", "a"), end_at=APRIL, note='<b>"'), Entry("bob", admin=True), Entry("root"), remove_missing=True
)


def test_the_undo_is_exactly_the_opposite() -> None:
    """Added people go, removed ones come back with all they had, changed fields get their old values."""
    undo = roster_changes.invert(ALL_KINDS)

    assert undo.added == (CURRENT["ann"],)
    assert undo.changed == (Change(entry("bob", ("a",), admin=True), CURRENT["bob"]),)
    assert undo.removed == (entry("zoe", ("ü", "a"), end_at=APRIL, note='<b>"'),)
    assert roster_changes.invert(undo) == Changes(
        ALL_KINDS.added, ALL_KINDS.changed, ALL_KINDS.removed, ALL_KINDS.unchanged
    )


def test_changes_go_through_json() -> None:
    """What a row of the database keeps as JSON becomes the same changes again, without sentences."""
    text = json.dumps(roster_changes.to_json(ALL_KINDS))

    assert roster_changes.from_json(json.loads(text)) == Changes(
        ALL_KINDS.added, ALL_KINDS.changed, ALL_KINDS.removed, ALL_KINDS.unchanged
    )
    assert '"2027-03-31T22:00:00+00:00"' in text


def test_entries_with_gaps_go_through_json() -> None:
    """Entries that somebody made by hand keep their gaps."""
    changes = Changes(added=(Entry("ann"),))

    assert roster_changes.from_json(roster_changes.to_json(changes)) == changes
