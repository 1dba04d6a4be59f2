"""What the API server writes into a new object that left it out.

One function per kind, by table; each edits the object it gets. Values as kube-apiserver 1.35 sets them, found by
comparing what came back. Left out on purpose: the token volume of pods, which nobody could serve, protection
finalizers, which need a controller to take them off, and `managedFields`.
"""

from __future__ import annotations

import base64
from datetime import datetime
from typing import TYPE_CHECKING, Any

from jhaws.local.api.encoding import Obj, format_time
from jhaws.local.api.quantities import canonical
from jhaws.local.api.resources import (
    EVENTS,
    NAMESPACES,
    NODES,
    PODS,
    PRIORITYCLASSES,
    PVCS,
    PVS,
    SECRETS,
    SERVICES,
    STORAGECLASSES,
    Resource,
)
from jhaws.local.api.statuses import BadRequest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

# Seconds a pod stays on a node that went away.
_UNREACHABLE_SECONDS = 300

_MODE = 0o644


def fill(resource: Resource, new: Obj, *, now: datetime) -> None:
    """Fill in defaults, and spell quantities as the server does.

    Args:
        resource: What the object is.
        new: The object; changed.
        now: The current time, aware.

    Raises:
        BadRequest: A quantity or base64 value cannot be read.
    """
    filler = _FILLERS.get(resource)
    try:
        if filler:
            filler(new, now)
    except ValueError as error:
        raise BadRequest(
            f'{resource.kind} in version "{resource.version}" cannot be handled as a {resource.kind}: {error}'
        ) from error


def spell_quantities(resource: Resource, new: Obj) -> None:
    """Spell the quantities of an object as the server does.

    Raises:
        ValueError: One of them is none.
    """
    for place in _quantity_maps(resource, new):
        for key, value in place.items():
            place[key] = canonical(value)


def _quantity_maps(resource: Resource, new: Obj) -> Iterator[dict[str, Any]]:
    spec = new.get("spec") or {}
    holders: list[dict[str, Any]] = []
    if resource is PODS:
        holders = [container.get("resources") or {} for _, container in iterate_containers(spec)]
        holders.append({"overhead": spec.get("overhead")})
    elif resource is PVCS:
        holders = [spec.get("resources") or {}, new.get("status") or {}]
    elif resource is PVS:
        holders = [spec]
    elif resource is NODES:
        holders = [new.get("status") or {}]
    for holder in holders:
        for key in ("requests", "limits", "capacity", "allocatable", "overhead"):
            if isinstance(holder.get(key), dict):
                yield holder[key]


def iterate_containers(spec: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Go through the containers of a pod with their path: `spec.initContainers[0]`."""
    for group in ("initContainers", "containers"):
        for index, container in enumerate(spec.get(group) or ()):
            yield f"spec.{group}[{index}]", container


def _fill_pod(pod: Obj, now: datetime) -> None:
    spec = pod.setdefault("spec", {})
    for key, value in {
        "restartPolicy": "Always",
        "terminationGracePeriodSeconds": 30,
        "dnsPolicy": "ClusterFirst",
        "schedulerName": "default-scheduler",
        "enableServiceLinks": True,
    }.items():
        if spec.get(key) in (None, ""):
            spec[key] = value
    if spec["terminationGracePeriodSeconds"] < 0:
        spec["terminationGracePeriodSeconds"] = 1
    spec["securityContext"] = spec.get("securityContext") or {}
    account = spec.get("serviceAccountName") or spec.get("serviceAccount") or "default"
    spec["serviceAccountName"] = spec["serviceAccount"] = account
    for _, container in iterate_containers(spec):
        _fill_container(container)
    for volume in spec.get("volumes") or ():
        _fill_volume(volume)
    spec["tolerations"] = _with_default_tolerations(spec.get("tolerations") or [])
    spell_quantities(PODS, pod)
    for _, container in iterate_containers(spec):
        limits = container["resources"].get("limits")
        if limits:
            container["resources"]["requests"] = {
                **limits,
                **(container["resources"].get("requests") or {}),
            }
    pod["status"] = {"phase": "Pending", "qosClass": choose_qos_class(spec)}


def _fill_container(container: dict[str, Any]) -> None:
    container["resources"] = container.get("resources") or {}
    container.setdefault("terminationMessagePath", "/dev/termination-log")
    container.setdefault("terminationMessagePolicy", "File")
    if not container.get("imagePullPolicy"):
        tag = container.get("image", "").rpartition("/")[2]
        newest = "@" not in tag and tag.partition(":")[2] in ("", "latest")
        container["imagePullPolicy"] = "Always" if newest else "IfNotPresent"
    for port in container.get("ports") or ():
        port.setdefault("protocol", "TCP")
    for variable in container.get("env") or ():
        reference = (variable.get("valueFrom") or {}).get("fieldRef")
        if reference:
            reference.setdefault("apiVersion", "v1")
    lifecycle = container.get("lifecycle") or {}
    for hook in ("postStart", "preStop"):
        _fill_http(lifecycle.get(hook))
    for kind in ("livenessProbe", "readinessProbe", "startupProbe"):
        probe = container.get(kind)
        if probe:
            _fill_http(probe)
            probe |= {
                "timeoutSeconds": 1,
                "periodSeconds": 10,
                "successThreshold": 1,
                "failureThreshold": 3,
            } | {key: value for key, value in probe.items() if value}


def _fill_http(handler: dict[str, Any] | None) -> None:
    request = (handler or {}).get("httpGet")
    if request:
        request.setdefault("path", "/")
        request.setdefault("scheme", "HTTP")


def _fill_volume(volume: dict[str, Any]) -> None:
    sources = [key for key, value in volume.items() if key != "name" and value is not None]
    if not sources:
        volume["emptyDir"] = {}
    for kind in ("secret", "configMap", "projected", "downwardAPI"):
        if isinstance(volume.get(kind), dict):
            volume[kind].setdefault("defaultMode", _MODE)
    if isinstance(volume.get("hostPath"), dict):
        volume["hostPath"].setdefault("type", "")


def _with_default_tolerations(tolerations: list[dict[str, Any]]) -> list[dict[str, Any]]:
    added = []
    for condition in ("not-ready", "unreachable"):
        key = f"node.kubernetes.io/{condition}"
        known = any(
            toleration.get("key") in (key, None, "") and toleration.get("effect") in ("NoExecute", None, "")
            for toleration in tolerations
        )
        if not known:
            added.append(
                {
                    "key": key,
                    "operator": "Exists",
                    "effect": "NoExecute",
                    "tolerationSeconds": _UNREACHABLE_SECONDS,
                }
            )
    return [*tolerations, *added]


def choose_qos_class(spec: dict[str, Any]) -> str:
    """Decide the quality-of-service class of a pod with filled defaults."""
    requests, guaranteed = False, True
    for _, container in iterate_containers(spec):
        asked = container["resources"].get("requests") or {}
        limits = container["resources"].get("limits") or {}
        for kind in ("cpu", "memory"):
            wanted, limit = asked.get(kind, "0"), limits.get(kind, "0")
            requests |= (wanted, limit) != ("0", "0")
            guaranteed &= limit != "0" and wanted == limit
    if not requests:
        return "BestEffort"
    return "Guaranteed" if guaranteed else "Burstable"


def _fill_service(service: Obj, now: datetime) -> None:
    spec = service.setdefault("spec", {})
    spec["type"] = spec.get("type") or "ClusterIP"
    spec.setdefault("sessionAffinity", "None")
    if spec["type"] != "ExternalName":
        spec.setdefault("ipFamilies", ["IPv4"])
        spec.setdefault("ipFamilyPolicy", "SingleStack")
        spec.setdefault("internalTrafficPolicy", "Cluster")
    for port in spec.get("ports") or ():
        port.setdefault("protocol", "TCP")
        if not port.get("targetPort"):
            port["targetPort"] = port.get("port")
    service["status"] = {"loadBalancer": {}}


def _fill_namespace(namespace: Obj, now: datetime) -> None:
    meta = namespace["metadata"]
    meta["labels"] = {
        **(meta.get("labels") or {}),
        "kubernetes.io/metadata.name": meta.get("name", ""),
    }
    namespace["spec"] = {"finalizers": ["kubernetes"]}
    namespace["status"] = {"phase": "Active"}


def _fill_claim(claim: Obj, now: datetime) -> None:
    claim.setdefault("spec", {}).setdefault("volumeMode", "Filesystem")
    claim["status"] = {"phase": "Pending"}
    spell_quantities(PVCS, claim)


def _fill_volume_object(volume: Obj, now: datetime) -> None:
    spec = volume.setdefault("spec", {})
    spec.setdefault("persistentVolumeReclaimPolicy", "Retain")
    spec.setdefault("volumeMode", "Filesystem")
    volume["status"] = {"phase": "Pending", "lastPhaseTransitionTime": format_time(now)}
    spell_quantities(PVS, volume)


def _fill_node(node: Obj, now: datetime) -> None:
    node["spec"] = node.get("spec") or {}
    status = node.setdefault("status", {})
    spell_quantities(NODES, node)
    if status.get("capacity"):
        status.setdefault("allocatable", dict(status["capacity"]))


def fold_string_data(secret: Obj, now: datetime | None = None) -> None:
    """Move `stringData` of a Secret into `data`.

    Raises:
        ValueError: A value of `data` is no base64.
    """
    texts = secret.pop("stringData", None)
    data = dict(secret.get("data") or {})
    for value in data.values():
        try:
            base64.b64decode(value or "", validate=True)
        except ValueError as error:
            raise ValueError("illegal base64 data at input byte 0") from error
    for key, text in (texts or {}).items():
        data[key] = base64.b64encode(text.encode()).decode()
    if data:
        secret["data"] = data
    secret["type"] = secret.get("type") or "Opaque"


def _fill_priority_class(found: Obj, now: datetime) -> None:
    found.setdefault("preemptionPolicy", "PreemptLowerPriority")
    found.setdefault("value", 0)
    if not found.get("globalDefault"):
        found.pop("globalDefault", None)


def _fill_storage_class(found: Obj, now: datetime) -> None:
    found.setdefault("reclaimPolicy", "Delete")
    found.setdefault("volumeBindingMode", "Immediate")


def _fill_event(event: Obj, now: datetime) -> None:
    event.setdefault("involvedObject", {})
    event.setdefault("source", {})
    for key in ("firstTimestamp", "lastTimestamp", "eventTime"):
        event.setdefault(key, None)
    event.setdefault("reportingComponent", "")
    event.setdefault("reportingInstance", "")


_FILLERS: dict[Resource, Callable[[Obj, datetime], None]] = {
    EVENTS: _fill_event,
    NAMESPACES: _fill_namespace,
    NODES: _fill_node,
    PODS: _fill_pod,
    PRIORITYCLASSES: _fill_priority_class,
    PVCS: _fill_claim,
    PVS: _fill_volume_object,
    SECRETS: fold_string_data,
    SERVICES: _fill_service,
    STORAGECLASSES: _fill_storage_class,
}
