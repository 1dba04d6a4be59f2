"""How long starts took before."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
from jupyterhub import orm
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from jhaws.starts.history import Estimate, Past, add_start, estimate, read_past
from jhaws.store import PastStart, StartKind

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)
SMALL = StartKind("small", "users")


@pytest.fixture
def db() -> Iterator[Session]:
    """A session of JupyterHub's own on a fresh database, without any table of ours."""
    session = orm.new_session_factory("sqlite:///:memory:")()
    yield session
    session.close()
    session.get_bind().dispose()


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [
        ([], None),
        ([1.0, 2.0], None),
        ([3.0, 1.0, 2.0], Estimate(2.0, pytest.approx(2.8))),
        ([7.0, 7.0, 7.0], Estimate(7.0, 7.0)),
        ([float(each) for each in range(1, 101)], Estimate(50.5, pytest.approx(90.1))),
    ],
    ids=["none", "two", "three", "all alike", "hundred"],
)
def test_an_estimate_is_median_and_ninetieth_percentile(seconds: list[float], expected: Estimate | None) -> None:
    """Fewer than three starts tell nothing; of more, half and nine of ten take less."""
    assert estimate(seconds) == expected


def test_starts_with_a_new_node_are_told_apart_from_the_others(db: Session) -> None:
    """Those who find a place read of seconds, those who wait for a machine of minutes, each of their own profile."""
    for seconds in (10.0, 11.0, 12.0):
        add_start(db, SMALL, seconds=seconds, ended_at=NOON)
        add_start(db, StartKind("small", "users", new_node=True), seconds=seconds * 20, ended_at=NOON)
        add_start(db, StartKind("large", "users"), seconds=seconds * 2, ended_at=NOON)
    add_start(db, StartKind("small", "gpu"), seconds=1.0, ended_at=NOON)

    past = read_past(db, "small", "users")
    assert (past.usual.median, past.new_node.median) == (11.0, 220.0)
    assert (read_past(db, "large", "users").usual.median, read_past(db, "large", "users").new_node) == (22.0, None)
    assert read_past(db, "small", "gpu") == Past()


def test_only_the_last_two_hundred_starts_of_a_kind_are_kept(db: Session) -> None:
    """The table stays small, and an image that has become faster shows within two hundred starts."""
    add_start(db, StartKind("large", "users"), seconds=99.0, ended_at=NOON)
    for number in range(207):
        add_start(db, SMALL, seconds=float(number), ended_at=NOON)
    kept = list(db.scalars(select(PastStart.seconds).where(PastStart.profile == "small").order_by(PastStart.number)))

    assert kept == [float(number) for number in range(7, 207)]
    assert db.scalar(select(func.count()).where(PastStart.profile == "large")) == 1


def test_starts_of_last_year_are_forgotten(db: Session) -> None:
    """What is left of a profile that is no more goes after a year."""
    add_start(db, StartKind("gone", ""), seconds=1.0, ended_at=NOON - timedelta(days=366))
    add_start(db, StartKind("kept", ""), seconds=1.0, ended_at=NOON - timedelta(days=364))
    add_start(db, SMALL, seconds=1.0, ended_at=NOON)

    assert set(db.scalars(select(PastStart.profile))) == {"kept", "small"}


def test_the_history_is_committed_and_makes_its_tables(db: Session) -> None:
    """A start that was added outlives a rollback, on a database that jhaws has never seen before."""
    add_start(db, SMALL, seconds=5.0, ended_at=NOON)
    db.rollback()

    assert list(db.scalars(select(PastStart.seconds))) == [5.0]
