"""Patches: merge, strategic and JSON, and what of a pod may change."""

from __future__ import annotations

from typing import Any

import pytest

from tests.api.cluster import Cluster

MERGE = "application/merge-patch+json"
STRATEGIC = "application/strategic-merge-patch+json"
JSON = "application/json-patch+json"


@pytest.fixture
async def pod(cluster: Cluster) -> str:
    """The path of a pod with two containers' worth of detail."""
    body = {
        "metadata": {"name": "one", "labels": {"a": "1", "b": "2"}, "finalizers": ["example.org/a"]},
        "spec": {
            "schedulerName": "nobody",
            "automountServiceAccountToken": False,
            "activeDeadlineSeconds": 100,
            "containers": [
                {"name": "main", "image": "x", "env": [{"name": "A", "value": "1"}]},
                {"name": "side", "image": "y"},
            ],
        },
    }
    code, made = await cluster.call("POST", cluster.pods, body)
    assert code == 201, made
    yield f"{cluster.pods}/one"
    await cluster.call("PATCH", f"{cluster.pods}/one", {"metadata": {"finalizers": None}}, kind=MERGE)


async def patch(cluster: Cluster, path: str, kind: str, body: Any) -> dict[str, Any]:
    """Send a patch that must be accepted."""
    code, found = await cluster.call("PATCH", path, body, kind=kind)
    assert code == 200, found
    _, read = await cluster.call("GET", path.removesuffix("/status"))
    assert read == found
    return dict(found)


async def test_merge_patch_merges_maps(cluster: Cluster, pod: str) -> None:
    """A merge patch sets and deletes single labels, and replaces lists."""
    found = await patch(cluster, pod, MERGE, {"metadata": {"labels": {"a": None, "c": "3"}}})
    assert found["metadata"]["labels"] == {"b": "2", "c": "3"}

    refusal = await cluster.refuse("PATCH", pod, {"spec": {"containers": [{"name": "main"}]}}, kind=MERGE)
    assert refusal.code == 422


async def test_strategic_patch_merges_containers_by_name(cluster: Cluster, pod: str) -> None:
    """A strategic patch changes the container it names and leaves the other."""
    body = {
        "spec": {
            "$setElementOrder/containers": [{"name": "main"}, {"name": "side"}],
            "containers": [{"name": "side", "image": "z"}],
        }
    }
    found = await patch(cluster, pod, STRATEGIC, body)

    images = {c["name"]: c["image"] for c in found["spec"]["containers"]}
    assert images == {"main": "x", "side": "z"}


async def test_strategic_patch_merges_conditions_by_type(cluster: Cluster, pod: str) -> None:
    """Conditions of a status are merged by type, and can be deleted by directive."""
    path = f"{pod}/status"
    first = {"conditions": [{"type": "Ready", "status": "False"}, {"type": "Other", "status": "True"}]}
    await patch(cluster, path, STRATEGIC, {"status": first})
    second = {"conditions": [{"type": "Ready", "status": "True"}]}
    found = await patch(cluster, path, STRATEGIC, {"status": second})
    conditions = {c["type"]: c["status"] for c in found["status"]["conditions"]}
    assert conditions == {"Ready": "True", "Other": "True"}

    third = {"conditions": [{"type": "Other", "$patch": "delete"}]}
    found = await patch(cluster, path, STRATEGIC, {"status": third})
    assert [c["type"] for c in found["status"]["conditions"]] == ["Ready"]


async def test_strategic_patch_replaces_by_directive(cluster: Cluster, pod: str) -> None:
    """`$patch: replace` takes the map as it is, without the directive."""
    body = {"metadata": {"labels": {"$patch": "replace", "c": "3"}}}
    found = await patch(cluster, pod, STRATEGIC, body)

    assert found["metadata"]["labels"] == {"c": "3"}


async def test_strategic_patch_adds_to_plain_lists(cluster: Cluster, pod: str) -> None:
    """Finalizers are added, and taken off by directive."""
    found = await patch(cluster, pod, STRATEGIC, {"metadata": {"finalizers": ["example.org/b"]}})
    assert found["metadata"]["finalizers"] == ["example.org/b", "example.org/a"]

    body = {"metadata": {"$deleteFromPrimitiveList/finalizers": ["example.org/a"]}}
    found = await patch(cluster, pod, STRATEGIC, body)
    assert found["metadata"]["finalizers"] == ["example.org/b"]


async def test_strategic_patch_merges_service_ports(cluster: Cluster) -> None:
    """Ports of a Kubernetes Service are merged by port."""
    path = f"/api/v1/namespaces/{cluster.namespace}/services"
    ports = [{"name": "a", "port": 1}, {"name": "b", "port": 2}]
    await cluster.call("POST", path, {"metadata": {"name": "one"}, "spec": {"ports": ports}})
    body = {"spec": {"ports": [{"port": 2, "targetPort": 20}, {"port": 1, "$patch": "delete"}]}}
    found = await patch(cluster, f"{path}/one", STRATEGIC, body)

    assert found["spec"]["ports"] == [{"name": "b", "port": 2, "protocol": "TCP", "targetPort": 20}]


async def test_json_patch_applies_in_order(cluster: Cluster, pod: str) -> None:
    """The operations of a JSON patch see what the ones before did."""
    operations = [
        {"op": "test", "path": "/metadata/labels/a", "value": "1"},
        {"op": "add", "path": "/metadata/labels/example.org~1c", "value": "3"},
        {"op": "copy", "from": "/metadata/labels/example.org~1c", "path": "/metadata/labels/d"},
        {"op": "move", "from": "/metadata/labels/b", "path": "/metadata/labels/e"},
        {"op": "remove", "path": "/metadata/labels/a"},
        {"op": "replace", "path": "/spec/containers/1/image", "value": "w"},
        {"op": "add", "path": "/metadata/finalizers/-", "value": "example.org/z"},
    ]
    found = await patch(cluster, pod, JSON, operations)

    assert found["metadata"]["labels"] == {"example.org/c": "3", "d": "3", "e": "2"}
    assert found["spec"]["containers"][1]["image"] == "w"
    assert found["metadata"]["finalizers"] == ["example.org/a", "example.org/z"]


@pytest.mark.parametrize(
    "operation",
    [
        {"op": "test", "path": "/metadata/name", "value": "two"},
        {"op": "replace", "path": "/metadata/none/x", "value": "z"},
        {"op": "remove", "path": "/metadata/none"},
        {"op": "remove", "path": "/spec/containers/7"},
        {"op": "dance", "path": "/metadata/name"},
        {"op": "add", "path": "/metadata/none/deep", "value": "z"},
    ],
)
async def test_json_patch_is_all_or_nothing(cluster: Cluster, pod: str, operation: dict) -> None:
    """If one operation does not fit, none is done."""
    operations = [{"op": "add", "path": "/metadata/labels/new", "value": "1"}, operation]
    refusal = await cluster.refuse("PATCH", pod, operations, kind=JSON)
    assert (refusal.code, refusal.reason) == (422, "Invalid")

    _, found = await cluster.call("GET", pod)
    assert found["metadata"]["labels"] == {"a": "1", "b": "2"}


@pytest.mark.parametrize(
    ("kind", "body", "code"),
    [
        (MERGE, b"[1]", 400),
        (MERGE, b"{x", 400),
        (STRATEGIC, b"{x", 400),
        (JSON, b"{}", 400),
        (JSON, b"nonsense", 400),
        ("application/json", b"{}", 415),
        ("text/plain", b"{}", 415),
        (MERGE, b'{"metadata": {"labels": {"a": 5}}}', 422),
        (MERGE, b'{"metadata": {"name": "two"}}', 400),
        (MERGE, b'{"metadata": {"uid": "1"}}', 422),
        (MERGE, b'{"metadata": {"resourceVersion": "1"}}', 409),
        (MERGE, b'{"metadata": {"labels": {"a b": "x"}}}', 422),
    ],
)
async def test_bad_patches_are_refused(cluster: Cluster, pod: str, kind: str, body: bytes, code: int) -> None:
    """A patch that cannot be read, of another type, or with a forbidden result changes nothing."""
    _, before = await cluster.call("GET", pod)
    refusal = await cluster.refuse("PATCH", pod, body, kind=kind)

    assert refusal.code == code
    assert await cluster.call("GET", pod) == (200, before)


async def test_patch_of_missing_object(cluster: Cluster) -> None:
    """A patch creates nothing."""
    assert (await cluster.refuse("PATCH", f"{cluster.pods}/none", {"a": 1}, kind=MERGE)).code == 404


@pytest.mark.parametrize(
    "change",
    [
        {"containers": [{"name": "main", "env": [{"name": "B", "value": "1"}]}]},
        {"containers": [{"name": "more", "image": "x"}]},
        {"nodeName": "x"},
        {"nodeSelector": {"a": "b"}},
        {"terminationGracePeriodSeconds": 6},
        {"serviceAccountName": "other"},
        {"activeDeadlineSeconds": 101},
        {"activeDeadlineSeconds": None},
        {"volumes": [{"name": "a", "emptyDir": {}}]},
    ],
)
async def test_most_of_a_pod_is_immutable(cluster: Cluster, pod: str, change: dict) -> None:
    """What a pod is cannot be changed once it exists: 422."""
    refusal = await cluster.refuse("PATCH", pod, {"spec": change}, kind=STRATEGIC)

    assert (refusal.code, refusal.reason) == (422, "Invalid")
    assert all(field.startswith("spec") for field, _ in refusal.causes)


async def test_some_of_a_pod_can_change(cluster: Cluster, pod: str) -> None:
    """Images, further tolerations and a shorter deadline are taken, and count as a generation each."""
    _, before = await cluster.call("GET", pod)
    await patch(cluster, pod, STRATEGIC, {"spec": {"containers": [{"name": "main", "image": "new"}]}})
    await patch(cluster, pod, STRATEGIC, {"spec": {"activeDeadlineSeconds": 99}})
    toleration = {"key": "a", "operator": "Exists"}
    # The list is replaced, and the server keeps its own two.
    found = await patch(cluster, pod, STRATEGIC, {"spec": {"tolerations": [toleration]}})

    assert toleration in found["spec"]["tolerations"]
    assert len(found["spec"]["tolerations"]) == 3
    assert found["spec"]["containers"][0]["image"] == "new"
    assert found["metadata"]["generation"] == before["metadata"]["generation"] + 3
