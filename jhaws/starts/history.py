"""How long starts took before, so that who waits now learns how long it will be.

Kept in the hub's database, by profile, nodegroup and whether a new node was needed, without any name of a user. Reads
and writes are one short transaction each, on the hub's own session and without an await in between: a second writer
would stall a hub on SQLite.
"""

from __future__ import annotations

import statistics
import weakref
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from sqlalchemy.orm import Session

from .. import store
from ..store import StartKind

KEPT_STARTS = 200  # of each kind
KEPT_TIME = timedelta(days=365)  # a course that is back after a summer still has its figures
LEAST_STARTS = 3  # fewer tell nothing

# The sessions whose database has been looked at; the table is made at the first use.
_ready: weakref.WeakSet[Session] = weakref.WeakSet()


@dataclass(frozen=True)
class Estimate:
    """How long a start takes, in seconds.

    Attributes:
        median: Half of them take less.
        p90: Nine of ten take less.
    """

    median: float
    p90: float


@dataclass(frozen=True)
class Past:
    """What is known of starts with a profile on a nodegroup; None where it is too little.

    Attributes:
        usual: Starts on a node that was there.
        new_node: Starts that had to wait for a new node.
    """

    usual: Estimate | None = None
    new_node: Estimate | None = None


def estimate(seconds: Sequence[float]) -> Estimate | None:
    """Say how long a start takes, from those of the past; None where there are fewer than three."""
    if len(seconds) < LEAST_STARTS:
        return None
    return Estimate(statistics.median(seconds), statistics.quantiles(seconds, n=10, method="inclusive")[-1])


def read_past(db: Session, profile: str, nodegroup: str) -> Past:
    """Read what is known of starts with a profile on a nodegroup.

    Args:
        db: The hub's session.
        profile: Slug, "" where there are none.
        nodegroup: Name, "" where there are none.
    """
    _make_ready(db)
    kind = StartKind(profile, nodegroup)
    return Past(
        usual=estimate(store.read_start_seconds(db, kind)),
        new_node=estimate(store.read_start_seconds(db, replace(kind, new_node=True))),
    )


def add_start(db: Session, kind: StartKind, *, seconds: float, ended_at: datetime) -> None:
    """Remember a start that came to a good end, forget the oldest of its kind, and commit.

    Args:
        db: The hub's session.
        kind: What it is compared with.
        seconds: From the click until the server was ready.
        ended_at: Aware time.
    """
    _make_ready(db)
    store.add_start(db, kind, seconds=seconds, ended_at=ended_at)
    store.prune_starts(db, kind, keep=KEPT_STARTS, before=ended_at - KEPT_TIME)
    db.commit()


def _make_ready(db: Session) -> None:
    if db not in _ready:
        store.prepare_tables(db)
        _ready.add(db)
