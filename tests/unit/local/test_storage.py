"""The storage: versions, deletion, owners, namespaces, history."""

from __future__ import annotations

import asyncio
from copy import deepcopy
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from jhaws.local.api.resources import (
    CONFIGMAPS,
    NAMESPACES,
    NODES,
    PODS,
    PRIORITYCLASSES,
    SECRETS,
    SERVICEACCOUNTS,
    SERVICES,
)
from jhaws.local.api.storage import Conflict, Event, Forbidden, Gone, Invalid, NotFound, Storage

START = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


class Clock:
    """A clock that stands still until it is set forward."""

    def __init__(self) -> None:
        self.now = START

    def __call__(self) -> datetime:
        """Tell the time."""
        return self.now


@pytest.fixture
def clock() -> Clock:
    """A clock in the test's hands."""
    return Clock()


@pytest.fixture
def storage(clock: Clock) -> Storage:
    """A fresh cluster."""
    return Storage(now=clock)


def make_pod(name: str, *, node: str = "", **meta: Any) -> dict[str, Any]:
    """Build a small pod."""
    spec: dict[str, Any] = {"containers": [{"name": "main", "image": "x"}]}
    if node:
        spec["nodeName"] = node
    return {"metadata": {"name": name, **meta}, "spec": spec}


def make_map(name: str, **meta: Any) -> dict[str, Any]:
    """Build an empty ConfigMap."""
    return {"metadata": {"name": name, **meta}}


def names(found: list[dict[str, Any]]) -> list[str]:
    """The names of objects."""
    return [obj["metadata"]["name"] for obj in found]


def read(storage: Storage, resource: Any, since: int) -> list[tuple[str, str]]:
    """Type and name of what happened after a version."""
    events: list[Event] = storage.watch(resource, since=since).pending()
    return [(event.type, event.object["metadata"]["name"]) for event in events]


def test_new_cluster_has_what_every_cluster_has(storage: Storage) -> None:
    """Namespaces with a ServiceAccount each, and the system's PriorityClasses, are there from the start."""
    assert names(storage.list(NAMESPACES)) == ["default", "kube-node-lease", "kube-public", "kube-system"]
    accounts = [obj["metadata"]["namespace"] for obj in storage.list(SERVICEACCOUNTS)]
    assert accounts == names(storage.list(NAMESPACES))
    assert names(storage.list(PRIORITYCLASSES)) == ["system-cluster-critical", "system-node-critical"]


def test_version_of_earlier_run_is_too_old(storage: Storage) -> None:
    """A cluster started later begins with a higher version, so who knew the earlier one is told to list again."""
    later = Storage()

    assert later.revision >= storage.revision
    with pytest.raises(Gone):
        storage.watch(PODS, since=storage.revision - 10_000_000)


def test_created_object_is_a_copy(storage: Storage) -> None:
    """What the caller does with the manifest afterwards does not reach the storage."""
    manifest = make_pod("one", labels={"a": "b"})
    before = deepcopy(manifest)
    made = storage.create(PODS, manifest)
    assert manifest == before
    manifest["metadata"]["labels"]["a"] = "c"

    assert made["metadata"]["labels"] == {"a": "b"}
    assert storage.get(PODS, "default", "one") is made
    assert made["metadata"]["creationTimestamp"] == "2026-01-02T03:04:05Z"


def test_lists_are_sorted_and_by_namespace(storage: Storage) -> None:
    """Objects come by namespace and name, as from etcd."""
    for namespace in ("a-b", "a"):
        storage.create(NAMESPACES, {"metadata": {"name": namespace}})
        for name in ("two", "one"):
            storage.create(CONFIGMAPS, make_map(name), namespace=namespace)

    everywhere = [(o["metadata"]["namespace"], o["metadata"]["name"]) for o in storage.list(CONFIGMAPS)]
    assert everywhere == [("a-b", "one"), ("a-b", "two"), ("a", "one"), ("a", "two")]
    assert names(storage.list(CONFIGMAPS, "a")) == ["one", "two"]
    assert storage.list(CONFIGMAPS, "none") == []


def test_update_compares_versions(storage: Storage) -> None:
    """Who writes an old version loses; who names none wins."""
    old = storage.create(CONFIGMAPS, make_map("one"))
    new = storage.update(CONFIGMAPS, {**old, "data": {"a": "1"}})
    with pytest.raises(Conflict, match="the object has been modified"):
        storage.update(CONFIGMAPS, {**old, "data": {"a": "2"}})
    assert storage.get(CONFIGMAPS, "default", "one") is new

    blind = make_map("one", namespace="default")
    assert storage.update(CONFIGMAPS, {**blind, "data": {"a": "3"}})["data"] == {"a": "3"}


def test_unchanged_write_is_no_event(storage: Storage) -> None:
    """A write that changes nothing makes no version and wakes nobody."""
    storage.create(PODS, make_pod("one"))
    before = storage.revision
    storage.modify(PODS, "default", "one", lambda pod: None)
    storage.modify(PODS, "default", "one", lambda pod: pod["metadata"].update(generation=9))

    assert storage.revision == before


def test_modify_never_edits_in_place(storage: Storage) -> None:
    """Who holds an earlier state keeps it."""
    before = storage.create(PODS, make_pod("one"))
    after = storage.modify(PODS, "default", "one", lambda pod: pod["status"].update(phase="Running"))

    assert before["status"]["phase"] == "Pending"
    assert after["status"]["phase"] == "Running"
    assert after["metadata"]["generation"] == 1
    with pytest.raises(NotFound):
        storage.modify(PODS, "default", "none", lambda pod: None)


def test_failed_modify_changes_nothing(storage: Storage) -> None:
    """A change that raises half-way leaves the object as it was."""
    before = storage.create(PODS, make_pod("one"))

    def change(pod: dict[str, Any]) -> None:
        pod["status"]["phase"] = "Running"
        raise KeyError("x")

    with pytest.raises(KeyError):
        storage.modify(PODS, "default", "one", change)
    assert storage.get(PODS, "default", "one") is before


def test_bound_pod_waits_for_remove(storage: Storage, clock: Clock) -> None:
    """A pod on a node is marked with its time, and ends when the kubelet says so."""
    made = storage.create(PODS, make_pod("one", node="n"))
    marked = storage.delete(PODS, "default", "one")
    assert marked["metadata"]["deletionTimestamp"] == "2026-01-02T03:04:35Z"
    assert marked["metadata"]["deletionGracePeriodSeconds"] == 30
    clock.now += timedelta(seconds=3)
    assert storage.delete(PODS, "default", "one") is marked
    sooner = storage.delete(PODS, "default", "one", grace_period_seconds=5)
    assert sooner["metadata"]["deletionTimestamp"] == "2026-01-02T03:04:13Z"
    storage.modify(PODS, "default", "one", lambda pod: pod["status"].update(phase="Failed"))
    assert names(storage.list(PODS)) == ["one"]

    storage.remove(PODS, "default", "one", uid="other")
    assert names(storage.list(PODS)) == ["one"]
    storage.remove(PODS, "default", "one", uid=made["metadata"]["uid"])
    storage.remove(PODS, "default", "one", uid=made["metadata"]["uid"])
    assert storage.list(PODS) == []


def test_successor_of_a_pod_is_not_removed(storage: Storage) -> None:
    """A late `remove` for a pod does not hit the next one of the same name."""
    first = storage.create(PODS, make_pod("one", node="n"))
    storage.delete(PODS, "default", "one", grace_period_seconds=0)
    storage.create(PODS, make_pod("one", node="n"))
    storage.remove(PODS, "default", "one", uid=first["metadata"]["uid"])

    assert names(storage.list(PODS)) == ["one"]


def test_pod_with_finalizer_outlives_its_kubelet(storage: Storage) -> None:
    """After `remove` a finalizer still holds the pod; taking it off ends it."""
    pod = storage.create(PODS, make_pod("one", node="n", finalizers=["example.org/a"]))
    storage.delete(PODS, "default", "one")
    storage.remove(PODS, "default", "one", uid=pod["metadata"]["uid"])
    held = storage.get(PODS, "default", "one")
    assert held["metadata"]["deletionGracePeriodSeconds"] == 0

    storage.modify(PODS, "default", "one", lambda pod: pod["metadata"].pop("finalizers"))
    assert storage.list(PODS) == []


def test_preconditions_of_delete(storage: Storage) -> None:
    """A delete for another uid is refused."""
    storage.create(CONFIGMAPS, make_map("one"))
    with pytest.raises(Conflict, match="the UID in the precondition"):
        storage.delete(CONFIGMAPS, "default", "one", uid="other")
    with pytest.raises(NotFound):
        storage.delete(CONFIGMAPS, "default", "none")


def own(owner: dict[str, Any], kind: str = "ConfigMap") -> dict[str, Any]:
    """Build a reference to an owner."""
    meta = owner["metadata"]
    return {"apiVersion": "v1", "kind": kind, "name": meta["name"], "uid": meta["uid"]}


def test_chain_of_owners_goes_together(storage: Storage) -> None:
    """What is owned goes with its owner, and takes along what it owns."""
    first = storage.create(CONFIGMAPS, make_map("first"))
    second = storage.create(CONFIGMAPS, make_map("second", ownerReferences=[own(first)]))
    storage.create(SECRETS, make_map("third", ownerReferences=[own(second)]))
    storage.create(CONFIGMAPS, make_map("bystander"))
    storage.delete(CONFIGMAPS, "default", "first")

    assert names(storage.list(CONFIGMAPS)) == ["bystander"]
    assert storage.list(SECRETS) == []


def test_object_for_a_dead_owner_does_not_stay(storage: Storage) -> None:
    """What is made for an owner that is gone already is taken away; owners of foreign kinds count as alive."""
    gone = storage.create(PODS, make_pod("gone"))
    storage.delete(PODS, "default", "gone")
    storage.create(SECRETS, make_map("late", ownerReferences=[own(gone, "Pod")]))
    foreign = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "hub", "uid": "x"}
    storage.create(SECRETS, make_map("kept", ownerReferences=[foreign]))

    assert names(storage.list(SECRETS)) == ["kept"]


def test_namespace_goes_with_its_last_pod(storage: Storage) -> None:
    """A deleted namespace waits for its running pods, and takes nothing new meanwhile."""
    storage.create(NAMESPACES, {"metadata": {"name": "ns"}})
    pod = storage.create(PODS, make_pod("one", node="n"), namespace="ns")
    storage.create(SERVICES, {"metadata": {"name": "s"}, "spec": {"ports": [{"port": 1}]}}, namespace="ns")
    left = storage.delete(NAMESPACES, "", "ns")
    assert left["status"]["phase"] == "Terminating"
    assert storage.list(SERVICES, "ns") == []
    assert "deletionTimestamp" in storage.get(PODS, "ns", "one")["metadata"]
    with pytest.raises(Forbidden, match="is being terminated"):
        storage.create(CONFIGMAPS, make_map("late"), namespace="ns")

    storage.remove(PODS, "ns", "one", uid=pod["metadata"]["uid"])
    with pytest.raises(NotFound):
        storage.get(NAMESPACES, "", "ns")
    assert storage.list(SERVICEACCOUNTS, "ns") == []


def test_refused_object_leaves_nothing(storage: Storage) -> None:
    """An object that breaks a rule makes no version."""
    before = storage.revision
    with pytest.raises(Invalid):
        storage.create(PODS, {"metadata": {"name": "one"}, "spec": {"containers": []}})
    with pytest.raises(NotFound):
        storage.create(PODS, make_pod("one"), namespace="none")

    assert storage.revision == before


def test_generated_names_run_out(storage: Storage, monkeypatch: pytest.MonkeyPatch) -> None:
    """If every generated name is taken, the answer is a conflict, not an endless loop."""
    monkeypatch.setattr("jhaws.local.api.admission.secrets.choice", lambda letters: letters[0])
    storage.create(CONFIGMAPS, {"metadata": {"generateName": "x-"}})
    with pytest.raises(Conflict, match='configmaps "x-bbbbb" already exists'):
        storage.create(CONFIGMAPS, {"metadata": {"generateName": "x-"}})


def test_history_tells_everything_in_order(storage: Storage) -> None:
    """A watch from a version shows each change after it once, with what was before."""
    since = storage.revision
    storage.create(CONFIGMAPS, make_map("one"))
    storage.create(SECRETS, make_map("elsewhere"))
    storage.modify(CONFIGMAPS, "default", "one", lambda found: found.update(data={"a": "1"}))
    storage.delete(CONFIGMAPS, "default", "one")
    assert read(storage, CONFIGMAPS, since) == [("ADDED", "one"), ("MODIFIED", "one"), ("DELETED", "one")]

    events = storage.watch(CONFIGMAPS, since=since).pending()
    assert events[0].previous is None
    assert events[1].previous is events[0].object
    assert events[2].previous is events[1].object
    versions = [event.resource_version for event in events]
    assert versions == sorted(set(versions))
    assert [event.object["metadata"]["resourceVersion"] for event in events] == [str(v) for v in versions]


@pytest.mark.parametrize("limit", [1, 3, 10])
def test_history_is_bounded_and_says_so(limit: int) -> None:
    """At least `limit` changes can be asked for; older versions are `Gone`, never a gap."""
    storage = Storage(history=limit, first_revision=100)
    versions = [storage.revision]
    for index in range(50):
        storage.create(CONFIGMAPS, make_map(f"m-{index:02}"))
        versions.append(storage.revision)

    known = 0
    for back, version in enumerate(reversed(versions)):
        try:
            assert len(read(storage, CONFIGMAPS, version)) == back
            known += 1
        except Gone:
            break
    assert limit < known <= 2 * limit + 1
    for version in versions[:-known]:
        with pytest.raises(Gone, match=f"too old resource version: {version} "):
            storage.watch(CONFIGMAPS, since=version)


def test_list_at_takes_changes_back(storage: Storage) -> None:
    """A list at a version shows created, changed and deleted objects as they were then."""
    for name in "abc":
        storage.create(CONFIGMAPS, make_map(name))
    then, before = storage.revision, storage.list(CONFIGMAPS)
    storage.delete(CONFIGMAPS, "default", "a")
    storage.modify(CONFIGMAPS, "default", "b", lambda found: found.update(data={"x": "y"}))
    storage.create(CONFIGMAPS, make_map("d"))
    storage.delete(CONFIGMAPS, "default", "d")
    storage.create(CONFIGMAPS, make_map("a"))

    assert [obj for _, obj in storage.list_at(CONFIGMAPS, then)] == before
    assert [key for key, _ in storage.list_at(CONFIGMAPS, then, namespace="default")] == [
        "default/a",
        "default/b",
        "default/c",
    ]
    assert storage.list_at(CONFIGMAPS, then, namespace="kube-system") == []
    assert [obj for _, obj in storage.list_at(CONFIGMAPS, storage.revision)] == storage.list(CONFIGMAPS)


async def test_watch_wakes_its_reader(storage: Storage) -> None:
    """A reader that waits gets the next change, and ends when the watch is closed."""
    watch = storage.watch(NODES)
    seen: list[str] = []

    async def follow() -> None:
        async for event in watch:
            seen.append(event.object["metadata"]["name"])
            if len(seen) == 2:
                watch.close()

    async with asyncio.timeout(10), asyncio.TaskGroup() as group:
        group.create_task(follow(), name="reader")
        await asyncio.sleep(0)
        storage.create(NODES, make_map("one"))
        storage.create(NODES, make_map("two"))
        storage.create(NODES, make_map("three"))

    assert seen == ["one", "two"]
    assert await watch.batch() == []


async def test_slow_reader_is_told(storage: Storage) -> None:
    """A reader that falls out of the history gets `Gone` instead of a gap."""
    small = Storage(history=2)
    watch = small.watch(CONFIGMAPS)
    for index in range(10):
        small.create(CONFIGMAPS, make_map(f"m-{index}"))

    with pytest.raises(Gone):
        await anext(watch)
    with pytest.raises(Gone):
        await watch.batch()
    watch.close()
    watch.close()
