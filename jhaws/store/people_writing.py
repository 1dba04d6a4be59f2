"""Changes of many people at once, in a few statements: 5,000 through JupyterHub's objects would hold the hub for 35 s.

Nothing here commits, so what belongs together is written together or not at all. JupyterHub's session keeps objects
for good and does not read them anew after a commit: each function makes it forget just what it has changed.
"""

from __future__ import annotations

import secrets
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from jupyterhub import orm
from sqlalchemy import bindparam, delete, exists, false, insert, select, true, update
from sqlalchemy.orm import Session

from .people import chunks
from .tables import Base, Person

_USERS = orm.User.__table__
_GROUPS = orm.Group.__table__
_MEMBERS = orm.user_group_map
_ROLES = orm.Base.metadata.tables["user_role_map"]
_PEOPLE = Base.metadata.tables[Person.__tablename__]
# What a row has of a person who had none.
_EMPTY: Mapping[str, Any] = {
    "waiting": False,
    "blocked": False,
    "ends_at": None,
    "closed_at": None,
    "note": "",
    "password_hash": None,
    "password_set_at": None,
    "code_hash": None,
    "code_ends_at": None,
}
# Who has a new one of these is looked at again: sessions, tokens and servers may have to end.
_OPENING = frozenset({"blocked", "ends_at"})


@dataclass(frozen=True)
class NewPerson:
    """Somebody to be added."""

    name: str
    admin: bool = False
    groups: frozenset[str] = frozenset()
    ends_at: datetime | None = None
    note: str = ""


def add_people(db: Session, people: Sequence[NewPerson], *, created: datetime) -> None:
    """Make users with their roles, groups and rows; the caller commits.

    Args:
        db: The hub's session.
        people: With normalised names that no user has.
        created: Aware time, which all of them get.
    """
    if not people:
        return
    db.flush()
    stamp = created.astimezone(UTC).replace(tzinfo=None)
    users = [
        {"name": person.name, "admin": person.admin, "created": stamp, "cookie_id": secrets.token_hex(16)}
        for person in people
    ]
    db.execute(insert(_USERS), users)
    ids: dict[str, int] = {}
    for chunk in chunks([person.name for person in people]):
        rows = db.execute(select(orm.User.name, orm.User.id).where(orm.User.name.in_(chunk)))
        ids.update({name: number for name, number in rows})
    _give_role(db, "user", list(ids.values()))
    _give_role(db, "admin", [ids[person.name] for person in people if person.admin])
    _join_groups(db, {ids[person.name]: person.groups for person in people if person.groups})
    known = [person for person in people if person.ends_at or person.note]
    known_rows = [
        {"user_id": ids[each.name], "user_created": stamp, "ends_at": each.ends_at, "note": each.note} for each in known
    ]
    for chunk in chunks(list(ids.values())):  # of users before, who had the numbers
        db.execute(delete(Person).where(Person.user_id.in_(chunk)))
    if known_rows:
        # The same for all stands in the statement: each value of a row costs time.
        db.execute(insert(_PEOPLE).values(waiting=false(), blocked=false()), known_rows)


def update_people(db: Session, changes: Mapping[int, Mapping[str, Any]], *, now: datetime) -> None:
    """Change what is known of users; the caller commits.

    Args:
        db: The hub's session.
        changes: User id → the fields that change, of `admin`, `groups`, `ends_at`, `note`, `blocked`, `waiting` and
            `closed_at`. Groups that are not there yet are made.
        now: Aware time, for users of whom JupyterHub does not know when they were made.
    """
    db.flush()
    flags: dict[bool, list[int]] = defaultdict(list)
    for user_id, values in changes.items():
        if "admin" in values:
            flags[bool(values["admin"])].append(user_id)
    for flag, user_ids in flags.items():
        _set_admin(db, user_ids, flag)
    _set_groups(db, {user_id: values["groups"] for user_id, values in changes.items() if "groups" in values})
    rows = {
        user_id: {name: value for name, value in values.items() if name in _EMPTY}
        for user_id, values in changes.items()
    }
    _set_rows(db, {user_id: values for user_id, values in rows.items() if values}, now=now)
    _forget(db, orm.User, changes, "admin", "roles", "groups", "created")


def delete_people(db: Session, user_ids: Sequence[int]) -> None:
    """Delete users and all that belongs to them; the caller commits.

    None of them has a server that runs, and the caller takes them out of the hub's memory.
    """
    db.flush()
    for chunk in chunks(user_ids):
        servers = select(orm.Spawner.id, orm.Spawner.oauth_client_id).where(orm.Spawner.user_id.in_(chunk))
        spawners: list[Any] = list(db.execute(servers))
        _expunge(db, orm.Spawner, [row[0] for row in spawners])
        _expunge_tokens(db, chunk)
        _expunge(db, orm.User, chunk)
        clients = [row[1] for row in spawners if row[1]]
        db.execute(delete(_USERS).where(_USERS.c.id.in_(chunk)))
        db.execute(delete(_PEOPLE).where(_PEOPLE.c.user_id.in_(chunk)))
        if clients:
            table = orm.OAuthClient.__table__
            db.execute(delete(table).where(table.c.identifier.in_(clients)))
    _forget_groups(db)


def delete_person(db: Session, user_id: int) -> None:
    """Delete the row of a user who is deleted; the caller commits."""
    db.execute(delete(Person).where(Person.user_id == user_id))


def add_waiting(db: Session, *, known: Collection[str], now: datetime) -> int:
    """Let all users wait for an admin but those whose names are known; the caller commits.

    Returns:
        How many they are.
    """
    everybody = db.execute(select(orm.User.id, orm.User.name))
    unknown = [user_id for user_id, name in everybody if name not in known]
    waiting: dict[int, dict[str, Any]] = {user_id: {"waiting": True} for user_id in unknown}
    update_people(db, waiting, now=now)
    return len(waiting)


def let_everybody_in(db: Session) -> int:
    """Let in all who wait; the caller commits.

    Returns:
        How many they were.
    """
    there = exists().where(orm.User.id == Person.user_id, orm.User.created == Person.user_created)
    db.flush()
    done: Any = db.execute(update(_PEOPLE).where(Person.waiting == true(), there).values(waiting=False))
    for found in list(db.identity_map.values()):
        if isinstance(found, Person):
            db.expire(found)
    return int(done.rowcount)


def end_sessions(db: Session, user_ids: Sequence[int]) -> None:
    """End the browser logins of users and delete their tokens; the caller commits. Only the hub's own process can."""
    db.flush()
    for chunk in chunks(user_ids):
        fresh = update(_USERS).where(_USERS.c.id == bindparam("number")).values(cookie_id=bindparam("fresh"))
        db.execute(fresh, [{"number": user_id, "fresh": secrets.token_hex(16)} for user_id in chunk])
        _expunge_tokens(db, chunk)
        for table in (orm.APIToken.__table__, orm.OAuthCode.__table__):
            db.execute(delete(table).where(table.c.user_id.in_(chunk)))
    _forget(db, orm.User, user_ids, "cookie_id", "api_tokens", "oauth_codes")


def _give_role(db: Session, name: str, user_ids: Sequence[int]) -> None:
    role = db.scalar(select(orm.Role.id).where(orm.Role.name == name))
    if role is not None and user_ids:
        rows = [{"user_id": user_id, "role_id": role, "managed_by_auth": False} for user_id in user_ids]
        db.execute(insert(_ROLES), rows)


def _set_admin(db: Session, user_ids: Sequence[int], flag: bool) -> None:
    """Set the flag and the role that goes with it, as JupyterHub does."""
    role = select(orm.Role.id).where(orm.Role.name == "admin").scalar_subquery()
    for chunk in chunks(user_ids):
        db.execute(update(_USERS).where(_USERS.c.id.in_(chunk)).values(admin=flag))
        db.execute(delete(_ROLES).where(_ROLES.c.user_id.in_(chunk), _ROLES.c.role_id == role))
    if flag:
        _give_role(db, "admin", user_ids)


def _set_groups(db: Session, groups: Mapping[int, Collection[str]]) -> None:
    for chunk in chunks(list(groups)):
        db.execute(delete(_MEMBERS).where(_MEMBERS.c.user_id.in_(chunk)))
    _join_groups(db, groups)


def _join_groups(db: Session, groups: Mapping[int, Collection[str]]) -> None:
    names = sorted({name for each in groups.values() for name in each})
    there = _read_group_ids(db, names)
    if missing := [name for name in names if name not in there]:
        db.execute(insert(_GROUPS), [{"name": name} for name in missing])
        there |= _read_group_ids(db, missing)
    members = [{"user_id": user_id, "group_id": there[name]} for user_id, each in groups.items() for name in set(each)]
    if members:
        db.execute(insert(_MEMBERS), members)
    _forget_groups(db)


def _read_group_ids(db: Session, names: Sequence[str]) -> dict[str, int]:
    found: dict[str, int] = {}
    for chunk in chunks(names):
        rows = db.execute(select(_GROUPS.c.name, _GROUPS.c.id).where(_GROUPS.c.name.in_(chunk)))
        found.update({name: number for name, number in rows})
    return found


def _set_rows(db: Session, changes: Mapping[int, Mapping[str, Any]], *, now: datetime) -> None:
    """Write each row anew, so that two statements do for hundreds of different changes."""
    for chunk in chunks(list(changes)):
        timeless = _USERS.c.id.in_(chunk) & _USERS.c.created.is_(None)
        db.execute(update(_USERS).where(timeless).values(created=now.astimezone(UTC).replace(tzinfo=None)))
        users = db.execute(select(_USERS.c.id, _USERS.c.created).where(_USERS.c.id.in_(chunk))).all()
        old = db.execute(select(_PEOPLE).where(_PEOPLE.c.user_id.in_(chunk))).mappings()
        rows = {(row["user_id"], row["user_created"]): dict(row) for row in old}
        written = []
        for user_id, created in users:
            mine = rows.get((user_id, created), {**_EMPTY, "user_id": user_id, "user_created": created})
            reopened = {"closed_at": None} if _OPENING & changes[user_id].keys() else {}
            written.append({**mine, **reopened, **changes[user_id]})
        db.execute(delete(_PEOPLE).where(_PEOPLE.c.user_id.in_(chunk)))
        if written:
            db.execute(insert(_PEOPLE), written)
        _forget(db, Person, chunk)


def _forget(db: Session, kind: Any, numbers: Iterable[int], *attributes: str) -> None:
    """Let the session read some attributes of its objects anew; all where none is named."""
    for number in numbers:
        found = db.identity_map.get(db.identity_key(kind, number))
        if found is not None:
            db.expire(found, attributes or None)


def _forget_groups(db: Session) -> None:
    for found in list(db.identity_map.values()):
        if isinstance(found, orm.Group):
            db.expire(found, ["users"])


def _expunge_tokens(db: Session, user_ids: Sequence[int]) -> None:
    for kind in (orm.APIToken, orm.OAuthCode):
        _expunge(db, kind, list(db.scalars(select(kind.id).where(kind.user_id.in_(user_ids)))))


def _expunge(db: Session, kind: Any, numbers: Iterable[int]) -> None:
    for number in numbers:
        found = db.identity_map.get(db.identity_key(kind, number))
        if found is not None:
            db.expunge(found)
