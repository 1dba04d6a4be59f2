"""KubeSpawner's own classes, unmodified, on this API server."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable

import pytest
from kubernetes_asyncio.client import Configuration
from kubespawner.reflector import NamespacedResourceReflector
from traitlets.config import LoggingConfigurable

from tests.api.cluster import Cluster, eventually

MERGE = "application/merge-patch+json"


class PodReflector(NamespacedResourceReflector):
    """The reflector KubeSpawner makes for pods."""

    kind = "pods"
    api_group_name = "CoreV1Api"


MakeReflector = Callable[..., PodReflector]


@pytest.fixture
async def make_reflector(cluster: Cluster) -> AsyncIterator[MakeReflector]:
    """Make reflectors that connect as KubeSpawner does, and stop them afterwards."""
    made: list[PodReflector] = []
    before = Configuration._default
    Configuration.set_default(cluster.api.configuration)

    def make(**settings: object) -> PodReflector:
        reflector = PodReflector(parent=LoggingConfigurable(), namespace=cluster.namespace, **settings)
        made.append(reflector)
        return reflector

    yield make
    for reflector in made:
        await reflector.stop()
    Configuration._default = before
    for task in asyncio.all_tasks():
        if "close_client_task" in str(task.get_coro()):
            task.cancel()
            await asyncio.wait([task])


def names(reflector: PodReflector) -> set[str]:
    """The pods a reflector knows."""
    return {key.split("/")[1] for key in reflector.resources}


async def knows(reflector: PodReflector, *wanted: str) -> None:
    """Wait until a reflector knows exactly these pods."""

    async def check() -> bool:
        return names(reflector) == set(wanted)

    await eventually(check)


async def test_reflector_follows_pods(cluster: Cluster, make_reflector: MakeReflector) -> None:
    """A reflector sees the pods with its label come, change and go."""
    labels = {"component": "singleuser-server"}
    await cluster.create_pod("before", labels=labels)
    reflector = make_reflector(labels=labels)
    await reflector.start()
    await reflector.first_load_future
    assert names(reflector) == {"before"}

    await cluster.create_pod("other", labels={"component": "hub"})
    await cluster.create_pod("after", labels=labels)
    await knows(reflector, "before", "after")
    await cluster.call("PATCH", f"{cluster.pods}/after/status", {"status": {"phase": "Running"}}, kind=MERGE)

    async def is_running() -> bool:
        return reflector.resources[f"{cluster.namespace}/after"]["status"]["phase"] == "Running"

    await eventually(is_running)
    await cluster.call("DELETE", f"{cluster.pods}/before")
    await knows(reflector, "after")


async def test_reflector_resumes_its_watch(cluster: Cluster, make_reflector: MakeReflector) -> None:
    """A reflector whose watch ends by its time-out goes on with what changed meanwhile."""
    reflector = make_reflector(timeout_seconds=1)
    await reflector.start()
    for count in range(1, 4):
        await cluster.create_pod(f"pod-{count}")
        await knows(reflector, *(f"pod-{n}" for n in range(1, count + 1)))
