"""The machines of the embedded cluster, as far as anybody can tell: nodegroups, Node objects, an autoscaler.

A node is an object and a size; all of them are this one machine, and nobody checks whether it is big enough.
The simulated autoscaler follows the rules of the real one that users notice: it reads the Unschedulable condition,
counts pods on the nodes it has already ordered, leaves pods below priority -10 out, says TriggeredScaleUp or
NotTriggerScaleUp, and takes empty nodes away. Whether a pod fits is decided in `placement`.
"""

from __future__ import annotations

import asyncio
import itertools
import platform
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from jhaws.errors import ConfigError
from jhaws.local.api.events import EventRecorder, follow, now
from jhaws.local.api.resources import NODES, PODS
from jhaws.local.api.storage import NotFound, Storage
from jhaws.local.scheduling.placement import NodeState, Obj, explain_misfit, is_finished, priority_of
from jhaws.local.scheduling.scheduler import explain_claims

NODEGROUP_LABEL = "eks.amazonaws.com/nodegroup"
MAX_PODS = 110

# Pods below this priority neither order a node nor hold one.
# Source: cluster-autoscaler FAQ, "expendable pods", flag --expendable-pods-priority-cutoff, read for 1.35.
EXPENDABLE_BELOW = -10


@dataclass(frozen=True)
class LocalNodegroup:
    """A group of equal nodes.

    Attributes:
        name: A DNS label, for example `jhusers`.
        nodes: How many there are at the start, and at least.
        max_nodes: How many the autoscaler may make; `None` means `nodes`, so never another one.
        cpu_cores: CPU cores of each node.
        memory_gib: Memory of each node in GiB.
        labels: Labels of each node, beside host name and nodegroup.
        taints: Taints of each node, as in the Kubernetes API (`key`, `value`, `effect`).
    """

    name: str
    nodes: int = 1
    max_nodes: int | None = None
    cpu_cores: float = 4.0
    memory_gib: float = 16.0
    labels: Mapping[str, str] = field(default_factory=dict)
    taints: Sequence[Mapping[str, str]] = ()

    def __post_init__(self) -> None:
        """Check the numbers.

        Raises:
            ConfigError: A number makes no sense.
        """
        if not 0 <= self.nodes <= self.limit:
            raise ConfigError(
                f"LocalNodegroup {self.name!r} needs 0 <= nodes <= max_nodes, got nodes={self.nodes} and "
                f"max_nodes={self.max_nodes}: raise max_nodes or lower nodes."
            )
        if self.cpu_cores <= 0 or self.memory_gib <= 0:
            raise ConfigError(
                f"LocalNodegroup {self.name!r} needs cpu_cores and memory_gib above 0, got {self.cpu_cores} and "
                f"{self.memory_gib}: set the size of one node."
            )

    @property
    def limit(self) -> int:
        """How many nodes there may be."""
        return self.nodes if self.max_nodes is None else self.max_nodes


def make_node(group: LocalNodegroup, *, number: int) -> Obj:
    """Build a Node object that is ready for pods.

    Args:
        group: Its nodegroup.
        number: Makes the name: `jhusers-1`.

    Returns:
        v1 Node manifest with status, camelCase keys.
    """
    name = f"{group.name}-{number}"
    size = {
        "cpu": f"{round(group.cpu_cores * 1000)}m",
        "memory": f"{round(group.memory_gib * 1024 * 1024)}Ki",
        "ephemeral-storage": "104857600Ki",
        "pods": str(MAX_PODS),
    }
    labels = {
        "kubernetes.io/hostname": name,
        "kubernetes.io/os": "linux",
        "kubernetes.io/arch": "arm64" if platform.machine() == "aarch64" else "amd64",
        NODEGROUP_LABEL: group.name,
        **group.labels,
    }
    spec: dict[str, Any] = {"providerID": f"jhaws-local:///{name}"}
    if group.taints:
        spec["taints"] = [dict(taint) for taint in group.taints]
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {"name": name, "labels": labels},
        "spec": spec,
        "status": {
            "capacity": size,
            "allocatable": dict(size),
            "conditions": [_make_ready()],
            "addresses": [
                {"type": "InternalIP", "address": "127.0.0.1"},
                {"type": "Hostname", "address": name},
            ],
            "nodeInfo": {
                "kubeletVersion": "v1.35.0-jhaws",
                "containerRuntimeVersion": "process://1",
                "operatingSystem": "linux",
                "architecture": labels["kubernetes.io/arch"],
                "osImage": "this machine",
                "kernelVersion": platform.release(),
            },
        },
    }


def _make_ready() -> Obj:
    at = now()
    return {
        "type": "Ready",
        "status": "True",
        "reason": "KubeletReady",
        "message": "the processes of this machine are ready",
        "lastHeartbeatTime": at,
        "lastTransitionTime": at,
    }


@dataclass
class _Ordered:
    """A node that was ordered and is not there yet, with the pods it was ordered for."""

    group: LocalNodegroup
    state: NodeState
    timer: asyncio.TimerHandle


class NodeManager:
    """Makes the nodes of the nodegroups, and scales them.

    Args:
        storage: The objects.
        groups: The nodegroups; the first one that fits a pod grows.
        node_start_seconds: From the order of a node to its being Ready.
        scale_down_seconds: How long a node above the minimum may stay empty; `None` means for ever.
    """

    def __init__(
        self,
        storage: Storage,
        groups: Sequence[LocalNodegroup],
        *,
        node_start_seconds: float = 5.0,
        scale_down_seconds: float | None = None,
    ) -> None:
        self._storage = storage
        self._groups = {group.name: group for group in groups}
        self._start_seconds = node_start_seconds
        self._scale_down_seconds = scale_down_seconds
        self._events = EventRecorder(storage, "cluster-autoscaler")
        self._numbers = {group.name: itertools.count(1) for group in groups}
        self._ordered: dict[str, _Ordered] = {}
        self._nodes: dict[str, Obj] = {}
        self._holders: dict[str, str] = {}
        self._held: Counter[str] = Counter()
        self._empty_timers: dict[str, asyncio.TimerHandle] = {}
        self._judged: dict[str, str] = {}

    def create_nodes(self) -> None:
        """Make the nodes that are there from the start."""
        for group in self._groups.values():
            for _ in range(group.nodes):
                self._create(group, make_node(group, number=next(self._numbers[group.name])))

    async def run(self) -> None:
        """Scale until cancelled."""
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(follow(self._storage, NODES, self._on_node), name="autoscaler-nodes")
                tasks.create_task(follow(self._storage, PODS, self._on_pod), name="autoscaler-pods")
        finally:
            for ordered in self._ordered.values():
                ordered.timer.cancel()
            for timer in self._empty_timers.values():
                timer.cancel()

    def _create(self, group: LocalNodegroup, node: Obj) -> None:
        self._storage.create(NODES, node)
        name = node["metadata"]["name"]
        self._events.record(
            node, "RegisteredNode", f"Node {name} of nodegroup {group.name} registered", component="node-controller"
        )

    # Up

    def _on_pod(self, kind: str, pod: Obj) -> None:
        uid = pod["metadata"]["uid"]
        over = kind == "DELETED" or is_finished(pod)
        self._count_holder(uid, "" if over or is_expendable(pod) else pod["spec"].get("nodeName") or "")
        if over or pod["spec"].get("nodeName") or "deletionTimestamp" in pod["metadata"]:
            self._judged.pop(uid, None)
            for ordered in self._ordered.values():
                ordered.state.drop(uid)
        elif wants_node(pod):
            self._judge(pod)

    def _judge(self, pod: Obj) -> None:
        """Order a node for a pod, or say why not; once per state of the groups."""
        uid = pod["metadata"]["uid"]
        if any(uid in ordered.state.pods for ordered in self._ordered.values()):
            return
        if explain_claims(pod, self._storage):
            # A node more is no help; the scheduler comes back to the pod when the claim is bound.
            return
        reasons: Counter[str] = Counter()
        for ordered in self._ordered.values():
            if explain_misfit(pod, ordered.state) is None:
                ordered.state.add(pod)
                return
        for group in self._groups.values():
            misfit = explain_misfit(pod, NodeState(make_node(group, number=0)))
            if misfit is not None:
                reasons[misfit.reason] += 1
            elif self._count(group) >= group.limit:
                reasons["max node group size reached"] += 1
            else:
                self._order(group, pod)
                return
        why = ", ".join(f"{count} {reason}" for reason, count in sorted(reasons.items()))
        if self._judged.get(uid) != why:
            self._judged[uid] = why
            self._events.record(pod, "NotTriggerScaleUp", f"pod didn't trigger scale-up: {why}")

    def _count(self, group: LocalNodegroup) -> int:
        there = sum(_group_of(node) == group.name for node in self._nodes.values())
        return there + sum(ordered.group is group for ordered in self._ordered.values())

    def _order(self, group: LocalNodegroup, pod: Obj) -> None:
        count = self._count(group)
        node = make_node(group, number=next(self._numbers[group.name]))
        name = node["metadata"]["name"]
        timer = asyncio.get_running_loop().call_later(self._start_seconds, self._deliver, name)
        self._ordered[name] = _Ordered(group, NodeState(node), timer)
        self._ordered[name].state.add(pod)
        self._judged.pop(pod["metadata"]["uid"], None)
        message = f"pod triggered scale-up: [{{{group.name} {count}->{count + 1} (max: {group.limit})}}]"
        self._events.record(pod, "TriggeredScaleUp", message)

    def _deliver(self, name: str) -> None:
        ordered = self._ordered.pop(name)
        # Made anew, so that it is as old as its start and not as its order.
        node = make_node(ordered.group, number=int(name.rpartition("-")[2]))
        self._nodes[name] = node
        self._create(ordered.group, node)

    # Down

    def _on_node(self, kind: str, node: Obj) -> None:
        name = node["metadata"]["name"]
        if kind == "DELETED":
            self._nodes.pop(name, None)
            self._stop_timer(name)
            for pod in self._storage.list(PODS):
                if not pod["spec"].get("nodeName") and wants_node(pod):
                    self._judge(pod)
            return
        self._nodes[name] = node
        if not self._held[name]:
            self._start_timer(name)

    def _count_holder(self, uid: str, node: str) -> None:
        before = self._holders.pop(uid, "")
        if node:
            self._holders[uid] = node
        if before == node:
            return
        if before:
            self._held[before] -= 1
            if not self._held[before]:
                self._start_timer(before)
        if node:
            self._held[node] += 1
            self._stop_timer(node)

    def _start_timer(self, name: str) -> None:
        if self._scale_down_seconds is None or name in self._empty_timers or name not in self._nodes:
            return
        loop = asyncio.get_running_loop()
        self._empty_timers[name] = loop.call_later(self._scale_down_seconds, self._scale_down, name)

    def _stop_timer(self, name: str) -> None:
        timer = self._empty_timers.pop(name, None)
        if timer is not None:
            timer.cancel()

    def _scale_down(self, name: str) -> None:
        self._empty_timers.pop(name, None)
        node = self._nodes.get(name)
        group = self._groups.get(_group_of(node)) if node else None
        if node is None or group is None or self._count(group) <= group.nodes:
            return
        if self._held[name] or any(_holds(pod, name) for pod in self._storage.list(PODS)):
            # The second look is for a pod that was bound this moment and not yet heard of.
            return
        self._events.record(node, "ScaleDownEmpty", f"Scale-down: removing empty node {name}")
        self._nodes.pop(name)
        try:
            self._storage.delete(NODES, "", name)
        except NotFound:
            return


def _group_of(node: Obj) -> str:
    return str((node["metadata"].get("labels") or {}).get(NODEGROUP_LABEL, ""))


def _holds(pod: Obj, node: str) -> bool:
    return pod["spec"].get("nodeName") == node and not is_finished(pod) and not is_expendable(pod)


def is_expendable(pod: Obj) -> bool:
    """Tell whether the autoscaler does nothing for a pod, because its priority is too low."""
    return priority_of(pod) < EXPENDABLE_BELOW


def wants_node(pod: Obj) -> bool:
    """Tell whether a pod waits for a node that does not exist: Unschedulable, and nobody is leaving for it."""
    status = pod.get("status") or {}
    if is_expendable(pod) or status.get("nominatedNodeName"):
        return False
    return any(
        c["type"] == "PodScheduled" and c["status"] == "False" and c.get("reason") == "Unschedulable"
        for c in status.get("conditions") or []
    )
