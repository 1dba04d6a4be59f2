"""What jhaws keeps in the hub's own database, and what it reads there.

Owns the tables whose names begin with `jhaws_`; JupyterHub owns all the others and this module only reads
them. Everything runs on the session the hub gives us, never on an engine of our own: a second writer would
block SQLite, and an in-memory database exists only once.

Nothing here commits except what makes tables: what belongs together is committed together by the caller.
`login/` decides what the rows mean.
"""

import json
import logging
import secrets
from collections.abc import Collection
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from jupyterhub import orm
from sqlalchemy import (
    DateTime,
    Dialect,
    Index,
    MetaData,
    Unicode,
    bindparam,
    delete,
    inspect,
    or_,
    select,
    text,
)
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column
from sqlalchemy.types import TypeDecorator

_log = logging.getLogger(__name__)

# Characters; as wide as JupyterHub's own users.name.
_NAME_LENGTH = 255

# The role whose holders may do everything; JupyterHub's name for it.
_ADMIN_ROLE = "admin"
# Who holds one of these for all users can make a token of an admin, become one, or work in an admin's server.
_MIGHTY = frozenset({"admin:users", "admin:groups", "tokens", "access:servers", "admin:auth_state"})


class UtcDateTime(TypeDecorator[datetime]):
    """An aware UTC time, stored without a zone because SQLite would lose it anyway."""

    impl = DateTime
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Turn an aware time into naive UTC for the database."""
        return None if value is None else value.astimezone(UTC).replace(tzinfo=None)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Turn the database's naive UTC into an aware time."""
        return None if value is None else value.replace(tzinfo=UTC)


class Base(DeclarativeBase):
    """The parent of all our tables: metadata of our own, so JupyterHub's migrations never see them."""

    metadata = MetaData(
        naming_convention={
            "pk": "pk_%(table_name)s",
            "ix": "ix_%(column_0_label)s",
            "uq": "uq_%(table_name)s_%(column_0_name)s",
            "fk": "fk_%(table_name)s_%(column_0_name)s",
        }
    )


class ConfiguredUser(Base):
    """A name of the configuration that was already turned into a user of the hub once."""

    __tablename__ = "jhaws_configured_user"

    name: Mapped[str] = mapped_column(Unicode(_NAME_LENGTH), primary_key=True)
    seen_at: Mapped[datetime] = mapped_column(UtcDateTime)


class PastStart(Base):
    """A start of a server that came to a good end, and how long it took; whose it was is not kept."""

    __tablename__ = "jhaws_start"

    number: Mapped[int] = mapped_column(primary_key=True)
    profile: Mapped[str] = mapped_column(Unicode(_NAME_LENGTH))
    nodegroup: Mapped[str] = mapped_column(Unicode(_NAME_LENGTH))
    new_node: Mapped[bool]
    seconds: Mapped[float]
    ended_at: Mapped[datetime] = mapped_column(UtcDateTime)

    __table_args__ = (Index("ix_jhaws_start_kind", "profile", "nodegroup", "new_node", "number"),)


class HubDatabase(Base):
    """The one row that tells this database from another one that the same hub has had before."""

    __tablename__ = "jhaws_hub"

    number: Mapped[int] = mapped_column(primary_key=True)
    database_id: Mapped[str] = mapped_column(Unicode(_NAME_LENGTH))


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


def ensure_tables(db: Session) -> bool:
    """Create those of our tables that the hub's database lacks, and commit.

    Args:
        db: The hub's session; its own connection is used.

    Returns:
        True when the table of the configuration's names was created: jhaws's login is new here.
    """
    connection = db.connection()
    there = set(inspect(connection).get_table_names())
    missing = [table for table in Base.metadata.sorted_tables if table.name not in there]
    Base.metadata.create_all(connection, tables=missing, checkfirst=True)
    db.commit()
    if missing:
        _log.debug("Created the tables %s", [table.name for table in missing])
    return Base.metadata.tables[ConfiguredUser.__tablename__] in missing


def ensure_table_of_starts(db: Session) -> None:
    """Create the table of past starts where the hub's database lacks it, and no other one, and commit.

    Args:
        db: The hub's session; its own connection is used.
    """
    Base.metadata.tables[PastStart.__tablename__].create(db.connection(), checkfirst=True)
    db.commit()


def ensure_database_id(db: Session) -> str:
    """Return the id of the hub's database, and make it, at random, and commit where there is none yet.

    Makes no other table: whether the others are new is what `ensure_tables` tells.

    Args:
        db: The hub's session; its own connection is used.

    Returns:
        16 hexadecimal digits, the same as long as the database lives.
    """
    Base.metadata.tables[HubDatabase.__tablename__].create(db.connection(), checkfirst=True)
    row = db.get(HubDatabase, 1)
    if row is None:
        row = HubDatabase(number=1, database_id=secrets.token_hex(8))
        db.add(row)
        db.commit()
    return row.database_id


def drop_tables(db: Session) -> None:
    """Drop our tables and commit: the hub begins with an empty database.

    Args:
        db: The hub's session; its own connection is used.
    """
    Base.metadata.drop_all(db.connection())
    db.commit()


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


@dataclass(frozen=True)
class StartKind:
    """Starts that can be compared with each other.

    Attributes:
        profile: Slug of the profile, "" where there are none.
        nodegroup: Name of the nodegroup, "" where there are none.
        new_node: Whether the start had to wait for a new node.
    """

    profile: str
    nodegroup: str
    new_node: bool = False


def read_start_seconds(db: Session, kind: StartKind) -> list[float]:
    """Read how many seconds the past starts of one kind took, the oldest first."""
    query = select(PastStart.seconds).where(*_is_of(kind)).order_by(PastStart.number)
    return list(db.scalars(query))


def add_start(db: Session, kind: StartKind, *, seconds: float, ended_at: datetime) -> None:
    """Put a start that came to a good end into the session; the caller commits.

    Args:
        db: The hub's session.
        kind: What it is compared with; names longer than the columns are cut.
        seconds: From the click until the server was ready.
        ended_at: Aware time.
    """
    names = {"profile": kind.profile[:_NAME_LENGTH], "nodegroup": kind.nodegroup[:_NAME_LENGTH]}
    db.add(PastStart(**names, new_node=kind.new_node, seconds=seconds, ended_at=ended_at))


def prune_starts(db: Session, kind: StartKind, *, keep: int, before: datetime) -> None:
    """Forget all but the last starts of one kind, and old ones of any kind; the caller commits.

    Args:
        db: The hub's session.
        kind: Of which only some are kept.
        keep: How many of them.
        before: Aware time; older starts go whatever their kind, such as those of a profile that is no more.
    """
    newest = select(PastStart.number).where(*_is_of(kind)).order_by(PastStart.number.desc())
    last = db.scalar(newest.offset(keep).limit(1))
    if last is not None:
        db.execute(delete(PastStart).where(*_is_of(kind), PastStart.number <= last))
    db.execute(delete(PastStart).where(PastStart.ended_at < before))


def _is_of(kind: StartKind) -> tuple[Any, ...]:
    return (
        PastStart.profile == kind.profile[:_NAME_LENGTH],
        PastStart.nodegroup == kind.nodegroup[:_NAME_LENGTH],
        PastStart.new_node == kind.new_node,
    )
