"""Hashed passwords: the versions of shared ones, what the configuration had at the last start, and people's own.

All reads are of columns, never of objects that the hub's session may have from before: a second process writes here,
`jhaws password code`.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

from jupyterhub import orm
from sqlalchemy import and_, delete, false, func, insert, select, update
from sqlalchemy.orm import Session

from .tables import ConfiguredPassword, Person, SharedPassword

# Groups that a shared password puts its users into; None is the password of all.
Groups = tuple[str, ...] | None
# For whom a one-time code was made: a user, an admin, or somebody at a login who has to choose a password.
CodeFor = Literal["user", "admin", "login"]


@dataclass(frozen=True)
class Version:
    """A version of a shared password.

    Attributes:
        made_by: Who made it, "" for the configuration.
        ends_at: Aware time from which it opens nothing; None where it has no end.
    """

    number: int
    groups: Groups
    hash: str = field(repr=False)
    made_at: datetime
    made_by: str
    ends_at: datetime | None


@dataclass(frozen=True)
class Fingerprint:
    """A shared password as the configuration had it when the hub began for the last time."""

    groups: Groups
    hash: str = field(repr=False)


@dataclass(frozen=True)
class Own:
    """What one user has; all None for most.

    Attributes:
        user_id: The user's number.
        created: When JupyterHub made the user, naive as there.
        cookie_id: What the user's browser logins stand on; another one after they were ended.
        password_hash: Of the user's own password.
        code_hash: Of the one-time code with which a new one may be set.
        code_ends_at: Aware time from which the code is worth nothing.
        password_for_admin: The password was set when the user was an admin.
        code_for: For whom the code was made.
    """

    user_id: int
    created: datetime
    cookie_id: str | None = field(repr=False, default=None)
    password_hash: str | None = field(repr=False, default=None)
    code_hash: str | None = field(repr=False, default=None)
    code_ends_at: datetime | None = None
    password_for_admin: bool = False
    code_for: CodeFor | None = None


def read_versions(db: Session) -> list[Version]:
    """Read all versions of shared passwords, ended ones too, the oldest first."""
    table = SharedPassword
    columns = (table.number, table.groups, table.hash, table.made_at, table.made_by, table.ends_at)
    rows: Any = db.execute(select(*columns).order_by(table.number)).all()
    return [Version(row[0], _read_groups(row[1]), *row[2:]) for row in rows]


def add_version(db: Session, *, groups: Groups, hashed: str, made_by: str, at: datetime) -> None:
    """Put a new version of a shared password into the session; the caller commits."""
    values = {"groups": _write_groups(groups), "hash": hashed, "made_by": made_by, "made_at": at}
    db.execute(insert(SharedPassword).values(**values))


def end_versions(db: Session, numbers: Collection[int], *, at: datetime) -> None:
    """Let versions end at an aware time; the caller commits."""
    for number in numbers:
        db.execute(_quietly(update(SharedPassword).where(SharedPassword.number == number).values(ends_at=at)))


def read_fingerprints(db: Session) -> list[Fingerprint]:
    """Read what the configuration had at the last start."""
    rows = db.execute(select(ConfiguredPassword.groups, ConfiguredPassword.hash).order_by(ConfiguredPassword.number))
    return [Fingerprint(_read_groups(groups), hashed) for groups, hashed in rows]


def replace_fingerprints(db: Session, fingerprints: Iterable[Fingerprint]) -> None:
    """Remember what the configuration has now instead; the caller commits."""
    db.execute(_quietly(delete(ConfiguredPassword)))
    for each in fingerprints:
        db.execute(insert(ConfiguredPassword).values(groups=_write_groups(each.groups), hash=each.hash))


def read_own(db: Session, name: str) -> Own | None:
    """Read what a user has; None where the users table has no such name."""
    user, person = orm.User, Person
    its = and_(person.user_id == user.id, person.user_created == user.created)
    for_admin = func.coalesce(person.password_for_admin, false())
    hashes = (person.password_hash, person.code_hash, person.code_ends_at, for_admin, person.code_for)
    row: Any = db.execute(
        select(user.id, user.created, user.cookie_id, *hashes).outerjoin(person, its).where(user.name == name)
    ).first()
    return None if row is None else Own(*row)


def set_own_password(db: Session, own: Own, hashed: str | None, *, for_admin: bool, at: datetime) -> None:
    """Give a user a password of their own, or take it away by None; no code is worth anything after it.

    The caller commits.
    """
    _set(db, own, **_make_password(hashed, for_admin=for_admin, at=at))


def set_code(db: Session, own: Own, hashed: str, *, whose: CodeFor, ends_at: datetime) -> None:
    """Give a user a one-time code instead of an older one; the caller commits."""
    _set(db, own, code_hash=hashed, code_ends_at=ends_at, code_for=whose)


def use_code(db: Session, own: Own, hashed: str, *, for_admin: bool, at: datetime) -> bool:
    """Set a password by the code that was read with `own`; the caller commits.

    Returns:
        False, and nothing was changed, where that code was used or replaced a moment ago.
    """
    values = _make_password(hashed, for_admin=for_admin, at=at)
    mine = and_(Person.user_id == own.user_id, Person.code_hash == own.code_hash)
    result: Any = db.execute(_quietly(update(Person).where(mine).values(**values)))
    return bool(result.rowcount)


def _make_password(hashed: str | None, *, for_admin: bool, at: datetime) -> dict[str, Any]:
    """Make the values of a row with a password, which no code belongs to any more."""
    password = {"password_hash": hashed, "password_set_at": at if hashed else None, "password_for_admin": for_admin}
    return password | {"code_hash": None, "code_ends_at": None, "code_for": None}


def _set(db: Session, own: Own, **values: Any) -> None:
    its = Person.user_id == own.user_id
    created = db.scalar(select(Person.user_created).where(its))
    if created == own.created:
        db.execute(_quietly(update(Person).where(its).values(**values)))
        return
    # Of somebody else, who was deleted and whose number the database has given to this user.
    db.execute(_quietly(delete(Person).where(its)))
    defaults = {"waiting": False, "blocked": False, "note": ""}
    db.execute(insert(Person).values(user_id=own.user_id, user_created=own.created, **defaults, **values))


def _quietly(statement: Any) -> Any:
    """Leave objects of the session as they are, which would be evaluated one by one: reads here see columns."""
    return statement.execution_options(synchronize_session=False)


def _read_groups(groups: Any) -> Groups:
    return None if groups is None else tuple(groups)


def _write_groups(groups: Groups) -> list[str] | None:
    return None if groups is None else list(groups)
