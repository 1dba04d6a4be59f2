"""The last import of a list of people, kept so that it can be undone."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import delete, insert, select, update
from sqlalchemy.orm import Session

from .tables import RosterImport

_COLUMNS = (RosterImport.at, RosterImport.made_by, RosterImport.changes, RosterImport.undone_at)


@dataclass(frozen=True)
class PastImport:
    """An import that was made.

    Attributes:
        at: When; whom it added was made at just that time.
        made_by: The admin's name.
        changes: What it changed, JSON.
        undone_at: When it was undone; None is never.
    """

    at: datetime
    made_by: str
    changes: str
    undone_at: datetime | None


def read_import(db: Session) -> PastImport | None:
    """Read the last import."""
    row: Any = db.execute(select(*_COLUMNS).order_by(RosterImport.number.desc()).limit(1)).first()
    return None if row is None else PastImport(*row)


def add_import(db: Session, *, at: datetime, made_by: str, changes: str) -> None:
    """Keep an import instead of the one before; the caller commits."""
    db.execute(delete(RosterImport))
    db.execute(insert(RosterImport).values(at=at, made_by=made_by, changes=changes))


def mark_undone(db: Session, *, at: datetime) -> None:
    """Remember that the last import was undone; the caller commits."""
    db.execute(update(RosterImport).values(undone_at=at))
