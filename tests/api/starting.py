"""Real spawners on the API server under test; the test itself is scheduler and kubelet."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import logging
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import kubespawner.spawner
from aiohttp import web
from kubernetes_asyncio.client import Configuration
from traitlets.config import Config

from jhaws.spawner import JhawsSpawner
from tests.api.cluster import SCHEDULER, Cluster, eventually

MERGE = "application/merge-patch+json"
TOKEN = "a-token-that-must-never-be-seen"

_numbers = itertools.count(1)


class Kubelet:
    """Does to a pod what the scheduler and a kubelet do: writes its status and its events."""

    def __init__(self, cluster: Cluster, name: str, *, namespace: str) -> None:
        self.cluster, self.name, self.namespace = cluster, name, namespace
        self.pods = f"/api/v1/namespaces/{namespace}/pods"

    async def pod(self) -> dict[str, Any] | None:
        """Return the pod, None where there is none."""
        code, pod = await self.cluster.call("GET", f"{self.pods}/{self.name}")
        return pod if code == 200 else None

    async def created(self) -> dict[str, Any]:
        """Wait until the spawner has created the pod."""
        pod: dict[str, Any] = await eventually(self.pod)
        return pod

    async def status(self, **status: Any) -> None:
        """Write the pod's status."""
        body = {"status": status}
        code, answer = await self.cluster.call("PATCH", f"{self.pods}/{self.name}/status", body, kind=MERGE)
        assert code in (200, 404), answer  # the spawner may have deleted it, as in life

    async def container(self, phase: str = "Pending", *, ready: bool = False, restarts: int = 0, **state: Any) -> None:
        """Write what the server's container does: `waiting`, `running` or `terminated`; `last` is its state before."""
        last = state.pop("last", {})
        container = {
            "name": "notebook",
            "image": "i:1",
            "imageID": "",
            "ready": ready,
            "restartCount": restarts,
            "state": state,
            "lastState": last,
        }
        conditions = [{"type": "PodScheduled", "status": "True"}, {"type": "Initialized", "status": "True"}]
        conditions.append({"type": "Ready", "status": str(ready)})
        await self.status(phase=phase, podIP="127.0.0.1", conditions=conditions, containerStatuses=[container])

    async def run(self) -> None:
        """Let the server's container run, and the pod be ready."""
        await self.container("Running", ready=True, running={"startedAt": now()})

    async def event(
        self, reason: str, message: str, *, kind: str = "Warning", count: int = 1, source: str = ""
    ) -> None:
        """Tell something about the pod."""
        event = {
            "reason": reason,
            "message": message,
            "type": kind,
            "count": count,
            "firstTimestamp": now(),
            "lastTimestamp": now(),
            "source": {"component": source or "kubelet"},
        }
        await self.write_event(event, "spec.containers{notebook}")

    async def bind(self, node: str) -> None:
        """Bind the pod to a node, as the scheduler does."""
        body = {"metadata": {"name": self.name}, "target": {"apiVersion": "v1", "kind": "Node", "name": node}}
        code, answer = await self.cluster.call("POST", f"{self.pods}/{self.name}/binding", body)
        assert code == 201, answer

    async def write_event(self, fields: dict[str, Any], path: str) -> None:
        """Write an event about the pod, or about the part of it that `path` names."""
        pod = await self.pod()
        if pod is None:
            return  # the spawner may have deleted it, as in life
        event = {
            "metadata": {"name": f"{self.name}.{next(_numbers)}"},
            "involvedObject": {
                "apiVersion": "v1",
                "kind": "Pod",
                "name": self.name,
                "namespace": self.namespace,
                "uid": pod["metadata"]["uid"],
                "fieldPath": path,
            },
            **fields,
        }
        code, answer = await self.cluster.call("POST", f"/api/v1/namespaces/{self.namespace}/events", event)
        assert code == 201, answer

    async def is_gone(self) -> bool:
        """Say whether there is no pod."""
        return await self.pod() is None


def now() -> str:
    """Return the time as Kubernetes writes it."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


@contextlib.asynccontextmanager
async def spawners(cluster: Cluster) -> AsyncIterator[Any]:
    """Give a function that makes spawners in the cluster's namespace; what they began is ended afterwards."""
    before, load_config = Configuration._default, kubespawner.spawner.load_config
    Configuration.set_default(cluster.api.configuration)
    kubespawner.spawner.load_config = lambda **_: None  # it would look for a cluster of this machine's own
    JhawsSpawner.reflectors.clear()

    def make(name: str = "ada", **options: Any) -> tuple[Any, Kubelet]:
        user = SimpleNamespace(name=name, id=1, url=f"/user/{name}/", groups=[], settings={})
        sections: dict[str, Any] = {
            "KubeSpawner": {"namespace": cluster.namespace, "image": "i:1", "start_timeout": 60, **options}
        }
        sections["KubeSpawner"].setdefault("extra_pod_config", {"schedulerName": SCHEDULER})
        spawner = JhawsSpawner(_mock=True, user=user, config=Config(sections), api_token=TOKEN)
        spawner.log = logging.getLogger("jhaws.test")
        return spawner, Kubelet(cluster, spawner.pod_name, namespace=spawner.namespace)

    try:
        yield make
    finally:
        for watch in JhawsSpawner.reflectors.values():
            await watch.stop()
        JhawsSpawner.reflectors.clear()
        Configuration._default = before
        kubespawner.spawner.load_config = load_config
        for task in asyncio.all_tasks():
            if "close_client_task" in str(task.get_coro()):
                task.cancel()
                await asyncio.wait([task])


@contextlib.asynccontextmanager
async def http_server(*, status: int = 200) -> AsyncIterator[Any]:
    """Run what stands for Jupyter; its `status` may be changed, and it counts who asked."""
    state = SimpleNamespace(status=status, asked=0, port=0)

    async def answer(request: web.Request) -> web.Response:
        state.asked += 1
        return web.Response(status=state.status)

    app = web.Application()
    app.router.add_get("/{path:.*}", answer)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    state.port = runner.addresses[0][1]
    try:
        yield state
    finally:
        await runner.cleanup()
