"""What the audit log says of the list of people: of an import, and of what JupyterHub itself changes.

JupyterHub's panel, its API and its log-in change objects of the hub's session. `watch` looks at these just before they
are written and puts an entry beside each, so that both are committed, or neither. The session does not know who asked
for that: a request says so with `ask`. Our own API writes statements, of which the session sees nothing, and entries
of its own.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from contextvars import ContextVar
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from jupyterhub import orm
from sqlalchemy import event, inspect, select
from sqlalchemy.orm import Session
from sqlalchemy.orm.attributes import instance_state

from .. import store
from ..sentences import Sentence, say
from . import roster_changes
from .roster_changes import Changes

# Between the parts of a detail, each of which `sentences.recall` knows.
SEPARATOR = "; "

# By what a field is now; a note is not said.
_FLAGS = {
    "admin": (say("admin: no"), say("admin: yes")),
    "blocked": (say("blocked: no"), say("blocked: yes")),
    "waiting": (say("waiting: no"), say("waiting: yes")),
    "note": (say("note"), say("note")),
}

# Each request is a task of its own, and so has its own; None where nobody asked.
_ASKER: ContextVar[dict[str, str] | None] = ContextVar("jhaws_asker", default=None)
_USERS = orm.User.__table__


def describe(values: Mapping[str, Any]) -> str:
    """Say what was changed, without notes.

    Args:
        values: The store's fields of a person.
    """
    return join(*(_describe_field(name, value) for name, value in values.items()))


def join(*parts: str) -> str:
    """Make a detail of its parts, of which some may be empty."""
    return SEPARATOR.join(filter(None, parts))


def _describe_field(name: str, value: Any) -> Sentence:
    if name == "groups":
        return say("groups: {value}", value=", ".join(sorted(value))) if value else say("groups: none")
    if name == "ends_at":
        return say("end: {value}", value=value.isoformat()) if value else say("end: never")
    return _FLAGS[name][bool(value)]


def make_entries(changes: Changes, *, cause: str) -> list[tuple[str, str, str]]:
    """Say of each person what an import or its undo does: action, name and detail.

    Args:
        changes: What it does.
        cause: What the details begin with.
    """

    def detail(values: Mapping[str, Any]) -> str:
        return join(cause, describe(values))

    added = ((entry.name, roster_changes.make_values(entry)) for entry in changes.added)
    changed = ((each.new.name, roster_changes.make_values(each.new, each.fields)) for each in changes.changed)
    return [
        *(("person.added", name, detail({key: new for key, new in values.items() if new})) for name, values in added),
        *(("person.changed", name, detail(values)) for name, values in changed),
        *(("person.deleted", entry.name, cause) for entry in changes.removed),
    ]


def watch(app: Any) -> None:
    """Write down what JupyterHub changes in the list of people from the hub's start on.

    Args:
        app: The JupyterHub application; what it does before it answers anybody is the configuration's.
    """

    def before_flush(db: Session, context: Any, instances: Any) -> None:
        if app.http_server is not None:
            _note(db)

    event.listen(app.db, "before_flush", before_flush)


def ask(*, actor: str, address: str) -> None:
    """Say who has a request change JupyterHub's objects: in its own task, and in those that it starts, from now on."""
    _ASKER.set({"actor": actor, "address": address})


@dataclass
class _Moves:
    """The groups that somebody joins and leaves."""

    joined: set[str] = field(default_factory=set)
    left: set[str] = field(default_factory=set)


def _note(db: Session) -> None:
    moves = _find_moves(db)
    users = sorted((each for each in db.dirty if isinstance(each, orm.User)), key=_name)
    before = _read_before(db, [user for user in users if _is_touched(user, "name") or _is_touched(user, "admin")])
    for user in (each for each in db.new if isinstance(each, orm.User)):
        _add(db, "person.added", user.name, _describe(moves.pop(user, None), admin=True if user.admin else None))
    for user in users:
        name, admin = before.get(user.id, (user.name, bool(user.admin)))
        if name != user.name:
            _add(db, "person.renamed", user.name, say("before: {value}", value=name))
        flag = bool(user.admin) if bool(user.admin) != admin else None
        if detail := _describe(moves.pop(user, None), admin=flag):
            _add(db, "person.changed", user.name, detail)
    for user in sorted(moves, key=_name):  # who is the same in all but what stands at the group
        _add(db, "person.changed", user.name, _describe(moves[user]))
    for gone in _find_deleted(db):
        if isinstance(gone, orm.User):
            _add(db, "person.deleted", gone.name, "")
        elif isinstance(gone, orm.Group):
            detail = join(_cause(), say("left: {value}", value=gone.name))
            values = {"action": "person.changed", "detail": detail, **(_ASKER.get() or {})}
            store.add_audit_of_members(db, gone.id, at=datetime.now(UTC), **values)


def _name(user: orm.User) -> str:
    return str(user.name)


def _find_moves(db: Session) -> dict[orm.User, _Moves]:
    """Find who joins and leaves groups; a move stands at the user, at the group, or at both."""
    moves: dict[orm.User, _Moves] = defaultdict(_Moves)
    deleted = _find_deleted(db)
    for each in (*db.new, *db.dirty):
        if not isinstance(each, orm.User | orm.Group):
            continue
        is_user = isinstance(each, orm.User)
        history = inspect(each).attrs["groups" if is_user else "users"].history
        for other in history.added or ():
            user, group = (each, other) if is_user else (other, each)
            moves[user].joined.add(group.name)
        for other in history.deleted or ():
            user, group = (each, other) if is_user else (other, each)
            if user not in deleted and group not in deleted:
                moves[user].left.add(group.name)
    return moves


def _find_deleted(db: Session) -> list[Any]:
    # JupyterHub deletes users by something around them, which is no object of the database's itself.
    return [instance_state(each).obj() for each in db.deleted]


def _is_touched(user: orm.User, attribute: str) -> bool:
    return bool(inspect(user).attrs[attribute].history.has_changes())


def _read_before(db: Session, users: list[orm.User]) -> dict[int, tuple[str, bool]]:
    """Read what the database still has of users: objects do not always know what they had."""
    if not users:
        return {}
    rows = select(_USERS.c.id, _USERS.c.name, _USERS.c.admin).where(_USERS.c.id.in_([user.id for user in users]))
    return {number: (name, bool(admin)) for number, name, admin in db.execute(rows)}


def _describe(moves: _Moves | None, *, admin: bool | None = None) -> str:
    joined, left = (", ".join(sorted(groups)) for groups in (moves.joined, moves.left)) if moves else ("", "")
    return join(
        "" if admin is None else describe({"admin": admin}),
        joined and say("joined: {value}", value=joined),
        left and say("left: {value}", value=left),
    )


def _add(db: Session, action: str, name: str, detail: str) -> None:
    detail = join(_cause(), detail)
    store.add_audit(db, action=action, at=datetime.now(UTC), name=name, detail=detail, **(_ASKER.get() or {}))


def _cause() -> str:
    return "" if _ASKER.get() else say("by JupyterHub")
