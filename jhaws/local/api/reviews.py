"""What `kubectl auth can-i` asks: may I? Whoever has the token may do everything, so the answer is always yes.

Reviews are questions in the form of objects that are created and never stored.
"""

from __future__ import annotations

from typing import Any

from jhaws.local.api.encoding import Obj
from jhaws.local.api.options import read_object

_GROUP = "authorization.k8s.io"
_EVERYTHING: Obj = {
    "incomplete": False,
    "resourceRules": [{"verbs": ["*"], "apiGroups": ["*"], "resources": ["*"]}],
    "nonResourceRules": [{"verbs": ["*"], "nonResourceURLs": ["*"]}],
}

# Paths of the reviews: kind and answer.
REVIEWS: dict[str, tuple[str, Obj]] = {
    f"/apis/{_GROUP}/v1/selfsubjectaccessreviews": ("SelfSubjectAccessReview", {"allowed": True}),
    f"/apis/{_GROUP}/v1/selfsubjectrulesreviews": ("SelfSubjectRulesReview", _EVERYTHING),
}


def make_review(path: str, body: bytes, *, content_type: str) -> Obj:
    """Answer a review.

    Args:
        path: One of `REVIEWS`.
        body: The question. kubectl asks in protobuf, which is not read: the answer does not depend on it.
        content_type: Of the body.

    Raises:
        BadRequest: The question is no JSON object.
    """
    kind, status = REVIEWS[path]
    asked: dict[str, Any] = read_object(body) if content_type == "application/json" else {}
    spec = asked.get("spec") or {}
    return {"kind": kind, "apiVersion": f"{_GROUP}/v1", "metadata": {}, "spec": spec, "status": status}


def make_group() -> Obj:
    """Build the group's entry in the discovery document `/apis`."""
    version = {"groupVersion": f"{_GROUP}/v1", "version": "v1"}
    return {"name": _GROUP, "versions": [version], "preferredVersion": version}


def make_resource_list() -> tuple[str, Obj]:
    """Build the group's own discovery document; gives its path too."""
    entries = [
        {
            "name": path.rpartition("/")[2],
            "singularName": kind.lower(),
            "namespaced": False,
            "kind": kind,
            "verbs": ["create"],
        }
        for path, (kind, _) in REVIEWS.items()
    ]
    return f"/apis/{_GROUP}/v1", {
        "kind": "APIResourceList",
        "apiVersion": "v1",
        "groupVersion": f"{_GROUP}/v1",
        "resources": entries,
    }
