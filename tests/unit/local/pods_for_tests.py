"""Manifests and waiting, for the tests of the parts that run pods."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

from jhaws.local.api.resources import EVENTS, PODS, PRIORITYCLASSES, Resource
from jhaws.local.api.storage import Storage
from jhaws.local.cluster import LocalCluster, LocalSettings
from jhaws.local.scheduling.nodes import LocalNodegroup, make_node
from jhaws.local.scheduling.placement import NodeState

Obj = dict[str, Any]

DEADLINE_SECONDS = 20.0


def make_pod(name: str = "pod", script: str = "sleep 1000", **spec: Any) -> Obj:
    """Build a pod with one container that runs a shell script; `container` is merged into the container."""
    container = {
        "name": "main",
        "image": "busybox:1",
        "command": ["sh", "-c", script],
        **spec.pop("container", {}),
    }
    container = {key: value for key, value in container.items() if value is not None}
    meta = {"name": name, "namespace": "default", **spec.pop("metadata", {})}
    return {"metadata": meta, "spec": {"terminationGracePeriodSeconds": 5, "containers": [container], **spec}}


def placed(pod: Obj) -> Obj:
    """Give a manifest what admission adds and the pure functions need."""
    meta = pod["metadata"]
    return {**pod, "metadata": {"uid": f"uid-{meta['name']}", "creationTimestamp": "", **meta}}


def make_state(name: str = "n", *pods: Obj, cpu: float = 4, gib: float = 16, **kwargs: Any) -> NodeState:
    """Build the state of one node; its name is `<name>-1`."""
    state = NodeState(make_node(LocalNodegroup(name, cpu_cores=cpu, memory_gib=gib, **kwargs), number=1))
    for pod in pods:
        state.add(pod)
    return state


def make_settings(state_dir: Path, *groups: LocalNodegroup, **kwargs: Any) -> LocalSettings:
    """Build settings for a quick cluster."""
    kwargs = {"node_start_seconds": 0.05, "backoff_seconds": 0.02, **kwargs}
    return LocalSettings(state_dir=state_dir, nodegroups=groups or (LocalNodegroup("n"),), **kwargs)


def create(cluster: LocalCluster, pod: Obj) -> Obj:
    """Create a pod in its namespace; a `priority` gets the PriorityClass that admission asks for."""
    priority = pod["spec"].get("priority")
    if priority is not None:
        name = f"priority-{priority}".replace("--", "-minus-")
        if cluster.storage.find(PRIORITYCLASSES, "", name) is None:
            cluster.storage.create(PRIORITYCLASSES, {"metadata": {"name": name}, "value": priority})
        pod = {**pod, "spec": {**pod["spec"], "priorityClassName": name}}
    return cluster.storage.create(PODS, pod, namespace=pod["metadata"]["namespace"])


async def wait_for(
    storage: Storage, resource: Resource, name: str, check: Callable[[Obj], Any], *, namespace: str = "default"
) -> Obj:
    """Wait until an object passes a check; fails with its last state."""
    watch = storage.watch(resource)
    last: Obj | None = storage.find(resource, namespace, name)
    try:
        async with asyncio.timeout(DEADLINE_SECONDS):
            while last is None or not check(last):
                async for event in watch:
                    if event.object["metadata"]["name"] == name and event.type != "DELETED":
                        last = event.object
                        break
    except TimeoutError:
        raise AssertionError(f"{name} never got there: {last and last.get('status')}") from None
    finally:
        watch.close()
    return last


async def wait_gone(storage: Storage, name: str, *, resource: Resource = PODS, namespace: str = "default") -> None:
    """Wait until an object is gone."""
    async with asyncio.timeout(DEADLINE_SECONDS):
        watch = storage.watch(resource)
        while storage.find(resource, namespace, name) is not None:
            async for event in watch:
                if event.type == "DELETED":
                    break
        watch.close()


async def wait_event(storage: Storage, name: str, reason: str) -> Obj:
    """Wait for an event about an object."""

    def found() -> Obj | None:
        for event in storage.list(EVENTS):
            if event["involvedObject"]["name"] == name and event["reason"] == reason:
                return event
        return None

    watch = storage.watch(EVENTS)
    try:
        async with asyncio.timeout(DEADLINE_SECONDS):
            while found() is None:
                async for _ in watch:
                    break
    except TimeoutError:
        raise AssertionError(f"no {reason}: {[(e['reason'], e['message']) for e in storage.list(EVENTS)]}") from None
    finally:
        watch.close()
    event = found()
    assert event is not None
    return event


def reasons(storage: Storage, name: str) -> list[str]:
    """List the reasons of the events about an object."""
    return [e["reason"] for e in storage.list(EVENTS) if e["involvedObject"]["name"] == name]


def is_running(pod: Obj) -> bool:
    """Tell whether a pod is Running."""
    return pod["status"].get("phase") == "Running"


def is_ready(pod: Obj) -> bool:
    """Tell whether a pod is Ready."""
    return condition(pod, "Ready").get("status") == "True"


def condition(pod: Obj, kind: str) -> Obj:
    """Give one condition, or nothing."""
    return next((c for c in pod["status"].get("conditions") or [] if c["type"] == kind), {})


async def until(check: Callable[[], Any]) -> Any:
    """Wait for something of the file system or the process table, which tells nobody when it changes."""
    async with asyncio.timeout(DEADLINE_SECONDS):
        while not (result := check()):
            await asyncio.sleep(0.01)
    return result


async def wait_file(path: Path) -> str:
    """Wait until a file has a whole line, and give its text."""
    await until(lambda: path.is_file() and path.read_text().endswith("\n"))
    return path.read_text()
