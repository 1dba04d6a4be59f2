"""A long transaction apart from the hub's own session, for a thread of its own.

The hub's session lives on its event loop: what holds the one holds the other. Here the hub goes on. On SQLite its
writes wait as long as the transaction lasts, so that must be short as well.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from sqlalchemy import text
from sqlalchemy.exc import IntegrityError, SQLAlchemyError
from sqlalchemy.orm import Session
from sqlalchemy.pool import StaticPool

_Found = TypeVar("_Found")


def write_apart(db: Session, write: Callable[[Session], _Found]) -> _Found:
    """Run what writes in a session of its own, and commit all of it or nothing.

    What it has read is still so when it is committed, or it fails.

    Args:
        db: The hub's session, for its database; nothing in it is waiting to be committed.
        write: Gets the other session.
    """
    # The strictest level, the only one that both databases have; PostgreSQL's usual one lets others write in between.
    engine: Any = db.get_bind()
    with Session(engine.execution_options(isolation_level="SERIALIZABLE")) as own, own.begin():
        if engine.dialect.name == "sqlite":
            # Before anything is read: who reads first and writes then may have to give way to somebody else's writing.
            own.execute(text("BEGIN IMMEDIATE"))
        return write(own)


def can_write_apart(db: Session) -> bool:
    """Tell whether there are other connections to the database; one in memory has only the hub's own."""
    engine: Any = db.get_bind()
    return not isinstance(engine.pool, StaticPool)


def was_overtaken(error: SQLAlchemyError) -> bool:
    """Tell whether a transaction failed because somebody else's was quicker."""
    # PostgreSQL's class 40, "transaction rollback": what was read has changed, or two wait for each other.
    code = str(getattr(getattr(error, "orig", None), "pgcode", ""))
    return isinstance(error, IntegrityError) or code.startswith("40")
