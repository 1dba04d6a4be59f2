"""Our tables in the hub's own database."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest
from jupyterhub import orm
from sqlalchemy import create_engine, inspect, select
from sqlalchemy.orm import Session

from jhaws import store
from jhaws.store import Account, ConfiguredUser

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)


@pytest.fixture(params=["memory", "file"])
def db(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Session]:
    """A session of JupyterHub's own on a fresh database."""
    url = "sqlite:///:memory:" if request.param == "memory" else f"sqlite:///{tmp_path / 'hub.sqlite'}"
    session = orm.new_session_factory(url)()
    yield session
    session.close()
    session.get_bind().dispose()


def test_tables_are_made_once(db: Session) -> None:
    """The first call makes the tables beside JupyterHub's, the second changes nothing."""
    assert store.ensure_tables(db) is True
    assert store.ensure_tables(db) is False
    assert {"jhaws_configured_user", "users"} <= set(inspect(db.connection()).get_table_names())


def test_our_tables_are_not_in_jupyterhubs_metadata() -> None:
    """JupyterHub's create_all and its migrations never see our tables."""
    assert not [name for name in orm.Base.metadata.tables if name.startswith("jhaws_")]
    assert all(name.startswith("jhaws_") for name in store.Base.metadata.tables)


def test_a_hub_opens_a_database_that_has_our_tables(tmp_path: Path) -> None:
    """JupyterHub's check of the database's revision accepts it after a restart."""
    url = f"sqlite:///{tmp_path / 'hub.sqlite'}"
    first = orm.new_session_factory(url)()
    store.ensure_tables(first)
    store.add_configured_name(first, "ann", seen_at=NOON)
    first.commit()
    first.close()
    first.get_bind().dispose()
    second = orm.new_session_factory(url)()
    assert store.read_configured_names(second) == {"ann"}
    second.close()
    second.get_bind().dispose()


def test_tables_are_made_while_another_connection_reads(tmp_path: Path) -> None:
    """A process that has the database open for reading does not stop the hub from starting."""
    url = f"sqlite:///{tmp_path / 'hub.sqlite'}"
    session = orm.new_session_factory(url)()
    engine = create_engine(url)
    with engine.connect() as reader:
        reader.exec_driver_sql("SELECT name FROM users").all()
        assert store.ensure_tables(session) is True
    engine.dispose()
    session.close()
    session.get_bind().dispose()


def test_times_come_back_in_utc(db: Session) -> None:
    """A time of any zone is stored and read as aware UTC."""
    store.ensure_tables(db)
    store.add_configured_name(db, "ann", seen_at=NOON.astimezone(timezone(timedelta(hours=5))))
    db.commit()
    db.expire_all()
    row = db.scalars(select(ConfiguredUser)).one()
    assert (row.seen_at, row.seen_at.tzinfo) == (NOON, UTC)


def test_names_are_remembered_and_forgotten(db: Session) -> None:
    """Names of any length list are deleted in one batch, absent ones without an error."""
    store.ensure_tables(db)
    names = {f"user-{number}" for number in range(2000)} | {"Ünï 'quoted'; --"}
    for name in names:
        store.add_configured_name(db, name, seen_at=NOON)
    db.commit()
    assert store.read_configured_names(db) == names
    store.delete_configured_names(db, (names - {"user-7"}) | {"never-there"})
    store.delete_configured_names(db, set())
    db.commit()
    assert store.read_configured_names(db) == {"user-7"}


def test_nothing_is_written_before_the_caller_commits(db: Session) -> None:
    """What is added rolls back together with the rest of the hub's transaction."""
    store.ensure_tables(db)
    store.add_configured_name(db, "ann", seen_at=NOON)
    db.rollback()
    assert store.read_configured_names(db) == set()


def test_accounts_tell_who_is_an_admin(db: Session) -> None:
    """An admin is who has the flag, the admin role, or a group with the admin role."""
    admin_role, group = orm.Role(name="admin"), orm.Group(name="owners")
    group.roles.append(admin_role)
    users = {name: orm.User(name=name) for name in ("plain", "flag", "role", "grouped")}
    users["flag"].admin = True
    users["role"].roles.append(admin_role)
    group.users.append(users["grouped"])
    db.add_all([admin_role, group, *users.values()])
    db.commit()
    assert {name: store.read_account(db, name) for name in (*users, "absent", "FLAG", "")} == {
        "plain": Account(exists=True),
        "flag": Account(exists=True, admin=True),
        "role": Account(exists=True, admin_by_role=True),
        "grouped": Account(exists=True, admin_by_role=True),
        "absent": Account(exists=False),
        "FLAG": Account(exists=False),
        "": Account(exists=False),
    }
    assert store.read_user_names(db) == set(users)
