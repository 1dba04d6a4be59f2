"""Gives every pod a node, by priority, and makes room by preemption where that is allowed.

Owns the binding (`spec.nodeName`), the PodScheduled condition, `nominatedNodeName` and the events Scheduled,
FailedScheduling and Preempted. Serves every `schedulerName`, so z2jh's user-scheduler needs no process of its own.
What fits is decided in `placement`; this module keeps the states of the nodes by watching, and never polls: a
parked pod is tried again when a node, another pod or a claim changed in a way that could help.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping, Sequence

from jhaws.local.api.events import EventRecorder, follow, now
from jhaws.local.api.resources import NODES, PODS, PVCS
from jhaws.local.api.storage import NotFound, Storage
from jhaws.local.scheduling.placement import (
    Misfit,
    NodeState,
    Obj,
    choose_node,
    explain_misfit,
    is_finished,
    make_message,
    priority_of,
)

log = logging.getLogger(__name__)


def choose_victims(pod: Obj, nodes: Sequence[NodeState]) -> tuple[str, list[Obj]] | None:
    """Choose a node and the pods that have to go there, so that `pod` fits.

    Only pods of lower priority go; per node the higher ones are spared first. Among the nodes the one wins whose
    most important victim matters least, then the one with the fewest victims.

    Returns:
        The node's name and the victims, lowest priority first; `None` if it helps nowhere or is not allowed.
    """
    if pod["spec"].get("preemptionPolicy") == "Never":
        return None
    best: tuple[tuple[int, int], str, list[Obj]] | None = None
    for state in nodes:
        victims = _victims_on(pod, state, nodes)
        if not victims:
            continue
        cost = (priority_of(victims[-1]), len(victims))
        if best is None or cost < best[0]:
            best = (cost, state.name, victims)
    return None if best is None else best[1:]


def _victims_on(pod: Obj, state: NodeState, nodes: Sequence[NodeState]) -> list[Obj]:
    misfit = explain_misfit(pod, state, everywhere=nodes)
    if misfit is None or not misfit.preemptible:
        return []
    lower = [p for p in state.pods.values() if priority_of(p) < priority_of(pod)]
    if not lower or explain_misfit(pod, state.without(lower), everywhere=nodes) is not None:
        return []
    # Spare the most important first, of equals the oldest.
    lower.sort(key=lambda p: (-priority_of(p), p["metadata"].get("creationTimestamp", "")))
    victims = list(lower)
    for candidate in lower:
        rest = [p for p in victims if p is not candidate]
        if explain_misfit(pod, state.without(rest), everywhere=nodes) is None:
            victims = rest
    return sorted(victims, key=priority_of)


def explain_claims(pod: Obj, storage: Storage) -> str:
    """Say which claim keeps a pod from any node; empty if none does."""
    namespace = pod["metadata"]["namespace"]
    for volume in pod["spec"].get("volumes") or []:
        source = volume.get("persistentVolumeClaim")
        if source is None:
            continue
        claim = storage.find(PVCS, namespace, source["claimName"])
        if claim is None:
            return f'persistentvolumeclaim "{source["claimName"]}" not found'
        if "deletionTimestamp" in claim["metadata"]:
            return f'persistentvolumeclaim "{source["claimName"]}" is being deleted'
        if (claim.get("status") or {}).get("phase") != "Bound":
            return "pod has unbound immediate PersistentVolumeClaims"
    return ""


class Scheduler:
    """Watches pods, nodes and claims; binds.

    Args:
        storage: The objects.
    """

    def __init__(self, storage: Storage) -> None:
        self._storage = storage
        self._events = EventRecorder(storage, "default-scheduler")
        self._states: dict[str, NodeState] = {}
        self._bound: dict[str, Obj] = {}
        self._waiting: dict[str, Obj] = {}
        self._parked: set[str] = set()
        self._nominated: dict[str, str] = {}
        self._wake = asyncio.Event()

    async def run(self) -> None:
        """Schedule until cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(follow(self._storage, NODES, self._on_node), name="scheduler-nodes")
            group.create_task(follow(self._storage, PODS, self._on_pod), name="scheduler-pods")
            group.create_task(follow(self._storage, PVCS, self._on_claim), name="scheduler-claims")
            group.create_task(self._schedule_loop(), name="scheduler-loop")

    # What changed

    def _on_node(self, kind: str, node: Obj) -> None:
        name = node["metadata"]["name"]
        if kind == "DELETED":
            self._states.pop(name, None)
        else:
            state = self._states.setdefault(name, NodeState(node))
            state.node = node
            for pod in self._bound.values():
                if pod["spec"]["nodeName"] == name:
                    state.add(pod)
        self._retry_all()

    def _on_pod(self, kind: str, pod: Obj) -> None:
        uid = pod["metadata"]["uid"]
        if kind == "DELETED" or is_finished(pod):
            self._forget(uid)
        elif pod["spec"].get("nodeName"):
            self._count(pod)
        elif "deletionTimestamp" in pod["metadata"] or pod["spec"].get("schedulingGates"):
            self._forget(uid)
        elif uid not in self._bound:
            # A change of our own condition comes back here too; a parked pod stays parked.
            if uid not in self._waiting:
                self._parked.discard(uid)
            self._waiting[uid] = pod
            self._wake.set()

    def _on_claim(self, _kind: str, _claim: Obj) -> None:
        self._retry_all()

    def _retry_all(self) -> None:
        self._parked.clear()
        if self._waiting:
            self._wake.set()

    def _forget(self, uid: str) -> None:
        self._waiting.pop(uid, None)
        self._parked.discard(uid)
        nominated = self._nominated.pop(uid, None)
        bound = self._bound.pop(uid, None)
        if bound is not None:
            state = self._states.get(bound["spec"]["nodeName"])
            if state is not None:
                state.drop(uid)
        if bound is not None or nominated is not None:
            self._retry_all()

    def _count(self, pod: Obj) -> None:
        uid, name = pod["metadata"]["uid"], pod["spec"]["nodeName"]
        self._waiting.pop(uid, None)
        self._nominated.pop(uid, None)
        known = self._bound.get(uid)
        self._bound[uid] = pod
        state = self._states.get(name)
        if state is not None and known is None:
            state.add(pod)
        elif state is not None:
            # Requests of a bound pod cannot change, so the sums stay; only its labels and marks may be new.
            state.pods[uid] = pod

    # What to do

    async def _schedule_loop(self) -> None:
        while True:
            await self._wake.wait()
            self._wake.clear()
            queue = [pod for uid, pod in self._waiting.items() if uid not in self._parked]
            queue.sort(key=lambda p: (-priority_of(p), p["metadata"].get("creationTimestamp", "")))
            for number, pod in enumerate(queue):
                self._schedule_safely(pod)
                if number % 20 == 19:
                    await asyncio.sleep(0)

    def _schedule_safely(self, pod: Obj) -> None:
        uid = pod["metadata"]["uid"]
        if self._waiting.get(uid) is not pod:
            # It changed or went while others were served; the change woke the loop again.
            return
        self._parked.add(uid)
        try:
            self._schedule(pod)
        except NotFound:
            self._forget(uid)
        except Exception as exc:
            # One odd manifest must not stop the scheduling of all others.
            log.exception("pod %s could not be scheduled", pod["metadata"]["name"])
            self._refuse(pod, f"{type(exc).__name__}: {exc}", reason="SchedulerError")

    def _schedule(self, pod: Obj) -> None:
        blocked = explain_claims(pod, self._storage)
        states = list(self._states.values())
        if blocked:
            self._refuse(pod, f"0/{len(states)} nodes are available: {blocked}.")
            return
        placement = choose_node(pod, [self._with_nominated(pod, state) for state in states])
        if placement.node is not None:
            self._bind(pod, placement.node)
            return
        if self._still_leaving(pod):
            return
        found = choose_victims(pod, states)
        if found is None:
            hint = _preemption_hint(pod, placement.misfits)
            self._refuse(pod, placement.message + hint)
            return
        node, victims = found
        self._nominated[pod["metadata"]["uid"]] = node
        self._refuse(pod, placement.message, nominated=node)
        for victim in victims:
            self._preempt(victim, pod, node)

    def _with_nominated(self, pod: Obj, state: NodeState) -> NodeState:
        """Count the pods that were promised this node as if they were there, unless `pod` matters more."""
        uid = pod["metadata"]["uid"]
        promised = [
            other
            for other_uid, node in self._nominated.items()
            if node == state.name and other_uid != uid and (other := self._waiting.get(other_uid))
            if priority_of(other) >= priority_of(pod)
        ]
        return state.without((), plus=promised) if promised else state

    def _still_leaving(self, pod: Obj) -> bool:
        """Tell whether victims of this pod are on their way out; then it waits and asks for no more."""
        state = self._states.get(self._nominated.get(pod["metadata"]["uid"], ""))
        return state is not None and any(
            "deletionTimestamp" in p["metadata"] and priority_of(p) < priority_of(pod) for p in state.pods.values()
        )

    # Writing

    def _bind(self, pod: Obj, node: str) -> None:
        def change(new: Obj) -> None:
            new["spec"]["nodeName"] = node
            status = new.setdefault("status", {})
            status.pop("nominatedNodeName", None)
            set_condition(status, "PodScheduled", "True")

        bound = self._storage.modify(PODS, pod["metadata"]["namespace"], pod["metadata"]["name"], change)
        self._count(bound)
        name = f"{pod['metadata']['namespace']}/{pod['metadata']['name']}"
        message = f"Successfully assigned {name} to {node}"
        self._events.record(bound, "Scheduled", message, component=_speaker(pod))

    def _refuse(self, pod: Obj, message: str, *, nominated: str | None = None, reason: str = "Unschedulable") -> None:
        def change(new: Obj) -> None:
            status = new.setdefault("status", {})
            if nominated is not None:
                status["nominatedNodeName"] = nominated
            set_condition(status, "PodScheduled", "False", reason=reason, message=message)

        meta = pod["metadata"]
        try:
            stored = self._storage.modify(PODS, meta["namespace"], meta["name"], change)
        except NotFound:
            self._forget(meta["uid"])
            return
        self._waiting[meta["uid"]] = stored
        self._events.record(stored, "FailedScheduling", message, warning=True, component=_speaker(pod))

    def _preempt(self, victim: Obj, pod: Obj, node: str) -> None:
        meta = victim["metadata"]
        message = f"Preempted by pod {pod['metadata']['uid']} on node {node}"
        why = f"{_speaker(pod)}: preempting to accommodate a higher priority pod"

        def change(new: Obj) -> None:
            set_condition(
                new.setdefault("status", {}), "DisruptionTarget", "True", reason="PreemptionByScheduler", message=why
            )

        try:
            self._storage.modify(PODS, meta["namespace"], meta["name"], change)
            self._events.record(victim, "Preempted", message, component=_speaker(pod))
            self._storage.delete(PODS, meta["namespace"], meta["name"], uid=meta["uid"])
        except NotFound:
            return


def _speaker(pod: Obj) -> str:
    return str(pod["spec"].get("schedulerName") or "default-scheduler")


def _preemption_hint(pod: Obj, misfits: Mapping[str, Misfit]) -> str:
    if not misfits:
        return ""
    if pod["spec"].get("preemptionPolicy") == "Never":
        return f" preemption: 0/{len(misfits)} nodes are available: preemption is not allowed."
    verdicts = {
        name: Misfit(
            "No preemption victims found for incoming pod"
            if misfit.preemptible
            else "Preemption is not helpful for scheduling"
        )
        for name, misfit in misfits.items()
    }
    return f" preemption: {make_message(verdicts)}"


def set_condition(status: Obj, kind: str, value: str, *, reason: str = "", message: str = "") -> None:
    """Set one condition of a status in place; the transition time changes only with the value."""
    conditions = status.setdefault("conditions", [])
    old = next((c for c in conditions if c["type"] == kind), None)
    condition = {"type": kind, "status": value, "lastProbeTime": None}
    same = old is not None and old["status"] == value
    condition["lastTransitionTime"] = old["lastTransitionTime"] if old is not None and same else now()
    condition |= {k: v for k, v in (("reason", reason), ("message", message)) if v}
    if old is None:
        conditions.append(condition)
    else:
        conditions[conditions.index(old)] = condition
