"""Where a server is that began to start before the hub did."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import pytest_asyncio
from jupyterhub.objects import Server

from jhaws.spawner import JhawsSpawner
from jhaws.starts import resuming
from jhaws.starts.podwatch import PodWatch
from tests.unit.test_spawner import make_spawner

from .pods import Obj

pytestmark = pytest.mark.usefixtures("no_cluster")

UNKNOWN = "http://192.0.2.1:1/user/ada/"  # what JupyterHub has in its database before it knows better
RUNNING = {
    "phase": "Running",
    "podIP": "10.0.0.7",
    "containerStatuses": [{"name": "notebook", "ready": True, "state": {"running": {}}}],
}


@pytest_asyncio.fixture
async def spawner(monkeypatch: pytest.MonkeyPatch) -> Any:
    """A spawner as the hub makes it of a row of its database, with a watch that has loaded."""
    monkeypatch.setattr(JhawsSpawner, "reflectors", {})
    made = make_spawner(JhawsSpawner)
    made.namespace = "hub"
    made._server = Server.from_url(UNKNOWN)
    watch = PodWatch(None)
    watch.watch.loaded.set()
    JhawsSpawner.reflectors[made._get_reflector_key("pods")] = watch
    return made


def show_pod(spawner: Any, *, age_seconds: float = 0.0, kind: str = "MODIFIED", **status: Any) -> None:
    """Let the watch see the server's pod."""
    made_at = (datetime.now(UTC) - timedelta(seconds=age_seconds)).strftime("%Y-%m-%dT%H:%M:%SZ")
    metadata = {"name": spawner.pod_name, "namespace": "hub", "uid": "1", "creationTimestamp": made_at}
    container = {"name": "notebook", "ports": [{"name": "notebook-port", "containerPort": 8888}]}
    pod: Obj = {"metadata": metadata, "spec": {"containers": [container]}, "status": status}
    spawner.pod_reflector.put(kind, pod)


async def test_a_server_that_runs_is_found_at_its_pod(spawner: Any) -> None:
    """Whatever address the database had."""
    show_pod(spawner, **RUNNING)

    assert await spawner.get_url() == "http://10.0.0.7:8888/user/ada/"


async def test_a_server_that_starts_is_waited_for(spawner: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """The address is there with the change that makes the pod run."""
    show_pod(spawner, phase="Pending")
    news = [{"phase": "Running"}, RUNNING]  # the first has no address yet

    async def change(event: Any, seconds: float) -> bool:
        show_pod(spawner, **news.pop(0))
        assert event.is_set()
        event.clear()
        return True

    monkeypatch.setattr(resuming, "woken_within", change)

    assert await spawner.get_url() == "http://10.0.0.7:8888/user/ada/"


@pytest.mark.parametrize(
    ("age_seconds", "status"),
    [(0, {"phase": "Failed"}), (301, {"phase": "Pending"}), (0, None)],
    ids=["failed", "too late", "gone"],
)
async def test_a_server_that_will_not_run_is_where_the_database_says(
    spawner: Any, age_seconds: float, status: Any
) -> None:
    """There JupyterHub finds nobody, and stops it."""
    if status:
        spawner.start_timeout = 300
        show_pod(spawner, age_seconds=age_seconds, **status)

    assert await spawner.get_url() == UNKNOWN


async def test_a_hook_that_raises_does_not_end_the_hub(spawner: Any, caplog: pytest.LogCaptureFixture) -> None:
    """JupyterHub would not start where asking a single server for its address fails."""

    def hook(spawner: Any, pod: Any) -> str:
        raise ValueError("no such field")

    spawner.get_pod_url = hook
    spawner.pod_reflector.whole = True
    show_pod(spawner, **RUNNING)

    assert await spawner.get_url() == UNKNOWN
    assert "Where the server of ada is cannot be told: no such field" in caplog.text
