"""Past starts of servers: what the waiting page's estimate is made of."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from .tables import NAME_LENGTH, PastStart


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
    names = {"profile": kind.profile[:NAME_LENGTH], "nodegroup": kind.nodegroup[:NAME_LENGTH]}
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
        PastStart.profile == kind.profile[:NAME_LENGTH],
        PastStart.nodegroup == kind.nodegroup[:NAME_LENGTH],
        PastStart.new_node == kind.new_node,
    )
