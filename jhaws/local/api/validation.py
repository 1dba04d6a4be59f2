"""Rules every object must keep, whatever else is in the cluster.

`validate` gives all complaints about a complete new object, `validate_update` those about a change. Pods have their
own module, `podrules`. Values are looked at here; types and unknown fields are `schema`'s, other objects are
`admission`'s.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from jhaws.local.api import naming, podrules
from jhaws.local.api.bootstrap import SYSTEM_PRIORITIES
from jhaws.local.api.encoding import Obj
from jhaws.local.api.quantities import parse_quantity
from jhaws.local.api.resources import (
    CONFIGMAPS,
    EVENTS,
    NAMESPACES,
    PODS,
    PRIORITYCLASSES,
    PVCS,
    PVS,
    SECRETS,
    SERVICES,
    STORAGECLASSES,
    Resource,
)
from jhaws.local.api.statuses import FieldError

if TYPE_CHECKING:
    from collections.abc import Callable

# Keys and values together, in bytes.
_MAX_ANNOTATIONS = 256 * 1024
_MAX_SECRET = 1024 * 1024
_MAX_USER_PRIORITY = 1_000_000_000

_ACCESS_MODES = ("ReadOnlyMany", "ReadWriteMany", "ReadWriteOnce", "ReadWriteOncePod")
_SERVICE_TYPES = ("ClusterIP", "ExternalName", "LoadBalancer", "NodePort")


def validate(resource: Resource, new: Obj) -> list[FieldError]:
    """Check a complete new object; an empty list means it is fine."""
    rules = _RULES.get(resource)
    return [*check_metadata(resource, new["metadata"]), *(rules(new) if rules else ())]


def validate_update(resource: Resource, old: Obj, new: Obj) -> list[FieldError]:
    """Check a changed object against what it was; an empty list means it is fine."""
    errors = check_metadata(resource, new["metadata"])
    if resource is PODS:
        return [*errors, *podrules.check_update(old, new)]
    rules = _RULES.get(resource)
    return [*errors, *(rules(new) if rules else ()), *_check_immutable(resource, old, new)]


def check_metadata(resource: Resource, meta: Obj) -> list[FieldError]:
    """Check name, labels, annotations, owners and finalizers."""
    errors = _check_name(resource, meta.get("name", ""))
    errors += check_labels("metadata.labels", meta.get("labels") or {})
    annotations = meta.get("annotations") or {}
    for key in annotations:
        # Case of the prefix does not count here, unlike in labels.
        errors += _complain("metadata.annotations", key, naming.check_qualified_name(key.lower()))
    if sum(len(key.encode()) + len(value.encode()) for key, value in annotations.items()) > _MAX_ANNOTATIONS:
        errors.append(FieldError.too_long("metadata.annotations", _MAX_ANNOTATIONS))
    for owner in meta.get("ownerReferences") or ():
        for key in ("apiVersion", "kind", "name", "uid"):
            if not owner.get(key):
                errors.append(FieldError.invalid(f"metadata.ownerReferences.{key}", "", "must not be empty"))
    for index, name in enumerate(meta.get("finalizers") or ()):
        field = f"metadata.finalizers[{index}]"
        errors += _complain(field, name, naming.check_qualified_name(name))
        if "/" not in name and name not in ("orphan", "foregroundDeletion", "kubernetes"):
            why = "name is neither a standard finalizer name nor is it fully qualified"
            errors.append(FieldError.invalid(field, name, why))
    return errors


def check_labels(field: str, labels: dict[str, str]) -> list[FieldError]:
    """Check labels or anything of their form."""
    errors = []
    for key, value in labels.items():
        errors += _complain(field, key, naming.check_qualified_name(key))
        errors += _complain(field, value, naming.check_label_value(value))
    return errors


def _check_name(resource: Resource, name: str) -> list[FieldError]:
    if not name:
        return [FieldError.required("metadata.name", "name or generateName is required")]
    check = {NAMESPACES: naming.check_label_name, SERVICES: naming.check_dns_1035}.get(resource, naming.check_subdomain)
    return _complain("metadata.name", name, check(name))


def _complain(field: str, value: object, problems: list[str]) -> list[FieldError]:
    return [FieldError.invalid(field, value, problem) for problem in problems]


def _check_service(service: Obj) -> list[FieldError]:
    spec = service["spec"]
    errors = []
    if spec["type"] not in _SERVICE_TYPES:
        errors.append(FieldError.unsupported("spec.type", spec["type"], _SERVICE_TYPES))
    ports = spec.get("ports") or []
    if not ports and spec.get("clusterIP") != "None" and spec["type"] != "ExternalName":
        errors.append(FieldError.required("spec.ports"))
    for index, port in enumerate(ports):
        field = f"spec.ports[{index}]"
        if len(ports) > 1 and not port.get("name"):
            errors.append(FieldError.required(f"{field}.name"))
        for key in ("port", "targetPort"):
            errors += _check_port(f"{field}.{key}", port.get(key))
    return [*errors, *check_labels("spec.selector", spec.get("selector") or {})]


def _check_port(field: str, value: object) -> list[FieldError]:
    # A target port may be the name of a container's port.
    if isinstance(value, str) or (isinstance(value, int) and 1 <= value <= 65535):
        return []
    return [FieldError.invalid(field, value, "must be between 1 and 65535, inclusive")]


def _check_claim(claim: Obj) -> list[FieldError]:
    spec = claim["spec"]
    errors = _check_access_modes(spec, why="at least 1 access mode is required")
    asked = ((spec.get("resources") or {}).get("requests") or {}).get("storage")
    if asked is None:
        errors.append(FieldError.required("spec.resources[storage]"))
    elif parse_quantity(asked) <= 0:
        errors.append(FieldError.invalid("spec.resources[storage]", asked, "must be greater than zero"))
    return errors


def _check_access_modes(spec: Obj, *, why: str = "") -> list[FieldError]:
    modes = spec.get("accessModes") or []
    if not modes:
        return [FieldError.required("spec.accessModes", why)]
    return [
        FieldError.unsupported("spec.accessModes", mode, _ACCESS_MODES) for mode in modes if mode not in _ACCESS_MODES
    ]


def _check_volume(volume: Obj) -> list[FieldError]:
    spec = volume["spec"]
    errors = _check_access_modes(spec)
    if not (spec.get("capacity") or {}).get("storage"):
        errors.append(FieldError.required("spec.capacity"))
    sources = podrules.find_sources(spec)
    if not sources:
        errors.append(FieldError.required("spec", "must specify a volume type"))
    return [*errors, *podrules.check_paths("spec", spec)]


def _check_data(obj: Obj) -> list[FieldError]:
    errors = []
    for field in ("data", "binaryData"):
        for key in obj.get(field) or {}:
            errors += _complain(f"{field}[{key}]", key, naming.check_config_key(key))
    if sum(len(value) for value in (obj.get("data") or {}).values()) > _MAX_SECRET * 4 // 3:
        errors.append(FieldError.too_long("data", _MAX_SECRET))
    return errors


def _check_event(event: Obj) -> list[FieldError]:
    about = event["involvedObject"].get("namespace", "")
    here = event["metadata"]["namespace"]
    # Events about nodes and other cluster-wide objects go to the default namespace.
    if about == here or (not about and here == "default"):
        return []
    return [FieldError.invalid("involvedObject.namespace", about, "does not match event.namespace")]


def _check_priority_class(found: Obj) -> list[FieldError]:
    name = found["metadata"].get("name", "")
    errors = []
    if name.startswith("system-") and SYSTEM_PRIORITIES.get(name) != found["value"]:
        why = (
            "priority class names with 'system-' prefix are reserved for system use only. "
            f"error: {name} is not a known system priority class"
        )
        errors.append(FieldError.forbidden("metadata.name", why))
    elif found["value"] > _MAX_USER_PRIORITY and name not in SYSTEM_PRIORITIES:
        why = f"maximum allowed value of a user defined priority is {_MAX_USER_PRIORITY}"
        errors.append(FieldError.forbidden("value", why))
    return errors


def _check_storage_class(found: Obj) -> list[FieldError]:
    return [] if found.get("provisioner") else [FieldError.required("provisioner")]


def _check_immutable(resource: Resource, old: Obj, new: Obj) -> list[FieldError]:
    errors = []
    if resource is PRIORITYCLASSES:
        for key in ("value", "preemptionPolicy"):
            if old.get(key) != new.get(key):
                errors.append(FieldError.forbidden(key, "may not be changed in an update."))
    if resource in (SECRETS, CONFIGMAPS) and old.get("immutable"):
        for key in ("data", "binaryData", "immutable"):
            if old.get(key) != new.get(key):
                errors.append(FieldError.forbidden(key, "field is immutable when `immutable` is set"))
    if resource is SECRETS and old.get("type") != new.get("type"):
        errors.append(FieldError.invalid("type", new.get("type"), "field is immutable"))
    if resource is PVCS and _frozen_claim(old["spec"]) != _frozen_claim(new["spec"]):
        why = (
            "spec is immutable after creation except resources.requests and volumeAttributesClassName for bound claims"
        )
        errors.append(FieldError.forbidden("spec", why))
    if resource is SERVICES and old["spec"].get("clusterIP") != new["spec"].get("clusterIP"):
        value = [new["spec"].get("clusterIP", "")]
        errors.append(FieldError.invalid("spec.clusterIPs[0]", value, "may not change once set"))
    return errors


def _frozen_claim(spec: Obj) -> Obj:
    # The volume is written once, by who binds the claim.
    open_fields = ("resources", "volumeAttributesClassName", "volumeName")
    return {key: value for key, value in spec.items() if key not in open_fields}


_RULES: dict[Resource, Callable[[Obj], list[FieldError]]] = {
    CONFIGMAPS: _check_data,
    EVENTS: _check_event,
    PODS: podrules.check_pod,
    PRIORITYCLASSES: _check_priority_class,
    PVCS: _check_claim,
    PVS: _check_volume,
    SECRETS: _check_data,
    SERVICES: _check_service,
    STORAGECLASSES: _check_storage_class,
}
