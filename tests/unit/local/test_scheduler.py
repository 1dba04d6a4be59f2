from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from jhaws.local.api.resources import EVENTS, NODES, PODS, PVCS
from jhaws.local.cluster import LocalCluster
from jhaws.local.scheduling.affinity import matches_expression
from jhaws.local.scheduling.nodes import LocalNodegroup
from jhaws.local.scheduling.placement import choose_node, pod_requests
from jhaws.local.scheduling.scheduler import choose_victims
from tests.unit.local.pods_for_tests import (
    condition,
    create,
    is_ready,
    make_pod,
    make_settings,
    make_state,
    placed,
    reasons,
    wait_event,
    wait_file,
    wait_for,
    wait_gone,
)

TAINT = {"key": "hub.jupyter.org/dedicated", "value": "user", "effect": "NoSchedule"}


def asking(name: str = "pod", cpu: str = "1", memory: str = "1Gi", **spec: Any) -> dict:
    """Build a pod that asks for so much."""
    container = {"resources": {"requests": {"cpu": cpu, "memory": memory}}}
    return placed(make_pod(name, container=container, **spec))


def affinity(kind: str, *expressions: dict) -> dict:
    """Build a required or preferred node affinity."""
    term = {"matchExpressions": list(expressions)}
    if kind == "required":
        return {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": [term]}}}
    weighted = [{"weight": 100, "preference": term}]
    return {"nodeAffinity": {"preferredDuringSchedulingIgnoredDuringExecution": weighted}}


def test_no_node() -> None:
    """Without nodes the message is the real scheduler's."""
    assert choose_node(asking(), []).message == "no nodes available to schedule pods"


def test_message_counts_reasons() -> None:
    """Reasons are counted over the nodes and sorted, as the real scheduler does."""
    nodes = [make_state("a", gib=0.5), make_state("b", taints=(TAINT,))]
    placement = choose_node(asking(), nodes)
    assert placement.node is None
    assert placement.message == (
        "0/2 nodes are available: 1 Insufficient memory, "
        "1 node(s) had untolerated taint {hub.jupyter.org/dedicated: user}."
    )


@pytest.mark.parametrize(
    ("toleration", "fits"),
    [
        ({"key": "hub.jupyter.org/dedicated", "operator": "Equal", "value": "user", "effect": "NoSchedule"}, True),
        ({"key": "hub.jupyter.org/dedicated", "value": "user"}, True),
        ({"key": "hub.jupyter.org/dedicated", "operator": "Exists"}, True),
        ({"operator": "Exists"}, True),
        ({"key": "hub.jupyter.org/dedicated", "operator": "Equal", "value": "core"}, False),
        ({"key": "hub.jupyter.org/dedicated", "operator": "Exists", "effect": "NoExecute"}, False),
        ({"key": "other", "operator": "Exists"}, False),
    ],
)
def test_tolerations(toleration: dict, fits: bool) -> None:
    """A pod goes to a tainted node only with a toleration of its key, value and effect."""
    pod = asking(tolerations=[toleration])
    assert (choose_node(pod, [make_state(taints=(TAINT,))]).node is not None) == fits


@pytest.mark.parametrize(
    ("operator", "values", "matches"),
    [
        ("In", ["5"], True),
        ("In", ["6"], False),
        ("NotIn", ["6"], True),
        ("NotIn", ["5"], False),
        ("Exists", None, True),
        ("DoesNotExist", None, False),
        ("Gt", ["4"], True),
        ("Gt", ["5"], False),
        ("Lt", ["6"], True),
        ("Lt", ["5"], False),
        ("Gt", ["x"], False),
        ("Nonsense", ["5"], False),
    ],
)
def test_expressions(operator: str, values: list[str] | None, matches: bool) -> None:
    """Each operator of a node selector means what the Kubernetes docs say."""
    expression = {"key": "size", "operator": operator, **({"values": values} if values else {})}
    assert matches_expression(expression, {"size": "5"}) == matches


def test_absent_label() -> None:
    """A label that is not there is not in any set, and not in the complement's way."""
    assert matches_expression({"key": "k", "operator": "NotIn", "values": ["v"]}, {})
    assert matches_expression({"key": "k", "operator": "DoesNotExist"}, {})
    assert not matches_expression({"key": "k", "operator": "Gt", "values": ["1"]}, {})


def test_selector_and_required_affinity() -> None:
    """Both the node selector and the required affinity have to be satisfied."""
    nodes = [make_state("a", labels={"size": "small"}), make_state("b", labels={"size": "big"})]
    assert choose_node(asking(nodeSelector={"size": "big"}), nodes).node == "b-1"
    wanted = affinity("required", {"key": "size", "operator": "In", "values": ["small"]})
    assert choose_node(asking(affinity=wanted), nodes).node == "a-1"
    placement = choose_node(asking(affinity=wanted, nodeSelector={"size": "big"}), nodes)
    assert "2 node(s) didn't match Pod's node affinity/selector" in placement.message


def test_preferred_affinity_beats_an_emptier_node() -> None:
    """A preferred node wins even if another is emptier, and any node will do without it."""
    nodes = [make_state("a", labels={"x": "1"}, cpu=2), make_state("b", cpu=64, gib=256)]
    wanted = affinity("preferred", {"key": "x", "operator": "Exists"})
    assert choose_node(asking(affinity=wanted), nodes).node == "a-1"
    assert choose_node(asking(affinity=wanted), nodes[1:]).node == "b-1"


def test_unschedulable_node() -> None:
    """A cordoned node takes nobody."""
    state = make_state()
    state.node["spec"]["unschedulable"] = True
    assert "1 node(s) were unschedulable" in choose_node(asking(), [state]).message


def test_too_many_pods() -> None:
    """A node takes 110 pods, however small."""
    pods = [asking(f"p{n}", cpu="1m", memory="1Mi") for n in range(110)]
    assert "1 Too many pods" in choose_node(asking(cpu="1m", memory="1Mi"), [make_state("n", *pods)]).message


def test_requests_of_init_containers() -> None:
    """Init containers count only where they ask for more; side-cars are added; limits stand in for requests."""
    pod = asking(cpu="500m", memory="1G")
    pod["spec"]["containers"].append({"name": "b", "resources": {"limits": {"cpu": "250m"}}})
    pod["spec"]["initContainers"] = [
        {"name": "i", "resources": {"requests": {"cpu": "2", "memory": "1Ki"}}},
        {"name": "s", "restartPolicy": "Always", "resources": {"requests": {"memory": "1M"}}},
    ]
    requests = pod_requests(pod)
    assert (requests["cpu"], requests["memory"]) == (2, 1001000000)


def test_pod_anti_affinity_by_host_and_zone() -> None:
    """Pods that must not meet are kept apart per topology domain, also against the wish of the one already there."""
    labels = {"metadata": {"labels": {"app": "x"}}}
    term = {"topologyKey": "zone", "labelSelector": {"matchLabels": {"app": "x"}}}
    apart = {"podAntiAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [term]}}
    there = asking("there", affinity=apart, **labels)
    nodes = [
        make_state("a", there, labels={"zone": "1"}),
        make_state("b", labels={"zone": "1"}),
        make_state("c", labels={"zone": "2"}),
    ]
    assert choose_node(asking("new", affinity=apart, **labels), nodes).node == "c-1"
    assert choose_node(asking("plain", **labels), nodes).node == "c-1"
    assert "didn't satisfy existing pods anti-affinity" in choose_node(asking("p", **labels), nodes[:2]).message


def test_pod_affinity() -> None:
    """Pods that must meet do; the first of them goes anywhere."""
    labels = {"metadata": {"labels": {"app": "x"}}}
    term = {"topologyKey": "kubernetes.io/hostname", "labelSelector": {"matchLabels": {"app": "x"}}}
    together = {"podAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [term]}}
    empty = [make_state("a"), make_state("b", cpu=64, gib=256)]
    assert choose_node(asking("first", affinity=together, **labels), empty).node is not None
    nodes = [make_state("a", asking("first", **labels)), make_state("b", cpu=64, gib=256)]
    assert choose_node(asking("second", affinity=together, **labels), nodes).node == "a-1"
    assert "didn't match pod affinity rules" in choose_node(asking("other", affinity=together), empty).message


def test_victims_are_the_least_important_and_few() -> None:
    """Only as many pods as needed go, the ones of lowest priority, from the node where they matter least."""
    a = make_state("a", asking("low", cpu="2", priority=-10), asking("mid", cpu="2", priority=5))
    b = make_state("b", asking("high", cpu="4", priority=7))
    found = choose_victims(asking("new", cpu="2", priority=10), [a, b])
    assert found is not None
    assert (found[0], [v["metadata"]["name"] for v in found[1]]) == ("a-1", ["low"])
    found = choose_victims(asking("new", cpu="4", priority=10), [a, b])
    assert found is not None
    assert [v["metadata"]["name"] for v in found[1]] == ["low", "mid"]


@pytest.mark.parametrize(
    "pod",
    [
        asking("equal", cpu="4", priority=0),
        asking("polite", cpu="4", priority=9, preemptionPolicy="Never"),
        asking("huge", cpu="5", priority=9),
        asking("elsewhere", priority=9, nodeSelector={"no": "where"}),
    ],
    ids=lambda pod: pod["metadata"]["name"],
)
def test_no_victims(pod: dict) -> None:
    """Nobody goes for a pod of equal priority, a polite one, or one that would not fit or belong there anyway."""
    assert choose_victims(pod, [make_state("n", asking("there", cpu="4", priority=0))]) is None


# The loop, on a real storage


@pytest.fixture
async def cluster(tmp_path: Path) -> AsyncIterator[LocalCluster]:
    """Run a cluster of one node with two cores."""
    async with LocalCluster(make_settings(tmp_path, LocalNodegroup("n", cpu_cores=2))) as running:
        yield running


def cores(count: str) -> dict:
    """Build what `make_pod` merges into its container."""
    return {"resources": {"requests": {"cpu": count}}}


async def test_condition_and_event_of_a_pod_that_does_not_fit(cluster: LocalCluster) -> None:
    """A pod that fits nowhere says why in its condition and its event, in its scheduler's name."""
    create(cluster, make_pod(container=cores("3"), schedulerName="jhub-user-scheduler"))
    pod = await wait_for(cluster.storage, PODS, "pod", lambda p: condition(p, "PodScheduled"))
    assert condition(pod, "PodScheduled")["reason"] == "Unschedulable"
    assert condition(pod, "PodScheduled")["message"].startswith("0/1 nodes are available: 1 Insufficient cpu.")
    event = await wait_event(cluster.storage, "pod", "FailedScheduling")
    assert event["source"]["component"] == "jhub-user-scheduler"
    assert event["type"] == "Warning"


async def test_waits_for_room(cluster: LocalCluster) -> None:
    """A pod without room is placed as soon as another one is gone."""
    create(cluster, make_pod("one", container=cores("2")))
    await wait_for(cluster.storage, PODS, "one", is_ready)
    create(cluster, make_pod("two", container=cores("2")))
    await wait_event(cluster.storage, "two", "FailedScheduling")
    cluster.storage.delete(PODS, "default", "one")
    await wait_for(cluster.storage, PODS, "two", is_ready)


async def test_finished_pods_hold_nothing(cluster: LocalCluster) -> None:
    """A pod that ended gives its room to others although its object stays."""
    create(cluster, make_pod("one", script="true", restartPolicy="Never", container=cores("2")))
    await wait_for(cluster.storage, PODS, "one", lambda p: p["status"]["phase"] == "Succeeded")
    create(cluster, make_pod("two", container=cores("2")))
    await wait_for(cluster.storage, PODS, "two", is_ready)


async def test_preemption_is_graceful(cluster: LocalCluster, tmp_path: Path) -> None:
    """A victim gets its SIGTERM and its events, and its room is kept for the pod it went for."""
    out = tmp_path / "out"
    script = f"trap 'echo bye > {out}; exit 0' TERM; echo ready > {out}; while :; do sleep 0.01; done"
    create(cluster, make_pod("victim", script, priority=-10, container=cores("2")))
    await wait_file(out)
    await wait_for(cluster.storage, PODS, "victim", is_ready)
    create(cluster, make_pod("vip", priority=10, container=cores("2")))
    create(cluster, make_pod("late", priority=5, container=cores("2")))
    nominated = await wait_for(cluster.storage, PODS, "vip", lambda p: condition(p, "PodScheduled"))
    if condition(nominated, "PodScheduled")["status"] == "False":
        assert nominated["status"]["nominatedNodeName"] == "n-1"
    pod = await wait_for(cluster.storage, PODS, "vip", is_ready)
    assert "nominatedNodeName" not in pod["status"]
    assert out.read_text() == "bye\n"
    assert "Preempted" in reasons(cluster.storage, "victim")
    assert cluster.storage.get(PODS, "default", "late")["spec"].get("nodeName") is None


async def test_priority_goes_first(cluster: LocalCluster) -> None:
    """Of pods that wait, the most important one gets the room."""
    cluster.storage.modify(NODES, "", "n-1", lambda n: n["spec"].update(unschedulable=True))
    for name, priority in (("low", 1), ("high", 1000), ("middle", 10)):
        create(cluster, make_pod(name, priority=priority, container=cores("2")))
        await wait_event(cluster.storage, name, "FailedScheduling")
    cluster.storage.modify(NODES, "", "n-1", lambda n: n["spec"].pop("unschedulable"))
    await wait_for(cluster.storage, PODS, "high", is_ready)
    bound = [p["metadata"]["name"] for p in cluster.storage.list(PODS) if p["spec"].get("nodeName")]
    assert bound == ["high"]


async def test_waits_for_a_claim(cluster: LocalCluster) -> None:
    """A pod with a claim that is not there says so, and goes on when it is."""
    volumes = [{"name": "v", "persistentVolumeClaim": {"claimName": "c"}}]
    create(cluster, make_pod(volumes=volumes))
    event = await wait_event(cluster.storage, "pod", "FailedScheduling")
    assert 'persistentvolumeclaim "c" not found' in event["message"]
    claim = {
        "metadata": {"name": "c"},
        "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}},
    }
    cluster.storage.create(PVCS, claim, namespace="default")
    await wait_for(cluster.storage, PODS, "pod", is_ready)


async def test_events_are_counted(cluster: LocalCluster) -> None:
    """Saying the same again counts the event up instead of writing another one."""
    create(cluster, make_pod(container=cores("3")))
    await wait_event(cluster.storage, "pod", "FailedScheduling")
    for name in ("a", "b"):
        create(cluster, make_pod(name))
        await wait_for(cluster.storage, PODS, name, is_ready)
        cluster.storage.delete(PODS, "default", name)
        await wait_gone(cluster.storage, name)
    await wait_for(cluster.storage, EVENTS, await _event_name(cluster), lambda e: e["count"] >= 3)
    assert reasons(cluster.storage, "pod").count("FailedScheduling") == 1


async def _event_name(cluster: LocalCluster) -> str:
    event = await wait_event(cluster.storage, "pod", "FailedScheduling")
    return str(event["metadata"]["name"])
