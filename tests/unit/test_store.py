"""Our tables in the hub's own database."""

import contextlib
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from jupyterhub import orm
from sqlalchemy import create_engine, inspect, select, text
from sqlalchemy.exc import StatementError
from sqlalchemy.orm import Session

from jhaws import store
from jhaws.errors import ConfigError
from jhaws.store import Account, ConfiguredUser, StartKind
from jhaws.store.schema import VERSION_TABLE
from tests.postgres import Postgres, running_postgres

# Databases that more than one connection can open.
LASTING = ["file", "postgres"]
NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)


@pytest.fixture(scope="module")
def postgres() -> Iterator[Postgres]:
    """A PostgreSQL server for all tests of this module."""
    with running_postgres() as server:
        yield server


@pytest.fixture(params=["memory", "file", "postgres"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of a fresh database."""
    if request.param == "postgres":
        server = request.getfixturevalue("postgres")
        return str(server.url(server.create_database()))
    return "sqlite:///:memory:" if request.param == "memory" else f"sqlite:///{tmp_path / 'hub.sqlite'}"


@pytest.fixture
def db(url: str) -> Iterator[Session]:
    """A session of JupyterHub's own on a fresh database."""
    with opened(url) as session:
        yield session


@contextlib.contextmanager
def opened(url: str) -> Iterator[Session]:
    session = orm.new_session_factory(url)()
    yield session
    session.close()
    session.get_bind().dispose()


def test_tables_are_made_once(db: Session) -> None:
    """The first call makes the tables beside JupyterHub's, the second changes nothing."""
    store.prepare_tables(db)
    store.prepare_tables(db)
    there = set(inspect(db.connection()).get_table_names())

    assert {*store.Base.metadata.tables, "users", "jhaws_alembic_version"} <= there


def test_migrations_make_what_the_code_reads(db: Session) -> None:
    """The tables that the migrations make are, column by column, those that the code describes."""
    store.prepare_tables(db)
    options = {"include_name": lambda name, kind, _: kind != "table" or name.startswith("jhaws_")}
    context = MigrationContext.configure(db.connection(), opts=options | {"version_table": VERSION_TABLE})

    assert compare_metadata(context, store.Base.metadata) == []


def test_a_database_of_another_kind_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Which ones there are is said at the hub's start, not by an error of some statement later."""
    with opened(f"sqlite:///{tmp_path}/hub.sqlite") as session:
        monkeypatch.setattr(session.get_bind().dialect, "name", "mysql")
        with pytest.raises(ConfigError, match="must name a SQLite or PostgreSQL database, .* got mysql"):
            store.prepare_tables(session)


def test_a_database_of_a_newer_jhaws_is_not_touched(db: Session) -> None:
    """Whoever goes back to an older image learns it at once, instead of losing what the newer one has kept."""
    store.prepare_tables(db)
    db.execute(text(f"UPDATE {VERSION_TABLE} SET version_num = '9999'"))
    db.commit()

    with pytest.raises(ConfigError, match="by a newer version of jhaws"):
        store.prepare_tables(db)


def test_the_login_is_new_to_a_database_once(db: Session) -> None:
    """Also where the spawner has made the tables before: its users are somebody else's choice then too."""
    store.ensure_database_id(db)

    assert store.ensure_login(db, now=NOON) is None
    db.commit()
    assert store.ensure_login(db, now=NOON) == NOON


def test_our_tables_are_not_in_jupyterhubs_metadata() -> None:
    """JupyterHub's create_all and its migrations never see our tables."""
    assert not [name for name in orm.Base.metadata.tables if name.startswith("jhaws_")]
    assert all(name.startswith("jhaws_") for name in store.Base.metadata.tables)


@pytest.mark.parametrize("url", LASTING, indirect=True)
def test_a_hub_opens_a_database_that_has_our_tables(url: str) -> None:
    """JupyterHub's check of the database's revision accepts it after a restart."""
    with opened(url) as first:
        store.prepare_tables(first)
        store.add_configured_name(first, "ann", seen_at=NOON)
        first.commit()
    with opened(url) as second:
        assert store.read_configured_names(second) == {"ann"}


@pytest.mark.parametrize("url", LASTING, indirect=True)
def test_tables_are_made_while_another_connection_reads(url: str) -> None:
    """A process that has the database open for reading does not stop the hub from starting."""
    engine = create_engine(url)
    with opened(url) as session, engine.connect() as reader:
        # The transaction stays open: PostgreSQL keeps a lock on the table until it ends.
        reader.exec_driver_sql("SELECT name FROM users").all()
        store.prepare_tables(session)
    engine.dispose()


def test_times_come_back_in_utc(db: Session) -> None:
    """A time of any zone is stored and read as aware UTC."""
    store.prepare_tables(db)
    store.add_configured_name(db, "ann", seen_at=NOON.astimezone(timezone(timedelta(hours=5))))
    db.commit()
    db.expire_all()
    row = db.scalars(select(ConfiguredUser)).one()
    assert (row.seen_at, row.seen_at.tzinfo) == (NOON, UTC)


def test_names_are_remembered_and_forgotten(db: Session) -> None:
    """Names of any length list are deleted in one batch, absent ones without an error."""
    store.prepare_tables(db)
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
    store.prepare_tables(db)
    store.add_configured_name(db, "ann", seen_at=NOON)
    db.rollback()
    assert store.read_configured_names(db) == set()


def test_accounts_tell_who_is_an_admin(db: Session) -> None:
    """An admin is who has the flag, the admin role, a group with it, or a role that is as mighty."""
    admin_role, group = orm.Role(name="admin"), orm.Group(name="owners")
    group.roles.append(admin_role)
    scoped, harmless = orm.Role(name="keepers", scopes=["admin:users"]), orm.Role(name="readers", scopes=["list:users"])
    users = {name: orm.User(name=name) for name in ("plain", "flag", "role", "grouped", "keeper")}
    users["flag"].admin = True
    users["role"].roles.append(admin_role)
    users["plain"].roles.append(harmless)
    users["keeper"].roles.append(scoped)
    group.users.append(users["grouped"])
    db.add_all([admin_role, group, *users.values()])
    db.commit()
    assert {name: store.read_account(db, name) for name in (*users, "absent", "FLAG", "")} == {
        "plain": Account(exists=True),
        "flag": Account(exists=True, admin=True),
        "role": Account(exists=True, admin_by_role=True),
        "grouped": Account(exists=True, admin_by_role=True),
        "keeper": Account(exists=True, admin_by_role=True),
        "absent": Account(exists=False),
        "FLAG": Account(exists=False),
        "": Account(exists=False),
    }
    assert store.read_user_names(db) == set(users)


def test_names_longer_than_the_column_are_cut_alike_when_written_and_read(db: Session) -> None:
    """A profile whose slug is very long has a history too, also in PostgreSQL, which takes no longer names."""
    store.prepare_tables(db)
    kind = StartKind("p" * 300, "g" * 300, new_node=True)
    for seconds in (1.0, 2.0):
        store.add_start(db, kind, seconds=seconds, ended_at=NOON)

    assert store.read_start_seconds(db, kind) == [1.0, 2.0]
    assert store.read_start_seconds(db, StartKind("p" * 300, "g" * 300)) == []
    store.prune_starts(db, kind, keep=1, before=NOON)
    assert store.read_start_seconds(db, kind) == [2.0]


def test_a_past_start_waits_for_the_callers_commit(db: Session) -> None:
    """Adding and pruning are one transaction, which the caller ends."""
    store.prepare_tables(db)
    store.add_start(db, StartKind("a", ""), seconds=1.0, ended_at=NOON)
    db.rollback()

    assert store.read_start_seconds(db, StartKind("a", "")) == []


@pytest.mark.parametrize("url", LASTING, indirect=True)
def test_a_database_keeps_its_id(url: str) -> None:
    """The next hub start finds the one that the first has made; it is fit to be a label."""
    with opened(url) as first:
        made = store.ensure_database_id(first)
        first.rollback()
    with opened(url) as second:
        assert store.ensure_database_id(second) == made
    assert len(made) == 16
    assert int(made, 16) >= 0


def test_another_database_has_another_id(db: Session, tmp_path: Path) -> None:
    """So does one that was emptied by JupyterHub's reset_db."""
    with opened(f"sqlite:///{tmp_path / 'other.sqlite'}") as other:
        ids = {store.ensure_database_id(db), store.ensure_database_id(other)}
    store.drop_tables(db)
    ids.add(store.ensure_database_id(db))

    assert len(ids) == 3


def test_errors_have_no_values_of_statements(db: Session) -> None:
    """Who logs an error of the database logs no name, no hash and no token."""
    store.prepare_tables(db)
    with pytest.raises(StatementError) as failed:
        # PostgreSQL quotes the line in which the fault is.
        db.execute(text("INSERT INTO nowhere\nVALUES (:value)"), {"value": "the-secret"})

    assert "INSERT INTO nowhere" in str(failed.value)
    assert "the-secret" not in str(failed.value)
