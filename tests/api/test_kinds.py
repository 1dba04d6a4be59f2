"""The other kinds: Services, claims, Secrets, ConfigMaps, events, classes, nodes."""

from __future__ import annotations

import ipaddress
from typing import Any

import pytest
from kubernetes_asyncio import client

from tests.api.cluster import Cluster

MERGE = "application/merge-patch+json"


def path(cluster: Cluster, plural: str) -> str:
    """The path of a kind in the test's namespace."""
    return f"/api/v1/namespaces/{cluster.namespace}/{plural}"


async def create(cluster: Cluster, where: str, body: dict[str, Any]) -> dict[str, Any]:
    """Create an object that must be accepted."""
    code, made = await cluster.call("POST", where, body)
    assert code == 201, made
    return dict(made)


async def test_service_gets_an_address(cluster: Cluster) -> None:
    """A Kubernetes Service gets an address of its own, and keeps it through a replace that leaves it out."""
    services = path(cluster, "services")
    spec = {"ports": [{"port": 80}], "selector": {"a": "b"}}
    first = await create(cluster, services, {"metadata": {"name": "one"}, "spec": spec})
    second = await create(cluster, services, {"metadata": {"name": "two"}, "spec": spec})

    address = first["spec"]["clusterIP"]
    assert ipaddress.ip_address(address).is_private
    assert address != second["spec"]["clusterIP"]
    assert first["spec"] == {
        "clusterIP": address,
        "clusterIPs": [address],
        "internalTrafficPolicy": "Cluster",
        "ipFamilies": ["IPv4"],
        "ipFamilyPolicy": "SingleStack",
        "ports": [{"port": 80, "protocol": "TCP", "targetPort": 80}],
        "selector": {"a": "b"},
        "sessionAffinity": "None",
        "type": "ClusterIP",
    }
    assert first["status"] == {"loadBalancer": {}}
    changed = {"metadata": {"name": "one"}, "spec": {"ports": [{"port": 81}]}}
    code, found = await cluster.call("PUT", f"{services}/one", changed)
    assert code == 200, found
    assert found["spec"]["clusterIP"] == address


async def test_headless_service_has_no_address(cluster: Cluster) -> None:
    """`clusterIP: None` stays as it is."""
    body = {"metadata": {"name": "one"}, "spec": {"clusterIP": "None", "selector": {"a": "b"}}}
    made = await create(cluster, path(cluster, "services"), body)

    assert made["spec"]["clusterIP"] == "None"


@pytest.mark.parametrize(
    ("name", "spec", "field"),
    [
        ("one", {}, "spec.ports"),
        ("1one", {"ports": [{"port": 1}]}, "metadata.name"),
        ("o.ne", {"ports": [{"port": 1}]}, "metadata.name"),
        ("one", {"ports": [{"port": 70000}]}, "spec.ports[0].port"),
        ("one", {"ports": [{"port": 1}, {"port": 2}]}, "spec.ports[0].name"),
        ("one", {"ports": [{"port": 1}], "type": "X"}, "spec.type"),
        ("one", {"ports": [{"port": 1}], "clusterIP": "x"}, "spec.clusterIPs[0]"),
        ("one", {"ports": [{"port": 1}], "clusterIP": "192.0.2.1"}, "spec.clusterIPs"),
    ],
)
async def test_bad_services_are_refused(cluster: Cluster, name: str, spec: dict, field: str) -> None:
    """A Kubernetes Service needs a DNS name, ports, and an address of the cluster."""
    body = {"metadata": {"name": name}, "spec": spec}
    refusal = await cluster.refuse("POST", path(cluster, "services"), body)

    assert (refusal.code, refusal.reason) == (422, "Invalid")
    assert refusal.causes[0][0] == field


async def test_service_address_cannot_change(cluster: Cluster) -> None:
    """The address of a Kubernetes Service is for life."""
    services = path(cluster, "services")
    body = {"metadata": {"name": "one"}, "spec": {"ports": [{"port": 1}]}}
    await create(cluster, services, body)
    change = {"spec": {"clusterIP": "10.96.255.254"}}
    refusal = await cluster.refuse("PATCH", f"{services}/one", change, kind=MERGE)

    assert refusal.causes[0][0] == "spec.clusterIPs[0]"


async def test_claim(cluster: Cluster) -> None:
    """A claim starts pending; its status has a path of its own, its spec is fixed."""
    claims = path(cluster, "persistentvolumeclaims")
    spec = {
        "accessModes": ["ReadWriteOnce"],
        "resources": {"requests": {"storage": "1024Mi"}},
        "storageClassName": "",
    }
    made = await create(cluster, claims, {"metadata": {"name": "one"}, "spec": spec})
    assert made["spec"] == {
        "accessModes": ["ReadWriteOnce"],
        "resources": {"requests": {"storage": "1Gi"}},
        "storageClassName": "",
        "volumeMode": "Filesystem",
    }
    assert made["status"] == {"phase": "Pending"}

    refusal = await cluster.refuse("PATCH", f"{claims}/one", {"spec": {"accessModes": ["ReadWriteMany"]}}, kind=MERGE)
    assert refusal.code == 422
    assert "spec is immutable after creation except resources.requests" in refusal.message


@pytest.mark.parametrize(
    ("spec", "fields"),
    [
        ({}, ["spec.accessModes", "spec.resources[storage]"]),
        (
            {"accessModes": ["X"], "resources": {"requests": {"storage": "0"}}},
            ["spec.accessModes", "spec.resources[storage]"],
        ),
    ],
)
async def test_bad_claims_are_refused(cluster: Cluster, spec: dict, fields: list[str]) -> None:
    """A claim needs an access mode and a size."""
    body = {"metadata": {"name": "one"}, "spec": spec}
    refusal = await cluster.refuse("POST", path(cluster, "persistentvolumeclaims"), body)

    assert [field for field, _ in refusal.causes] == fields


async def test_volume(cluster: Cluster) -> None:
    """A PersistentVolume is cluster-wide, and has a source, a size and an access mode."""
    spec = {
        "capacity": {"storage": "1Gi"},
        "accessModes": ["ReadWriteMany"],
        "nfs": {"server": "a", "path": "/"},
        "storageClassName": "jhaws-none",
    }
    name = cluster.namespace
    made = await create(cluster, "/api/v1/persistentvolumes", {"metadata": {"name": name}, "spec": spec})
    await cluster.call("DELETE", f"/api/v1/persistentvolumes/{name}")

    assert made["spec"] == {**spec, "persistentVolumeReclaimPolicy": "Retain", "volumeMode": "Filesystem"}
    assert made["status"]["phase"] == "Pending"
    assert "namespace" not in made["metadata"]
    refusal = await cluster.refuse("POST", "/api/v1/persistentvolumes", {"metadata": {"name": name}, "spec": {}})
    assert {"spec", "spec.accessModes", "spec.capacity"} == {field for field, _ in refusal.causes}


async def test_secret_folds_its_texts(cluster: Cluster) -> None:
    """`stringData` is stored as base64 in `data`, and never given back."""
    secrets = path(cluster, "secrets")
    made = await create(
        cluster, secrets, {"metadata": {"name": "one"}, "data": {"a": "YQ=="}, "stringData": {"b": "ü"}}
    )
    assert made["data"] == {"a": "YQ==", "b": "w7w="}
    assert made["type"] == "Opaque"
    assert "stringData" not in made

    _, found = await cluster.call("PATCH", f"{secrets}/one", {"stringData": {"a": "c"}}, kind=MERGE)
    assert found["data"] == {"a": "Yw==", "b": "w7w="}
    refusal = await cluster.refuse("PATCH", f"{secrets}/one", {"type": "example.org/x"}, kind=MERGE)
    assert refusal.causes[0][0] == "type"


@pytest.mark.parametrize(
    ("plural", "body", "code"),
    [
        ("configmaps", {"data": {"a b": "x"}}, 422),
        ("configmaps", {"data": {"..": "x"}}, 422),
        ("configmaps", {"data": {"../x": "x"}}, 422),
        ("configmaps", {"data": {"a": 5}}, 400),
        ("secrets", {"stringData": {"a/b": "x"}}, 422),
        ("secrets", {"data": {"a": "###"}}, 400),
        ("secrets", {"data": {"a": "not base64"}}, 400),
    ],
)
async def test_bad_keys_and_values_are_refused(cluster: Cluster, plural: str, body: dict, code: int) -> None:
    """Keys become file names in pods, so they must be harmless; values must be text or base64."""
    refusal = await cluster.refuse("POST", path(cluster, plural), {"metadata": {"name": "one"}, **body})

    assert refusal.code == code


async def test_immutable_secret_stays(cluster: Cluster) -> None:
    """Who sets `immutable` cannot change the data any more."""
    secrets = path(cluster, "secrets")
    await create(cluster, secrets, {"metadata": {"name": "one"}, "immutable": True, "data": {"a": "YQ=="}})
    refusal = await cluster.refuse("PATCH", f"{secrets}/one", {"stringData": {"a": "c"}}, kind=MERGE)

    assert (refusal.code, refusal.causes[0][0]) == (422, "data")


async def test_event_belongs_to_the_namespace_of_its_object(cluster: Cluster) -> None:
    """An event is stored beside what it is about, with its empty fields."""
    events = path(cluster, "events")
    refusal = await cluster.refuse("POST", events, {"metadata": {"name": "one"}})
    assert refusal.causes == [("involvedObject.namespace", 'Invalid value: "": does not match event.namespace')]

    about = {"namespace": cluster.namespace, "name": "x"}
    made = await create(cluster, events, {"metadata": {"generateName": "x."}, "involvedObject": about})
    for key in ("firstTimestamp", "lastTimestamp", "eventTime"):
        assert made[key] is None
    assert made["source"] == {}
    assert made["reportingComponent"] == ""
    listed = await cluster.core.list_namespaced_event(cluster.namespace)
    assert [event.metadata.name for event in listed.items] == [made["metadata"]["name"]]


async def test_priority_class_rules(cluster: Cluster) -> None:
    """Users' priorities end at a billion, names of the system are taken, values are for life."""
    classes = "/apis/scheduling.k8s.io/v1/priorityclasses"
    refusal = await cluster.refuse("POST", classes, {"metadata": {"name": "system-x"}, "value": 5})
    assert refusal.causes[0][0] == "metadata.name"
    body = {"metadata": {"name": cluster.namespace}, "value": 1000000001}
    refusal = await cluster.refuse("POST", classes, body)
    assert refusal.message == (
        f'PriorityClass.scheduling.k8s.io "{cluster.namespace}" is invalid: '
        "value: Forbidden: maximum allowed value of a user defined priority is 1000000000"
    )

    made = await create(cluster, classes, {**body, "value": -10})
    assert made["preemptionPolicy"] == "PreemptLowerPriority"
    one = f"{classes}/{cluster.namespace}"
    refusal = await cluster.refuse("PATCH", one, {"value": 7}, kind=MERGE)
    assert refusal.causes == [("value", "Forbidden: may not be changed in an update.")]
    _, found = await cluster.call("DELETE", one)
    assert found["details"] == {
        "name": cluster.namespace,
        "group": "scheduling.k8s.io",
        "kind": "priorityclasses",
        "uid": made["metadata"]["uid"],
    }


async def test_storage_class(cluster: Cluster) -> None:
    """A StorageClass needs a provisioner, and is completed."""
    api = client.StorageV1Api(cluster.api)
    made = await api.create_storage_class({"metadata": {"name": cluster.namespace}, "provisioner": "x/y"})
    gone = await api.delete_storage_class(cluster.namespace)

    assert (made.reclaim_policy, made.volume_binding_mode) == ("Delete", "Immediate")
    assert gone.metadata.uid == made.metadata.uid


async def test_node(cluster: Cluster) -> None:
    """A node is cluster-wide; its status is written apart from its labels."""
    name = cluster.namespace
    body = {"metadata": {"name": name, "labels": {"a": "b"}}, "status": {"capacity": {"cpu": "4000m"}}}
    made = await create(cluster, "/api/v1/nodes", body)
    one = f"/api/v1/nodes/{name}"
    try:
        assert made["status"]["capacity"] == {"cpu": "4"}
        assert made["status"]["allocatable"] == {"cpu": "4"}
        _, found = await cluster.call(
            "PATCH", one, {"spec": {"unschedulable": True}, "status": {"capacity": {"cpu": "8"}}}, kind=MERGE
        )
        assert found["status"]["capacity"] == {"cpu": "4"}
        listed = await cluster.core.list_node(field_selector="spec.unschedulable=true")
        assert name in [node.metadata.name for node in listed.items]
    finally:
        await cluster.call("DELETE", one)


async def test_new_namespace_has_a_service_account(cluster: Cluster) -> None:
    """Pods without a ServiceAccount of their own use the namespace's default one."""
    accounts = await cluster.core.list_namespaced_service_account(cluster.namespace)

    assert [account.metadata.name for account in accounts.items] == ["default"]


async def test_lease(cluster: Cluster) -> None:
    """A lease can be taken and renewed."""
    api = client.CoordinationV1Api(cluster.api)
    body = {"metadata": {"name": "one"}, "spec": {"holderIdentity": "me", "leaseDurationSeconds": 15}}
    made = await api.create_namespaced_lease(cluster.namespace, body)
    made.spec.holder_identity = "you"
    found = await api.replace_namespaced_lease("one", cluster.namespace, made)

    assert found.spec.holder_identity == "you"
