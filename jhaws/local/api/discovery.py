"""What the API server tells about itself: versions, groups, resources. Clients such as kubectl begin here."""

from __future__ import annotations

from typing import Any

from jhaws.local.api import openapi, reviews
from jhaws.local.api.resources import PODS, RESOURCES, SERVICES, Resource

# The version whose behaviour the embedded cluster follows.
KUBERNETES_VERSION = ("1", "35")

_POD_PATHS = (
    ("pods/binding", "Binding", ("create",)),
    ("pods/eviction", "Eviction", ("create",)),
    ("pods/log", "Pod", ("get",)),
)


def make_document(path: str) -> dict[str, Any] | None:
    """Build the document at `path`, for example `/api/v1`; `None` if there is none."""
    return _DOCUMENTS.get(path.rstrip("/"))


def _make_version() -> dict[str, Any]:
    major, minor = KUBERNETES_VERSION
    return {
        "major": major,
        "minor": minor,
        "gitVersion": f"v{major}.{minor}.0+jhaws.local",
        "gitCommit": "",
        "gitTreeState": "",
        "buildDate": "1970-01-01T00:00:00Z",
        "goVersion": "",
        "compiler": "",
        "platform": "linux/amd64",
    }


def _make_group(group: str) -> dict[str, Any]:
    versions = sorted({resource.version for resource in RESOURCES if resource.group == group})
    entries = [{"groupVersion": f"{group}/{version}", "version": version} for version in versions]
    return {"name": group, "versions": entries, "preferredVersion": entries[0]}


def _make_entries(resource: Resource) -> list[dict[str, Any]]:
    entry: dict[str, Any] = {
        "name": resource.plural,
        "singularName": resource.singular,
        "namespaced": resource.namespaced,
        "kind": resource.kind,
        "verbs": list(resource.verbs),
    }
    if resource.short_names:
        entry["shortNames"] = list(resource.short_names)
    if resource in (PODS, SERVICES):
        # What `kubectl get all` means.
        entry["categories"] = ["all"]
    entries = [entry]
    below = [(f"{resource.plural}/status", resource.kind, ("get", "patch", "update"))]
    for name, kind, verbs in [*(below if resource.has_status else ()), *(_POD_PATHS if resource is PODS else ())]:
        entries.append(
            {
                "name": name,
                "singularName": "",
                "namespaced": resource.namespaced,
                "kind": kind,
                "verbs": list(verbs),
            }
        )
    return entries


def _make_resource_list(group: str, version: str) -> dict[str, Any]:
    found = [r for r in RESOURCES if (r.group, r.version) == (group, version)]
    entries = [entry for resource in found for entry in _make_entries(resource)]
    return {
        "kind": "APIResourceList",
        "apiVersion": "v1",
        "groupVersion": found[0].api_version,
        "resources": sorted(entries, key=lambda entry: str(entry["name"])),
    }


def _make_documents() -> dict[str, dict[str, Any]]:
    groups = sorted({resource.group for resource in RESOURCES if resource.group})
    documents: dict[str, dict[str, Any]] = {
        "/version": _make_version(),
        "/api": {
            "kind": "APIVersions",
            "versions": ["v1"],
            "serverAddressByClientCIDRs": [],
        },
        "/apis": {
            "kind": "APIGroupList",
            "apiVersion": "v1",
            "groups": [*(_make_group(group) for group in groups), reviews.make_group()],
        },
    }
    for group in groups:
        documents[f"/apis/{group}"] = {
            "kind": "APIGroup",
            "apiVersion": "v1",
            **_make_group(group),
        }
    for resource in RESOURCES:
        documents[resource.base_path] = _make_resource_list(resource.group, resource.version)
    path, documents[path] = reviews.make_resource_list()
    documents |= openapi.make_documents()
    documents[""] = {"paths": sorted([*documents, "/healthz", "/livez", "/readyz"])}
    return documents


_DOCUMENTS = _make_documents()

# The first two parts of the paths of our groups.
GROUP_PATHS = [["apis", resource.group] for resource in RESOURCES if resource.group]
