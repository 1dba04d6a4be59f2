from __future__ import annotations

from pathlib import Path

import pytest

from jhaws.errors import ConfigError
from jhaws.local.api.resources import NODES, PODS
from jhaws.local.cluster import LocalCluster
from jhaws.local.scheduling.nodes import LocalNodegroup, make_node
from tests.unit.local.pods_for_tests import (
    create,
    is_ready,
    make_pod,
    make_settings,
    reasons,
    wait_event,
    wait_for,
    wait_gone,
)

BIG = {"resources": {"requests": {"cpu": "3"}}}
SMALL = {"resources": {"requests": {"cpu": "1"}}}


def names(cluster: LocalCluster) -> list[str]:
    """List the nodes."""
    return [node["metadata"]["name"] for node in cluster.storage.list(NODES)]


def test_node_object() -> None:
    """A node says its size, its group, its taints, and that it is ready."""
    taint = {"key": "k", "value": "v", "effect": "NoSchedule"}
    group = LocalNodegroup("jhusers", cpu_cores=1.5, memory_gib=2, labels={"a": "b"}, taints=[taint])
    node = make_node(group, number=3)
    assert node["metadata"]["name"] == "jhusers-3"
    assert node["metadata"]["labels"]["eks.amazonaws.com/nodegroup"] == "jhusers"
    assert node["metadata"]["labels"]["kubernetes.io/hostname"] == "jhusers-3"
    assert node["metadata"]["labels"]["a"] == "b"
    assert node["spec"]["taints"] == [taint]
    assert node["status"]["allocatable"]["cpu"] == "1500m"
    assert node["status"]["allocatable"]["memory"] == "2097152Ki"
    assert node["status"]["allocatable"]["pods"] == "110"
    assert [(c["type"], c["status"]) for c in node["status"]["conditions"]] == [("Ready", "True")]


@pytest.mark.parametrize("kwargs", [{"nodes": -1}, {"nodes": 2, "max_nodes": 1}, {"cpu_cores": 0}, {"memory_gib": -1}])
def test_bad_group(kwargs: dict) -> None:
    """A group that makes no sense is refused with its name and the numbers."""
    with pytest.raises(ConfigError, match="'g' needs"):
        LocalNodegroup("g", **kwargs)


async def test_scale_up(tmp_path: Path) -> None:
    """A pod without room orders a node of the first group it fits, and runs there."""
    groups = (LocalNodegroup("small", cpu_cores=1), LocalNodegroup("big", nodes=0, max_nodes=2))
    async with LocalCluster(make_settings(tmp_path, *groups)) as cluster:
        assert names(cluster) == ["small-1"]
        create(cluster, make_pod(container=BIG))
        pod = await wait_for(cluster.storage, PODS, "pod", is_ready)
        assert pod["spec"]["nodeName"] == "big-1"
        event = await wait_event(cluster.storage, "pod", "TriggeredScaleUp")
        assert event["message"] == "pod triggered scale-up: [{big 0->1 (max: 2)}]"


async def test_one_node_for_pods_that_fit_together(tmp_path: Path) -> None:
    """Pods that fit on one new node order one, and no more than the group may have."""
    group = LocalNodegroup("g", nodes=0, max_nodes=2)
    async with LocalCluster(make_settings(tmp_path, group)) as cluster:
        for number in range(4):
            create(cluster, make_pod(f"p{number}", container=SMALL))
        for number in range(4):
            await wait_for(cluster.storage, PODS, f"p{number}", is_ready)
        assert names(cluster) == ["g-1"]


async def test_no_scale_up(tmp_path: Path) -> None:
    """A pod that no new node would help says why: the group is full, or the pod would not fit."""
    async with LocalCluster(make_settings(tmp_path, LocalNodegroup("g"))) as cluster:
        create(cluster, make_pod("huge", container={"resources": {"requests": {"cpu": "100"}}}))
        event = await wait_event(cluster.storage, "huge", "NotTriggerScaleUp")
        assert event["message"] == "pod didn't trigger scale-up: 1 Insufficient cpu"
        create(cluster, make_pod("one", container=BIG))
        create(cluster, make_pod("two", container=BIG))
        event = await wait_event(cluster.storage, "two", "NotTriggerScaleUp")
        assert event["message"] == "pod didn't trigger scale-up: 1 max node group size reached"
        assert names(cluster) == ["g-1"]


@pytest.mark.parametrize(("priority", "scales"), [(-10, True), (-11, False)])
async def test_low_priority_orders_nothing(tmp_path: Path, priority: int, scales: bool) -> None:
    """Pods below priority -10 never order a node; a placeholder at -10 does."""
    group = LocalNodegroup("g", nodes=0, max_nodes=1)
    async with LocalCluster(make_settings(tmp_path, group)) as cluster:
        create(cluster, make_pod(priority=priority))
        await wait_event(cluster.storage, "pod", "FailedScheduling")
        if scales:
            await wait_for(cluster.storage, PODS, "pod", is_ready)
            return
        # Another pod's node comes later than the first one's would have.
        create(cluster, make_pod("user"))
        await wait_for(cluster.storage, PODS, "user", is_ready)
        assert "TriggeredScaleUp" not in reasons(cluster.storage, "pod")


async def test_scale_down(tmp_path: Path) -> None:
    """An empty node above the minimum goes, with what is expendable on it; the minimum stays."""
    group = LocalNodegroup("g", nodes=1, max_nodes=2)
    async with LocalCluster(make_settings(tmp_path, group, scale_down_seconds=0.05)) as cluster:
        create(cluster, make_pod("one", container=BIG))
        await wait_for(cluster.storage, PODS, "one", is_ready)
        create(cluster, make_pod("two", container=BIG))
        pod = await wait_for(cluster.storage, PODS, "two", is_ready)
        assert pod["spec"]["nodeName"] == "g-2"
        cluster.storage.delete(PODS, "default", "two")
        await wait_gone(cluster.storage, "g-2", resource=NODES, namespace="")
        assert names(cluster) == ["g-1"]
        create(cluster, make_pod("three", container=BIG))
        pod = await wait_for(cluster.storage, PODS, "three", is_ready)
        assert pod["spec"]["nodeName"] == "g-3"
