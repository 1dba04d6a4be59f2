"""A hub whose database is a real PostgreSQL server, set up as z2jh does: the password is in the environment."""

from __future__ import annotations

import hashlib
import html
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import jupyterhub
import pytest
import pytest_asyncio
from jupyterhub.orm import DatabaseSchemaMismatch, new_session_factory

from jhaws.login.importing import DATABASE
from tests.hubclient import eventually
from tests.postgres import Postgres, running_postgres

from .clusters import USER_PASSWORD, Place, hub_on_cluster
from .hubs import RunningHub, program_path, running_hub
from .test_passwords import ADMIN, CONFIG, OTHER, OWN, USER, browser, run_cli, send

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(240)]

LOST_DATABASE = "Rolling back session due to database error"


def make_config(url: str, password: str) -> str:
    return f"""
os.environ["PGPASSWORD"] = {password!r}
c.JupyterHub.db_url = {url!r}
c.JhawsAuthenticator.allowed_users = {{"ann", "carl"}}
c.JhawsSpawner.nfs_server = "drive"
c.JhawsSpawner.reconcile_interval = 1
"""


@pytest.fixture(scope="module")
def postgres() -> Iterator[Postgres]:
    """A PostgreSQL server for all tests of this module."""
    with running_postgres() as server:
        yield server


@pytest.fixture(scope="module")
def database(postgres: Postgres) -> str:
    """The database of this module's hub."""
    return postgres.create_database()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def place(tmp_path_factory: pytest.TempPathFactory, postgres: Postgres, database: str) -> AsyncIterator[Place]:
    """A hub on PostgreSQL with its cluster."""
    config = make_config(postgres.url(database, password=""), postgres.password)
    async with hub_on_cluster(tmp_path_factory.mktemp("postgres"), config) as running:
        yield running


async def test_our_tables_are_in_postgresql_and_the_allow_list_outlives_the_hub(
    place: Place, postgres: Postgres, database: str
) -> None:
    """Who is deleted in the panel stays out after a restart, and a running server is the same one."""
    admin = await place.admin()
    assert (await place.hub.login("ann", USER_PASSWORD)).ok
    assert not (await place.hub.login("bob", USER_PASSWORD)).ok
    assert (await admin.api("POST", "users", {"usernames": ["bob"]}))[0] == 201
    assert (await admin.api("DELETE", "users/carl"))[0] == 204
    await place.start_server("ann")
    token = await place.token("ann")
    uid = place.pod("ann")["metadata"]["uid"]
    (id_before,) = postgres.run("SELECT database_id FROM jhaws_hub", database=database)
    await place.hub.kill()
    await place.hub.start()

    entered = {name: (await place.hub.login(name, USER_PASSWORD)).ok for name in ("ann", "bob", "carl")}
    assert entered == {"ann": True, "bob": True, "carl": False}
    await eventually(lambda: place.is_ready("ann"), what="the server after the restart")
    assert (await place.contents("ann", token=token))[0] == 200
    assert place.pod("ann")["metadata"]["uid"] == uid
    assert postgres.run("SELECT database_id FROM jhaws_hub", database=database) == [id_before]
    names = postgres.run("SELECT name FROM jhaws_configured_user ORDER BY name", database=database)
    assert names == [("ann",), ("carl",), ("root",)]
    await place.stop_server("ann")


async def test_a_start_is_remembered(place: Place, postgres: Postgres, database: str) -> None:
    """How long a start took is in the table of starts, from which waiting users are told what to expect."""
    before = len(postgres.run("SELECT * FROM jhaws_start", database=database))
    await place.start_server("ann")
    await eventually(
        lambda: len(postgres.run("SELECT * FROM jhaws_start", database=database)) == before + 1, what="the start"
    )
    await place.stop_server("ann")


async def test_own_passwords_and_codes_are_in_postgresql(place: Place, postgres: Postgres, database: str) -> None:
    """A code that the pod's command writes beside the running hub works at once, and once; the tables have hashes."""
    code, output = await run_cli(place.hub, "password", "code", "-f", "jupyterhub_config.py", "root")
    assert code == 0, output
    given = output.split("\n")[1]
    own = "kirschbaum im mai"
    assert (await send(browser(place.hub), "reset", name="root", code=given, new=own))[0] == 200
    assert (await send(browser(place.hub), "reset", name="root", code=given, new=own + "!"))[0] == 403
    assert (await place.hub.login("root", own)).ok
    assert (await place.hub.api("POST", "jhaws/password", {"password": "a-new-shared-one"}))[0] == 201
    assert (await place.hub.login("ann", "a-new-shared-one")).ok
    assert not (await place.hub.login("ann", USER_PASSWORD)).ok
    (row,) = postgres.run("SELECT password_hash, code_hash FROM jhaws_person", database=database)
    assert (row[0][:10], row[1]) == ("$argon2id$", None)
    rows = postgres.run("SELECT made_by, ends_at IS NULL FROM jhaws_shared_password ORDER BY number", database=database)
    assert rows == [("", False), ("service test-admin", True)]
    assert (await place.hub.api("POST", "jhaws/password", {"password": USER_PASSWORD}))[0] == 201


async def test_the_hub_comes_back_with_its_database(place: Place, postgres: Postgres) -> None:
    """While PostgreSQL is away servers go on and the log says why the hub does not; then the same hub works on."""
    await place.start_server("ann")
    session = await place.hub.login("ann", USER_PASSWORD)
    token = await place.token("ann")
    process = place.hub.process
    postgres.stop()
    try:
        assert (await place.hub.api("GET", "users"))[0] >= 400
        assert (await place.hub.login("ann", USER_PASSWORD)).status >= 400
        assert LOST_DATABASE in place.hub.log()
    finally:
        postgres.start()

    async def works() -> bool:
        return (await place.hub.api("GET", "users/ann"))[0] == 200

    await eventually(works, what="the hub")
    status, page = await session.get("hub/home")
    assert (status, "Stop My Server" in page) == (200, True)
    assert (await place.hub.login("ann", USER_PASSWORD)).ok
    assert (await place.contents("ann", token=token))[0] == 200
    await place.stop_server("ann")
    await place.start_server("ann")
    assert place.hub.process is process
    assert process is not None
    assert process.returncode is None
    assert postgres.password not in place.hub.log()


@pytest.mark.parametrize("wrong", ["password", "port"])
async def test_a_hub_without_its_database_does_not_start(tmp_path: Path, postgres: Postgres, wrong: str) -> None:
    """A wrong password, or nobody at the address: the hub exits with 1 and names the database, never the password."""
    password = "not-the-password" if wrong == "password" else postgres.password
    url = postgres.url("postgres", password="")
    if wrong == "port":
        url = url.replace(f":{postgres.port}/", ":1/")
    hub = RunningHub(tmp_path, 1, 2, 3)
    hub.write_config(make_config(url, password))
    await hub.launch()
    try:
        assert await hub.exit_status() == 1
    finally:
        await hub.stop()

    assert f"Failed to connect to db: {url}" in hub.log()
    assert password not in hub.log()


MAKE_OLD_DATABASE = """
import sys
from datetime import datetime, UTC
from jupyterhub import orm
from jhaws import store

db = orm.new_session_factory(sys.argv[1])()
store.ensure_login(db, now=datetime(2026, 11, 20, tzinfo=UTC))
store.add_configured_name(db, "ann", seen_at=datetime(2026, 11, 20, tzinfo=UTC))
store.add_start(db, store.StartKind("small", "users"), seconds=3.5, ended_at=datetime(2026, 11, 20, tzinfo=UTC))
db.add(orm.User(name="ann"))
db.commit()
"""

if jupyterhub.version_info >= (6,):  # no skip: there is nothing to upgrade from where JupyterHub 5 runs the tests

    async def test_upgrade_db_leaves_our_tables_alone(tmp_path: Path, postgres: Postgres) -> None:
        """JupyterHub 6's `upgrade-db` brings its own tables of a PostgreSQL database of 5.5 up, and no row is lost."""
        old_python = os.environ.get("JHAWS_JUPYTERHUB_55")
        if not old_python:
            pytest.skip("JHAWS_JUPYTERHUB_55 is not set: `make install JUPYTERHUB=5.5` makes such a Python")
        database = postgres.create_database()
        subprocess.run([old_python, "-c", MAKE_OLD_DATABASE, postgres.url(database)], check=True)
        before = rows(postgres, database)
        config = tmp_path / "config.py"
        config.write_text(f"c.JupyterHub.db_url = {postgres.url(database)!r}")
        with pytest.raises(DatabaseSchemaMismatch):
            new_session_factory(postgres.url(database))
        command = [sys.executable, "-m", "jupyterhub", "upgrade-db", "-f", config]
        subprocess.run(command, cwd=tmp_path, env=os.environ | {"PATH": program_path()}, check=True)
        new_session_factory(postgres.url(database))().get_bind().dispose()

        assert all(before.values())
        assert rows(postgres, database) == before


def rows(postgres: Postgres, database: str) -> dict[str, list[tuple[object, ...]]]:
    """Return what is in our tables and whose names are in JupyterHub's."""
    queries = ("* FROM jhaws_configured_user", "* FROM jhaws_hub", "* FROM jhaws_start", "name FROM users")
    return {query: postgres.run(f"SELECT {query}", database=database) for query in queries}


async def test_a_database_that_refuses_is_one_sentence_and_no_secret(postgres: Postgres, tmp_path: Path) -> None:
    """Read-only as at a failover: whatever is asked is answered 503, and no value of a statement is in the log."""
    database = postgres.create_database()
    config = CONFIG + f"c.JupyterHub.db_url = {postgres.url(database)!r}\nc.JhawsAuthenticator.allow_all = True\n"
    async with running_hub(tmp_path, config + 'c.JhawsAuthenticator.personal_password = "optional"\n') as hub:
        root, ann = await hub.login("root", ADMIN), await hub.login("ann", USER)
        code = (await root.api("POST", "jhaws/people/ann/reset", {}))[1]["code"]
        ann_form = {"name": "ann", "code": code, "new": OWN}

        async def ask_all() -> list[tuple[int, bool]]:
            answers = [
                await root.api("PATCH", "jhaws/people/ann", {"note": "a private note"}),
                await root.api("POST", "jhaws/people/ann/reset", {}),
                await root.api("POST", "jhaws/password", {"password": OTHER}),
                await root.api("DELETE", "jhaws/throttle"),
            ]
            told = [(status, answer["message"]) for status, answer in answers]
            told += [await send(ann, "reset", **ann_form)]
            login = await hub.login("ann", USER)
            return [(status, DATABASE in text) for status, text in (*told, (login.status, html.unescape(login.text)))]

        postgres.run(f'ALTER DATABASE "{database}" SET default_transaction_read_only = on')
        postgres.run(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{database}'")
        await root.get("hub/home")
        refused = await ask_all()
        postgres.run(f'ALTER DATABASE "{database}" SET default_transaction_read_only = off')
        postgres.run(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{database}'")
        await root.get("hub/home")
        assert (await hub.login("ann", USER)).ok
        log = hub.log()

        assert refused == [(503, True)] * 6
        assert (await send(ann, "reset", **ann_form))[0] == 200
        code_hash = hashlib.sha256(code.replace("-", "").encode()).hexdigest()
        for secret in ("argon2id", "a private note", code, code_hash, OWN, OTHER):
            assert secret not in log, secret
