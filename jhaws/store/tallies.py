"""How many logins have failed for a name, from an address, and in all; `login/throttle.py` says what follows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from typing import Literal

from sqlalchemy import Delete, delete, select, tuple_
from sqlalchemy.orm import Session

from .tables import LoginTally

Kind = Literal["name", "address", "all", "lane"]


@dataclass(frozen=True)
class Tally:
    """What is kept of a name, an address, all attempts, or a name at an address (a lane); one row of the database.

    Attributes:
        kind: Which of them.
        value: The key: a name or a hash of one, an address or a network, both, or "" for all.
        run: Failures since the last success; of a name and a lane, also its attempts that are not answered yet.
        failures: All failures, fading with time.
        changed_at: When `failures` was right, seconds since the epoch.
        not_before: When the next attempt may start; counts only while there is a delay.
        credited_at: When a success of the name last forgave, the address was last forgiven, or the name entered in its
            lane; None is never.
    """

    kind: Kind
    value: str
    run: int = 0
    failures: float = 0.0
    changed_at: float = 0.0
    not_before: float = 0.0
    credited_at: float | None = None


_COLUMNS = tuple(field.name for field in fields(Tally))
_READ = select(*(getattr(LoginTally, name) for name in _COLUMNS))
_KEY = tuple_(LoginTally.kind, LoginTally.value)


def read_tally(db: Session, kind: Kind, value: str) -> Tally:
    """Read one tally; one without failures where there is no row."""
    row = db.get(LoginTally, (kind, value))
    return _from_row(row) if row else Tally(kind, value)


def write_tallies(db: Session, tallies: Sequence[Tally]) -> None:
    """Put tallies into the session; the caller commits."""
    for tally in tallies:
        db.merge(LoginTally(**asdict(tally)))


def list_tallies(db: Session, *, limit: int) -> list[Tally]:
    """Read tallies with half a failure or more, the last changed first, `limit` at most."""
    query = _READ.where(LoginTally.failures >= 0.5).order_by(LoginTally.changed_at.desc()).limit(limit)
    return [Tally(*row) for row in db.execute(query)]


def read_next_tallies(db: Session, *, after: tuple[str, str], limit: int) -> list[Tally]:
    """Read all tallies in turns, in the order of kind and value, beginning after these; ("", "") is the first turn."""
    query = _READ.where(_KEY > after).order_by(LoginTally.kind, LoginTally.value).limit(limit)
    return [Tally(*row) for row in db.execute(query)]


def delete_tallies(db: Session, keys: Sequence[tuple[str, str]]) -> None:
    """Forget some hundred tallies at most, by kind and value; the caller commits. What is not there is no error."""
    _delete(db, delete(LoginTally).where(_KEY.in_(keys)))


def delete_all_tallies(db: Session) -> None:
    """Forget all tallies; the caller commits."""
    _delete(db, delete(LoginTally))


def delete_lanes(db: Session, name: str) -> None:
    """Forget what is kept of a name at its addresses; the caller commits."""
    lanes = select(LoginTally.value).where(LoginTally.kind == "lane")
    found = db.scalars(lanes.where(LoginTally.value.endswith(f" {name}", autoescape=True))).all()
    # SQLite finds other cases too, and a name may have a space before its last word.
    delete_tallies(db, [("lane", value) for value in found if value.partition(" ")[2] == name])


def _delete(db: Session, statement: Delete) -> None:
    # The session has no objects of these rows: it holds them weakly, and nobody else does beyond a commit.
    db.execute(statement, execution_options={"synchronize_session": False})


def _from_row(row: LoginTally) -> Tally:
    return Tally(**{name: getattr(row, name) for name in _COLUMNS})
