"""Deletion: grace, preconditions, finalizers, owners, namespaces."""

from __future__ import annotations

from typing import Any

import pytest

from tests.api.cluster import Cluster, eventually, make_pod

MERGE = "application/merge-patch+json"


def config_maps(cluster: Cluster) -> str:
    """The path of the namespace's ConfigMaps."""
    return f"/api/v1/namespaces/{cluster.namespace}/configmaps"


async def is_gone(cluster: Cluster, path: str) -> bool:
    """Tell whether an object is not there."""
    code, _ = await cluster.call("GET", path)
    return code == 404


async def bind(cluster: Cluster, name: str) -> None:
    """Bind a pod to a node that does not exist, so nobody runs or ends it."""
    binding = {"metadata": {"name": name}, "target": {"kind": "Node", "name": "no-such-node"}}
    code, status = await cluster.call("POST", f"{cluster.pods}/{name}/binding", binding)
    assert (code, status["status"]) == (201, "Success")


async def test_pending_pod_goes_at_once(cluster: Cluster) -> None:
    """Nothing runs of a pod without a node, so it is gone at once; the answer is the pod."""
    await cluster.create_pod("one")
    code, found = await cluster.call("DELETE", f"{cluster.pods}/one")

    assert code == 200
    assert found["metadata"]["name"] == "one"
    assert found["metadata"]["deletionGracePeriodSeconds"] == 0
    assert await is_gone(cluster, f"{cluster.pods}/one")
    assert (await cluster.refuse("DELETE", f"{cluster.pods}/one")).code == 404


async def test_bound_pod_stays_for_its_kubelet(cluster: Cluster) -> None:
    """A pod on a node is marked and stays; the time left can be shortened, not extended; 0 ends it."""
    await cluster.create_pod("one", spec={"terminationGracePeriodSeconds": 600})
    await bind(cluster, "one")
    path = f"{cluster.pods}/one"
    _, bound = await cluster.call("GET", path)
    assert bound["spec"]["nodeName"] == "no-such-node"
    assert [(c["type"], c["status"]) for c in bound["status"]["conditions"]] == [("PodScheduled", "True")]

    seconds, stamps = [], []
    for body in ({}, {"gracePeriodSeconds": 500}, {"gracePeriodSeconds": 550}, {"gracePeriodSeconds": 400}):
        code, found = await cluster.call("DELETE", path, body)
        assert code == 200
        seconds.append(found["metadata"]["deletionGracePeriodSeconds"])
        stamps.append(found["metadata"]["deletionTimestamp"])
    assert seconds == [600, 500, 500, 400]
    assert stamps[1] == stamps[2]
    assert stamps[3] < stamps[1] < stamps[0]
    _, found = await cluster.call("GET", path)
    assert found["metadata"]["deletionTimestamp"] == stamps[3]

    await cluster.call("DELETE", path, gracePeriodSeconds="0")
    assert await is_gone(cluster, path)


async def test_negative_grace_is_one_second(cluster: Cluster) -> None:
    """Less than nothing is one second."""
    await cluster.create_pod("one")
    await bind(cluster, "one")
    _, found = await cluster.call("DELETE", f"{cluster.pods}/one", gracePeriodSeconds="-5")
    assert found["metadata"]["deletionGracePeriodSeconds"] == 1

    await cluster.call("DELETE", f"{cluster.pods}/one", gracePeriodSeconds="0")


async def test_finished_pod_goes_at_once(cluster: Cluster) -> None:
    """A pod that has ended needs no grace."""
    await cluster.create_pod("one")
    await bind(cluster, "one")
    status = {"status": {"phase": "Succeeded"}}
    await cluster.call("PATCH", f"{cluster.pods}/one/status", status, kind=MERGE)
    await cluster.call("DELETE", f"{cluster.pods}/one")

    assert await is_gone(cluster, f"{cluster.pods}/one")


async def test_binding_happens_once(cluster: Cluster) -> None:
    """A pod that has a node cannot be bound again; the binding must name the pod."""
    await cluster.create_pod("one")
    path = f"{cluster.pods}/one/binding"
    node = {"kind": "Node", "name": "no-such-node"}
    refusal = await cluster.refuse("POST", path, {"target": node})
    assert (refusal.code, refusal.message) == (400, "name in URL does not match name in Binding object")

    await bind(cluster, "one")
    refusal = await cluster.refuse("POST", path, {"metadata": {"name": "one"}, "target": node})
    assert (refusal.code, refusal.reason) == (409, "Conflict")
    assert 'pod one is already assigned to node "no-such-node"' in refusal.message
    await cluster.call("DELETE", f"{cluster.pods}/one", gracePeriodSeconds="0")


async def test_eviction_deletes(cluster: Cluster) -> None:
    """An eviction without a disruption budget is a delete."""
    await cluster.create_pod("one")
    body = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": "one"}}
    code, status = await cluster.call("POST", f"{cluster.pods}/one/eviction", body)

    assert (code, status["status"]) == (201, "Success")
    assert await is_gone(cluster, f"{cluster.pods}/one")
    body["metadata"] = {"name": "none"}
    assert (await cluster.refuse("POST", f"{cluster.pods}/none/eviction", body)).code == 404


@pytest.mark.parametrize("precondition", ["uid", "resourceVersion"])
async def test_preconditions_must_hold(cluster: Cluster, precondition: str) -> None:
    """A delete meant for another object or version is 409 and deletes nothing."""
    made = await cluster.create_pod("one")
    path = f"{cluster.pods}/one"
    refusal = await cluster.refuse("DELETE", path, {"preconditions": {precondition: "123"}})
    assert (refusal.code, refusal.reason) == (409, "Conflict")
    assert "in the precondition (123) does not match" in refusal.message
    assert not await is_gone(cluster, path)

    right = {"preconditions": {precondition: made["metadata"][precondition]}}
    assert (await cluster.call("DELETE", path, right))[0] == 200
    assert await is_gone(cluster, path)


@pytest.mark.parametrize(
    ("body", "code"),
    [({"propagationPolicy": "Foo"}, 422), (b"{nonsense", 400), (b"[]", 400), ({"gracePeriodSeconds": "x"}, 400)],
)
async def test_bad_options_delete_nothing(cluster: Cluster, body: Any, code: int) -> None:
    """Options that cannot be read refuse the delete."""
    await cluster.create_pod("one")
    refusal = await cluster.refuse("DELETE", f"{cluster.pods}/one", body)

    assert refusal.code == code
    assert not await is_gone(cluster, f"{cluster.pods}/one")


async def test_dry_run_deletes_nothing(cluster: Cluster) -> None:
    """`dryRun` answers and leaves the object."""
    await cluster.create_pod("one")
    code, _ = await cluster.call("DELETE", f"{cluster.pods}/one", {"dryRun": ["All"]})

    assert code == 200
    assert not await is_gone(cluster, f"{cluster.pods}/one")


async def test_answer_depends_on_the_kind(cluster: Cluster) -> None:
    """Some kinds answer a delete with the object, others with a Status that names it."""
    for plural, body in {
        "configmaps": {},
        "secrets": {},
        "services": {"spec": {"ports": [{"port": 1}]}},
        "serviceaccounts": {},
    }.items():
        path = f"/api/v1/namespaces/{cluster.namespace}/{plural}"
        _, made = await cluster.call("POST", path, {"metadata": {"name": "one"}, **body})
        code, found = await cluster.call("DELETE", f"{path}/one")

        assert code == 200
        if plural in ("services", "serviceaccounts"):
            assert found["metadata"]["uid"] == made["metadata"]["uid"]
        else:
            uid = made["metadata"]["uid"]
            assert (found["kind"], found["status"]) == ("Status", "Success")
            assert found["details"] == {"name": "one", "kind": plural, "uid": uid}


async def test_finalizers_hold_an_object(cluster: Cluster) -> None:
    """An object with finalizers is marked, and gone when the last is taken off."""
    path = config_maps(cluster)
    names = ["example.org/a", "example.org/b"]
    await cluster.call("POST", path, {"metadata": {"name": "one", "finalizers": names}})
    code, found = await cluster.call("DELETE", f"{path}/one")
    assert code == 200
    stamp = found["metadata"]["deletionTimestamp"]
    refusal = await cluster.refuse("POST", path, {"metadata": {"name": "one"}})
    assert (refusal.code, refusal.reason) == (409, "AlreadyExists")
    assert refusal.message == 'object is being deleted: configmaps "one" already exists'

    change = {"metadata": {"finalizers": names[:1]}}
    _, found = await cluster.call("PATCH", f"{path}/one", change, kind=MERGE)
    assert found["metadata"]["deletionTimestamp"] == stamp
    code, _ = await cluster.call("PATCH", f"{path}/one", {"metadata": {"finalizers": None}}, kind=MERGE)
    assert code == 200
    assert await is_gone(cluster, f"{path}/one")


async def test_owned_objects_go_with_their_owner(cluster: Cluster) -> None:
    """What only a deleted object owned goes too; with another owner, or orphaned, it stays."""
    path = config_maps(cluster)
    owners = []
    for name in ("owner-1", "owner-2"):
        _, owner = await cluster.call("POST", path, {"metadata": {"name": name}})
        owners.append({"apiVersion": "v1", "kind": "ConfigMap", "name": name, "uid": owner["metadata"]["uid"]})
    for name, references in {"of-1": owners[:1], "of-both": owners, "of-2": owners[1:]}.items():
        body = {"metadata": {"name": name, "ownerReferences": references}}
        assert (await cluster.call("POST", path, body))[0] == 201
    await cluster.call("DELETE", f"{path}/owner-1", {"propagationPolicy": "Background"})
    await cluster.call("DELETE", f"{path}/owner-2", {"propagationPolicy": "Orphan"})

    await eventually(lambda: is_gone(cluster, f"{path}/of-1"))
    await eventually(lambda: is_gone(cluster, f"{path}/owner-2"))
    _, found = await cluster.call("GET", f"{path}/of-2")
    assert "ownerReferences" not in found["metadata"]


async def test_collection_is_deleted_by_selector(cluster: Cluster) -> None:
    """A delete of the collection takes what the selector shows, and answers with it."""
    await cluster.create_pod("a", labels={"app": "x"})
    await cluster.create_pod("b", labels={"app": "x"})
    await cluster.create_pod("c")
    code, found = await cluster.call("DELETE", cluster.pods, labelSelector="app=x")
    assert code == 200
    assert found["kind"] == "PodList"
    assert sorted(item["metadata"]["name"] for item in found["items"]) == ["a", "b"]

    left = await cluster.core.list_namespaced_pod(cluster.namespace)
    assert [pod.metadata.name for pod in left.items] == ["c"]


async def test_namespace_takes_its_objects_along(cluster: Cluster) -> None:
    """A deleted namespace takes nothing new, and goes when its last object is gone."""
    name = f"{cluster.namespace}-x"
    code, made = await cluster.call("POST", "/api/v1/namespaces", {"metadata": {"name": name}})
    assert code == 201
    assert made["metadata"]["labels"] == {"kubernetes.io/metadata.name": name}
    assert made["status"] == {"phase": "Active"}
    path = f"/api/v1/namespaces/{name}/configmaps"
    holder = {"metadata": {"name": "holder", "finalizers": ["example.org/a"]}}
    assert (await cluster.call("POST", path, holder))[0] == 201
    assert (await cluster.call("POST", path, {"metadata": {"name": "one"}}))[0] == 201
    _, found = await cluster.call("DELETE", f"/api/v1/namespaces/{name}")
    assert found["status"]["phase"] == "Terminating"

    refusal = await cluster.refuse("POST", path, {"metadata": {"name": "two"}})
    assert (refusal.code, refusal.reason) == (403, "Forbidden")
    assert refusal.details["causes"][0]["reason"] == "NamespaceTerminating"
    await eventually(lambda: is_gone(cluster, f"{path}/one"))
    assert not await is_gone(cluster, f"/api/v1/namespaces/{name}")
    await cluster.call("PATCH", f"{path}/holder", {"metadata": {"finalizers": None}}, kind=MERGE)
    await eventually(lambda: is_gone(cluster, f"/api/v1/namespaces/{name}"))


async def test_default_namespace_stays(cluster: Cluster) -> None:
    """The namespaces every cluster needs cannot be deleted."""
    refusal = await cluster.refuse("DELETE", "/api/v1/namespaces/default")

    assert (refusal.code, refusal.reason) == (403, "Forbidden")


async def test_log_of_a_pending_pod_is_empty(cluster: Cluster) -> None:
    """A pod without a node has written nothing; a container it does not have is 400, no pod is 404."""
    await cluster.core.create_namespaced_pod(cluster.namespace, make_pod("one"))
    assert await cluster.call("GET", f"{cluster.pods}/one/log") == (204, "")

    refusal = await cluster.refuse("GET", f"{cluster.pods}/one/log", container="zz")
    assert (refusal.code, refusal.message) == (400, "container zz is not valid for pod one")
    assert (await cluster.refuse("GET", f"{cluster.pods}/none/log")).code == 404
