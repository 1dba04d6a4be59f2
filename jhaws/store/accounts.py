"""Who is a user of the hub, and which names of the configuration became users once."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from jupyterhub import orm
from sqlalchemy import bindparam, column, or_, select, table
from sqlalchemy.orm import Session

from .tables import Base, ConfiguredUser

# The role whose holders may do everything; JupyterHub's name for it.
_ADMIN_ROLE = "admin"
# Who holds one of these for all users can make a token of an admin, become one, or work in an admin's server.
_MIGHTY = frozenset({"admin:users", "admin:groups", "tokens", "access:servers", "admin:auth_state"})

# Scopes as text, which they are: JupyterHub's own type makes SQLAlchemy warn that it cannot cache the query.
_ROLES = table("roles", column("id"), column("name"), column("scopes"))


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
    user_id, admin = row or (None, False)
    by_role = is_mighty(_read_roles(db, user_id))
    return Account(exists=row is not None, admin=bool(admin), admin_by_role=by_role)


def read_mighty(db: Session, user_ids: Collection[int]) -> frozenset[int]:
    """Read which of these users are admins by a role, their own or a group's."""
    return frozenset(user_id for user_id in user_ids if is_mighty(_read_roles(db, user_id)))


def is_mighty(roles: Iterable[tuple[str, Collection[str]]]) -> bool:
    """Tell whether roles, each with its name and scopes, lead to any account as the admin role does."""
    return any(name == _ADMIN_ROLE or _MIGHTY & set(scopes) for name, scopes in roles)


def _read_roles(db: Session, user_id: int | None) -> list[tuple[str, list[str]]]:
    """Read the roles that a user has, also those of the user's groups; none for no user."""
    mine = or_(orm.Role.users.any(orm.User.id == user_id), orm.Role.groups.any(orm.Group.users.any(id=user_id)))
    rows = db.execute(select(_ROLES.c.name, _ROLES.c.scopes).where(_ROLES.c.id.in_(select(orm.Role.id).where(mine))))
    return [(name, json.loads(scopes or "[]")) for name, scopes in rows]


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
