"""What clients such as kubectl ask before they do anything: may I, and do you check fields yourself?"""

from __future__ import annotations

import pytest

from jhaws.local.api.resources import RESOURCES
from tests.api.cluster import Cluster

REVIEWS = "/apis/authorization.k8s.io/v1"
STRATEGIC = "application/strategic-merge-patch+json"
MERGE = "application/merge-patch+json"


async def test_who_has_the_token_may_everything(cluster: Cluster) -> None:
    """A review is answered, with the question in it, and is not kept."""
    asked = {"resourceAttributes": {"verb": "create", "resource": "pods", "namespace": cluster.namespace}}
    code, review = await cluster.call("POST", f"{REVIEWS}/selfsubjectaccessreviews", {"spec": asked})

    assert code == 201
    assert (review["kind"], review["spec"], review["status"]["allowed"]) == ("SelfSubjectAccessReview", asked, True)
    assert (await cluster.refuse("GET", f"{REVIEWS}/selfsubjectaccessreviews")).code == 405


async def test_rules_name_everything(cluster: Cluster) -> None:
    """Who asks for all he may do hears of a rule for all verbs on all resources."""
    asked = {"namespace": cluster.namespace}
    code, review = await cluster.call("POST", f"{REVIEWS}/selfsubjectrulesreviews", {"spec": asked})

    assert code == 201
    rules = [(rule["verbs"], rule["apiGroups"], rule["resources"]) for rule in review["status"]["resourceRules"]]
    assert (["*"], ["*"], ["*"]) in rules


async def test_reviews_are_listed(cluster: Cluster) -> None:
    """Discovery names the group of reviews and what is in it."""
    _, groups = await cluster.call("GET", "/apis")
    _, found = await cluster.call("GET", REVIEWS)

    assert "authorization.k8s.io" in [group["name"] for group in groups["groups"]]
    kinds = {entry["kind"]: (entry["namespaced"], entry["verbs"]) for entry in found["resources"]}
    assert kinds["SelfSubjectAccessReview"] == (False, ["create"])


@pytest.mark.parametrize("resource", RESOURCES, ids=lambda resource: resource.plural)
async def test_openapi_tells_of_field_validation(cluster: Cluster, resource: object) -> None:
    """Each kind's PATCH has the parameter that makes kubectl leave unknown fields to the server."""
    _, index = await cluster.call("GET", "/openapi/v3")
    where = index["paths"][resource.base_path.lstrip("/")]["serverRelativeURL"]
    path, _, query = where.partition("?")
    _, document = await cluster.call("GET", path, **dict(part.split("=") for part in query.split("&") if part))

    kind = {"group": resource.group, "version": resource.version, "kind": resource.kind}
    found = [
        operations["patch"]
        for operations in document["paths"].values()
        if operations.get("patch", {}).get("x-kubernetes-group-version-kind") == kind
    ]
    assert found
    for operation in found:
        assert ("fieldValidation", "query") in [(p["name"], p["in"]) for p in operation["parameters"]]


@pytest.mark.parametrize("kind", [STRATEGIC, MERGE])
async def test_strict_patch_refuses_unknown_fields(cluster: Cluster, kind: str) -> None:
    """With fieldValidation=Strict a patch with a misspelt field is refused by its path; without, it is dropped."""
    await cluster.create_pod("p")
    patch = {"metadata": {"labels": {"a": "b"}}, "spec": {"nonsense": 1}}
    path = f"{cluster.pods}/p"
    refusal = await cluster.refuse("PATCH", path, patch, kind=kind, fieldValidation="Strict")
    assert (refusal.code, refusal.reason) == (422, "Invalid")
    ((field, message),) = refusal.causes
    assert field == "patch"
    assert message.endswith('strict decoding error: unknown field "spec.nonsense"')
    _, pod = await cluster.call("GET", path)
    assert "labels" not in pod["metadata"]

    code, pod = await cluster.call("PATCH", path, patch, kind=kind)
    assert (code, pod["metadata"]["labels"]) == (200, {"a": "b"})
    assert "nonsense" not in pod["spec"]
