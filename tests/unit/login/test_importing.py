"""An import into a real database, while somebody else changes it: all of it is written, or nothing."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Awaitable, Callable, Iterator, Sequence
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
from jhaws.login.closing import Closer
from jhaws.login.importing import CHANGED, NOT_LAST, Actor
from jhaws.login.people import RefusedError
from tests.postgres import Postgres, running_postgres

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)
ROOT = Actor("root", is_admin=True, may_group=True, address="here")
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


def test_a_list_is_compared_in_a_thread(app: Any) -> None:
    """The event loop's has other things to do meanwhile, at the preview and when it is applied."""
    threads: list[threading.Thread] = []

    def validate(name: str) -> bool:
        threads.append(threading.current_thread())
        return True

    app.authenticator.validate_username = validate
    run_import(app)

    assert len(threads) == 2
    assert threading.current_thread() not in threads


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
    assert [(entry.action, entry.actor, entry.detail) for entry in store.read_audit(app.db) if not entry.name] == [
        ("people.import_undone", "root", "added: 1; changed: 1; removed: 1"),
        ("people.imported", "root", "added: 1; changed: 1; removed: 1"),
    ]
    with pytest.raises(RefusedError, match=importing.NOTHING):
        asyncio.run(importing.undo(app, actor=ROOT))


async def undo(app: Any) -> Any:
    """Undo the last import."""
    return await importing.undo(app, actor=ROOT)


def test_an_undo_gives_people_back_as_they_were(app: Any, caplog: pytest.LogCaptureFixture) -> None:
    """Blocks, waiting and own passwords too, which nothing but the database ever says; a one-time code is gone."""
    caplog.set_level(logging.DEBUG)
    store.add_people(app.db, [store.NewPerson(name) for name in ("bob", "wendy", "ben")], created=NOON)
    number = {name: person.user_id for name, person in store.read_named_people(app.db, ["bob", "wendy"]).items()}
    store.update_people(app.db, {number["bob"]: {"blocked": True}, number["wendy"]: {"waiting": True}}, now=NOON)
    for name in ("leaver", "bob"):
        store.set_own_password(
            app.db, store.read_own(app.db, name), f"hash of {name}", for_admin=name == "leaver", at=NOON
        )
        store.set_code(app.db, store.read_own(app.db, name), "hash of a code", whose="user", ends_at=NOON)
    app.db.commit()
    seen = run_import(app)
    undone = asyncio.run(undo(app))

    standings = {name: store.read_standing(app.db, name) for name in ("bob", "wendy", "leaver", "ben")}
    assert standings == {
        "bob": store.Standing(blocked=True),
        "wendy": store.Standing(waiting=True),
        "leaver": store.Standing(),
        "ben": None,
    }
    own = store.read_own(app.db, "leaver")
    assert own is not None
    assert (own.password_hash, own.password_for_admin) == ("hash of leaver", True)
    assert (own.code_hash, own.code_ends_at) == (None, None)
    assert app.db.scalar(select(store.Person.password_set_at).filter_by(user_id=own.user_id)) == NOON
    assert store.read_named_people(app.db, ["leaver"])["leaver"].groups == ("old",)
    assert "hash of" not in f"{seen} {undone} {store.read_import(app.db)}" + caplog.text


def test_the_audit_log_has_everybody_whom_an_import_and_its_undo_touch(app: Any) -> None:
    """With what was changed and who did it, as long as a list may be; nothing of an import that wrote nothing."""
    run_import(app, LIST.replace("newcomer,new,,", 'newcomer,"new,other",,secret\nplain,,,'))
    asyncio.run(undo(app))
    with pytest.raises(RefusedError):
        asyncio.run(undo(app))
    entries = reversed(store.read_audit(app.db))

    assert [(each.action, each.name, each.detail) for each in entries] == [
        ("person.added", "newcomer", "by an import; groups: new, other; note"),
        ("person.added", "plain", "by an import"),
        ("person.changed", "ann", "by an import; groups: new; admin: yes; note"),
        ("person.deleted", "leaver", "by an import"),
        ("people.imported", "", "added: 2; changed: 1; removed: 1"),
        ("person.added", "leaver", "by an undo; groups: old"),
        ("person.changed", "ann", "by an undo; groups: old; admin: no; note"),
        ("person.deleted", "newcomer", "by an undo"),
        ("person.deleted", "plain", "by an undo"),
        ("people.import_undone", "", "added: 1; changed: 1; removed: 2"),
    ]
    assert {(each.actor, each.address, each.at.tzinfo) for each in store.read_audit(app.db)} == {("root", "here", UTC)}


class SlowCloser(Closer):
    """Takes its time with servers, and somebody else uses it."""

    def __init__(self, app: Any, meanwhile: Callable[[], Awaitable[Any]]) -> None:
        super().__init__(app)
        self.meanwhile = meanwhile

    async def stop_servers(self, person_ids: Sequence[int]) -> int:
        """Let somebody else go first."""
        self._app.jhaws_closer = Closer(self._app)
        await self.meanwhile()
        return await super().stop_servers(person_ids)


@pytest.mark.parametrize("other", ["import", "undo"])
def test_an_undo_is_of_the_import_that_was_the_last_one(app: Any, other: str) -> None:
    """Where somebody else imports or undoes while it waits for servers it undoes nothing, and marks nothing."""
    run_import(app, "name,note\nann,new\nleaver,")
    before = store.read_import(app.db)

    async def go_first() -> None:
        text = "name\nann\nleaver\nof-b"
        seen = await importing.preview(app, text, remove_missing=True, actor=ROOT)
        await importing.apply(app, text, remove_missing=True, actor=ROOT, digest=seen.digest)

    app.jhaws_closer = SlowCloser(app, go_first if other == "import" else lambda: undo(app))
    with pytest.raises(RefusedError, match=NOT_LAST) as caught:
        asyncio.run(undo(app))
    after = store.read_import(app.db)

    assert caught.value.status == 409
    assert before is not None
    assert after is not None
    if other == "import":
        assert (after.number > before.number, after.undone_at) == (True, None)
        assert store.read_named_people(app.db, ["ann"])["ann"].note == "new"
        changes, _ = asyncio.run(undo(app))
        assert [entry.name for entry in changes.removed] == ["of-b"]
    else:
        assert after.number == before.number


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
