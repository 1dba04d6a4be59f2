"""Who is a user of the hub, and which names of the configuration became users once."""

from __future__ import annotations

import json
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from jupyterhub import orm
from sqlalchemy import bindparam, or_, select, text
from sqlalchemy.orm import Session

from .tables import Base, ConfiguredUser

# The role whose holders may do everything; JupyterHub's name for it.
_ADMIN_ROLE = "admin"
# Who holds one of these for all users can make a token of an admin, become one, or work in an admin's server.
_MIGHTY = frozenset({"admin:users", "admin:groups", "tokens", "access:servers", "admin:auth_state"})


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
    mighty = or_(orm.Role.name == _ADMIN_ROLE, orm.Role.id.in_(_read_mighty_roles(db)))
    by_role = or_(orm.User.roles.any(mighty), orm.User.groups.any(orm.Group.roles.any(mighty)))
    row: Any = db.execute(select(orm.User.admin, by_role).where(orm.User.name == name)).first()
    if row is None:
        return Account(exists=False)
    return Account(exists=True, admin=bool(row[0]), admin_by_role=bool(row[1]))


def _read_mighty_roles(db: Session) -> list[int]:
    """Read the roles whose scopes, unfiltered, lead to any account; scopes are JSON, which SQL cannot search alike."""
    # As text, which the column is: JupyterHub's own type for it makes SQLAlchemy warn that it cannot cache the query.
    rows = db.execute(text("SELECT id, scopes FROM roles"))
    return [number for number, scopes in rows if _MIGHTY & set(json.loads(scopes or "[]"))]


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
        table = Base.metadata.tables[ConfiguredUser.__tablename__]
        gone = table.delete().where(table.c.name == bindparam("gone"))
        db.execute(gone, [{"gone": name} for name in sorted(names)])
