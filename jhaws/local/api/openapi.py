"""Just enough OpenAPI for kubectl: that this server checks the fields of manifests itself (`fieldValidation`).

Before `apply` and `create`, kubectl looks whether a PATCH of the kind takes the parameter `fieldValidation`; if so it
leaves unknown fields to the server, which refuses them (`schema`). For a file with a `List` it reads version 2 too,
to look into it by itself; that one is empty, so it does not. There are no schemas here, so `kubectl explain` has
nothing to tell.
"""

from __future__ import annotations

from typing import Any

from jhaws.local.api.resources import RESOURCES, Resource

ROOT = "/openapi/v3"
ROOT_V2 = "/openapi/v2"

# The version 2 document as kubectl wants it, in protobuf: field 1, `swagger`, is "2.0".
PROTOBUF_V2 = b"\n\x032.0"
PROTOBUF_V2_TYPE = "application/com.github.proto-openapi.spec.v2.v1.0+protobuf"

_INFO = {"title": "jhaws local", "version": "v1"}
_FIELD_VALIDATION = {
    "name": "fieldValidation",
    "in": "query",
    "description": "Strict refuses unknown fields; otherwise they are dropped.",
    "schema": {"type": "string", "uniqueItems": True},
}


def make_documents() -> dict[str, dict[str, Any]]:
    """Build all documents by their path: the index, and one for each group and version."""
    bases = sorted({resource.base_path for resource in RESOURCES})
    index = {base.lstrip("/"): {"serverRelativeURL": ROOT + base} for base in bases}
    second = {"swagger": "2.0", "info": _INFO, "paths": {}}
    return {ROOT: {"paths": index}, ROOT_V2: second, **{ROOT + base: _make_document(base) for base in bases}}


def _make_document(base: str) -> dict[str, Any]:
    return {
        "openapi": "3.0.0",
        "info": _INFO,
        "paths": {_make_path(found): {"patch": _make_patch(found)} for found in RESOURCES if found.base_path == base},
        "components": {"schemas": {}},
    }


def _make_path(resource: Resource) -> str:
    namespace = "namespaces/{namespace}/" if resource.namespaced else ""
    return f"{resource.base_path}/{namespace}{resource.plural}/{{name}}"


def _make_patch(resource: Resource) -> dict[str, Any]:
    kind = {"group": resource.group, "version": resource.version, "kind": resource.kind}
    return {
        "parameters": [_FIELD_VALIDATION],
        "responses": {"200": {"description": "OK"}},
        "x-kubernetes-action": "patch",
        "x-kubernetes-group-version-kind": kind,
    }
