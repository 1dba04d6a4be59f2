"""Objects of any kind: create, get, replace, and the errors of each."""

from __future__ import annotations

import re

import pytest
from kubernetes_asyncio import client

from tests.api.cluster import Cluster, make_pod, refused


async def test_created_object_gets_identity(cluster: Cluster) -> None:
    """The server sets uid, version and time, and gives the object back as it stores it."""
    made = await cluster.core.create_namespaced_config_map(
        cluster.namespace, {"metadata": {"name": "one", "labels": {"a": "b"}}, "data": {"x": "y"}}
    )
    found = await cluster.core.read_namespaced_config_map("one", cluster.namespace)

    assert found == made
    assert (found.kind, found.api_version) == ("ConfigMap", "v1")
    assert found.metadata.namespace == cluster.namespace
    assert found.metadata.labels == {"a": "b"}
    assert re.fullmatch("[0-9a-f-]{36}", found.metadata.uid)
    assert int(found.metadata.resource_version) > 0
    assert found.metadata.creation_timestamp.utcoffset().total_seconds() == 0


async def test_what_the_server_owns_cannot_be_chosen(cluster: Cluster) -> None:
    """Uid, version and deletion time in a new object are ignored."""
    code, made = await cluster.call(
        "POST",
        f"/api/v1/namespaces/{cluster.namespace}/configmaps",
        {
            "metadata": {
                "name": "one",
                "uid": "mine",
                "creationTimestamp": "2001-01-01T00:00:00Z",
                "deletionTimestamp": "2001-01-01T00:00:00Z",
            }
        },
    )

    assert code == 201
    assert made["metadata"]["uid"] != "mine"
    assert not made["metadata"]["creationTimestamp"].startswith("2001")
    assert "deletionTimestamp" not in made["metadata"]


async def test_version_of_new_object_must_be_empty(cluster: Cluster) -> None:
    """A new object that names a resourceVersion is refused."""
    path = f"/api/v1/namespaces/{cluster.namespace}/configmaps"
    refusal = await cluster.refuse("POST", path, {"metadata": {"name": "one", "resourceVersion": "1"}})

    assert refusal.message == "resourceVersion should not be set on objects to be created"


async def test_second_create_conflicts(cluster: Cluster) -> None:
    """A name is taken once: 409 AlreadyExists."""
    await cluster.create_pod("one")
    refusal = await refused(cluster.core.create_namespaced_pod(cluster.namespace, make_pod("one")))

    assert (refusal.code, refusal.reason) == (409, "AlreadyExists")
    assert refusal.message == 'pods "one" already exists'
    assert refusal.details == {"name": "one", "kind": "pods"}


async def test_generate_name_makes_a_name(cluster: Cluster) -> None:
    """Of `generateName` the server makes a name with five characters more, cut to 63."""
    names = set()
    for base in ("web-", "web-", "x" * 70):
        pod = await cluster.core.create_namespaced_pod(cluster.namespace, make_pod("", generateName=base))
        assert pod.metadata.generate_name == base
        assert re.fullmatch(re.escape(base[:58]) + "[a-z0-9]{5}", pod.metadata.name)
        names.add(pod.metadata.name)

    assert len(names) == 3


async def test_missing_object_is_not_found(cluster: Cluster) -> None:
    """404 names the object and its resource; outside the core group with the group."""
    refusal = await refused(cluster.core.read_namespaced_pod("none", cluster.namespace))
    assert (refusal.code, refusal.reason) == (404, "NotFound")
    assert refusal.message == 'pods "none" not found'
    assert refusal.details == {"name": "none", "kind": "pods"}

    scheduling = client.SchedulingV1Api(cluster.api)
    refusal = await refused(scheduling.read_priority_class("none"))
    assert refusal.message == 'priorityclasses.scheduling.k8s.io "none" not found'
    assert refusal.details == {"name": "none", "group": "scheduling.k8s.io", "kind": "priorityclasses"}


async def test_missing_namespace_is_not_found(cluster: Cluster) -> None:
    """An object cannot be created in a namespace that is not there."""
    refusal = await refused(cluster.core.create_namespaced_pod("jhaws-no-such", make_pod("one")))

    assert (refusal.code, refusal.message) == (404, 'namespaces "jhaws-no-such" not found')


async def test_namespace_of_object_and_path_must_agree(cluster: Cluster) -> None:
    """A manifest for another namespace is refused."""
    refusal = await cluster.refuse("POST", cluster.pods, make_pod("one", namespace="other"))

    assert (refusal.code, refusal.reason) == (400, "BadRequest")
    assert refusal.message == ("the namespace of the provided object does not match the namespace sent on the request")


@pytest.mark.parametrize("body", [b"[]", b"{nonsense", b"", b'"x"', b"\xff\xfe"])
async def test_unreadable_body_is_refused(cluster: Cluster, body: bytes) -> None:
    """What is no JSON object is a bad request, not an error of the server."""
    refusal = await cluster.refuse("POST", cluster.pods, body)

    assert (refusal.code, refusal.reason) == (400, "BadRequest")


@pytest.mark.parametrize(
    "body",
    [
        {"metadata": {"name": 5}},
        {"metadata": {"name": "a", "labels": {"a": 5}}},
        {"metadata": {"name": "a", "labels": ["a"]}},
        {"metadata": "a"},
        {"metadata": {"name": "a"}, "spec": {"containers": "x"}},
        {"metadata": {"name": "a"}, "spec": {"containers": [5]}},
        {"metadata": {"name": "a"}, "spec": {"containers": [{"name": "c", "env": [{"value": 5}]}]}},
        {"metadata": {"name": "a"}, "spec": {"terminationGracePeriodSeconds": "5"}},
        {"metadata": {"name": "a"}, "spec": {"hostNetwork": "yes"}},
        {"metadata": {"name": "a"}, "kind": "Node", "apiVersion": "v1"},
        {"metadata": {"name": "a"}, "kind": "Pod", "apiVersion": "v2"},
    ],
)
async def test_wrong_types_are_refused(cluster: Cluster, body: object) -> None:
    """A value of the wrong type, or another kind, is a bad request."""
    refusal = await cluster.refuse("POST", cluster.pods, body)

    assert (refusal.code, refusal.reason) == (400, "BadRequest")
    assert "cannot be handled as a Pod" in refusal.message


async def test_other_content_is_refused(cluster: Cluster) -> None:
    """A body that says it is not JSON is 415."""
    refusal = await cluster.refuse("POST", cluster.pods, make_pod("one"), kind="text/plain")

    assert (refusal.code, refusal.reason) == (415, "UnsupportedMediaType")


async def test_huge_body_is_refused(cluster: Cluster) -> None:
    """Three mebibytes are the limit: 413."""
    body = make_pod("one", annotations={"a": "x" * (4 * 1024 * 1024)})
    refusal = await cluster.refuse("POST", cluster.pods, body)

    assert (refusal.code, refusal.reason) == (413, "RequestEntityTooLarge")


async def test_unknown_fields_are_dropped(cluster: Cluster) -> None:
    """A field nobody knows is not stored; with strict validation it is refused."""
    pod = make_pod("one", spec={"nodeSelctor": {"a": "b"}})
    refusal = await cluster.refuse("POST", cluster.pods, pod, fieldValidation="Strict")
    assert refusal.code == 400
    assert 'strict decoding error: unknown field "spec.nodeSelctor"' in refusal.message

    code, made = await cluster.call("POST", cluster.pods, pod)
    assert code == 201
    assert "nodeSelctor" not in made["spec"]


async def test_dry_run_keeps_nothing(cluster: Cluster) -> None:
    """`dryRun=All` checks and answers like a create, and stores nothing; other values are refused."""
    made = await cluster.core.create_namespaced_pod(cluster.namespace, make_pod("one"), dry_run="All")
    assert made.spec.restart_policy == "Always"
    refusal = await refused(cluster.core.read_namespaced_pod("one", cluster.namespace))
    assert refusal.code == 404

    refusal = await cluster.refuse("POST", cluster.pods, make_pod("one"), dryRun="some")
    assert (refusal.code, refusal.reason) == (422, "Invalid")


async def test_replace_compares_versions(cluster: Cluster) -> None:
    """Of two writers who read the same version, the second gets 409 and must read again."""
    path = f"/api/v1/namespaces/{cluster.namespace}/configmaps"
    _, first = await cluster.call("POST", path, {"metadata": {"name": "one"}, "data": {"n": "0"}})
    code, second = await cluster.call("PUT", f"{path}/one", {**first, "data": {"n": "1"}})
    assert code == 200
    assert int(second["metadata"]["resourceVersion"]) > int(first["metadata"]["resourceVersion"])

    refusal = await cluster.refuse("PUT", f"{path}/one", {**first, "data": {"n": "2"}})
    assert (refusal.code, refusal.reason) == (409, "Conflict")
    assert refusal.message == (
        'Operation cannot be fulfilled on configmaps "one": the object has been modified; '
        "please apply your changes to the latest version and try again"
    )
    _, found = await cluster.call("GET", f"{path}/one")
    assert found["data"] == {"n": "1"}


async def test_replace_without_version_wins(cluster: Cluster) -> None:
    """A write that names no version is not compared."""
    path = f"/api/v1/namespaces/{cluster.namespace}/configmaps"
    await cluster.call("POST", path, {"metadata": {"name": "one"}, "data": {"n": "0"}})
    code, found = await cluster.call("PUT", f"{path}/one", {"metadata": {"name": "one"}, "data": {"n": "1"}})

    assert code == 200
    assert found["data"] == {"n": "1"}


async def test_unchanged_write_makes_no_version(cluster: Cluster) -> None:
    """Writing what is there already changes nothing, also not the version."""
    made = await cluster.create_pod("one")
    code, found = await cluster.call("PUT", f"{cluster.pods}/one", made)

    assert code == 200
    assert found["metadata"]["resourceVersion"] == made["metadata"]["resourceVersion"]


async def test_replace_checks_identity(cluster: Cluster) -> None:
    """A write for another name is 400, for another uid 409, for nothing 404."""
    made = await cluster.create_pod("one")
    other = {**made, "metadata": {**made["metadata"], "name": "two"}}
    refusal = await cluster.refuse("PUT", f"{cluster.pods}/one", other)
    assert refusal.code == 400
    assert refusal.message == "the name of the object (two) does not match the name on the URL (one)"

    other = {**made, "metadata": {**made["metadata"], "uid": "x"}}
    refusal = await cluster.refuse("PUT", f"{cluster.pods}/one", other)
    assert (refusal.code, refusal.reason) == (409, "Conflict")

    other = {**made, "metadata": {**made["metadata"], "name": "two"}}
    assert (await cluster.refuse("PUT", f"{cluster.pods}/two", other)).code == 404


async def test_status_has_its_own_path(cluster: Cluster) -> None:
    """A write to the pod leaves its status, a write to its status leaves its spec; labels go both ways."""
    made = await cluster.create_pod("one")
    made["metadata"].pop("resourceVersion")
    running = {**made, "status": {**made["status"], "phase": "Running"}}
    running["metadata"]["labels"] = {"n": "1"}
    _, found = await cluster.call("PUT", f"{cluster.pods}/one", running)
    assert found["status"]["phase"] == "Pending"
    assert found["metadata"]["labels"] == {"n": "1"}

    running["spec"] = {**made["spec"], "containers": [{"name": "main", "image": "other"}]}
    running["metadata"]["labels"] = {"n": "2"}
    code, found = await cluster.call("PUT", f"{cluster.pods}/one/status", running)
    assert code == 200
    assert found["status"]["phase"] == "Running"
    assert found["spec"]["containers"][0]["image"] == "example.org/main:1"
    assert found["metadata"]["labels"] == {"n": "2"}
    code, again = await cluster.call("GET", f"{cluster.pods}/one/status")
    assert (code, again) == (200, found)


@pytest.mark.parametrize(
    ("method", "path", "code"),
    [
        ("GET", "/api/v1/nonsense", 404),
        ("GET", "/api/v1/namespaces/default/nodes/x", 404),
        ("GET", "/api/v1/namespaces/default/pods/x/nonsense", 404),
        ("DELETE", "/api/v1/namespaces", 405),
        ("PUT", "/api/v1/namespaces/default/pods", 405),
        ("POST", "/api/v1/namespaces/default/pods/x", 405),
        ("POST", "/version", 405),
    ],
)
async def test_unknown_paths_and_methods_are_refused(cluster: Cluster, method: str, path: str, code: int) -> None:
    """A path nobody serves is 404, a verb nobody serves there 405."""
    found, _ = await cluster.call(method, path)

    assert found == code


async def test_discovery_names_what_is_served(cluster: Cluster) -> None:
    """Version, groups and resources can be asked for, with the verbs of each."""
    version = await client.VersionApi(cluster.api).get_code()
    assert int(version.major) == 1
    assert int(re.sub(r"\D", "", version.minor)) >= 32
    groups = await client.ApisApi(cluster.api).get_api_versions()
    assert {"scheduling.k8s.io", "storage.k8s.io"} <= {group.name for group in groups.groups}
    assert (await client.CoreApi(cluster.api).get_api_versions()).versions == ["v1"]

    resources = {r.name: r for r in (await cluster.core.get_api_resources()).resources}
    pods = resources["pods"]
    assert (pods.kind, pods.namespaced, pods.singular_name) == ("Pod", True, "pod")
    assert pods.short_names == ["po"]
    assert sorted(pods.verbs) == sorted(
        ["create", "delete", "deletecollection", "get", "list", "patch", "update", "watch"]
    )
    assert {"pods/log", "pods/status", "pods/binding", "pods/eviction"} <= set(resources)
    assert "deletecollection" not in resources["namespaces"].verbs
    assert resources["nodes"].namespaced is False
    for path in ("/healthz", "/readyz", "/livez"):
        assert await cluster.call("GET", path) == (200, "ok")
