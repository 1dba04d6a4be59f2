"""Who is a user of the hub, and which names of the configuration became users once."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from jupyterhub import orm
from sqlalchemy import bindparam, select
from sqlalchemy.orm import Session

from .reach import read_mighty
from .tables import Base, ConfiguredUser


@dataclass(frozen=True)
class Account:
    """What the hub's database says about one name.

    Attributes:
        exists: The users table has the name.
        admin: The admin flag is set.
        admin_by_role: The user or a group of the user holds a role that can make anybody an admin or be anybody:
            the admin role, or one with such scopes for all users, or for some of whom one is an admin.
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


def has_user(db: Session, name: str) -> bool:
    """Tell whether the users table has a name; case matters."""
    return db.scalar(select(orm.User.id).where(orm.User.name == name)) is not None


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
