"""The last import of a list of people, kept so that it can be undone.

Beside what was changed, a row has of whoever was removed what no list has: a block, waiting, the own password. That
never leaves the database, and goes when the import is undone.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from jupyterhub import orm
from sqlalchemy import delete, insert, or_, select, true, update
from sqlalchemy.orm import Session

from .people import ROW_OF_USER
from .tables import Person, RosterImport
from .unpacking import is_one_of

# In the order of the names, which are also those of `NewPerson`.
_KEPT = (
    Person.waiting,
    Person.blocked,
    Person.password_hash,
    Person.password_set_at,
    Person.password_for_admin,
)
_KEPT_NAMES = tuple(column.key for column in _KEPT)


@dataclass(frozen=True)
class PastImport:
    """An import that was made.

    Attributes:
        number: Of this one, and never of another.
        at: When; whom it added was made at just that time.
        made_by: The admin's name.
        changes: What it changed, JSON; "" where it was undone.
        undone_at: When it was undone; None is never.
        kept: By name, of those whom it removed, fields of `NewPerson` that are not in `changes`.
    """

    number: int
    at: datetime
    made_by: str
    changes: str
    undone_at: datetime | None
    kept: Mapping[str, Mapping[str, Any]] = field(default_factory=dict, repr=False)


def read_import(db: Session) -> PastImport | None:
    """Read the last import."""
    last = select(RosterImport.__table__).order_by(RosterImport.number.desc()).limit(1)  # no object, it is large
    row: Any = db.execute(last).first()
    if row is None:
        return None
    return PastImport(row.number, row.at, row.made_by, row.changes, row.undone_at, _unpack(json.loads(row.kept)))


def read_kept(db: Session, user_ids: Collection[int]) -> dict[str, dict[str, Any]]:
    """Read what an undo needs of people who are about to be removed: `PastImport.kept`."""
    rows = select(orm.User.name, *_KEPT).join(Person, ROW_OF_USER).where(is_one_of(orm.User.id, user_ids))
    known = or_(Person.waiting == true(), Person.blocked == true(), Person.password_hash.is_not(None))
    return {name: dict(zip(_KEPT_NAMES, row, strict=True)) for name, *row in db.execute(rows.where(known))}


def add_import(db: Session, *, at: datetime, made_by: str, changes: str, kept: Mapping[str, Mapping[str, Any]]) -> None:
    """Keep an import instead of the one before; the caller commits.

    Args:
        db: A session.
        at: Aware time, which those whom it added have as well.
        made_by: The admin's name.
        changes: What it changed, JSON.
        kept: What `read_kept` said before it.
    """
    values = {"at": at, "made_by": made_by, "changes": changes, "kept": json.dumps(kept, default=datetime.isoformat)}
    # The new one first: SQLite would give it the number of the last one if that was gone.
    added: Any = db.execute(insert(RosterImport).values(**values))
    db.execute(delete(RosterImport).where(RosterImport.number != added.inserted_primary_key[0]))


def mark_undone(db: Session, number: int, *, at: datetime) -> bool:
    """Remember that an import was undone, and forget what it had changed; the caller commits.

    Returns:
        False where there is another one meanwhile, or it was undone before.
    """
    mine = (RosterImport.number == number, RosterImport.undone_at.is_(None))
    done: Any = db.execute(update(RosterImport).where(*mine).values(undone_at=at, changes="", kept="{}"))
    return bool(done.rowcount)


def _unpack(kept: Mapping[str, Mapping[str, Any]]) -> dict[str, dict[str, Any]]:
    times = {name: row["password_set_at"] for name, row in kept.items()}
    read = {name: time and datetime.fromisoformat(time) for name, time in times.items()}
    return {name: {**row, "password_set_at": read[name]} for name, row in kept.items()}
