"""How jhaws's parts come into the pod that KubeSpawner made.

KubeSpawner's traits keep their meaning, so nothing is put into them: its manifest is made first, and what jhaws adds
is merged into it at the end. What is there already stays, the very same objects, because an operator's hooks come
after. Two things cannot both be: one path cannot have two mounts, so the home that an operator gave to jhaws
(`nfs_server`) replaces the one that z2jh always mounts.
"""

from __future__ import annotations

import posixpath
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from kubernetes_asyncio.client import (
    V1Affinity,
    V1Container,
    V1Lifecycle,
    V1LifecycleHandler,
    V1NodeAffinity,
    V1NodeSelector,
    V1NodeSelectorTerm,
    V1PersistentVolumeClaimVolumeSource,
    V1Toleration,
    V1Volume,
    V1VolumeMount,
)
from kubespawner.utils import get_k8s_model

Manifest = dict[str, Any]


@dataclass(frozen=True)
class Parts:
    """What jhaws adds to one pod; all in Kubernetes' own form, camelCase keys.

    Attributes:
        volumes: v1 Volume each.
        mounts: v1 VolumeMount each, for the server's container.
        init_containers: v1 Container each; they run before the operator's.
        node_requirements: v1 NodeSelectorRequirement each; all of them must hold.
        tolerations: v1 Toleration each.
        labels: Of the pod.
        annotations: Of the pod.
        service_account: Name, "" to leave KubeSpawner's.
        post_start: v1 LifecycleHandler of the server's container, None to leave KubeSpawner's.
    """

    volumes: tuple[Manifest, ...] = ()
    mounts: tuple[Manifest, ...] = ()
    init_containers: tuple[Manifest, ...] = ()
    node_requirements: tuple[Manifest, ...] = ()
    tolerations: tuple[Manifest, ...] = ()
    labels: Mapping[str, str] = field(default_factory=dict)
    annotations: Mapping[str, str] = field(default_factory=dict)
    service_account: str = ""
    post_start: Manifest | None = None


def merge_parts(pod: Any, parts: Parts) -> None:
    """Merge `parts` into a V1Pod in place; its first container is the server, as KubeSpawner makes it."""
    spec = pod.spec
    _mark(pod.metadata, parts)
    if not spec.containers[0].termination_message_policy:
        # The last lines of a server that crashes then stand in its pod's status, which the hub may read.
        spec.containers[0].termination_message_policy = "FallbackToLogsOnError"
    if parts.mounts:
        _replace_mounts(spec, parts)
    if parts.init_containers:
        spec.init_containers = _models(V1Container, parts.init_containers) + (spec.init_containers or [])
    if parts.node_requirements:
        _require_nodes(spec, parts.node_requirements)
    if parts.tolerations:
        spec.tolerations = (spec.tolerations or []) + _models(V1Toleration, parts.tolerations)
    if parts.service_account:
        spec.service_account_name = spec.service_account = parts.service_account
        if spec.automount_service_account_token is None:
            # IRSA and Pod Identity bring their own tokens; the one for Kubernetes' API is nothing for a user.
            spec.automount_service_account_token = False
    if parts.post_start:
        server = spec.containers[0]
        server.lifecycle = _model(V1Lifecycle, server.lifecycle)
        server.lifecycle.post_start = get_k8s_model(V1LifecycleHandler, parts.post_start)


def _mark(metadata: Any, parts: Parts) -> None:
    if parts.labels:
        metadata.labels = {**(metadata.labels or {}), **parts.labels}
    if parts.annotations:
        metadata.annotations = {**(metadata.annotations or {}), **parts.annotations}


def claims_of(pod: Any) -> set[str]:
    """Return the names of the PVCs that the volumes of a V1Pod want."""
    volumes = _models(V1Volume, pod.spec.volumes or [])
    wanted = [volume.persistent_volume_claim for volume in volumes if volume.persistent_volume_claim]
    return {claim.claim_name for claim in _models(V1PersistentVolumeClaimVolumeSource, wanted)}


def _replace_mounts(spec: Any, parts: Parts) -> None:
    """Mount ours in the server's container; who mounted the same paths gives way, with a volume left unused."""
    server = spec.containers[0]
    paths = {_plain_path(mount["mountPath"]) for mount in parts.mounts}
    before = _models(V1VolumeMount, server.volume_mounts or [])
    kept = [mount for mount in before if _plain_path(mount.mount_path) not in paths]
    dropped = {mount.name for mount in before} - {mount.name for mount in kept}
    server.volume_mounts = kept + _models(V1VolumeMount, parts.mounts)
    others = _models(V1Container, [*spec.containers, *(spec.init_containers or [])])
    used = {mount.name for other in others for mount in _models(V1VolumeMount, other.volume_mounts or [])}
    volumes = _models(V1Volume, spec.volumes or [])
    spec.volumes = [each for each in volumes if each.name not in dropped - used] + _models(V1Volume, parts.volumes)


def _plain_path(path: str) -> str:
    """Return a mount path so that two ways to write one are the same."""
    return posixpath.normpath("/" + path.lstrip("/"))


def _require_nodes(spec: Any, requirements: tuple[Manifest, ...]) -> None:
    """Demand `requirements` on top of the affinity that is there: its terms are alternatives, so each gets them."""
    spec.affinity = _model(V1Affinity, spec.affinity)
    affinity = spec.affinity.node_affinity = _model(V1NodeAffinity, spec.affinity.node_affinity)
    required = affinity.required_during_scheduling_ignored_during_execution
    # The client's V1NodeSelector refuses to be made without terms.
    terms = _model(V1NodeSelector, required).node_selector_terms if required else []
    new_terms = _models(V1NodeSelectorTerm, terms or [{}])
    for term in new_terms:
        term.match_expressions = (term.match_expressions or []) + list(requirements)
    affinity.required_during_scheduling_ignored_during_execution = V1NodeSelector(node_selector_terms=new_terms)


def _model(kind: Any, value: Any) -> Any:
    """Return `value` as a model: itself where it is one, made from a mapping, or a new one from None."""
    return value if isinstance(value, kind) else get_k8s_model(kind, value or {})


def _models(kind: Any, values: Any) -> list[Any]:
    return [_model(kind, value) for value in values]
