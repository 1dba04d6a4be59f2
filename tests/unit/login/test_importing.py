"""An import into a real database, while somebody else changes it: all of it is written, or nothing."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from jupyterhub import orm
from jupyterhub.roles import create_role, get_default_roles
from sqlalchemy import select
from sqlalchemy.orm import Session

from jhaws import store
from jhaws.login import importing
from jhaws.login.importing import CHANGED, Actor
from jhaws.login.people import RefusedError
from tests.postgres import Postgres, running_postgres

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)
ROOT = Actor("root", is_admin=True, may_group=True)
LIST = "name,groups,admin,note\nann,new,yes,new\nnewcomer,new,,"


@pytest.fixture(scope="module")
def postgres() -> Iterator[Postgres]:
    """A PostgreSQL server."""
    with running_postgres() as server:
        yield server


@pytest.fixture(params=["memory", "file", "postgres"])
def app(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Any]:
    """As much of a hub as an import needs, with ann, who changes, and leaver, who goes."""
    url = "sqlite:///:memory:" if request.param == "memory" else f"sqlite:///{tmp_path / 'hub.sqlite'}"
    if request.param == "postgres":
        server = request.getfixturevalue("postgres")
        url = server.url(server.create_database())
    db = orm.new_session_factory(url)()
    for role in get_default_roles():
        create_role(db, role)
    store.prepare_tables(db)
    store.add_people(db, [store.NewPerson("ann", groups=frozenset({"old"}), note="old")], created=NOON)
    store.add_people(db, [store.NewPerson("leaver", groups=frozenset({"old"}))], created=NOON)
    db.commit()
    authenticator = SimpleNamespace(
        normalize_username=str.lower,
        validate_username=lambda name: True,
        time_zone="UTC",
        manage_groups=False,
        admin_users=set(),
    )
    yield SimpleNamespace(db=db, authenticator=authenticator, users={}, log=logging.getLogger("test"))
    db.close()
    db.get_bind().dispose()


def run_import(app: Any, text: str = LIST) -> Any:
    """Preview a list and apply it; who is missing goes."""

    async def run() -> Any:
        seen = await importing.preview(app, text, remove_missing=True, actor=ROOT)
        return await importing.apply(app, text, remove_missing=True, actor=ROOT, digest=seen.digest)

    return asyncio.run(run())


def snapshot(db: Session) -> dict[str, Any]:
    """Read everybody, and whether there is an import to undo."""
    people = store.read_next_people(db, after=0, limit=1000)
    return {person.name: person for person in people} | {"": store.read_import(db)}


def test_what_the_hub_has_in_its_memory_is_read_anew(app: Any) -> None:
    """Objects of whoever changes; and of whoever goes nothing is left, though others get the number."""
    ann = app.db.scalar(select(orm.User).filter_by(name="ann"))
    leaver = app.db.scalar(select(orm.User).filter_by(name="leaver"))
    old = app.db.scalar(select(orm.Group).filter_by(name="old"))
    app.users[leaver.id] = SimpleNamespace(spawners={})
    app.db.add(orm.Spawner(name="", user=leaver))
    app.db.commit()
    assert list(leaver.orm_spawners) == [""]
    before = [each.name for each in ann.groups], sorted(each.name for each in old.users), ann.admin
    run_import(app)

    assert before == (["old"], ["ann", "leaver"], False)
    assert ([each.name for each in ann.groups], ann.admin) == (["new"], True)
    assert {role.name for role in ann.roles} == {"user", "admin"}
    assert old.users == []
    assert (leaver in app.db, app.users) == (False, {})
    assert app.db.scalar(select(orm.User).filter_by(name="newcomer")) is not leaver
    assert [person.note for person in store.read_named_people(app.db, ["ann"]).values()] == ["new"]


def test_what_was_done_is_written_down_and_can_be_undone(app: Any) -> None:
    """Once: whoever went is back, whoever came is gone, and the audit has both."""
    before = snapshot(app.db)
    run_import(app)
    asyncio.run(importing.undo(app, actor=ROOT))
    after = snapshot(app.db)

    assert {name: importing.make_entry(after[name]) for name in ("ann", "leaver")} == {
        name: importing.make_entry(before[name]) for name in ("ann", "leaver")
    }
    assert sorted(after) == ["", "ann", "leaver"]
    assert (before[""], after[""].made_by, after[""].undone_at > after[""].at) == (None, "root", True)
    assert [(entry.action, entry.actor, entry.detail) for entry in store.read_audit(app.db)] == [
        ("people.import_undone", "root", "1 added, 1 changed, 1 removed"),
        ("people.imported", "root", "1 added, 1 changed, 1 removed"),
    ]
    with pytest.raises(RefusedError, match=importing.NOTHING):
        asyncio.run(importing.undo(app, actor=ROOT))


def change(**values: Any) -> Callable[[Session, int], None]:
    """Make what changes a person."""
    return lambda db, number: store.update_people(db, {number: values}, now=NOON)


def start_server(db: Session, number: int) -> None:
    """Write what JupyterHub writes when a server starts."""
    db.add(orm.Spawner(name="", user_id=number, server=orm.Server()))


def rename(db: Session, number: int) -> None:
    """Give somebody another name."""
    db.get(orm.User, number).name = "another"


def remove(db: Session, number: int) -> None:
    """Delete somebody."""
    store.write(db, store.make_deletions([number]))


def take(db: Session, number: int) -> None:
    """Add somebody whom the list adds."""
    store.add_people(db, [store.NewPerson("newcomer", note="of somebody else")], created=NOON)


@pytest.mark.parametrize(
    ("name", "meanwhile"),
    [
        ("ann", change(note="other")),
        ("ann", change(admin=True)),
        ("ann", change(ends_at=NOON)),
        ("ann", change(groups={"old", "another"})),
        ("ann", change(groups={"another"})),
        ("ann", change(groups=set())),
        ("ann", rename),
        ("ann", remove),
        ("ann", take),
        ("leaver", change(note="other")),
        ("leaver", start_server),
    ],
)
def test_who_is_quicker_than_the_import_wins(app: Any, name: str, meanwhile: Callable[[Session, int], None]) -> None:
    """What somebody else writes after the import has read everybody stays, and the import writes nothing."""
    seen: list[dict[str, Any]] = []
    calls: list[str] = []
    number = store.read_named_people(app.db, [name])[name].user_id

    def validate(newcomer: str) -> bool:
        # The second time: the first one is the preview.
        calls.append(newcomer)
        if len(calls) == 2:
            with Session(app.db.get_bind()) as other:
                meanwhile(other, number)
                other.commit()
                seen.append(snapshot(other))
        return True

    app.authenticator.validate_username = validate
    with pytest.raises(RefusedError, match=CHANGED) as caught:
        run_import(app)

    assert caught.value.status == 409
    assert [snapshot(app.db)] == seen
    app.authenticator.validate_username = lambda name: True
