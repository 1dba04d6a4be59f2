"""Tables: what `kubectl get` shows is computed by the server."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from tests.api.cluster import Cluster, make_pod

TABLE = "application/json;as=Table;v=v1;g=meta.k8s.io,application/json"
MERGE = "application/merge-patch+json"
THEN = "2020-01-01T00:00:00Z"


def as_table(cluster: Cluster, accept: str = TABLE) -> Cluster:
    """Ask as kubectl does."""
    return replace(cluster, headers={**cluster.headers, "Accept": accept})


def read_rows(table: dict[str, Any], *leave_out: str) -> list[dict[str, Any]]:
    """Give the rows by heading."""
    assert (table["kind"], table["apiVersion"]) == ("Table", "meta.k8s.io/v1")
    headings = [column["name"] for column in table["columnDefinitions"]]
    rows = [dict(zip(headings, row["cells"], strict=True)) for row in table["rows"]]
    return [{key: value for key, value in row.items() if key not in leave_out} for row in rows]


async def fetch_row(cluster: Cluster, path: str, *leave_out: str) -> dict[str, Any]:
    """Fetch one object as a row."""
    code, table = await as_table(cluster).call("GET", path)
    assert code == 200, table
    (row,) = read_rows(table, *leave_out)
    return row


def terminated(code: int, reason: str = "", **more: Any) -> dict[str, Any]:
    """Build the state of a container that ended."""
    ended = {"exitCode": code, "reason": reason, "startedAt": THEN, "finishedAt": THEN, **more}
    return {"terminated": {key: value for key, value in ended.items() if value != ""}}


def status_of(name: str, state: dict[str, Any], **more: Any) -> dict[str, Any]:
    """Build the status of a container."""
    return {"name": name, "image": "x", "imageID": "", "ready": False, "restartCount": 0, "state": state, **more}


WAITING = {"waiting": {"reason": "CrashLoopBackOff"}}
RUNNING = {"running": {"startedAt": THEN}}
READY = {"type": "Ready", "status": "True"}
INITIALIZED = {"type": "Initialized", "status": "True"}


def mains(*statuses: dict[str, Any], phase: str = "Running", **more: Any) -> dict[str, Any]:
    """Build the status of a pod with these containers."""
    return {"phase": phase, "containerStatuses": list(statuses), **more}


def inits(*statuses: dict[str, Any], **more: Any) -> dict[str, Any]:
    """Build the status of a pod that is being prepared."""
    return {"phase": "Pending", "initContainerStatuses": list(statuses), **more}


@pytest.mark.parametrize(
    ("status", "ready", "word"),
    [
        ({}, "0/2", "Pending"),
        ({"phase": "Failed", "reason": "Evicted"}, "0/2", "Evicted"),
        (mains(status_of("main", RUNNING, ready=True), status_of("b", RUNNING)), "1/2", "Running"),
        (mains(status_of("main", WAITING), status_of("b", RUNNING, ready=True)), "1/2", "CrashLoopBackOff"),
        (mains(status_of("main", terminated(1, "Error")), status_of("b", WAITING)), "0/2", "Error"),
        (mains(status_of("main", terminated(3)), phase="Failed"), "0/2", "ExitCode:3"),
        (mains(status_of("main", terminated(137, signal=9)), phase="Failed"), "0/2", "Signal:9"),
        (mains(status_of("main", terminated(0, "Completed")), phase="Succeeded"), "0/2", "Completed"),
        (
            mains(status_of("main", terminated(0, "Completed")), status_of("b", RUNNING, ready=True)),
            "1/2",
            "NotReady",
        ),
        (
            mains(
                status_of("main", terminated(0, "Completed")),
                status_of("b", RUNNING, ready=True),
                conditions=[READY],
            ),
            "1/2",
            "Running",
        ),
        ({"conditions": [{"type": "PodScheduled", "status": "False", "reason": "SchedulingGated"}]}, "0/2", None),
        (inits(status_of("first", {"waiting": {"reason": "PodInitializing"}})), "0/2", "Init:0/2"),
        (inits(status_of("first", WAITING)), "0/2", "Init:CrashLoopBackOff"),
        (inits(status_of("first", RUNNING)), "0/2", "Init:0/2"),
        (inits(status_of("first", terminated(0)), status_of("second", RUNNING)), "0/2", "Init:1/2"),
        (inits(status_of("first", terminated(2))), "0/2", "Init:ExitCode:2"),
        (inits(status_of("first", terminated(2, "Error"))), "0/2", "Init:Error"),
        (inits(status_of("first", terminated(0)), status_of("second", terminated(0))), "0/2", "Pending"),
        (inits(status_of("first", WAITING), conditions=[INITIALIZED]), "0/2", "Init:CrashLoopBackOff"),
    ],
)
async def test_word_for_a_pod(cluster: Cluster, status: dict[str, Any], ready: str, word: str | None) -> None:
    """The most telling of phase, reasons and containers is the pod's status."""
    containers = [{"name": "main", "image": "x"}, {"name": "b", "image": "x"}]
    before = [{"name": "first", "image": "x"}, {"name": "second", "image": "x"}]
    spec = {"containers": containers, **({"initContainers": before} if "initContainerStatuses" in status else {})}
    code, pod = await cluster.call("POST", cluster.pods, make_pod("p", spec=spec))
    assert code == 201, pod
    if status:
        code, answer = await cluster.call("PATCH", f"{cluster.pods}/p/status", {"status": status}, kind=MERGE)
        assert code == 200, answer

    row = await fetch_row(cluster, f"{cluster.pods}/p")
    assert (row["Ready"], row["Status"]) == (ready, word or "SchedulingGated")
    assert row["Restarts"] == "0"


async def test_restarts_tell_when(cluster: Cluster) -> None:
    """The number of restarts has the time of the last one, and side-cars count."""
    spec = {
        "containers": [{"name": "main", "image": "x"}],
        "initContainers": [{"name": "side", "image": "x", "restartPolicy": "Always"}],
    }
    code, _ = await cluster.call("POST", cluster.pods, make_pod("p", spec=spec))
    assert code == 201
    side = status_of("side", RUNNING, ready=True, started=True, restartCount=1)
    main = status_of("main", RUNNING, ready=True, restartCount=2, lastState=terminated(1, "Error"))
    status = {**mains(main), "initContainerStatuses": [side]}
    await cluster.call("PATCH", f"{cluster.pods}/p/status", {"status": status}, kind=MERGE)

    row = await fetch_row(cluster, f"{cluster.pods}/p")
    assert (row["Ready"], row["Status"]) == ("2/2", "Running")
    assert row["Restarts"].startswith("3 (")
    assert row["Restarts"].endswith(" ago)")


async def test_pod_that_has_to_go(cluster: Cluster) -> None:
    """A pod that is being deleted is Terminating, whatever its containers say."""
    await cluster.create_pod("p", finalizers=["example.org/wait"])
    await cluster.call("DELETE", f"{cluster.pods}/p", {"gracePeriodSeconds": 0})
    row = await fetch_row(cluster, f"{cluster.pods}/p")
    await cluster.call("PATCH", f"{cluster.pods}/p", {"metadata": {"finalizers": None}}, kind=MERGE)

    assert row["Status"] == "Terminating"


async def test_wide_columns_of_a_pod(cluster: Cluster) -> None:
    """Address, node and gates are there for `-o wide` only."""
    spec = {"readinessGates": [{"conditionType": "a/b"}, {"conditionType": "a/c"}]}
    await cluster.call("POST", cluster.pods, make_pod("p", spec=spec))
    status = {"podIP": "10.0.0.1", "podIPs": [{"ip": "10.0.0.1"}], "conditions": [{"type": "a/b", "status": "True"}]}
    await cluster.call("PATCH", f"{cluster.pods}/p/status", {"status": status}, kind=MERGE)
    _, table = await as_table(cluster).call("GET", f"{cluster.pods}/p")

    wide = [column["name"] for column in table["columnDefinitions"] if column["priority"]]
    assert wide == ["IP", "Node", "Nominated Node", "Readiness Gates"]
    (row,) = read_rows(table)
    assert [row[name] for name in wide] == ["10.0.0.1", "<none>", "<none>", "1/2"]


OBJECTS: list[tuple[str, dict[str, Any], dict[str, Any]]] = [
    ("configmaps", {"data": {"a": "b", "c": "d"}, "binaryData": {"e": "AA=="}}, {"Name": "one", "Data": 3}),
    ("secrets", {"stringData": {"a": "b"}}, {"Name": "one", "Type": "Opaque", "Data": 1}),
    ("serviceaccounts", {}, {"Name": "one"}),
    (
        "persistentvolumeclaims",
        {
            "spec": {
                "accessModes": ["ReadWriteMany"],
                "resources": {"requests": {"storage": "1Gi"}},
                "storageClassName": "none-such",
            }
        },
        {
            "Name": "one",
            "Status": "Pending",
            "Volume": "",
            "Capacity": "",
            "Access Modes": "",
            "StorageClass": "none-such",
            "VolumeAttributesClass": "<unset>",
            "VolumeMode": "Filesystem",
        },
    ),
    (
        "services",
        {"spec": {"clusterIP": "None", "ports": [{"port": 80}], "selector": {"c": "d", "a": "b"}}},
        {
            "Name": "one",
            "Type": "ClusterIP",
            "Cluster-IP": "None",
            "External-IP": "<none>",
            "Port(s)": "80/TCP",
            "Selector": "a=b,c=d",
        },
    ),
    (
        "services",
        {"spec": {"type": "ExternalName", "externalName": "a.example.org"}},
        {
            "Name": "one",
            "Type": "ExternalName",
            "Cluster-IP": "<none>",
            "External-IP": "a.example.org",
            "Port(s)": "<none>",
            "Selector": "<none>",
        },
    ),
]


@pytest.mark.parametrize(("plural", "body", "cells"), OBJECTS)
async def test_rows_of_other_kinds(cluster: Cluster, plural: str, body: dict[str, Any], cells: dict[str, Any]) -> None:
    """Each kind has the columns that kube-apiserver gives it, in its order."""
    path = f"/api/v1/namespaces/{cluster.namespace}/{plural}"
    code, made = await cluster.call("POST", path, {"metadata": {"name": "one"}, **body})
    assert code == 201, made

    row = await fetch_row(cluster, f"{path}/one", "Age")
    assert list(row.items()) == list(cells.items())


async def test_row_of_a_bound_claim(cluster: Cluster) -> None:
    """Size and modes of a claim are those of its volume, once it has one."""
    path = f"/api/v1/namespaces/{cluster.namespace}/persistentvolumeclaims"
    spec = {
        "accessModes": ["ReadWriteOnce"],
        "resources": {"requests": {"storage": "1Gi"}},
        "storageClassName": "none-such",
        "volumeName": "nowhere",
    }
    await cluster.call("POST", path, {"metadata": {"name": "one"}, "spec": spec})
    status = {"phase": "Bound", "accessModes": ["ReadWriteOnce", "ReadOnlyMany"], "capacity": {"storage": "2Gi"}}
    # Read from the answer: where a controller looks for the volume it takes the status back at once.
    _, table = await as_table(cluster).call("PATCH", f"{path}/one/status", {"status": status}, kind=MERGE)

    (row,) = read_rows(table)
    assert (row["Volume"], row["Capacity"], row["Access Modes"]) == ("nowhere", "2Gi", "RWO,ROX")


async def test_row_of_an_event(cluster: Cluster) -> None:
    """An event tells when, what and about whom; its name comes last and only if asked for."""
    path = f"/api/v1/namespaces/{cluster.namespace}/events"
    event = {
        "metadata": {"name": "one"},
        "involvedObject": {"kind": "Pod", "name": "p", "namespace": cluster.namespace, "fieldPath": "spec.x"},
        "type": "Warning",
        "reason": "Broken",
        "message": " it broke \n",
        "source": {"component": "kubelet", "host": "n"},
        "count": 3,
        "firstTimestamp": THEN,
        "lastTimestamp": THEN,
    }
    code, made = await cluster.call("POST", path, event)
    assert code == 201, made

    row = await fetch_row(cluster, f"{path}/one", "Last Seen", "First Seen")
    assert list(row.items()) == [
        ("Type", "Warning"),
        ("Reason", "Broken"),
        ("Object", "pod/p"),
        ("Subobject", "spec.x"),
        ("Source", "kubelet, n"),
        ("Message", "it broke"),
        ("Count", 3),
        ("Name", "one"),
    ]


async def test_rows_of_cluster_wide_kinds(cluster: Cluster) -> None:
    """Namespaces, priority classes and leases have their columns too."""
    row = await fetch_row(cluster, f"/api/v1/namespaces/{cluster.namespace}", "Age")
    assert list(row.items()) == [("Name", cluster.namespace), ("Status", "Active")]

    row = await fetch_row(cluster, "/apis/scheduling.k8s.io/v1/priorityclasses/system-node-critical", "Age")
    assert list(row.items()) == [
        ("Name", "system-node-critical"),
        ("Value", 2000001000),
        ("Global-Default", False),
        ("PreemptionPolicy", "PreemptLowerPriority"),
    ]

    leases = f"/apis/coordination.k8s.io/v1/namespaces/{cluster.namespace}/leases"
    await cluster.call("POST", leases, {"metadata": {"name": "one"}, "spec": {"holderIdentity": "me"}})
    assert await fetch_row(cluster, f"{leases}/one", "Age") == {"Name": "one", "Holder": "me"}


async def test_row_of_a_node(cluster: Cluster) -> None:
    """A node shows whether it is ready, its roles, and whether it takes pods."""
    name = f"{cluster.namespace}-node"
    labels = {"node-role.kubernetes.io/worker": "", "node-role.kubernetes.io/a": ""}
    node = {"metadata": {"name": name, "labels": labels}, "spec": {"unschedulable": True}}
    code, made = await cluster.call("POST", "/api/v1/nodes", node)
    assert code == 201, made
    row = await fetch_row(cluster, f"/api/v1/nodes/{name}", "Age")
    await cluster.call("DELETE", f"/api/v1/nodes/{name}")

    assert list(row.items()) == [
        ("Name", name),
        ("Status", "Unknown,SchedulingDisabled"),
        ("Roles", "a,worker"),
        ("Version", ""),
        ("Internal-IP", "<none>"),
        ("External-IP", "<none>"),
        ("OS-Image", "<unknown>"),
        ("Kernel-Version", "<unknown>"),
        ("Container-Runtime", "<unknown>"),
    ]


async def test_list_is_a_table_in_pages(cluster: Cluster) -> None:
    """A list is one table; its pages go on as those of a plain list."""
    for name in ("a", "b", "c"):
        await cluster.create_pod(name)
    table = as_table(cluster)
    _, first = await table.call("GET", cluster.pods, limit="2")
    _, second = await table.call("GET", cluster.pods, limit="2", **{"continue": first["metadata"]["continue"]})

    assert [row["Name"] for page in (first, second) for row in read_rows(page)] == ["a", "b", "c"]
    assert first["metadata"]["remainingItemCount"] == 1
    assert int(first["metadata"]["resourceVersion"]) > 0


@pytest.mark.parametrize(
    ("include", "kind", "has_spec"),
    [("", "PartialObjectMetadata", False), ("Metadata", "PartialObjectMetadata", False), ("Object", "Pod", True)],
)
async def test_rows_carry_their_object(cluster: Cluster, include: str, kind: str, has_spec: bool) -> None:
    """A row has the object's metadata, and all of it if asked: kubectl sorts by that."""
    await cluster.create_pod("p", labels={"a": "b"})
    query = {"includeObject": include} if include else {}
    _, table = await as_table(cluster).call("GET", cluster.pods, **query)

    shown = table["rows"][0]["object"]
    assert (shown["kind"], shown["metadata"]["labels"], "spec" in shown) == (kind, {"a": "b"}, has_spec)


async def test_rows_without_object(cluster: Cluster) -> None:
    """Who wants only cells gets only cells."""
    await cluster.create_pod("p")
    _, table = await as_table(cluster).call("GET", cluster.pods, includeObject="None")

    assert not table["rows"][0].get("object")


@pytest.mark.parametrize("accept", ["application/json", "*/*", f"application/json,{TABLE}"])
async def test_first_accepted_form_is_taken(cluster: Cluster, accept: str) -> None:
    """Who prefers plain objects gets them."""
    _, answer = await as_table(cluster, accept).call("GET", cluster.pods)

    assert answer["kind"] == "PodList"


async def test_watch_of_rows(cluster: Cluster) -> None:
    """A watch can be one of rows: each event has a table of one."""
    async with as_table(cluster).watch(cluster.pods, timeoutSeconds="10") as lines:
        await cluster.create_pod("p")
        added = await lines.next()
        await cluster.call("DELETE", f"{cluster.pods}/p", {"gracePeriodSeconds": 0})
        marked, deleted = await lines.next(), await lines.next()

    assert [event["type"] for event in (added, marked, deleted)] == ["ADDED", "MODIFIED", "DELETED"]
    for event, word in ((added, "Pending"), (marked, "Terminating"), (deleted, "Terminating")):
        (row,) = event["object"]["rows"]
        assert event["object"]["kind"] == "Table"
        assert row["cells"][:3] == ["p", "0/1", word]
        assert row["object"]["metadata"]["name"] == "p"


async def test_refusal_is_no_table(cluster: Cluster) -> None:
    """An error is a Status, whatever form was asked for."""
    refusal = await as_table(cluster).refuse("GET", f"{cluster.pods}/none")

    assert (refusal.code, refusal.reason) == (404, "NotFound")


async def test_writes_answer_with_a_row(cluster: Cluster) -> None:
    """Whoever writes and asks for a table gets the object as a row, also when it is deleted."""
    table, gone = as_table(cluster), {"gracePeriodSeconds": 0}
    calls = [
        ("POST", cluster.pods, make_pod("p"), "application/json", 201),
        ("PATCH", f"{cluster.pods}/p", {"metadata": {"labels": {"a": "b"}}}, MERGE, 200),
        ("DELETE", f"{cluster.pods}/p", gone, "application/json", 200),
    ]
    for method, path, body, kind, expected in calls:
        code, answer = await table.call(method, path, body, kind=kind)
        (row,) = read_rows(answer, "Age")
        assert (code, row["Name"], row["Status"]) == (expected, "p", "Terminating" if method == "DELETE" else "Pending")

    _, made = await cluster.call("POST", cluster.pods, make_pod("q"))
    _, answer = await table.call("PUT", f"{cluster.pods}/q", {**made, "metadata": {**made["metadata"], "labels": {}}})
    assert read_rows(answer)[0]["Name"] == "q"
    _, answer = await table.call("DELETE", cluster.pods, gone)
    assert [row["Name"] for row in read_rows(answer)] == ["q"]


async def test_success_is_no_table(cluster: Cluster) -> None:
    """A deletion that is answered with a Status stays one, whatever form was asked for."""
    path = f"/api/v1/namespaces/{cluster.namespace}/configmaps"
    await cluster.call("POST", path, {"metadata": {"name": "one"}})
    code, answer = await as_table(cluster).call("DELETE", f"{path}/one")

    assert (code, answer["kind"], answer["status"]) == (200, "Status", "Success")
