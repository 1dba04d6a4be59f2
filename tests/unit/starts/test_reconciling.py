"""What the rounds do when the world moves while they look, or does not answer."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Iterator
from types import SimpleNamespace
from typing import Any

import pytest
import pytest_asyncio
from jupyterhub import orm
from kubernetes_asyncio import client, config
from sqlalchemy.exc import OperationalError

from jhaws.local.api.apiserver import ApiServer, write_kubeconfig
from jhaws.local.api.resources import PODS
from jhaws.local.api.storage import Storage
from jhaws.starts.reconcile import Action, Plan, Verb
from jhaws.starts.reconciling import Reconciler

KEY = "default/jupyter-ada"
DELETE = Action(Verb.DELETE, KEY, uid="7c0f0b5e", user="ada", reason="the hub does not know it")


@pytest.fixture
def app() -> Iterator[Any]:
    """A hub in memory with one user, whose server a test may add."""
    db = orm.new_session_factory("sqlite:///:memory:")()
    user = orm.User(name="ada")
    db.add(user)
    db.commit()
    yield SimpleNamespace(db=db, users={user.id: SimpleNamespace(spawners={})}, log=logging.getLogger("test"))
    db.close()
    db.get_bind().dispose()


def set_server(app: Any, **fields: Any) -> None:
    (user,) = app.users.values()
    user.spawners[""] = SimpleNamespace(**{"name": "", "active": False, "_pod_key": KEY, **fields})


class Calls:
    """Stands for the Kubernetes client: counts deletions, and answers them with an error where it has one."""

    def __init__(self, error: Exception | None = None) -> None:
        self.count, self.error = 0, error

    status = 200

    async def delete_namespaced_pod(self, *args: Any, **options: Any) -> Any:
        """Count, and raise or give an answer."""
        self.count += 1
        if self.error:
            raise self.error
        return contextlib.nullcontext(self)

    async def read(self) -> bytes:
        """Give the answer's body."""
        return b"{}"


@pytest.mark.parametrize(
    ("server", "deletions"),
    [
        ({}, 1),
        ({"active": True}, 0),
        ({"active": True, "_pod_key": "default/other"}, 0),
        ({"active": True, "name": "gpu"}, 0),
        ({"active": True, "name": "gpu", "_pod_key": "default/jupyter-ada--gpu"}, 1),
    ],
    ids=["stopped", "active", "starts as another pod", "the pod is another server's", "another server"],
)
async def test_a_pod_that_a_server_has_come_to_need_stays(app: Any, server: dict[str, Any], deletions: int) -> None:
    """A start that began after the decision is not disturbed."""
    set_server(app, **server)
    spawner = SimpleNamespace(api=Calls(), delete_grace_period=1)
    await Reconciler(app, interval_seconds=1)._act(spawner, DELETE)

    assert spawner.api.count == deletions


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (client.ApiException(status=404), ""),
        (client.ApiException(status=409), ""),
        (client.ApiException(status=403, reason="Forbidden"), f"The pod {KEY} is not deleted: 403 Forbidden"),
        (TimeoutError(), f"The pod {KEY} is not deleted yet: no answer in time"),
        (OSError("refused"), f"The pod {KEY} is not deleted yet: refused"),
    ],
    ids=["gone", "another pod", "forbidden", "silent", "refused"],
)
async def test_a_deletion_that_fails_is_a_sentence(
    app: Any, error: Exception, words: str, caplog: pytest.LogCaptureFixture
) -> None:
    """A pod that is gone, or whose name another has by now, is what was wanted."""
    await Reconciler(app, interval_seconds=1)._delete(SimpleNamespace(api=Calls(error), delete_grace_period=1), DELETE)

    assert [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING] == [words][
        : bool(words)
    ]


@pytest_asyncio.fixture
async def cluster(tmp_path: Any) -> AsyncIterator[tuple[Storage, Any]]:
    """The embedded API server, and a client for it."""
    storage = Storage()
    server = ApiServer(storage)
    await server.start()
    write_kubeconfig(tmp_path / "kubeconfig", server.make_kubeconfig())
    async with await config.new_client_from_config(str(tmp_path / "kubeconfig")) as api_client:
        yield storage, client.CoreV1Api(api_client)
    await server.stop()


async def test_a_pod_that_took_the_name_of_the_meant_one_stays(app: Any, cluster: tuple[Storage, Any]) -> None:
    """A deletion names the pod by its uid."""
    storage, api = cluster
    container = {"name": "notebook", "image": "test/image:1"}
    pod = {"metadata": {"name": "jupyter-ada"}, "spec": {"containers": [container]}}
    uid = storage.create(PODS, pod, namespace="default")["metadata"]["uid"]
    reconciler, spawner = Reconciler(app, interval_seconds=1), SimpleNamespace(api=api, delete_grace_period=0)
    await reconciler._delete(spawner, DELETE)
    assert storage.find(PODS, "default", "jupyter-ada")
    await reconciler._delete(spawner, Action(Verb.DELETE, KEY, uid=uid))

    assert storage.find(PODS, "default", "jupyter-ada") is None


async def test_one_bad_round_is_a_sentence_and_the_next_one_comes(app: Any, caplog: pytest.LogCaptureFixture) -> None:
    """Rounds begin when the hub answers; an error ends one of them, its values stay out of the log."""
    rounds: list[str] = []
    enough = asyncio.Event()

    def stand_in(config: str) -> Any:
        rounds.append(config)
        if len(rounds) == 3:
            enough.set()
        raise OperationalError("SELECT", {"prefix": "a-secret"}, Exception("database is locked"))

    app.http_server, app.config, app.spawner_class = object(), "config", SimpleNamespace(stand_in=stand_in)
    reconciler = Reconciler(app, interval_seconds=0)
    reconciler.start()
    await asyncio.wait_for(enough.wait(), 10)
    reconciler._task.cancel()

    assert (
        "Pods and servers could not be compared (OperationalError: (builtins.Exception) database is locked)"
        in (caplog.messages[0])
    )
    assert "a-secret" not in caplog.text


async def test_one_bad_action_does_not_keep_the_others_from_being_done(
    app: Any, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """What cannot be done is told, and the rest of the round is done."""
    reconciler, done = Reconciler(app, interval_seconds=1), []
    actions = (DELETE, Action(Verb.DELETE, "default/jupyter-bea", uid="2"))

    async def compare(*args: Any) -> Plan:
        return Plan(actions, frozenset())

    async def act(spawner: Any, action: Action) -> None:
        done.append(action.key)
        raise ValueError("something\nmore")

    async def watch() -> None:
        return None

    monkeypatch.setattr(reconciler, "_compare", compare)
    monkeypatch.setattr(reconciler, "_act", act)
    await reconciler._round(SimpleNamespace(_start_watching_pods=watch, reflectors={}, unknown_pods="delete"))

    assert done == [KEY, "default/jupyter-bea"]
    assert caplog.messages[0] == (
        f"Nothing could be done about the pod {KEY} (ValueError: something). The next round tries it again."
    )
