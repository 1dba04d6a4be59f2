"""A transaction apart from the hub's own session, in a real database of each kind."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable

import pytest
from jupyterhub import orm
from sqlalchemy import event, func, select, text, update
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from jhaws import store

ANN = orm.User.__table__.c.name == "ann"


def count_users(db: Session) -> int:
    """Count the users."""
    return db.scalar(select(func.count()).select_from(orm.User)) or 0


def add_user(db: Session) -> int:
    """Add a user, who is only flushed, and return what the session knows then."""
    db.add(orm.User(name="ann"))
    db.flush()
    return count_users(db)


def test_it_is_there_when_it_is_over(db: Session) -> None:
    """The hub's session sees all of it, and before that nothing."""
    seen = []

    def write(own: Session) -> int:
        found = add_user(own)
        seen.append(count_users(db))
        return found

    assert (store.write_apart(db, write), seen, count_users(db)) == (1, [0], 1)


def test_a_failure_leaves_nothing(db: Session) -> None:
    """Whatever the failure is, it comes out, and what was written before it is gone."""

    def write(own: Session) -> None:
        add_user(own)
        raise KeyError("in the middle")

    with pytest.raises(KeyError, match="in the middle"):
        store.write_apart(db, write)
    assert count_users(db) == 0


def test_nobody_writes_between_what_is_read_and_what_is_written(db: Session) -> None:
    """SQLite keeps others waiting from the first moment on, PostgreSQL lets who comes second fail."""
    add_user(db)
    db.commit()
    engine = db.get_bind()

    def intrude() -> None:
        if engine.dialect.name == "sqlite":
            with sqlite3.connect(str(engine.url.database), timeout=0) as other:
                other.execute("UPDATE users SET admin = 1")
        else:
            with Session(engine) as session:
                session.execute(update(orm.User).where(ANN).values(admin=True))
                session.commit()

    def write(own: Session, meanwhile: Callable[[], None]) -> None:
        assert not own.scalar(select(orm.User.admin).where(ANN))
        meanwhile()
        own.execute(update(orm.User).where(ANN).values(name="anna"))

    if engine.dialect.name == "sqlite":
        with pytest.raises(sqlite3.OperationalError, match="locked"):
            store.write_apart(db, lambda own: write(own, intrude))
    else:
        with pytest.raises(DBAPIError) as caught:
            store.write_apart(db, lambda own: write(own, intrude))
        assert store.was_overtaken(caught.value)
        assert not store.was_overtaken(DBAPIError("", {}, OSError("gone")))
    store.write_apart(db, lambda own: own.execute(update(orm.User).where(ANN).values(name="anna")))
    assert list(db.scalars(select(orm.User.name))) == ["anna"]


def test_a_name_that_somebody_took_was_taken_meanwhile(db: Session) -> None:
    """Both databases say so when the second one comes."""
    add_user(db)
    db.commit()
    with pytest.raises(DBAPIError) as caught:
        store.write_apart(db, add_user)

    assert store.was_overtaken(caught.value)


def test_a_database_in_memory_has_one_connection_only() -> None:
    """Which is used, on the event loop; a database in a file has others."""
    db = orm.new_session_factory("sqlite:///:memory:")()
    connections: list[object] = []
    event.listen(db.get_bind(), "connect", lambda connection, _record: connections.append(connection))

    assert not store.can_write_apart(db)
    assert store.write_apart(db, add_user) == 1
    assert (count_users(db), connections) == (1, [])
    db.close()
    db.get_bind().dispose()


def test_a_database_of_its_own_has_others(db: Session) -> None:
    """So that a thread may write."""
    assert store.can_write_apart(db)
    assert store.write_apart(db, lambda own: own.scalar(text("SELECT 1"))) == 1
