"""What changes many people at once: a dozen statements, whether they are one or five thousand.

Statements are made without a database, so that a transaction that others wait for is nothing but statements. What they
need of users' numbers they find by name.
"""

from __future__ import annotations

import secrets
from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from jupyterhub import orm
from sqlalchemy import (
    Boolean,
    ColumnElement,
    DateTime,
    Integer,
    Select,
    Unicode,
    and_,
    delete,
    exists,
    false,
    func,
    insert,
    literal,
    select,
    update,
)
from sqlalchemy.sql.base import Executable

from .people import ROW_OF_USER, ListedPerson
from .promotions import make_known, make_promotions
from .schema import make_users_until
from .tables import Base, Person
from .unpacking import is_one_of, unpack, unpack_lists

_USERS = orm.User.__table__
_GROUPS = orm.Group.__table__
_CLIENTS = orm.OAuthClient.__table__
_MEMBERS = orm.user_group_map
_ROLES = orm.Base.metadata.tables["user_role_map"]
_PEOPLE = Base.metadata.tables[Person.__tablename__]
# What a row has of a person, and may be changed here.
_FIELDS: Mapping[str, Any] = {
    "waiting": Boolean(),
    "blocked": Boolean(),
    "ends_at": DateTime(),
    "closed_at": DateTime(),
    "note": Unicode(),
}
# What a row of somebody new has.
_NEW: Mapping[str, Any] = {field: _FIELDS[field] for field in ("waiting", "blocked", "ends_at", "note")} | {
    "password_hash": Unicode(),
    "password_set_at": DateTime(),
    "password_for_admin": Boolean(),
}
# Who has a new one of these is looked at again: sessions, tokens and servers may have to end.
_OPENING = ("blocked", "ends_at")


@dataclass(frozen=True)
class NewPerson:
    """Somebody to be added; only who comes back after an import was undone waits, is blocked or has a password."""

    name: str
    admin: bool = False
    groups: frozenset[str] = frozenset()
    ends_at: datetime | None = None
    note: str = ""
    waiting: bool = False
    blocked: bool = False
    password_hash: str | None = field(default=None, repr=False)
    password_set_at: datetime | None = None
    password_for_admin: bool = False


def make_additions(people: Sequence[NewPerson], *, created: datetime) -> list[Executable]:
    """Make users with their roles, groups and rows.

    Args:
        people: With normalised names that no user has.
        created: Aware time, which all of them get.
    """
    if not people:
        return []
    stamp = literal(created.astimezone(UTC).replace(tzinfo=None), DateTime())
    rows = ([person.name, person.admin, secrets.token_hex(16)] for person in people)
    users = unpack(rows, name=Unicode(), admin=Boolean(), cookie_id=Unicode())
    theirs = is_one_of(_USERS.c.name, [person.name for person in people])
    admins = is_one_of(_USERS.c.name, [person.name for person in people if person.admin])
    values = ([each.name, *(getattr(each, column) for column in _NEW)] for each in people)
    new = unpack((row for row in values if any(row[1:])), name=Unicode(), **_NEW)
    told = select(_USERS.c.id, stamp, *(new.c[column] for column in _NEW))
    return [
        insert(_USERS).from_select([*users.c.keys(), "created"], select(*users.c, stamp)),
        make_users_until(created),
        _give_role("user", theirs),
        _give_role("admin", admins),
        *make_known(admins),
        *_join_groups(_USERS.c.name, {person.name: person.groups for person in people if person.groups}),
        # Of users before, who had the numbers.
        delete(_PEOPLE).where(_PEOPLE.c.user_id.in_(select(_USERS.c.id).where(theirs))),
        insert(_PEOPLE).from_select(
            ["user_id", "user_created", *_NEW], told.join_from(new, _USERS, _USERS.c.name == new.c.name)
        ),
    ]


def make_updates(changes: Mapping[int, Mapping[str, Any]], *, now: datetime) -> list[Executable]:
    """Change what is known of users.

    Args:
        changes: User id → the fields that change, of `admin`, `groups`, `ends_at`, `note`, `blocked`, `waiting` and
            `closed_at`. Groups that are not there yet are made.
        now: Aware time, for users of whom JupyterHub does not know when they were made.
    """
    flags: dict[bool, list[int]] = {True: [], False: []}
    groups: dict[int, Collection[str]] = {}
    rows: dict[tuple[str, ...], dict[int, Mapping[str, Any]]] = defaultdict(dict)
    for user_id, values in changes.items():
        if "admin" in values:
            flags[bool(values["admin"])].append(user_id)
        if "groups" in values:
            groups[user_id] = values["groups"]
        if fields := tuple(field for field in _FIELDS if field in values):
            rows[fields][user_id] = values
    return [
        *(statement for flag, user_ids in flags.items() for statement in _set_admin(user_ids, flag)),
        *_set_groups(groups),
        *_ensure_rows([user_id for each in rows.values() for user_id in each], now=now),
        *(_set_fields(fields, each) for fields, each in rows.items()),
    ]


def make_deletions(user_ids: Collection[int]) -> list[Executable]:
    """Delete users, none of whom has a server that runs, and all that belongs to them."""
    if not user_ids:
        return []
    clients = select(orm.Spawner.oauth_client_id).where(is_one_of(orm.Spawner.user_id, user_ids))
    return [
        delete(_CLIENTS).where(_CLIENTS.c.identifier.in_(clients)),
        delete(_USERS).where(is_one_of(_USERS.c.id, user_ids)),
        delete(_PEOPLE).where(is_one_of(_PEOPLE.c.user_id, user_ids)),
    ]


def make_check(people: Collection[ListedPerson]) -> Select[tuple[bool]]:
    """Ask whether people are as they were read, in all that a list of people can change."""
    read = ([each.user_id, each.name, each.admin, each.standing.ends_at, each.note] for each in people)
    rows = unpack(read, id=Integer(), name=Unicode(), admin=Boolean(), ends_at=DateTime(), note=Unicode())
    same = (
        orm.User.name == rows.c.name,
        func.coalesce(orm.User.admin, false()) == rows.c.admin,
        Person.ends_at.is_not_distinct_from(rows.c.ends_at),
        func.coalesce(Person.note, "") == rows.c.note,
    )
    users = select(func.count()).select_from(rows).join(orm.User, orm.User.id == rows.c.id)
    users = users.outerjoin(Person, ROW_OF_USER).where(*same)
    members = unpack_lists(_by_group({each.user_id: each.groups for each in people}), Integer())
    known = select(func.count()).select_from(members).join(orm.Group, orm.Group.name == members.c.key)
    known = known.join(_MEMBERS, and_(_MEMBERS.c.user_id == members.c.value, _MEMBERS.c.group_id == orm.Group.id))
    theirs = is_one_of(_MEMBERS.c.user_id, [each.user_id for each in people])
    there = select(func.count()).select_from(_MEMBERS).where(theirs)
    memberships = sum(len(each.groups) for each in people)
    counts = ((users, len(people)), (known, memberships), (there, memberships))
    return select(and_(*(found.scalar_subquery() == expected for found, expected in counts)))


def make_server_check(user_ids: Collection[int]) -> Select[tuple[bool]]:
    """Ask whether any of these users has a server that is not stopped."""
    mine = is_one_of(orm.Spawner.user_id, user_ids)
    return select(exists().where(orm.Spawner.server_id.is_not(None), mine))


def _give_role(name: str, theirs: ColumnElement[bool]) -> Executable:
    rows = select(_USERS.c.id, orm.Role.id, false()).join_from(_USERS, orm.Role, orm.Role.name == name).where(theirs)
    return insert(_ROLES).from_select(["user_id", "role_id", "managed_by_auth"], rows)


def _set_admin(user_ids: Collection[int], flag: bool) -> list[Executable]:
    """Set the flag and the role that goes with it, as JupyterHub does."""
    if not user_ids:
        return []
    role = select(orm.Role.id).where(orm.Role.name == "admin").scalar_subquery()
    theirs = is_one_of(_USERS.c.id, user_ids)
    return [
        *(make_promotions(user_ids) if flag else []),
        update(_USERS).where(theirs).values(admin=flag),
        delete(_ROLES).where(is_one_of(_ROLES.c.user_id, user_ids), _ROLES.c.role_id == role),
        *([_give_role("admin", theirs)] if flag else []),
    ]


def _set_groups(groups: Mapping[int, Collection[str]]) -> list[Executable]:
    if not groups:
        return []
    return [delete(_MEMBERS).where(is_one_of(_MEMBERS.c.user_id, groups)), *_join_groups(_USERS.c.id, groups)]


def _join_groups(key: Any, groups: Mapping[Any, Collection[str]]) -> list[Executable]:
    """Put users, known by their number or name, into groups."""
    users = _by_group(groups)
    named = unpack(([name] for name in users), name=Unicode())
    missing = select(named.c.name).where(named.c.name.not_in(select(_GROUPS.c.name)))
    members = unpack_lists(users, key.type)
    rows = select(_USERS.c.id, _GROUPS.c.id).join_from(members, _USERS, key == members.c.value)
    rows = rows.join(_GROUPS, _GROUPS.c.name == members.c.key)
    return [
        insert(_GROUPS).from_select(["name"], missing),
        insert(_MEMBERS).from_select(["user_id", "group_id"], rows),
    ]


def _by_group(groups: Mapping[Any, Collection[str]]) -> dict[str, list[Any]]:
    users: dict[str, list[Any]] = defaultdict(list)
    for user, names in groups.items():
        for name in set(names):
            users[name].append(user)
    return users


def _ensure_rows(user_ids: Collection[int], *, now: datetime) -> list[Executable]:
    """Make the rows of users who have none; a row of somebody before, who had the number, goes."""
    if not user_ids:
        return []
    theirs = is_one_of(_USERS.c.id, user_ids)
    stamp = now.astimezone(UTC).replace(tzinfo=None)
    mine = exists().where(_USERS.c.id == _PEOPLE.c.user_id, _USERS.c.created == _PEOPLE.c.user_created)
    missing = select(_USERS.c.id, _USERS.c.created, false(), false(), literal(""))
    missing = missing.where(theirs, _USERS.c.id.not_in(select(_PEOPLE.c.user_id)))
    return [
        update(_USERS).where(theirs, _USERS.c.created.is_(None)).values(created=stamp),
        delete(_PEOPLE).where(is_one_of(_PEOPLE.c.user_id, user_ids), ~mine),
        insert(_PEOPLE).from_select(["user_id", "user_created", "waiting", "blocked", "note"], missing),
    ]


def _set_fields(fields: Sequence[str], changes: Mapping[int, Mapping[str, Any]]) -> Executable:
    """Write the same fields of some people, each with values of their own."""
    values = ([user_id, *(each[field] for field in fields)] for user_id, each in changes.items())
    rows = unpack(values, user_id=Integer(), **{field: _FIELDS[field] for field in fields})
    # Who has another end or block has not been closed for that.
    reopened = {"closed_at": None} if set(_OPENING) & set(fields) else {}
    written = reopened | {field: rows.c[field] for field in fields}
    return update(_PEOPLE).where(_PEOPLE.c.user_id == rows.c.user_id).values(written)
