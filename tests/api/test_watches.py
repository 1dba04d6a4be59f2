"""Watches: where they begin, what they show, how they end."""

from __future__ import annotations

import asyncio
import json

import pytest
from kubernetes_asyncio import watch as client_watch

from tests.api.cluster import Cluster, make_pod

MERGE = "application/merge-patch+json"
INITIAL = {"sendInitialEvents": "true", "resourceVersionMatch": "NotOlderThan", "allowWatchBookmarks": "true"}


async def label(cluster: Cluster, name: str, **labels: str | None) -> dict:
    """Change the labels of a pod."""
    _, pod = await cluster.call("PATCH", f"{cluster.pods}/{name}", {"metadata": {"labels": labels}}, kind=MERGE)
    return pod


@pytest.mark.parametrize("query", [{}, {"resourceVersion": "0"}])
async def test_without_version_begins_with_all(cluster: Cluster, query: dict[str, str]) -> None:
    """A watch that names no version gets all objects as ADDED, then the changes."""
    await cluster.create_pod("a")
    await cluster.create_pod("b")
    async with cluster.watch(cluster.pods, **query) as lines:
        assert sorted(await lines.take(2)) == [("ADDED", "a"), ("ADDED", "b")]
        await label(cluster, "a", x="y")
        event = await lines.next()

    assert (event["type"], event["object"]["metadata"]["name"]) == ("MODIFIED", "a")
    assert (event["object"]["kind"], event["object"]["apiVersion"]) == ("Pod", "v1")
    assert event["object"]["metadata"]["labels"] == {"x": "y"}


async def test_from_a_version_nothing_is_missed_or_repeated(cluster: Cluster) -> None:
    """A watch from the version of a list shows exactly what happened after it, in order."""
    await cluster.create_pod("a")
    found = await cluster.core.list_namespaced_pod(cluster.namespace)
    await cluster.create_pod("b")
    await label(cluster, "a", x="y")
    await cluster.call("DELETE", f"{cluster.pods}/b")
    query = {"resourceVersion": found.metadata.resource_version}
    async with cluster.watch(cluster.pods, **query) as lines:
        events = [await lines.next() for _ in range(4)]
        await cluster.create_pod("c")
        events.append(await lines.next())

    assert [(event["type"], event["object"]["metadata"]["name"]) for event in events] == [
        ("ADDED", "b"),
        ("MODIFIED", "a"),
        ("MODIFIED", "b"),
        ("DELETED", "b"),
        ("ADDED", "c"),
    ]
    versions = [int(event["object"]["metadata"]["resourceVersion"]) for event in events]
    assert versions == sorted(set(versions))
    for event in events[2:4]:
        assert event["object"]["metadata"]["deletionGracePeriodSeconds"] == 0
        assert "deletionTimestamp" in event["object"]["metadata"]


async def test_initial_events_end_with_a_bookmark(cluster: Cluster) -> None:
    """`sendInitialEvents` gives all objects, an annotated bookmark, then the changes."""
    await cluster.create_pod("a")
    made = await cluster.create_pod("b")
    async with cluster.watch(cluster.pods, **INITIAL) as lines:
        assert sorted(await lines.take(2)) == [("ADDED", "a"), ("ADDED", "b")]
        bookmark = await lines.next()
        await cluster.create_pod("c")
        assert await lines.take(1) == [("ADDED", "c")]

    assert bookmark["type"] == "BOOKMARK"
    assert bookmark["object"]["kind"] == "Pod"
    assert bookmark["object"]["metadata"]["annotations"] == {"k8s.io/initial-events-end": "true"}
    version = bookmark["object"]["metadata"]["resourceVersion"]
    assert int(version) >= int(made["metadata"]["resourceVersion"])
    async with cluster.watch(cluster.pods, resourceVersion=version) as lines:
        assert await lines.take(1) == [("ADDED", "c")]


async def test_initial_events_without_bookmarks(cluster: Cluster) -> None:
    """A client that takes no bookmarks gets none."""
    await cluster.create_pod("a")
    query = {**INITIAL, "allowWatchBookmarks": "false", "timeoutSeconds": "1"}
    async with cluster.watch(cluster.pods, **query) as lines:
        events = await lines.rest()

    assert [event["type"] for event in events] == ["ADDED"]


async def test_initial_events_can_be_declined(cluster: Cluster) -> None:
    """With `sendInitialEvents=false` only what happens from now on is shown."""
    await cluster.create_pod("a")
    query = {"sendInitialEvents": "false", "resourceVersionMatch": "NotOlderThan"}
    async with cluster.watch(cluster.pods, **query) as lines:
        await cluster.create_pod("b")
        assert await lines.take(1) == [("ADDED", "b")]


async def test_selected_objects_come_and_go(cluster: Cluster) -> None:
    """What begins to match is ADDED, what no longer does is DELETED, in the state it had."""
    await cluster.create_pod("a", labels={"app": "hub"})
    await cluster.create_pod("b")
    async with cluster.watch(cluster.pods, labelSelector="app=hub") as lines:
        assert await lines.take(1) == [("ADDED", "a")]
        await label(cluster, "b", app="hub")
        await label(cluster, "b", more="x")
        changed = await label(cluster, "a", app="proxy")
        await label(cluster, "a", more="x")
        await cluster.call("DELETE", f"{cluster.pods}/a")
        await cluster.create_pod("c", labels={"app": "hub"})
        assert await lines.take(2) == [("ADDED", "b"), ("MODIFIED", "b")]
        gone = await lines.next()
        assert await lines.take(1) == [("ADDED", "c")]

    assert (gone["type"], gone["object"]["metadata"]["name"]) == ("DELETED", "a")
    assert gone["object"]["metadata"]["labels"] == {"app": "hub"}
    assert gone["object"]["metadata"]["resourceVersion"] == changed["metadata"]["resourceVersion"]


async def test_field_selector_follows_the_phase(cluster: Cluster) -> None:
    """A pod that changes its phase leaves a watch of the old one."""
    await cluster.create_pod("a")
    status = {"status": {"phase": "Running"}}
    async with cluster.watch(cluster.pods, fieldSelector="status.phase=Pending") as lines:
        assert await lines.take(1) == [("ADDED", "a")]
        await cluster.call("PATCH", f"{cluster.pods}/a/status", status, kind=MERGE)
        assert await lines.take(1) == [("DELETED", "a")]


async def test_other_namespaces_stay_out(cluster: Cluster) -> None:
    """A watch of a namespace shows nothing of others; one of all shows both."""
    path = f"/api/v1/namespaces/{cluster.namespace}/configmaps"
    selector = {"labelSelector": f"test={cluster.namespace}"}
    labels = {"test": cluster.namespace}
    async with (
        cluster.watch(path, **selector) as here,
        cluster.watch("/api/v1/configmaps", **selector) as everywhere,
    ):
        elsewhere = {"metadata": {"name": cluster.namespace, "labels": labels}}
        await cluster.call("POST", "/api/v1/namespaces/default/configmaps", elsewhere)
        await cluster.call("POST", path, {"metadata": {"name": "one", "labels": labels}})
        try:
            assert await everywhere.take(2) == [("ADDED", cluster.namespace), ("ADDED", "one")]
            assert await here.take(1) == [("ADDED", "one")]
        finally:
            await cluster.call("DELETE", f"/api/v1/namespaces/default/configmaps/{cluster.namespace}")


async def test_single_object_can_be_watched(cluster: Cluster) -> None:
    """A field selector on the name is how clients follow one object."""
    await cluster.create_pod("a")
    await cluster.create_pod("b")
    async with cluster.watch(cluster.pods, fieldSelector="metadata.name=b") as lines:
        assert await lines.take(1) == [("ADDED", "b")]
        await label(cluster, "a", x="y")
        await label(cluster, "b", x="y")
        assert await lines.take(1) == [("MODIFIED", "b")]


async def test_timeout_ends_the_watch(cluster: Cluster) -> None:
    """After `timeoutSeconds` the server ends the answer as if nothing had happened."""
    await cluster.create_pod("a")
    async with cluster.watch(cluster.pods, timeoutSeconds="1") as lines:
        events = await lines.rest()

    assert [event["type"] for event in events] == ["ADDED"]


async def test_client_library_watches(cluster: Cluster) -> None:
    """kubernetes_asyncio's own Watch reads events and typed objects."""
    await cluster.core.create_namespaced_pod(cluster.namespace, make_pod("a"))
    seen = []
    async with client_watch.Watch() as watch:
        stream = watch.stream(cluster.core.list_namespaced_pod, cluster.namespace, timeout_seconds=20)
        async for event in stream:
            seen.append((event["type"], event["object"].metadata.name))
            if len(seen) == 1:
                await cluster.core.delete_namespaced_pod("a", cluster.namespace)
            if event["type"] == "DELETED":
                break

    assert seen == [("ADDED", "a"), ("MODIFIED", "a"), ("DELETED", "a")]


async def test_many_watches_see_the_same(cluster: Cluster) -> None:
    """Several readers of one resource each get every event."""

    async def read() -> list[tuple[str, str]]:
        async with cluster.watch(cluster.pods) as lines:
            ready.release()
            return await lines.take(5)

    ready = asyncio.Semaphore(0)
    async with asyncio.TaskGroup() as group:
        readers = [group.create_task(read(), name=f"reader {n}") for n in range(5)]
        for _ in readers:
            await ready.acquire()
        for name in "abcde":
            await cluster.create_pod(name)

    for reader in readers:
        assert reader.result() == [("ADDED", name) for name in "abcde"]


async def test_large_objects_arrive_whole(cluster: Cluster) -> None:
    """A line is one JSON document, however long and in whatever script."""
    text = "ü€😀\n" * 20_000
    path = f"/api/v1/namespaces/{cluster.namespace}/configmaps"
    await cluster.call("POST", path, {"metadata": {"name": "big"}, "data": {"text": text}})
    timeout = {"timeoutSeconds": "1", "fieldSelector": "metadata.name=big"}
    async with cluster.watch(path, **timeout) as lines:
        (event,) = await lines.rest()

    assert event["object"]["data"]["text"] == text
    assert json.dumps(event)
