"""A session of JupyterHub's own on a fresh database of each kind."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from jupyterhub import orm
from jupyterhub.roles import create_role, get_default_roles
from sqlalchemy.orm import Session

from jhaws import store
from tests.postgres import Postgres, running_postgres


@pytest.fixture(scope="module")
def postgres() -> Iterator[Postgres]:
    """A PostgreSQL server for all tests of a module."""
    with running_postgres() as server:
        yield server


@pytest.fixture(params=["file", "postgres"])
def db(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Session]:
    """A session on a database with JupyterHub's roles and our tables."""
    url = f"sqlite:///{tmp_path / 'hub.sqlite'}"
    if request.param == "postgres":
        server = request.getfixturevalue("postgres")
        url = server.url(server.create_database())
    session = orm.new_session_factory(url)()
    for role in get_default_roles():
        create_role(session, role)
    store.prepare_tables(session)
    yield session
    session.close()
    session.get_bind().dispose()
