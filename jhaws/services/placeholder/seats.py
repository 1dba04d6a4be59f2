"""Which placeholder pods there should be, what is in one, and what must be made or deleted: pure functions.

A pod belongs to us by its labels (`make_selector`), to a nodegroup by one more, and to today's options by the
hash in its annotation: the API server fills in defaults, so a manifest cannot be compared with what comes back.
Pods of other hubs never come into view. `keeping` acts on what is decided here.
"""

import hashlib
import json
import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from jhaws.names import HUB_LABEL
from jhaws.pods.nodegroups import Nodegroup, make_node_requirements, make_tolerations
from jhaws.services.placeholder.settings import JhawsPlaceholder

COMPONENT = "jhaws-placeholder"
NODEGROUP_LABEL = "jhaws.io/nodegroup"
HASH_ANNOTATION = "jhaws.io/manifest-hash"
# The nodegroup of placeholders when none is configured: any node will do.
ANY_NODE = ""
# Kubernetes' own "nobody" (the pause image runs as 65535 by default; any user but root will do).
UNPRIVILEGED_UID = 65534

BYTES_PER_GIB = 2**30

Pod = Mapping[str, Any]


@dataclass(frozen=True)
class Plan:
    """What a round has to do: manifests to create and pods to delete, and how many of those had failed."""

    to_create: tuple[Pod, ...]
    to_delete: tuple[Pod, ...]
    failed: int


def make_selector(hub_id: str) -> str:
    """Return the label selector of this hub's placeholder pods."""
    return f"component={COMPONENT},{HUB_LABEL}={hub_id}"


def make_seats(settings: JhawsPlaceholder, nodegroups: Iterable[str]) -> dict[str, int]:
    """Return how many placeholders each nodegroup should have, without those that should have none.

    Args:
        settings: The options.
        nodegroups: Names of the configured nodegroups; with none, a plain number means pods on any node.
    """
    known = list(nodegroups)
    if isinstance(settings.seats, dict):
        wanted = {name: settings.seats[name] for name in known if name in settings.seats}
    else:
        wanted = dict.fromkeys(known or [ANY_NODE], settings.seats)
    return {name: count for name, count in wanted.items() if count}


def find_unknown(settings: JhawsPlaceholder, nodegroups: Iterable[str]) -> list[str]:
    """Return the names in `seats` that no configured nodegroup has, in order."""
    return sorted(set(settings.seats) - set(nodegroups)) if isinstance(settings.seats, dict) else []


def make_placeholder_pod(settings: JhawsPlaceholder, group: Nodegroup | None, *, hub_id: str) -> dict[str, Any]:
    """Build one placeholder pod, which holds the place of one server until a real one needs it.

    It asks for what a server asks for, gives way at once and can do nothing: no token, no root, no command.

    Args:
        settings: The options.
        group: The nodegroup to hold a place in; None for any node.
        hub_id: The hub it belongs to, a label value.

    Returns:
        v1 Pod manifest, camelCase keys, `generateName`, no namespace.
    """
    name = group.name if group else ANY_NODE
    labels = {
        "component": COMPONENT,
        "app.kubernetes.io/component": COMPONENT,
        HUB_LABEL: hub_id,
        NODEGROUP_LABEL: name,
    }
    spec = _make_spec(settings, group)
    digest = hashlib.sha256(json.dumps([labels, spec], sort_keys=True).encode()).hexdigest()[:16]
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "generateName": _make_name_prefix(name),
            "labels": labels,
            "annotations": {HASH_ANNOTATION: digest},
        },
        "spec": spec,
    }


def make_owned(manifest: Pod, owner: Pod) -> dict[str, Any]:
    """Return a manifest whose pod Kubernetes deletes when `owner`, a v1 OwnerReference, is gone."""
    return {**manifest, "metadata": {**manifest["metadata"], "ownerReferences": [dict(owner)]}}


def plan(existing: Iterable[Pod], wanted: Mapping[str, int], manifests: Mapping[str, Pod]) -> Plan:
    """Decide what must be created and deleted, so that each nodegroup has exactly its seats.

    A pod counts if it is of today's options and has neither ended nor begun to go. Ended and outdated ones are
    replaced; of a surplus the newest go first, those without a node before those that hold a place already.

    Args:
        existing: This hub's placeholder pods, as the API has them.
        wanted: Pods per nodegroup.
        manifests: The manifest for each nodegroup in `wanted`.
    """
    to_create: list[Pod] = []
    to_delete: list[Pod] = []
    failed = 0
    counting: dict[str, list[Pod]] = {name: [] for name in wanted}
    for pod in existing:
        name = get_nodegroup(pod)
        if pod["metadata"].get("deletionTimestamp"):
            continue
        failed += has_ended(pod)
        if name in wanted and not has_ended(pod) and _get_hash(pod) == _get_hash(manifests[name]):
            counting[name].append(pod)
        else:
            to_delete.append(pod)
    for name, pods in counting.items():
        missing = wanted[name] - len(pods)
        to_create += [manifests[name]] * max(0, missing)
        to_delete += _sort_dispensable_first(pods)[: max(0, -missing)]
    return Plan(tuple(to_create), tuple(to_delete), failed)


def get_nodegroup(pod: Pod) -> str:
    """Return the nodegroup that a placeholder pod or manifest is for; "" for any node."""
    return str(pod["metadata"].get("labels", {}).get(NODEGROUP_LABEL, ANY_NODE))


def show_nodegroup(name: str) -> str:
    """Return a nodegroup as it stands in a sentence."""
    return "any node" if name == ANY_NODE else f"nodegroup {name!r}"


def has_ended(pod: Pod) -> bool:
    """Say whether a pod has run to its end and will never hold a place again (evicted, refused by its node)."""
    return pod.get("status", {}).get("phase") in ("Failed", "Succeeded")


def changes_seats(event: Mapping[str, Any]) -> bool:
    """Say whether a watch event is a reason to compare pods and seats: one left, ends, or the watch does."""
    if event.get("type") not in ("ADDED", "MODIFIED", "BOOKMARK"):
        return True
    pod = event.get("object") or {}
    return bool(pod.get("metadata", {}).get("deletionTimestamp")) or has_ended(pod)


def _sort_dispensable_first(pods: list[Pod]) -> list[Pod]:
    newest_first = sorted(pods, key=lambda pod: pod["metadata"].get("creationTimestamp") or "", reverse=True)
    return sorted(newest_first, key=lambda pod: bool(pod["spec"].get("nodeName")))


def _get_hash(pod: Pod) -> str | None:
    value = (pod["metadata"].get("annotations") or {}).get(HASH_ANNOTATION)
    return None if value is None else str(value)


def _make_name_prefix(nodegroup: str) -> str:
    """Return a `generateName` that tells people the nodegroup; what counts is the label."""
    slug = re.sub(r"[^a-z0-9]+", "-", nodegroup.lower()).strip("-")[:40]
    return f"{COMPONENT}-{slug}-" if slug else f"{COMPONENT}-"


def _make_spec(settings: JhawsPlaceholder, group: Nodegroup | None) -> dict[str, Any]:
    spec: dict[str, Any] = {
        "priorityClassName": settings.priority_class,
        "terminationGracePeriodSeconds": 0,
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "securityContext": {
            "runAsNonRoot": True,
            "runAsUser": UNPRIVILEGED_UID,
            "runAsGroup": UNPRIVILEGED_UID,
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "containers": [
            {
                "name": "pause",
                "image": settings.image,
                "resources": {"requests": _make_requests(settings)},
                "securityContext": {
                    "allowPrivilegeEscalation": False,
                    "capabilities": {"drop": ["ALL"]},
                    "readOnlyRootFilesystem": True,
                },
            }
        ],
    }
    if group is None:
        return spec
    terms = [{"matchExpressions": make_node_requirements(group)}]
    spec["affinity"] = {
        "nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": terms}}
    }
    spec["tolerations"] = make_tolerations(group)
    return spec


def _make_requests(settings: JhawsPlaceholder) -> dict[str, str]:
    requests = {}
    if settings.cpu_cores is not None:
        # Kubernetes counts CPU in thousandths; the rounding keeps 0.29 from becoming 291.
        requests["cpu"] = f"{math.ceil(round(settings.cpu_cores * 1000, 6))}m"
    if settings.memory_gib is not None:
        requests["memory"] = str(math.ceil(settings.memory_gib * BYTES_PER_GIB))
    return requests
