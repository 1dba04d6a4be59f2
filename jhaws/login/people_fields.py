"""What a request says about people, read field by field, and what an answer says about a list.

The meaning of a cell of a list and of a field of a request is the same: `roster_cells.py` reads the texts of both. A
sentence names the field and at most the person, never another value.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from ..errors import UsernameError
from ..names import check_username
from ..sentences import Sentence, say, translate
from ..store import ListedPerson, Standing
from . import importing, people, roster_cells
from .people import ONLY_ADMINS, ONLY_WITH_GROUPS, RefusedError
from .roster import Entry, read_roster, write_csv
from .roster_cells import NO_END, CellError, show_name
from .roster_changes import Changes
from .roster_table import Finding

# In one request: so many are checked and written in one turn of the event loop, a tenth of a second with what else a
# hub does. An import takes more, in turns.
MAX_NAMES = 500

_FIELDS = ("groups", "admin", "ends_at", "note")
_STATES = ("blocked", "waiting")


def read_new_people(body: Mapping[str, Any], *, authenticator: Any, zone: ZoneInfo) -> list[Entry]:
    """Read who is to be added: names, and fields that all of them get.

    Raises:
        RefusedError: A field is wrong, or a name stands there twice or cannot be a user's.
    """
    _check_known(body, ("names", *_FIELDS))
    names = _read_names(
        body.get("names"),
        rule=say("names must be a list with the names of the people to add."),
        limit=lambda count: say(
            "One request adds {most:,} people at most, here are {count:,}: import a list of them.",
            most=MAX_NAMES,
            count=count,
        ),
    )
    values = _read_values(body, authenticator=authenticator, zone=zone)
    entries: dict[str, Entry] = {}
    for typed in names:
        name = authenticator.normalize_username(typed)
        try:
            check_username(name)
        except UsernameError as error:
            sentence = say("{name}: {sentence}", name=show_name(typed), sentence=error.sentence)
            raise RefusedError(400, sentence) from error
        if name in entries:
            raise RefusedError(400, say("{name} is in the list twice.", name=show_name(name)))
        end_at = values.get("ends_at", NO_END) or NO_END
        fields = {field: values[field] for field in ("groups", "admin", "note") if field in values}
        entries[name] = Entry(name, end_at=end_at, **fields)
    return list(entries.values())


def check_new_names(entries: Sequence[Entry], current: Collection[str], *, authenticator: Any) -> None:
    """Check that new names can be users' and cannot be mistaken for others, as in an import.

    Raises:
        RefusedError: One of them is not.
    """
    if there := sorted(entry.name for entry in entries if entry.name in current):
        sentence = say("{name} is a user of the hub already, so nobody was added.", name=show_name(there[0]))
        raise RefusedError(409, sentence)
    read = read_roster(
        write_csv([Entry(entry.name) for entry in entries], time_zone=ZoneInfo("UTC")),
        normalise=authenticator.normalize_username,
        time_zone=ZoneInfo("UTC"),
        existing=current,
        validate=authenticator.validate_username,
    )
    if read.problems:
        raise RefusedError(400, say("{problem} Nobody was added.", problem=read.problems[0].sentence))


def read_waiting(body: Mapping[str, Any]) -> list[str] | None:
    """Read who is let in of those who wait.

    Returns:
        Names as they were sent, None for all.

    Raises:
        RefusedError: It is neither names nor "all", or too many names.
    """
    allow = body.get("allow")
    if allow == "all":
        return None
    return _read_names(
        allow,
        rule=say('allow must be a list of names, or "all".'),
        limit=lambda count: say(
            'One request lets in {most:,} people at most, here are {count:,}: send them in parts, or "all".',
            most=MAX_NAMES,
            count=count,
        ),
    )


def read_list(body: Mapping[str, Any]) -> str | bytes:
    """Read the list of an import: `text`, or `csv`, a file's bytes in base64.

    Raises:
        RefusedError: There is neither of them, or both.
    """
    text, file = body.get("text"), body.get("csv")
    if isinstance(text, str) and file is None:
        return text
    if isinstance(file, str) and text is None:
        try:
            return base64.b64decode(file, validate=True)
        except ValueError as error:
            raise RefusedError(400, say("csv must be the bytes of a file in base64.")) from error
    raise RefusedError(400, say("text must be the list as text, or csv the bytes of a file in base64."))


def read_changes(body: Mapping[str, Any], *, authenticator: Any, zone: ZoneInfo) -> dict[str, Any]:
    """Read what changes about a person.

    Returns:
        The store's fields.

    Raises:
        RefusedError: A field is wrong, or there is none.
    """
    _check_known(body, (*_FIELDS, *_STATES))
    if not body:
        raise RefusedError(400, say("Say what changes: {fields}.", fields=", ".join((*_FIELDS, *_STATES))))
    values = _read_values(body, authenticator=authenticator, zone=zone)
    for field in _STATES:
        if field in body:
            values[field] = _read_flag(body, field)
    return values


def check_changes(person: ListedPerson, values: Mapping[str, Any], *, actor: importing.Actor, now: datetime) -> None:
    """Check that somebody may change a person so.

    Whether the person is an admin has been looked at before.

    Raises:
        RefusedError: It takes an admin, or groups, to do that; or it would shut out who must not be.
    """
    if values.get("admin") and not actor.is_admin:
        raise RefusedError(403, ONLY_ADMINS)
    if "groups" in values and not actor.may_group:
        raise RefusedError(403, ONLY_WITH_GROUPS)
    if person.name not in actor.keep:
        return
    standing = Standing(blocked=values.get("blocked", False), ends_at=values.get("ends_at"))
    shuts = people.find_state(standing, now=now) in ("blocked", "ended")
    if shuts or values.get("admin", True) is False or values.get("waiting"):
        raise RefusedError(
            409,
            say(
                "{name} is you or an admin of the configuration, who can neither be shut out nor lose the admin flag "
                "here.",
                name=show_name(person.name),
            ),
        )


def preview_model(found: importing.Preview, *, language: str) -> dict[str, Any]:
    """Return what the API says of a preview, in a language."""
    return {
        **changes_model(found.changes),
        "problems": findings_model(found.problems, language=language),
        "remarks": findings_model(found.remarks, language=language),
        "digest": found.digest,
    }


def undo_model(changes: Changes, remarks: Sequence[Sentence], *, language: str) -> dict[str, Any]:
    """Return what the API says of an undo, in a language."""
    findings = [Finding(None, sentence) for sentence in remarks]
    return {**changes_model(changes), "remarks": findings_model(findings, language=language)}


def changes_model(changes: Changes) -> dict[str, Any]:
    """Return what the API says of changes."""
    return {
        "added": [_entry_model(entry) for entry in changes.added],
        "changed": [
            {"old": _entry_model(each.old), "new": _entry_model(each.new), "fields": [_name(f) for f in each.fields]}
            for each in changes.changed
        ],
        "removed": [_entry_model(entry) for entry in changes.removed],
        "unchanged": changes.unchanged,
    }


def findings_model(findings: Iterable[Finding], *, language: str) -> list[dict[str, Any]]:
    """Return what the API says of problems or remarks, in a language."""
    return [{"line": each.line, "sentence": translate(each.sentence, language)} for each in findings]


def _name(field: str) -> str:
    return "ends_at" if field == "end_at" else field


def _entry_model(entry: Entry) -> dict[str, Any]:
    end = None if entry.end_at in (None, NO_END) else entry.end_at
    return {
        "name": entry.name,
        "groups": sorted(entry.groups or ()),
        "admin": bool(entry.admin),
        "ends_at": end and end.isoformat(),
        "note": entry.note or "",
    }


def _check_known(body: Mapping[str, Any], known: Collection[str]) -> None:
    for field in body:
        if field not in known:
            shown, fields = show_name(field), ", ".join(known)
            raise RefusedError(400, say("There is no field {field}; there are {known}.", field=shown, known=fields))


def _read_values(body: Mapping[str, Any], *, authenticator: Any, zone: ZoneInfo) -> dict[str, Any]:
    values: dict[str, Any] = {}
    try:
        if "groups" in body:
            values["groups"] = _read_groups(body["groups"], authenticator=authenticator)
        if "admin" in body:
            values["admin"] = _read_flag(body, "admin")
        if "ends_at" in body:
            end = roster_cells.read_end(_read_text(body, "ends_at"), zone)
            values["ends_at"] = None if end == NO_END else end
        if "note" in body:
            values["note"] = roster_cells.read_note(_read_text(body, "note"))
    except CellError as error:
        raise RefusedError(400, error.sentence) from error
    return values


def _read_names(names: Any, *, rule: Sentence, limit: Callable[[int], Sentence]) -> list[str]:
    """Check a list of names that may not be empty; what is no such list breaks `rule`, too many of them `limit`."""
    if not isinstance(names, list) or not names or not all(isinstance(name, str) for name in names):
        raise RefusedError(400, rule)
    if len(names) > MAX_NAMES:
        raise RefusedError(400, limit(len(names)))
    return names


def _read_groups(groups: Any, *, authenticator: Any) -> frozenset[str]:
    if not isinstance(groups, list) or not all(isinstance(each, str) for each in groups):
        raise RefusedError(400, say("groups must be a list of names of groups."))
    if authenticator.manage_groups:
        sentence = say("With manage_groups each login decides about groups, so they are not changed here.")
        raise RefusedError(409, sentence)
    stripped = [each.strip() for each in groups]
    if not all(stripped):
        raise RefusedError(400, say("The name of a group must not be empty."))
    # Before they are written into one cell: that takes seconds where a name is as long as the request may be.
    roster_cells.check_groups(stripped)
    return roster_cells.read_groups(roster_cells.format_groups(groups))


def _read_flag(body: Mapping[str, Any], field: str) -> bool:
    if not isinstance(body[field], bool):
        raise RefusedError(400, say("{field} must be true or false.", field=field))
    return bool(body[field])


def _read_text(body: Mapping[str, Any], field: str) -> str:
    value = body[field]
    if value is not None and not isinstance(value, str):
        raise RefusedError(400, say("{field} must be text, or null for none.", field=field))
    return value or ""
