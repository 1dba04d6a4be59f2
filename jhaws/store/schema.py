"""Makes our tables and brings them up to date at hub start, with Alembic, beside JupyterHub's own migrations."""

from __future__ import annotations

import secrets
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from jupyterhub import orm
from sqlalchemy import column, event, inspect, select, table, text, update
from sqlalchemy.orm import Session
from sqlalchemy.sql.base import Executable

from .. import __version__
from ..errors import ConfigError
from .tables import Base, HubDatabase

MIGRATIONS = Path(__file__).parent / "migrations"
# JupyterHub's own revision stands in `alembic_version`.
VERSION_TABLE = "jhaws_alembic_version"
DATABASES = ("sqlite", "postgresql")


def prepare_tables(db: Session) -> None:
    """Make our tables in the hub's database or bring them to this version of jhaws, and commit.

    One query where that was done before.

    Args:
        db: The hub's session; its own connection is used.

    Raises:
        ConfigError: The database is of a newer jhaws; what is kept there may mean what this version does not know. Or
            it is of a kind that jhaws does not know.
    """
    engine: Any = db.get_bind()
    if engine.dialect.name not in DATABASES:
        raise ConfigError(
            "JupyterHub.db_url (z2jh: hub.db.type) must name a SQLite or PostgreSQL database, in which jhaws has its "
            f"tables, got {engine.dialect.name}. Use one of these."
        )
    # Whoever logs an error of the database would log a statement's values as well: names, hashes, tokens.
    engine.hide_parameters = True
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    connection = db.connection()
    config.attributes["connection"] = connection
    current = None
    if inspect(connection).has_table(VERSION_TABLE):
        current = connection.scalar(select(column("version_num")).select_from(table(VERSION_TABLE)))
    script = ScriptDirectory.from_config(config)
    if current not in (None, *(each.revision for each in script.walk_revisions())):
        raise ConfigError(
            f"The hub's database was brought to revision {current} by a newer version of jhaws, which this one, "
            f"{__version__}, does not know. Use that version again, or the copy of the database from before."
        )
    if current != script.get_current_head():
        command.upgrade(config, "head")
    db.commit()


def drop_tables(db: Session) -> None:
    """Drop our tables and commit: the hub begins with an empty database.

    Args:
        db: The hub's session; its own connection is used.
    """
    connection = db.connection()
    Base.metadata.drop_all(connection)
    connection.execute(text(f"DROP TABLE IF EXISTS {VERSION_TABLE}"))
    db.commit()


def ensure_database_id(db: Session) -> str:
    """Return the id of the hub's database, and make it, at random, and commit where there is none yet.

    Args:
        db: The hub's session; its own connection is used.

    Returns:
        16 hexadecimal digits, the same as long as the database lives.
    """
    return _ensure_row(db).database_id


def ensure_login(db: Session, *, now: datetime) -> datetime | None:
    """Remember that jhaws's login decides who may enter, from now on in this session; the caller commits.

    Args:
        db: The hub's session.
        now: Aware time.

    Returns:
        Aware time: users who were made after it are of another login's choice. None: all are.
    """
    row = _ensure_row(db)
    until, row.users_until = row.users_until, now
    if not event.contains(db, "after_flush", _note_new_users):
        event.listen(db, "after_flush", _note_new_users)
    return until


def _note_new_users(db: Session, _: Any) -> None:
    """Keep when users were made, in the same transaction, or they would be strangers at the next start."""
    if times := [user.created for user in db.new if isinstance(user, orm.User)]:
        db.execute(make_users_until(max(times).replace(tzinfo=UTC)))


def make_users_until(at: datetime) -> Executable:
    """Keep that users were made at an aware time, while jhaws's login decided."""
    hub: Any = HubDatabase.__table__
    # An import takes its time; who is made meanwhile is newer.
    return update(hub).where(hub.c.users_until < at).values(users_until=at)


def _ensure_row(db: Session) -> HubDatabase:
    prepare_tables(db)
    row = db.get(HubDatabase, 1)
    if row is None:
        row = HubDatabase(number=1, database_id=secrets.token_hex(8))
        db.add(row)
        db.commit()
    return row
