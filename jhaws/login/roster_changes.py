"""What an import of a list will change in the hub, and its opposite.

`compare` puts the people of a list (`roster.py`) next to those of the hub; an admin sees the result before anything
is written. `to_json` keeps it in one row of the database, and `invert` makes the undo of it. Every entry in
`Changes` is complete: nothing in it means "leave as it is" any more. What would take rights away from whoever must
keep them is no part of `Changes`, even if nobody looks at its problems.

Pure functions: no database, no clock, no configuration.
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from functools import cached_property
from typing import Any

from ..sentences import Sentence, say
from .roster import Entry
from .roster_cells import NO_END, show_name

# What a cell that is not there means for somebody new.
_DEFAULTS: Mapping[str, Any] = {"groups": frozenset(), "admin": False, "end_at": NO_END, "note": ""}

# The fields of an entry, and what the store calls them.
_COLUMNS = {"groups": "groups", "admin": "admin", "end_at": "ends_at", "note": "note"}

# Names in one sentence.
_SHOWN_NAMES = 20


@dataclass(frozen=True)
class Change:
    """What one person had and will have; both entries are complete and have the same name."""

    old: Entry
    new: Entry

    @cached_property
    def fields(self) -> tuple[str, ...]:
        """The fields of `Entry` that differ."""
        return tuple(field for field in _COLUMNS if getattr(self.old, field) != getattr(self.new, field))


@dataclass(frozen=True)
class Changes:
    """What an import or its undo does.

    Attributes:
        added: People who are not in the hub yet, in the order of the list.
        changed: People with other groups, flag, end or note, in the order of the list.
        removed: People who go, by name, as the hub has them now.
        unchanged: How many of the list are in the hub just so.
        problems: Sentences; with one of them nothing must be written.
        remarks: Sentences that an admin should read.
    """

    added: tuple[Entry, ...] = ()
    changed: tuple[Change, ...] = ()
    removed: tuple[Entry, ...] = ()
    unchanged: int = 0
    problems: tuple[Sentence, ...] = ()
    remarks: tuple[Sentence, ...] = ()


def compare(
    entries: Iterable[Entry], current: Mapping[str, Entry], *, remove_missing: bool, keep: Collection[str]
) -> Changes:
    """Find what must change in the hub so that it is as the list says.

    Args:
        entries: The people of the list, each once; a field that is None stays as it is.
        current: The people of the hub by normalised name; None counts as empty.
        remove_missing: Whether people who are not in the list go.
        keep: Normalised names of the configuration's admins and of whoever imports: they are never removed, and
            the list cannot take their admin flag or shorten their time.
    """
    keep = frozenset(keep)
    added: list[Entry] = []
    changed: list[Change] = []
    problems: list[Sentence] = []
    listed: set[str] = set()
    unchanged = 0
    for entry in entries:
        listed.add(entry.name)
        if entry.name not in current:
            added.append(_complete(entry, Entry(entry.name)))
            continue
        old = _complete(current[entry.name], Entry(entry.name))
        change = Change(old, _complete(entry, old))
        if not change.fields:
            unchanged += 1
        elif entry.name in keep and (fault := _find_loss(change)):
            problems.append(fault)
        else:
            changed.append(change)
    missing = sorted(current.keys() - listed) if remove_missing else []
    if missing and not listed:
        problems.append(say("An empty list would remove everybody; delete people in the admin panel instead."))
        missing = []
    return Changes(
        added=tuple(added),
        changed=tuple(changed),
        removed=tuple(_complete(current[name], Entry(name)) for name in missing if name not in keep),
        unchanged=unchanged,
        problems=tuple(problems),
        remarks=_make_remarks([name for name in missing if name in keep]),
    )


def invert(changes: Changes) -> Changes:
    """Make the changes that undo `changes`: exactly the opposite, whatever happened in between.

    `importing.fit_undo` leaves of it what somebody has changed since then.
    """
    return Changes(
        added=changes.removed,
        changed=tuple(Change(change.new, change.old) for change in changes.changed),
        removed=changes.added,
        unchanged=changes.unchanged,
    )


def make_values(entry: Entry, fields: Iterable[str] = tuple(_COLUMNS)) -> dict[str, Any]:
    """Make the store's fields out of some of an entry's, or of all."""
    values = {_COLUMNS[field]: getattr(entry, field) for field in fields}
    if values.get("ends_at") == NO_END:
        values["ends_at"] = None
    return values


def to_json(changes: Changes) -> dict[str, Any]:
    """Put changes that were made into what JSON can hold; problems and remarks are left out."""
    return {
        "added": [_entry_to_json(entry) for entry in changes.added],
        "changed": [[_entry_to_json(change.old), _entry_to_json(change.new)] for change in changes.changed],
        "removed": [_entry_to_json(entry) for entry in changes.removed],
        "unchanged": changes.unchanged,
    }


def from_json(data: Mapping[str, Any]) -> Changes:
    """Make changes out of what `to_json` gave."""
    return Changes(
        added=tuple(_entry_from_json(entry) for entry in data["added"]),
        changed=tuple(Change(_entry_from_json(old), _entry_from_json(new)) for old, new in data["changed"]),
        removed=tuple(_entry_from_json(entry) for entry in data["removed"]),
        unchanged=data["unchanged"],
    )


def _complete(entry: Entry, old: Entry) -> Entry:
    """Fill what an entry leaves as it is with the old entry's values, and what that lacks with the defaults."""
    gaps: dict[str, Any] = {}
    for field, default in _DEFAULTS.items():
        if getattr(entry, field) is None:
            value = getattr(old, field)
            gaps[field] = default if value is None else value
    return replace(entry, **gaps) if gaps else entry


def _find_loss(change: Change) -> Sentence | None:
    """Say what a change takes from somebody who must keep it."""
    shown = show_name(change.new.name)
    if change.old.admin and not change.new.admin:
        return say(
            "The list takes the admin flag from {name}, who is you or an admin of the configuration; write yes into "
            "the admin column of this line.",
            name=shown,
        )
    if (change.new.end_at or NO_END) < (change.old.end_at or NO_END):
        return say(
            "The list gives {name} an earlier end, and that is you or an admin of the configuration; take the end date "
            "out of this line.",
            name=shown,
        )
    return None


def _make_remarks(kept: list[str]) -> tuple[Sentence, ...]:
    if not kept:
        return ()
    shown = ", ".join(show_name(name) for name in kept[:_SHOWN_NAMES])
    if (more := len(kept) - _SHOWN_NAMES) > 0:
        shown = say("{some} and {more:,} more", some=shown, more=more)
    return (say("Not in the list, and not removed as you or an admin of the configuration: {names}.", names=shown),)


def _entry_to_json(entry: Entry) -> dict[str, Any]:
    return {
        "name": entry.name,
        "groups": None if entry.groups is None else sorted(entry.groups),
        "admin": entry.admin,
        "end_at": None if entry.end_at is None else entry.end_at.isoformat(),
        "note": entry.note,
    }


def _entry_from_json(data: Mapping[str, Any]) -> Entry:
    return Entry(
        name=data["name"],
        groups=None if data["groups"] is None else frozenset(data["groups"]),
        admin=data["admin"],
        end_at=None if data["end_at"] is None else datetime.fromisoformat(data["end_at"]),
        note=data["note"],
    )
