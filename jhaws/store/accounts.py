"""Who is a user of the hub, and which names of the configuration became users once."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import Any

from jupyterhub import orm
from jupyterhub.scopes import expand_scopes, scope_definitions
from sqlalchemy import bindparam, column, select, table, union
from sqlalchemy.orm import Session

from .tables import Base, ConfiguredUser
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


@dataclass(frozen=True)
class Account:
    """What the hub's database says about one name.

    Attributes:
        exists: The users table has the name.
        admin: The admin flag is set.
        admin_by_role: The user or a group of the user holds a role that can make anybody an admin or be anybody:
            the admin role, or one with such scopes for all users.
    """

    exists: bool
    admin: bool = False
    admin_by_role: bool = False


def read_account(db: Session, name: str) -> Account:
    """Read what the users table knows about `name`, by the same queries whether it exists or not.

    Args:
        db: The hub's session.
        name: A normalised name; case matters.
    """
    row: Any = db.execute(select(orm.User.id, orm.User.admin).where(orm.User.name == name)).first()
    user_id, admin = row or (0, False)
    by_role = user_id in read_mighty(db, [user_id])
    return Account(exists=row is not None, admin=bool(admin), admin_by_role=by_role)


def read_mighty(db: Session, user_ids: Collection[int]) -> frozenset[int]:
    """Read which of these users are admins by roles, their own or their groups'; two queries, however many."""
    if not user_ids:
        return frozenset()
    own = select(_USER_ROLES.c.user_id, _USER_ROLES.c.role_id).where(is_one_of(_USER_ROLES.c.user_id, user_ids))
    groups = select(_MEMBERS.c.user_id, _GROUP_ROLES.c.role_id)
    groups = groups.join_from(_MEMBERS, _GROUP_ROLES, _MEMBERS.c.group_id == _GROUP_ROLES.c.group_id)
    found: dict[int, set[int]] = defaultdict(set)
    for user_id, role_id in db.execute(union(own, groups.where(is_one_of(_MEMBERS.c.user_id, user_ids)))):
        found[user_id].add(role_id)
    roles = _read_roles(db)
    # A class has the same few roles.
    mighty = {mine for mine in set(map(frozenset, found.values())) if is_mighty(roles[each] for each in mine)}
    return frozenset(user_id for user_id, mine in found.items() if mine in mighty)


def lead_groups_to_admins(db: Session, groups: Collection[str]) -> bool:
    """Tell whether who is in all these groups is an admin by their roles."""
    numbers = select(_GROUP_ROLES.c.role_id).join(orm.Group, orm.Group.id == _GROUP_ROLES.c.group_id)
    roles = _read_roles(db)
    return is_mighty(roles[each] for each in db.scalars(numbers.where(orm.Group.name.in_(groups))))


def is_mighty(roles: Iterable[tuple[str, Collection[str]]]) -> bool:
    """Tell whether roles of one user, each with its name and scopes, lead to any account as the admin role does."""
    names, scopes = set[str](), set[str]()
    for name, its in roles:
        names.add(name)
        scopes |= set(its)
    return _ADMIN_ROLE in names or _lead_to_admins(frozenset(scopes))


@lru_cache(maxsize=1000)
def _lead_to_admins(scopes: frozenset[str]) -> bool:
    """Tell whether scopes, with all that they contain, lead to any account; the same few are asked for at each login.

    Of those for a group, the one to change its members makes all others scopes for anybody: an admin is put into it.
    """
    contained: dict[str, set[str]] = defaultdict(set)
    # Those for users themselves, which are resolved for each of them, lead nowhere else; `jupyterhub.scopes` warns.
    for scope in expand_scopes([each for each in scopes if _is_for_others(each)]):
        name, _, whose = scope.partition("!")
        contained[whose].add(name)
    anybody = contained.pop("", set[str]())
    return bool(_MIGHTY & anybody) or any(
        "groups" in each and _MIGHTY & (each - {"groups"}) for each in contained.values()
    )


def _is_for_others(scope: str) -> bool:
    name, _, whose = scope.partition("!")
    is_for_many = not whose or whose.startswith("group=")
    return is_for_many and name in scope_definitions and name not in ("self", "inherit")


def _read_roles(db: Session) -> dict[int, tuple[str, list[str]]]:
    """Read the name and the scopes of each role."""
    rows = db.execute(select(_ROLES.c.id, _ROLES.c.name, _ROLES.c.scopes))
    return {number: (name, json.loads(scopes or "[]")) for number, name, scopes in rows}


def read_user_names(db: Session) -> frozenset[str]:
    """Read the names of all users of the hub."""
    return frozenset(db.scalars(select(orm.User.name)))


def read_configured_names(db: Session) -> frozenset[str]:
    """Read the names of the configuration that were turned into users before."""
    return frozenset(db.scalars(select(ConfiguredUser.name)))


def add_configured_name(db: Session, name: str, *, seen_at: datetime) -> None:
    """Put into the session that `name` became a user; the caller commits.

    Args:
        db: The hub's session.
        name: A normalised name that is not remembered yet.
        seen_at: Aware time.
    """
    db.add(ConfiguredUser(name=name, seen_at=seen_at))


def delete_configured_names(db: Session, names: Collection[str]) -> None:
    """Forget `names`; the caller commits. Names that are not there are no error.

    One statement per name in one batch: a list in a single statement could exceed what a driver takes.
    """
    if names:
        known = Base.metadata.tables[ConfiguredUser.__tablename__]
        gone = known.delete().where(known.c.name == bindparam("gone"))
        db.execute(gone, [{"gone": name} for name in sorted(names)])
