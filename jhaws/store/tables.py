"""The tables whose names begin with `jhaws_`. What changes here needs a migration beside it, in `migrations/`."""

from __future__ import annotations

from datetime import UTC, datetime

from sqlalchemy import JSON, DateTime, Dialect, Index, MetaData, Unicode, UnicodeText
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column
from sqlalchemy.types import TypeDecorator

# Characters; as wide as JupyterHub's own users.name.
NAME_LENGTH = 255
# Characters of an argon2 hash with its parameters: 97 with ours, and room for larger ones.
HASH_LENGTH = 255
NOTE_LENGTH = 1000
ADDRESS_LENGTH = 64


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


class HubDatabase(Base):
    """The one row that tells this database from another one that the same hub has had before."""

    __tablename__ = "jhaws_hub"

    number: Mapped[int] = mapped_column(primary_key=True)
    database_id: Mapped[str] = mapped_column(Unicode(NAME_LENGTH))
    # When jhaws's login last decided who may enter, or the last user was made while it did; who was made after that,
    # another login has let in. None where it never did.
    users_until: Mapped[datetime | None] = mapped_column(UtcDateTime)
    # Whether it is known who was an admin before.
    knows_admins: Mapped[bool] = mapped_column(default=False)


class ConfiguredUser(Base):
    """A name of the configuration that was already turned into a user of the hub once."""

    __tablename__ = "jhaws_configured_user"

    name: Mapped[str] = mapped_column(Unicode(NAME_LENGTH), primary_key=True)
    seen_at: Mapped[datetime] = mapped_column(UtcDateTime)


class PastStart(Base):
    """A start of a server that came to a good end, and how long it took; whose it was is not kept."""

    __tablename__ = "jhaws_start"

    number: Mapped[int] = mapped_column(primary_key=True)
    profile: Mapped[str] = mapped_column(Unicode(NAME_LENGTH))
    nodegroup: Mapped[str] = mapped_column(Unicode(NAME_LENGTH))
    new_node: Mapped[bool]
    seconds: Mapped[float]
    ended_at: Mapped[datetime] = mapped_column(UtcDateTime)

    __table_args__ = (Index("ix_jhaws_start_kind", "profile", "nodegroup", "new_node", "number"),)


class Person(Base):
    """What is known of a user beside what JupyterHub knows; no row is what most have.

    By the user's number, so that it survives a renaming, and by the time the user was made, because SQLite gives the
    number of a deleted user to the next one. No foreign key: JupyterHub drops and rebuilds its table of users.
    """

    __tablename__ = "jhaws_person"

    user_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    user_created: Mapped[datetime] = mapped_column(DateTime)  # as JupyterHub's, without a zone
    # From before jhaws's login, and no admin has looked at the name yet.
    waiting: Mapped[bool] = mapped_column(default=False)
    blocked: Mapped[bool] = mapped_column(default=False)
    ends_at: Mapped[datetime | None] = mapped_column(UtcDateTime, index=True)
    # Up to which end sessions, tokens and servers are gone already.
    closed_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    note: Mapped[str] = mapped_column(Unicode(NOTE_LENGTH), default="")
    password_hash: Mapped[str | None] = mapped_column(Unicode(HASH_LENGTH))
    password_set_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    # It was set when the person was an admin, so nobody else could set it with a password that many know.
    password_for_admin: Mapped[bool] = mapped_column(default=False)
    code_hash: Mapped[str | None] = mapped_column(Unicode(HASH_LENGTH))
    code_ends_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    code_for: Mapped[str | None] = mapped_column(Unicode(16))


class KnownAdmin(Base):
    """Somebody who is an admin since all the logins were made that the person has."""

    __tablename__ = "jhaws_known_admin"

    user_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    user_created: Mapped[datetime | None] = mapped_column(DateTime)  # as JupyterHub's, without a zone


class ServerToken(Base):
    """Which token a server was started with, as JupyterHub has hashed it."""

    __tablename__ = "jhaws_server_token"

    spawner_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    token_hash: Mapped[str] = mapped_column(Unicode(HASH_LENGTH))


class SharedPassword(Base):
    """A version of the password of a class, or of some groups; hashed."""

    __tablename__ = "jhaws_shared_password"

    number: Mapped[int] = mapped_column(primary_key=True)
    # Groups that it puts its users into; None is the password of all.
    groups: Mapped[list[str] | None] = mapped_column(JSON(none_as_null=True))
    hash: Mapped[str] = mapped_column(Unicode(HASH_LENGTH))
    made_at: Mapped[datetime] = mapped_column(UtcDateTime)
    # Who made it, "" for the configuration.
    made_by: Mapped[str] = mapped_column(Unicode(NAME_LENGTH), default="")
    ends_at: Mapped[datetime | None] = mapped_column(UtcDateTime)


class ConfiguredPassword(Base):
    """A password of the configuration as it was at the last hub start, hashed: whether it was changed since."""

    __tablename__ = "jhaws_configured_password"

    number: Mapped[int] = mapped_column(primary_key=True)
    groups: Mapped[list[str] | None] = mapped_column(JSON(none_as_null=True))
    hash: Mapped[str] = mapped_column(Unicode(HASH_LENGTH))


class LoginTally(Base):
    """How many logins have failed for a name, from an address, or in all; `login/throttle.py` says what follows."""

    __tablename__ = "jhaws_login_tally"

    kind: Mapped[str] = mapped_column(Unicode(16), primary_key=True)
    value: Mapped[str] = mapped_column(Unicode(NAME_LENGTH), primary_key=True)
    run: Mapped[int] = mapped_column(default=0)
    failures: Mapped[float] = mapped_column(default=0.0)
    changed_at: Mapped[float] = mapped_column(default=0.0, index=True)
    not_before: Mapped[float] = mapped_column(default=0.0)
    credited_at: Mapped[float | None]


class AuditEntry(Base):
    """Something that happened to a login, the list of people or a password."""

    __tablename__ = "jhaws_audit"

    number: Mapped[int] = mapped_column(primary_key=True)
    at: Mapped[datetime] = mapped_column(UtcDateTime, index=True)
    action: Mapped[str] = mapped_column(Unicode(32), index=True)
    # Whom it is about, "" for nobody in particular; who did it, "" for the person; from where.
    name: Mapped[str] = mapped_column(Unicode(NAME_LENGTH), default="", index=True)
    actor: Mapped[str] = mapped_column(Unicode(NAME_LENGTH), default="")
    address: Mapped[str] = mapped_column(Unicode(ADDRESS_LENGTH), default="")
    detail: Mapped[str] = mapped_column(Unicode(NOTE_LENGTH), default="")


class RosterImport(Base):
    """The last import of a list of people: what it changed, so that it can be undone; JSON, and "" when it was."""

    __tablename__ = "jhaws_roster_import"

    number: Mapped[int] = mapped_column(primary_key=True)
    at: Mapped[datetime] = mapped_column(UtcDateTime)
    made_by: Mapped[str] = mapped_column(Unicode(NAME_LENGTH))
    changes: Mapped[str] = mapped_column(UnicodeText)
    # Of whom it removed: what no list has, a block, waiting, the own password.
    kept: Mapped[str] = mapped_column(UnicodeText)
    undone_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
