import json
from typing import Any

import pytest

from jhaws.errors import ConfigError
from jhaws.pods.nodegroups import Nodegroup, Taint
from jhaws.services.placeholder.keeping import make_goal, read_environment_nodegroups
from jhaws.services.placeholder.seats import (
    changes_seats,
    find_unknown,
    make_placeholder_pod,
    make_seats,
    plan,
)
from jhaws.services.placeholder.settings import JhawsPlaceholder

USERS = Nodegroup("jhusers", {"purpose": "user"}, (Taint("dedicated", "user", "NoSchedule"),))
GPU = Nodegroup("jhgpu", {"purpose": "gpu"}, ())
GROUPS = {"jhusers": USERS, "jhgpu": GPU}


def make_manifest(group: Nodegroup | None = USERS, **options: Any) -> dict[str, Any]:
    """Build the manifest for a nodegroup with the usual options and others."""
    usual = {"priority_class": "low", "cpu_cores": 0.5, "memory_gib": 1}
    return make_placeholder_pod(JhawsPlaceholder(**(usual | options)), group, hub_id="hub1")


def make_pod(
    name: str,
    manifest: dict[str, Any] | None = None,
    *,
    phase: str = "Running",
    node: str = "node1",
    created: int = 0,
    leaving: bool = False,
) -> dict[str, Any]:
    """Build the pod that the API server would make of a manifest."""
    manifest = manifest or make_manifest()
    metadata = manifest["metadata"] | {"name": name, "creationTimestamp": f"2026-11-20T12:00:{created:02}Z"}
    if leaving:
        metadata["deletionTimestamp"] = "2026-11-20T12:01:00Z"
    spec = manifest["spec"] | ({"nodeName": node} if node else {})
    return {"metadata": metadata, "spec": spec, "status": {"phase": phase}}


def test_the_whole_pod() -> None:
    """A placeholder asks for a seat on its nodegroup, gives way at once and can do nothing."""
    pod = make_manifest()
    digest = pod["metadata"].pop("annotations")["jhaws.io/manifest-hash"]

    assert len(digest) == 16
    assert pod == {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "generateName": "jhaws-placeholder-jhusers-",
            "labels": {
                "component": "jhaws-placeholder",
                "app.kubernetes.io/component": "jhaws-placeholder",
                "jhaws.io/hub": "hub1",
                "jhaws.io/nodegroup": "jhusers",
            },
        },
        "spec": {
            "priorityClassName": "low",
            "terminationGracePeriodSeconds": 0,
            "automountServiceAccountToken": False,
            "enableServiceLinks": False,
            "securityContext": {
                "runAsNonRoot": True,
                "runAsUser": 65534,
                "runAsGroup": 65534,
                "seccompProfile": {"type": "RuntimeDefault"},
            },
            "containers": [
                {
                    "name": "pause",
                    "image": "registry.k8s.io/pause:3.10",
                    "resources": {"requests": {"cpu": "500m", "memory": "1073741824"}},
                    "securityContext": {
                        "allowPrivilegeEscalation": False,
                        "capabilities": {"drop": ["ALL"]},
                        "readOnlyRootFilesystem": True,
                    },
                }
            ],
            "affinity": {
                "nodeAffinity": {
                    "requiredDuringSchedulingIgnoredDuringExecution": {
                        "nodeSelectorTerms": [
                            {"matchExpressions": [{"key": "purpose", "operator": "In", "values": ["user"]}]}
                        ]
                    }
                }
            },
            "tolerations": [
                {"key": "dedicated", "operator": "Equal", "value": "user", "effect": "NoSchedule"},
            ],
        },
    }


def test_a_pod_for_any_node() -> None:
    """Without a nodegroup a placeholder names no nodes and tolerates nothing."""
    pod = make_manifest(None)

    assert pod["metadata"]["generateName"] == "jhaws-placeholder-"
    assert pod["metadata"]["labels"]["jhaws.io/nodegroup"] == ""
    assert "affinity" not in pod["spec"]
    assert "tolerations" not in pod["spec"]


@pytest.mark.parametrize(
    ("cores", "gib", "requests"),
    [
        (0.29, 1.5, {"cpu": "290m", "memory": "1610612736"}),
        (0.0015, 0.001, {"cpu": "2m", "memory": "1073742"}),
        (4, None, {"cpu": "4000m"}),
        (None, None, {}),
    ],
)
def test_requests_are_whole_numbers(cores: float | None, gib: float | None, requests: dict[str, str]) -> None:
    """CPU is asked for in thousandths and memory in bytes, rounded up."""
    pod = make_manifest(cpu_cores=cores, memory_gib=gib)

    assert pod["spec"]["containers"][0]["resources"] == {"requests": requests}


@pytest.mark.parametrize(
    ("name", "prefix"),
    [
        ("My_Nodes.1", "jhaws-placeholder-my-nodes-1-"),
        ("A" * 63, f"jhaws-placeholder-{'a' * 40}-"),
    ],
)
def test_names_are_valid_in_kubernetes(name: str, prefix: str) -> None:
    """The name of a pod is made of what Kubernetes allows, whatever the nodegroup is called."""
    assert make_manifest(Nodegroup(name, {}, ()))["metadata"]["generateName"] == prefix


@pytest.mark.parametrize(
    ("seats", "nodegroups", "wanted", "unknown"),
    [
        (0, ["a", "b"], {}, []),
        (2, ["a", "b"], {"a": 2, "b": 2}, []),
        (2, [], {"": 2}, []),
        ({"a": 1, "b": 0}, ["a", "b", "c"], {"a": 1}, []),
        ({"a": 1, "x": 3}, ["a"], {"a": 1}, ["x"]),
        ({"x": 3}, [], {}, ["x"]),
        ({}, ["a"], {}, []),
    ],
)
def test_seats_per_nodegroup(seats: Any, nodegroups: list[str], wanted: dict[str, int], unknown: list[str]) -> None:
    """A number counts for each nodegroup, a mapping for those it names, and names without a nodegroup are told."""
    settings = JhawsPlaceholder(seats=seats)

    assert make_seats(settings, nodegroups) == wanted
    assert find_unknown(settings, nodegroups) == unknown


def decide(*pods: dict[str, Any], wanted: int = 2) -> tuple[int, list[str]]:
    """Plan for one nodegroup; return how many are created and the names of those deleted."""
    seats = {"jhusers": wanted} if wanted else {}
    todo = plan(pods, seats, {"jhusers": make_manifest()})
    return len(todo.to_create), [pod["metadata"]["name"] for pod in todo.to_delete]


def test_missing_pods_are_created() -> None:
    """What is missing is made, what is there is kept."""
    assert decide() == (2, [])
    assert decide(make_pod("a")) == (1, [])
    assert decide(make_pod("a"), make_pod("b", phase="Pending", node="")) == (0, [])


def test_a_pod_that_leaves_is_replaced_at_once() -> None:
    """A preempted pod does not count and is not deleted a second time."""
    assert decide(make_pod("a", leaving=True), make_pod("b")) == (1, [])


@pytest.mark.parametrize("phase", ["Failed", "Succeeded"])
def test_a_pod_that_ended_is_replaced(phase: str) -> None:
    """An evicted pod, or one that its node refused, is deleted and replaced, and counted as failed."""
    pods = [make_pod("a", phase=phase), make_pod("b")]

    assert decide(*pods) == (1, ["a"])
    assert plan(pods, {"jhusers": 2}, {"jhusers": make_manifest()}).failed == 1


def test_pods_of_other_options_are_replaced() -> None:
    """When image, size or nodes change, the pods follow."""
    for old in (
        make_manifest(image="mirror/pause:1"),
        make_manifest(cpu_cores=1),
        make_manifest(Nodegroup("jhusers", {"purpose": "old"}, ())),
    ):
        assert decide(make_pod("a", old), make_pod("b")) == (1, ["a"])


def test_a_pod_without_our_hash_is_replaced() -> None:
    """A pod that carries our labels but no hash is not one of today's options."""
    stray = make_manifest()
    stray["metadata"]["annotations"] = None

    assert decide(make_pod("a", stray), make_pod("b")) == (1, ["a"])


def test_of_a_surplus_the_newest_pending_go_first() -> None:
    """Pods that hold a place already stay longest, and among equals the older ones."""
    pods = [
        make_pod("old", created=1),
        make_pod("new", created=9),
        make_pod("waits", created=2, phase="Pending", node=""),
        make_pod("waits-newest", created=8, phase="Pending", node=""),
    ]

    assert decide(*pods, wanted=3) == (0, ["waits-newest"])
    assert decide(*pods, wanted=2) == (0, ["waits-newest", "waits"])
    assert decide(*pods, wanted=1) == (0, ["waits-newest", "waits", "new"])


def test_leftovers_are_deleted() -> None:
    """With no seats, or for a nodegroup that is no more, all pods go."""
    assert decide(make_pod("a"), make_pod("b", phase="Pending", node=""), wanted=0) == (0, ["a", "b"])
    assert decide(make_pod("a", make_manifest(GPU)), wanted=1) == (1, ["a"])


def test_nodegroups_are_counted_apart() -> None:
    """A surplus in one nodegroup does not make up for what is missing in another."""
    pods = [make_pod("a"), make_pod("b")]
    manifests = {"jhusers": make_manifest(), "jhgpu": make_manifest(GPU)}

    todo = plan(pods, {"jhusers": 1, "jhgpu": 1}, manifests)

    assert todo.to_create == (make_manifest(GPU),)
    assert len(todo.to_delete) == 1


@pytest.mark.parametrize(
    ("event", "matters"),
    [
        ({"type": "DELETED", "object": make_pod("a")}, True),
        ({"type": "MODIFIED", "object": make_pod("a", leaving=True)}, True),
        ({"type": "MODIFIED", "object": make_pod("a", phase="Failed")}, True),
        ({"type": "ERROR", "object": {"code": 410}}, True),
        ({"type": "ADDED", "object": make_pod("a")}, False),
        ({"type": "MODIFIED", "object": make_pod("a", phase="Pending", node="")}, False),
        ({"type": "BOOKMARK", "object": {"metadata": {"resourceVersion": "7"}}}, False),
    ],
)
def test_which_events_wake(event: dict[str, Any], matters: bool) -> None:
    """A pod that leaves or ends is a reason to look again; its way to Running is not."""
    assert changes_seats(event) is matters


@pytest.mark.parametrize(
    ("options", "seats", "says"),
    [
        ({"seats": 1, "priority_class": "low"}, {"jhusers": 1, "jhgpu": 1}, []),
        ({"seats": 0}, {}, ["wants none"]),
        ({"seats": 1}, {}, ["without JhawsPlaceholder.priority_class"]),
        ({"seats": {"x": 1}, "priority_class": "low"}, {}, ["names the nodegroup 'x'", "wants none"]),
        ({"seats": {"x": 1, "jhgpu": 2}, "priority_class": "low"}, {"jhgpu": 2}, ["names the nodegroup 'x'"]),
    ],
)
def test_what_stays_off_is_said(options: dict[str, Any], seats: dict[str, int], says: list[str]) -> None:
    """Each thing that stays off has one sentence, and the rest is kept."""
    goal, remarks = make_goal(JhawsPlaceholder(**options), GROUPS, hub_id="hub1", namespace="jh")

    assert goal.seats == seats
    assert list(goal.manifests) == list(seats)
    assert len(remarks) == len(says)
    assert all(part in remark for part, remark in zip(says, remarks, strict=True))


def test_nodegroups_come_from_the_environment() -> None:
    """The hub passes nodegroups as JSON, with labels and taints."""
    taints = [{"key": "dedicated", "value": "user", "effect": "NoSchedule"}]
    text = json.dumps({"jhusers": {"node_labels": {"purpose": "user"}, "taints": taints}})

    assert read_environment_nodegroups({"JHAWS_NODEGROUPS": text}) == {"jhusers": USERS}
    assert read_environment_nodegroups({}) == {}


@pytest.mark.parametrize("text", ["{", "[]", '{"jhusers": {"label": {}}}'])
def test_nodegroups_that_are_none_are_refused(text: str) -> None:
    """What is no JSON or no nodegroup is one sentence."""
    with pytest.raises(ConfigError, match="JHAWS_NODEGROUPS"):
        read_environment_nodegroups({"JHAWS_NODEGROUPS": text})
