"""Rules for pods: where operators of a hub make their mistakes.

Volumes and mounts (two volumes on one path, a mount without a volume), resources, environment, tolerations and
affinity, with the field paths and sentences of kube-apiserver 1.35; and what of a pod may change once it exists.
Security contexts and probes are checked for little more than their types.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from jhaws.local.api import naming
from jhaws.local.api.defaults import iterate_containers
from jhaws.local.api.encoding import Obj, clone
from jhaws.local.api.quantities import parse_quantity
from jhaws.local.api.statuses import FieldError

if TYPE_CHECKING:
    from collections.abc import Iterable

Errors = list[FieldError]

_EFFECTS = ("NoSchedule", "PreferNoSchedule", "NoExecute")
_NODE_OPERATORS = ("In", "NotIn", "Exists", "DoesNotExist", "Gt", "Lt")
_STANDARD_RESOURCES = ("cpu", "memory", "ephemeral-storage")
_HANDLERS = ("exec", "httpGet", "sleep", "tcpSocket")

# Required names inside volume sources: kind of volume, field.
_SOURCE_NAMES = {
    "nfs": ("server", "path"),
    "hostPath": ("path",),
    "persistentVolumeClaim": ("claimName",),
    "secret": ("secretName",),
    "configMap": ("name",),
}
# Fields of a PersistentVolume's spec that are no source.
_NO_SOURCES = frozenset(
    {
        "name",
        "accessModes",
        "capacity",
        "claimRef",
        "mountOptions",
        "nodeAffinity",
        "persistentVolumeReclaimPolicy",
        "storageClassName",
        "volumeAttributesClassName",
        "volumeMode",
    }
)

_UPDATE_RULE = (
    "pod updates may not change fields other than `spec.containers[*].image`,`spec.initContainers[*].image`,"
    "`spec.activeDeadlineSeconds`,`spec.tolerations` (only additions to existing tolerations),"
    "`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was previously negative)"
)


def check_pod(pod: Obj) -> Errors:
    """Check a pod with filled defaults."""
    spec = pod["spec"]
    volumes = [volume.get("name", "") for volume in spec.get("volumes") or ()]
    errors = _check_volumes(spec.get("volumes") or [])
    if not spec.get("containers"):
        errors.append(FieldError.required("spec.containers"))
    errors += _check_containers(spec, frozenset(volumes))
    errors += _one_of("spec.restartPolicy", spec["restartPolicy"], ("Always", "OnFailure", "Never"))
    errors += _check_tolerations(spec["tolerations"])
    errors += _check_selector("spec.nodeSelector", spec.get("nodeSelector") or {})
    errors += _check_affinity((spec.get("affinity") or {}).get("nodeAffinity") or {})
    if spec.get("nodeName"):
        errors += _name("spec.nodeName", spec["nodeName"], naming.check_subdomain(spec["nodeName"]))
    for key in ("hostname", "subdomain"):
        if spec.get(key):
            errors += _name(f"spec.{key}", spec[key], naming.check_label_name(spec[key]))
    return [*errors, *_check_ids("spec.securityContext", spec["securityContext"])]


def check_update(old: Obj, new: Obj) -> Errors:
    """Check what a client's write changes in a pod's spec."""
    before, after = old["spec"], new["spec"]
    if before == after:
        return []
    errors: Errors = []
    limit, wanted = before.get("activeDeadlineSeconds"), after.get("activeDeadlineSeconds")
    if limit is not None and (wanted is None or wanted > limit):
        why = "must be less than or equal to previous value"
        errors.append(FieldError.invalid("spec.activeDeadlineSeconds", wanted, why))
    kept = [toleration for toleration in after["tolerations"] if toleration in before["tolerations"]]
    if kept != before["tolerations"]:
        why = "existing toleration can not be modified except its tolerationSeconds"
        errors.append(FieldError.forbidden("spec.tolerations", why))
    for path, container in iterate_containers(after):
        if not container.get("image"):
            errors.append(FieldError.required(f"{path}.image"))
    if not errors and _frozen_part(before) != _frozen_part(after):
        errors.append(FieldError.forbidden("spec", _UPDATE_RULE))
    return [*errors, *_check_tolerations(after["tolerations"])]


def find_sources(volume: dict[str, Any]) -> list[str]:
    """Give the volume types that a volume or the spec of a PersistentVolume names."""
    return [key for key, value in volume.items() if key not in _NO_SOURCES and value is not None]


def check_paths(field: str, volume: dict[str, Any]) -> Errors:
    """Check the sources of a volume: required names and paths."""
    errors: Errors = []
    for kind, names in _SOURCE_NAMES.items():
        source = volume.get(kind)
        for name in names if source is not None else ():
            if not (source or {}).get(name):
                errors.append(FieldError.required(f"{field}.{kind}.{name}"))
    path = (volume.get("nfs") or {}).get("path")
    if path and not path.startswith("/"):
        errors.append(FieldError.invalid(f"{field}.nfs.path", path, "must be an absolute path"))
    path = (volume.get("hostPath") or {}).get("path")
    if path and ".." in path.split("/"):
        errors.append(FieldError.invalid(f"{field}.hostPath.path", path, "must not contain '..'"))
    return errors


def _frozen_part(spec: dict[str, Any]) -> dict[str, Any]:
    copy: dict[str, Any] = clone(spec)
    for key in ("activeDeadlineSeconds", "tolerations"):
        copy.pop(key, None)
    for _, container in iterate_containers(copy):
        container.pop("image", None)
    return copy


def _check_volumes(volumes: list[dict[str, Any]]) -> Errors:
    errors: Errors = []
    seen: set[str] = set()
    for index, volume in enumerate(volumes):
        field = f"spec.volumes[{index}]"
        for extra in find_sources(volume)[1:]:
            errors.append(FieldError.forbidden(f"{field}.{extra}", "may not specify more than 1 volume type"))
        errors += check_paths(field, volume)
        errors += _check_unique_name(f"{field}.name", volume.get("name", ""), seen)
    return errors


def _check_unique_name(field: str, name: str, seen: set[str]) -> Errors:
    if not name:
        return [FieldError.required(field)]
    problems = _name(field, name, naming.check_label_name(name))
    if name in seen:
        problems.append(FieldError.duplicate(field, name))
    seen.add(name)
    return problems


def _check_containers(spec: dict[str, Any], volumes: frozenset[str]) -> Errors:
    errors: Errors = []
    seen: set[str] = set()
    # Main containers first: of two with one name, the init container is the duplicate.
    for path, container in sorted(iterate_containers(spec), key=lambda entry: "init" in entry[0]):
        errors += _check_unique_name(f"{path}.name", container.get("name", ""), seen)
        if not container.get("image"):
            errors.append(FieldError.required(f"{path}.image"))
        errors += _check_container(path, container)
        errors += _check_mounts(path, container.get("volumeMounts") or [], volumes)
    return errors


def _check_container(path: str, container: dict[str, Any]) -> Errors:
    errors = _one_of(f"{path}.imagePullPolicy", container["imagePullPolicy"], ("Always", "IfNotPresent", "Never"))
    for index, port in enumerate(container.get("ports") or ()):
        errors += _check_container_port(f"{path}.ports[{index}]", port)
    for index, variable in enumerate(container.get("env") or ()):
        errors += _check_variable(f"{path}.env[{index}]", variable)
    lifecycle = container.get("lifecycle") or {}
    for hook in ("postStart", "preStop"):
        if hook in lifecycle and not any(kind in lifecycle[hook] for kind in _HANDLERS):
            why = "must specify a handler type"
            errors.append(FieldError.required(f"{path}.lifecycle.{hook}", why))
    errors += _check_resources(f"{path}.resources", container["resources"])
    return [*errors, *_check_ids(f"{path}.securityContext", container.get("securityContext") or {})]


def _check_container_port(field: str, port: dict[str, Any]) -> Errors:
    errors: Errors = []
    name = port.get("name", "")
    if name and len(name) > 15:
        errors.append(FieldError.invalid(f"{field}.name", name, "must be no more than 15 characters"))
    if name and not all(char in "abcdefghijklmnopqrstuvwxyz0123456789-" for char in name):
        why = "must contain only alpha-numeric characters (a-z, 0-9), and hyphens (-)"
        errors.append(FieldError.invalid(f"{field}.name", name, why))
    number = port.get("containerPort", 0)
    if number == 0:
        errors.append(FieldError.required(f"{field}.containerPort"))
    elif not 1 <= number <= 65535:
        why = "must be between 1 and 65535, inclusive"
        errors.append(FieldError.invalid(f"{field}.containerPort", number, why))
    return errors


def _check_variable(field: str, variable: dict[str, Any]) -> Errors:
    name = variable.get("name", "")
    if not name:
        return [FieldError.required(f"{field}.name")]
    errors = _name(f"{field}.name", name, naming.check_env_name(name))
    if variable.get("value") and variable.get("valueFrom"):
        why = "may not be specified when `value` is not empty"
        errors.append(FieldError.invalid(f"{field}.valueFrom", "", why))
    return errors


def _check_mounts(path: str, mounts: list[dict[str, Any]], volumes: frozenset[str]) -> Errors:
    errors: Errors = []
    seen: set[str] = set()
    for index, mount in enumerate(mounts):
        field = f"{path}.volumeMounts[{index}]"
        name, target, inner = mount.get("name", ""), mount.get("mountPath", ""), mount.get("subPath", "")
        if not name:
            errors.append(FieldError.required(f"{field}.name"))
        elif name not in volumes:
            errors.append(FieldError.not_found(f"{field}.name", name))
        if not target:
            errors.append(FieldError.required(f"{field}.mountPath"))
        elif target in seen:
            errors.append(FieldError.invalid(f"{field}.mountPath", target, "must be unique"))
        seen.add(target)
        # The real server leaves the index out of this path.
        if inner.startswith("/"):
            why = "must be a relative path"
            errors.append(FieldError.invalid(f"{path}.volumeMounts.subPath", inner, why))
        elif ".." in inner.split("/"):
            why = "must not contain '..'"
            errors.append(FieldError.invalid(f"{path}.volumeMounts.subPath", inner, why))
    return errors


def _check_resources(field: str, resources: dict[str, Any]) -> Errors:
    errors: Errors = []
    limits, requests = resources.get("limits") or {}, resources.get("requests") or {}
    for part, amounts in (("limits", limits), ("requests", requests)):
        for name, amount in amounts.items():
            errors += _check_amount(f"{field}.{part}[{name}]", name, amount)
    for name, amount in requests.items():
        if name in limits and parse_quantity(amount) > parse_quantity(limits[name]):
            why = f"must be less than or equal to {name} limit of {limits[name]}"
            errors.append(FieldError.invalid(f"{field}.requests", amount, why))
        elif name not in limits and not _can_overcommit(name):
            why = "Limit must be set for non overcommitable resources"
            errors.append(FieldError.required(f"{field}.limits", why))
    return errors


def _can_overcommit(name: str) -> bool:
    # A name without a prefix has its own complaint.
    return "/" not in name


def _check_amount(field: str, name: str, amount: str) -> Errors:
    errors = _name(field, name, naming.check_qualified_name(name))
    if "/" not in name and name not in _STANDARD_RESOURCES and not name.startswith("hugepages-"):
        for why in (
            "must be a standard resource type or fully qualified",
            "must be a standard resource for containers",
        ):
            errors.append(FieldError.invalid(field, name, why))
    number = parse_quantity(amount)
    if number < 0:
        errors.append(FieldError.invalid(field, amount, "must be greater than or equal to 0"))
    elif "/" in name and number != number.to_integral_value():
        errors.append(FieldError.invalid(field, amount, "must be an integer"))
    return errors


def _check_tolerations(tolerations: list[dict[str, Any]]) -> Errors:
    errors: Errors = []
    for index, toleration in enumerate(tolerations):
        field = f"spec.tolerations[{index}]"
        key, operator = toleration.get("key"), toleration.get("operator") or "Equal"
        if key:
            errors += _name(f"{field}.key", key, naming.check_qualified_name(key))
        elif operator != "Exists":
            why = 'operator must be Exists when `key` is empty, which means "match all values and all keys"'
            errors.append(FieldError.invalid(f"{field}.operator", operator, why))
        if operator not in ("Equal", "Exists"):
            errors.append(FieldError.unsupported(f"{field}.operator", operator, ("Equal", "Exists")))
        value = toleration.get("value") or ""
        if operator == "Exists" and value:
            why = "value must be empty when `operator` is 'Exists'"
            errors.append(FieldError.invalid(f"{field}.operator", value, why))
        elif value:
            errors += _name(f"{field}.operator", value, naming.check_label_value(value))
        effect = toleration.get("effect")
        if effect:
            errors += _one_of(f"{field}.effect", effect, _EFFECTS)
        if toleration.get("tolerationSeconds") is not None and effect != "NoExecute":
            why = "effect must be 'NoExecute' when `tolerationSeconds` is set"
            errors.append(FieldError.invalid(f"{field}.effect", effect or "", why))
    return errors


def _check_affinity(affinity: dict[str, Any]) -> Errors:
    errors: Errors = []
    required = affinity.get("requiredDuringSchedulingIgnoredDuringExecution")
    field = "spec.affinity.nodeAffinity.requiredDuringSchedulingIgnoredDuringExecution.nodeSelectorTerms"
    if required is not None:
        terms = required.get("nodeSelectorTerms") or []
        if not terms:
            errors.append(FieldError.required(field, "must have at least one node selector term"))
        for index, term in enumerate(terms):
            errors += _check_term(f"{field}[{index}]", term)
    preferred = affinity.get("preferredDuringSchedulingIgnoredDuringExecution") or ()
    for index, choice in enumerate(preferred):
        field = f"spec.affinity.nodeAffinity.preferredDuringSchedulingIgnoredDuringExecution[{index}]"
        weight = choice.get("weight", 0)
        if not 1 <= weight <= 100:
            errors.append(FieldError.invalid(f"{field}.weight", weight, "must be in the range 1-100"))
        errors += _check_term(f"{field}.preference", choice.get("preference") or {})
    return errors


def _check_term(field: str, term: dict[str, Any]) -> Errors:
    errors: Errors = []
    for index, expression in enumerate(term.get("matchExpressions") or ()):
        place = f"{field}.matchExpressions[{index}]"
        operator, values = expression.get("operator", ""), expression.get("values") or []
        if operator not in _NODE_OPERATORS:
            why = "not a valid selector operator"
            errors.append(FieldError.invalid(f"{place}.operator", operator, why))
        elif operator in ("In", "NotIn") and not values:
            why = "must be specified when `operator` is 'In' or 'NotIn'"
            errors.append(FieldError.required(f"{place}.values", why))
        key = expression.get("key", "")
        errors += _name(f"{place}.key", key, naming.check_qualified_name(key))
    return errors


def _check_selector(field: str, selector: dict[str, str]) -> Errors:
    errors: Errors = []
    for key, value in selector.items():
        errors += _name(field, key, naming.check_qualified_name(key))
        errors += _name(field, value, naming.check_label_value(value))
    return errors


def _check_ids(field: str, context: dict[str, Any]) -> Errors:
    why = "must be between 0 and 2147483647, inclusive"
    return [
        FieldError.invalid(f"{field}.{key}", context[key], why)
        for key in ("runAsUser", "runAsGroup", "fsGroup")
        if key in context and not 0 <= context[key] <= 2147483647
    ]


def _name(field: str, value: str, problems: Iterable[str]) -> Errors:
    return [FieldError.invalid(field, value, problem) for problem in problems]


def _one_of(field: str, value: str, known: tuple[str, ...]) -> Errors:
    return [] if value in known else [FieldError.unsupported(field, value, known)]
