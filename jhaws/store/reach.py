"""Who is an admin by what roles let them do: whoever can make a token of an admin, become one, or work in one's server.

Scopes for all users, and the admin role, lead to anybody. Those for some users, or for the members of some groups, lead
to an admin as soon as there is one among these, who may be an admin in just that way. And whoever can change the
members of a group can be in it, so its roles count as well.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Literal

from jupyterhub import orm
from jupyterhub.scopes import expand_scopes, scope_definitions
from sqlalchemy import column, select, table, true, union
from sqlalchemy.orm import Session

from .unpacking import is_one_of

# The role whose holders may do everything; JupyterHub's name for it.
_ADMIN_ROLE = "admin"
# Who holds one of these for all users can make a token of an admin, become one, or work in an admin's server.
_MIGHTY = frozenset({"admin:users", "groups", "tokens", "access:servers", "admin:auth_state"})

# Scopes as text, which they are: JupyterHub's own type makes SQLAlchemy warn that it cannot cache the query.
_ROLES = table("roles", column("id"), column("name"), column("scopes"))
_USER_ROLES: Any = orm.Base.metadata.tables["user_role_map"]
_GROUP_ROLES: Any = orm.Base.metadata.tables["group_role_map"]
_MEMBERS = orm.user_group_map

Role = tuple[str, Collection[str]]  # its name and scopes


@dataclass(frozen=True)
class Reach:
    """Whose accounts somebody's scopes lead to.

    Attributes:
        anybody: All users'.
        users: Those of these names.
        groups: Those of the members of these groups.
        joins: Groups that somebody can be in by changing the members.
    """

    anybody: bool = False
    users: frozenset[str] = frozenset()
    groups: frozenset[str] = frozenset()
    joins: frozenset[str] = frozenset()


def find_reach(roles: Iterable[Role]) -> Reach:
    """Find whose accounts all these roles together lead to."""
    names, scopes = set[str](), set[str]()
    for name, its in roles:
        names.add(name)
        scopes |= set(its)
    return Reach(anybody=True) if _ADMIN_ROLE in names else _find_reach(frozenset(scopes))


def find_admins(db: Session) -> frozenset[int]:
    """Read the numbers of all users who are admins, by the flag or by roles."""
    flagged = db.scalars(select(orm.User.id).where(orm.User.admin == true()))
    roles = _read_roles(db)
    leading = [number for number, role in roles.items() if find_reach([role]) != Reach()]
    return frozenset(flagged) | _resolve(db, _read_held(db, "role_id", leading).keys(), roles)


def read_mighty(db: Session, user_ids: Collection[int]) -> frozenset[int]:
    """Read which of these users are admins by roles, their own or their groups'; two queries where none has such."""
    return _resolve(db, user_ids, _read_roles(db)) & frozenset(user_ids)


def lead_groups_to_admins(db: Session, names: Collection[str]) -> bool:
    """Tell whether who is in all these groups is an admin by their roles."""
    roles, groups = _read_roles(db), _read_group_roles(db)
    mine = [roles[each] for name in names for each in groups.get(name, ())]
    reach = _extend(mine, roles, groups)
    reached = _find_reached(reach, _read_targets(db, [reach]))
    return reach.anybody or bool(reached and (_read_flagged(db, reached) or _resolve(db, reached, roles) & reached))


@lru_cache(maxsize=1000)
def _find_reach(scopes: frozenset[str]) -> Reach:
    """Find what scopes, with all that they contain, lead to; the same few are asked for at each login.

    Of those for a group, the one to change its members makes all others scopes for anybody: an admin is put into it.
    """
    contained: dict[str, set[str]] = defaultdict(set)
    # Those for users themselves, which are resolved for each of them, lead nowhere else; `jupyterhub.scopes` warns.
    for scope in expand_scopes([each for each in scopes if _is_for_others(each)]):
        name, _, whose = scope.partition("!")
        contained[whose].add(name)
    anybody = bool(_MIGHTY & contained.pop("", set[str]()))
    found: dict[str, set[str]] = defaultdict(set)
    for whose, names in contained.items():
        kind, _, which = whose.partition("=")
        if kind == "group" and "groups" in names:
            found["join"].add(which)
        if _MIGHTY & (names - {"groups"}):
            found[kind].add(which)
    owners = {server.partition("/")[0] for server in found["server"]}
    return Reach(
        anybody=anybody or bool(found["join"] & found["group"]),
        users=frozenset(found["user"] | owners),
        groups=frozenset(found["group"]),
        joins=frozenset(found["join"]),
    )


def _is_for_others(scope: str) -> bool:
    name, _, whose = scope.partition("!")
    is_for_some = not whose or "=" in whose
    return is_for_some and name in scope_definitions and name not in ("self", "inherit")


def _resolve(db: Session, user_ids: Collection[int], roles: Mapping[int, Role]) -> frozenset[int]:
    """Find who is an admin by roles, among these users and all whom their roles lead to."""
    groups: dict[str, set[int]] = {}
    reached: dict[int, set[int]] = {}
    admins, pending = set[int](), set(user_ids)
    while pending:
        held = _read_held(db, "user_id", pending)
        # A class has the same few roles.
        leading = {ids for ids in set(held.values()) if find_reach(roles[each] for each in ids) != Reach()}
        groups = groups or (_read_group_roles(db) if leading else {})
        reaches = {ids: _extend([roles[each] for each in ids], roles, groups) for ids in leading}
        targets = _read_targets(db, reaches.values())
        admins |= {user_id for user_id, ids in held.items() if ids in leading and reaches[ids].anybody}
        found = {ids: _find_reached(reach, targets) for ids, reach in reaches.items()}
        reached |= {user_id: found.get(held.get(user_id, frozenset()), set()) for user_id in pending}
        pending = set[int]().union(*found.values()) - reached.keys()
    flagged = _read_flagged(db, set[int]().union(*reached.values()))
    # One may reach an admin who is one only because of whom that one reaches.
    while more := {user_id for user_id, ids in reached.items() if user_id not in admins and ids & (admins | flagged)}:
        admins |= more
    return frozenset(admins)


def _extend(mine: Sequence[Role], roles: Mapping[int, Role], groups: Mapping[str, Collection[int]]) -> Reach:
    """Find what somebody's roles lead to, with those of the groups that they let one join.

    Whoever can change the members of a group over which anybody at all has a mighty role, leads that one to an admin.
    """
    joined = set[int]()
    lent = {group for role in roles.values() for group in find_reach([role]).groups}
    while True:
        reach = find_reach([*mine, *(roles[each] for each in joined)])
        more = {each for group in reach.joins for each in groups.get(group, ())} - joined
        if reach.joins & lent:
            return Reach(anybody=True)
        if reach.anybody or not more:
            return reach
        joined |= more


def _find_reached(reach: Reach, targets: Mapping[tuple[str, str], Collection[int]]) -> set[int]:
    keys = [*(("user", name) for name in reach.users), *(("group", name) for name in reach.groups)]
    return {user_id for key in keys for user_id in targets.get(key, ())}


def _read_flagged(db: Session, user_ids: Collection[int]) -> set[int]:
    """Read which of these users have the admin flag."""
    if not user_ids:
        return set()
    return set(db.scalars(select(orm.User.id).where(orm.User.admin == true(), is_one_of(orm.User.id, user_ids))))


def _read_targets(db: Session, reaches: Iterable[Reach]) -> dict[tuple[str, str], set[int]]:
    """Read the numbers of the users whom reaches name, by name and by group."""
    users, groups = set[str](), set[str]()
    for reach in reaches:
        users |= reach.users
        groups |= reach.groups
    found: dict[tuple[str, str], set[int]] = defaultdict(set)
    if users:
        for name, user_id in db.execute(select(orm.User.name, orm.User.id).where(is_one_of(orm.User.name, users))):
            found["user", name].add(user_id)
    if groups:
        members = select(orm.Group.name, _MEMBERS.c.user_id).join(_MEMBERS, _MEMBERS.c.group_id == orm.Group.id)
        for name, user_id in db.execute(members.where(is_one_of(orm.Group.name, groups))):
            found["group", name].add(user_id)
    return found


def _read_held(
    db: Session, column: Literal["user_id", "role_id"], values: Collection[int]
) -> dict[int, frozenset[int]]:
    """Read which roles users have, by themselves or by a group, of those users or those roles."""
    if not values:
        return {}
    own = select(_USER_ROLES.c.user_id, _USER_ROLES.c.role_id)
    groups = select(_MEMBERS.c.user_id, _GROUP_ROLES.c.role_id)
    groups = groups.join_from(_MEMBERS, _GROUP_ROLES, _MEMBERS.c.group_id == _GROUP_ROLES.c.group_id)
    wanted = (rows.where(is_one_of(rows.selected_columns[column], values)) for rows in (own, groups))
    found: dict[int, set[int]] = defaultdict(set)
    for user_id, role_id in db.execute(union(*wanted)):
        found[user_id].add(role_id)
    return {user_id: frozenset(ids) for user_id, ids in found.items()}


def _read_group_roles(db: Session) -> dict[str, set[int]]:
    """Read the numbers of the roles of each group."""
    found: dict[str, set[int]] = defaultdict(set)
    rows = select(orm.Group.name, _GROUP_ROLES.c.role_id).join(_GROUP_ROLES, _GROUP_ROLES.c.group_id == orm.Group.id)
    for name, role_id in db.execute(rows):
        found[name].add(role_id)
    return found


def _read_roles(db: Session) -> dict[int, Role]:
    """Read the name and the scopes of each role."""
    rows = db.execute(select(_ROLES.c.id, _ROLES.c.name, _ROLES.c.scopes))
    return {number: (name, json.loads(scopes or "[]")) for number, name, scopes in rows}
