"""Which node a pod fits: the decisions of the scheduler, without a clock and without I/O.

A pod is checked against each node in the order of the real scheduler's filters; the first one that refuses gives
the reason, in the real scheduler's words, because people and `kubectl describe` read them. What is asked of a node
is a `NodeState`: the Node object, the pods on it and what they use. Topology rules look at all nodes.
`affinity` matches labels; `scheduler` keeps the states, preempts and writes; the autoscaler of `nodes` asks
`explain_misfit` about nodes that do not exist yet.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from jhaws.local.api.quantities import parse_quantity
from jhaws.local.scheduling.affinity import matches_label_selector, matches_node, preference_score

Obj = dict[str, Any]
Amounts = dict[str, Decimal]

FINISHED = ("Succeeded", "Failed")
NO_FIT_AFFINITY = "node(s) didn't match Pod's node affinity/selector"
UNSCHEDULABLE = "node(s) were unschedulable"
TOO_MANY = "Too many pods"


@dataclass(frozen=True)
class Misfit:
    """Why a pod does not fit a node.

    Attributes:
        reason: In the real scheduler's words, for example `Insufficient memory`.
        preemptible: Whether the end of other pods on that node could help.
    """

    reason: str
    preemptible: bool = False


@dataclass
class NodeState:
    """A node as the scheduler sees it now.

    Attributes:
        node: The Node object.
        pods: The pods that hold resources there, by uid.
        used: Sum of their requests; kept up by `add` and `drop`.
    """

    node: Obj
    pods: dict[str, Obj] = field(default_factory=dict)
    used: Counter[str] = field(default_factory=Counter)

    @property
    def name(self) -> str:
        """The node's name."""
        return str(self.node["metadata"]["name"])

    def add(self, pod: Obj) -> None:
        """Count a pod; replaces an older state of the same pod."""
        self.drop(pod["metadata"]["uid"])
        self.pods[pod["metadata"]["uid"]] = pod
        self.used.update(pod_requests(pod))

    def drop(self, uid: str) -> None:
        """Count a pod no longer."""
        pod = self.pods.pop(uid, None)
        if pod is not None:
            self.used.subtract(pod_requests(pod))

    def without(self, pods: Iterable[Obj], *, plus: Iterable[Obj] = ()) -> NodeState:
        """Give this node as it would be without some of its pods and with others."""
        other = NodeState(self.node, dict(self.pods), Counter(self.used))
        for pod in pods:
            other.drop(pod["metadata"]["uid"])
        for pod in plus:
            other.add(pod)
        return other


@dataclass(frozen=True)
class Placement:
    """The answer to where a pod goes.

    Attributes:
        node: The node's name, or `None`.
        misfits: Why not, by node name.
        message: What the FailedScheduling event says; empty when there is a node.
    """

    node: str | None
    misfits: Mapping[str, Misfit]
    message: str = ""


def pod_requests(pod: Obj) -> Amounts:
    """Sum what a pod asks of its node, by resource.

    The containers and side-cars count together, an init container only if it asks for more than them.

    Source:
        Kubernetes docs, "Init Containers, Resource sharing within containers", read for v1.35.
    """
    spec = pod["spec"]
    total: Counter[str] = Counter()
    for container in spec.get("containers", ()):
        total.update(_requests(container))
    sidecars: Counter[str] = Counter()
    peak: dict[str, Decimal] = {}
    for container in spec.get("initContainers", ()):
        asked = _requests(container)
        if container.get("restartPolicy") == "Always":
            sidecars.update(asked)
            asked = {k: Decimal(v) for k, v in sidecars.items()}
        else:
            asked = {k: asked.get(k, Decimal(0)) + sidecars[k] for k in {*asked, *sidecars}}
        peak = {k: max(peak.get(k, Decimal(0)), asked.get(k, Decimal(0))) for k in {*peak, *asked}}
    total.update(sidecars)
    amounts = {k: max(Decimal(total[k]), peak.get(k, Decimal(0))) for k in {*total, *peak}}
    for name, quantity in (spec.get("overhead") or {}).items():
        amounts[name] = amounts.get(name, Decimal(0)) + parse_quantity(quantity)
    return {**amounts, "pods": Decimal(1)}


def _requests(container: Obj) -> Amounts:
    resources = container.get("resources") or {}
    asked = {**(resources.get("limits") or {}), **(resources.get("requests") or {})}
    return {name: parse_quantity(quantity) for name, quantity in asked.items()}


def priority_of(pod: Obj) -> int:
    """Give a pod's priority; admission wrote it into the spec."""
    return int(pod["spec"].get("priority") or 0)


def is_finished(pod: Obj) -> bool:
    """Tell whether a pod holds no resources any more."""
    return (pod.get("status") or {}).get("phase") in FINISHED


def choose_node(pod: Obj, nodes: Sequence[NodeState]) -> Placement:
    """Choose where a pod goes, among all nodes.

    The preferred affinity decides first, then the emptiest node, as with the real scheduler's default profile.
    """
    misfits: dict[str, Misfit] = {}
    fitting: list[NodeState] = []
    for state in nodes:
        misfit = explain_misfit(pod, state, everywhere=nodes)
        if misfit is None:
            fitting.append(state)
        else:
            misfits[state.name] = misfit
    if not fitting:
        return Placement(None, misfits, make_message(misfits))
    return Placement(max(fitting, key=lambda state: _score(pod, state)).name, misfits)


def _score(pod: Obj, state: NodeState) -> tuple[int, int, Decimal]:
    preferred = preference_score(pod, state.node)
    soft = -sum(t["effect"] == "PreferNoSchedule" for t in untolerated(pod, state.node, soft=True))
    allocatable = state.node["status"]["allocatable"]
    free = [
        1 - Decimal(state.used[name]) / size
        for name in ("cpu", "memory")
        if (size := parse_quantity(allocatable.get(name, 0)))
    ]
    return preferred, soft, sum(free, Decimal(0))


def make_message(misfits: Mapping[str, Misfit]) -> str:
    """Put the nodes' reasons into the sentence of a FailedScheduling event."""
    if not misfits:
        return "no nodes available to schedule pods"
    counts = Counter(misfit.reason for misfit in misfits.values())
    reasons = ", ".join(sorted(f"{count} {reason}" for reason, count in counts.items()))
    return f"0/{len(misfits)} nodes are available: {reasons}."


def explain_misfit(pod: Obj, state: NodeState, *, everywhere: Sequence[NodeState] = ()) -> Misfit | None:
    """Say why a pod does not fit a node, or `None` if it does.

    Args:
        pod: The pod.
        state: The node, with what runs on it.
        everywhere: All nodes, for the rules about a zone or the whole cluster.
    """
    node = state.node
    if node["spec"].get("unschedulable") and not _tolerates_unschedulable(pod):
        return Misfit(UNSCHEDULABLE)
    for taint in untolerated(pod, node):
        value = f": {taint['value']}" if taint.get("value") else ""
        return Misfit(f"node(s) had untolerated taint {{{taint['key']}{value}}}")
    if not matches_node(pod, node):
        return Misfit(NO_FIT_AFFINITY)
    return _explain_resources(pod, state) or _explain_topology(pod, state, everywhere or (state,))


def _explain_resources(pod: Obj, state: NodeState) -> Misfit | None:
    allocatable = state.node["status"]["allocatable"]
    for name, asked in sorted(pod_requests(pod).items(), key=lambda item: item[0] != "pods"):
        if not asked:
            continue
        size = parse_quantity(allocatable.get(name, 0))
        if asked + state.used[name] > size:
            reason = TOO_MANY if name == "pods" else f"Insufficient {name}"
            return Misfit(reason, preemptible=asked <= size)
    return None


def untolerated(pod: Obj, node: Obj, *, soft: bool = False) -> list[Obj]:
    """Give the taints of a node that a pod does not tolerate.

    Args:
        pod: The pod.
        node: The Node object.
        soft: Give the ones that only advise against it as well.
    """
    effects = ("NoSchedule", "NoExecute", "PreferNoSchedule") if soft else ("NoSchedule", "NoExecute")
    tolerations = pod["spec"].get("tolerations") or []
    return [
        taint
        for taint in node["spec"].get("taints") or []
        if taint["effect"] in effects and not any(_tolerates(t, taint) for t in tolerations)
    ]


def _tolerates(toleration: Obj, taint: Obj) -> bool:
    if toleration.get("effect") and toleration["effect"] != taint["effect"]:
        return False
    exists = toleration.get("operator") == "Exists"
    if not toleration.get("key"):
        return exists
    if toleration["key"] != taint["key"]:
        return False
    return exists or (toleration.get("value") or "") == (taint.get("value") or "")


def _tolerates_unschedulable(pod: Obj) -> bool:
    taint = {"key": "node.kubernetes.io/unschedulable", "effect": "NoSchedule"}
    return any(_tolerates(t, taint) for t in pod["spec"].get("tolerations") or [])


def _explain_topology(pod: Obj, state: NodeState, everywhere: Sequence[NodeState]) -> Misfit | None:
    affinity = pod["spec"].get("affinity") or {}
    for term in _required(affinity.get("podAffinity")):
        if not _has_company(pod, term, state, everywhere):
            return Misfit("node(s) didn't match pod affinity rules")
    for term in _required(affinity.get("podAntiAffinity")):
        if any(_is_meant(other, term, pod) for other in _neighbours(term, state, everywhere)):
            return Misfit("node(s) didn't match pod anti-affinity rules", preemptible=True)
    for other_state in everywhere:
        for other in other_state.pods.values():
            for term in _required((other["spec"].get("affinity") or {}).get("podAntiAffinity")):
                if _same_domain(term, state, other_state) and _is_meant(pod, term, other):
                    return Misfit("node(s) didn't satisfy existing pods anti-affinity rules", preemptible=True)
    return None


def _required(affinity: Obj | None) -> list[Obj]:
    return (affinity or {}).get("requiredDuringSchedulingIgnoredDuringExecution") or []


def _has_company(pod: Obj, term: Obj, state: NodeState, everywhere: Sequence[NodeState]) -> bool:
    if term["topologyKey"] not in (state.node["metadata"].get("labels") or {}):
        return False
    if any(_is_meant(other, term, pod) for other in _neighbours(term, state, everywhere)):
        return True
    # The first pod of a group that wants to be together has nobody to join yet.
    alone = not any(_is_meant(o, term, pod) for s in everywhere for o in s.pods.values())
    return alone and _is_meant(pod, term, pod)


def _neighbours(term: Obj, state: NodeState, everywhere: Sequence[NodeState]) -> Iterable[Obj]:
    for other in everywhere:
        if _same_domain(term, state, other):
            # The state in question may be one of preemption's what-ifs, so it counts and not its original.
            yield from (state if other.name == state.name else other).pods.values()


def _same_domain(term: Obj, one: NodeState, other: NodeState) -> bool:
    key = term["topologyKey"]
    value = (one.node["metadata"].get("labels") or {}).get(key)
    return value is not None and value == (other.node["metadata"].get("labels") or {}).get(key)


def _is_meant(candidate: Obj, term: Obj, owner: Obj) -> bool:
    """Tell whether `candidate` is one of the pods that a term of `owner` speaks of."""
    namespaces = term.get("namespaces") or [owner["metadata"]["namespace"]]
    if "namespaceSelector" not in term and candidate["metadata"]["namespace"] not in namespaces:
        return False
    labels = candidate["metadata"].get("labels") or {}
    return term.get("labelSelector") is not None and matches_label_selector(term["labelSelector"], labels)
