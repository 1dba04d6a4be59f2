"""May this object come in, or go? The policies of the API server, in the order it applies them.

Names and namespaces, the default values (`defaults`), what depends on other objects (PriorityClass, ServiceAccount,
default StorageClass, an address for a Kubernetes Service), then the rules every object must keep (`validation`).
Reads the storage, never writes to it.
"""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING, Any

from jhaws.local.api import bootstrap, clusterips, defaults, validation
from jhaws.local.api.encoding import Obj
from jhaws.local.api.resources import (
    NAMESPACES,
    PODS,
    PRIORITYCLASSES,
    PVCS,
    SERVICEACCOUNTS,
    SERVICES,
    STORAGECLASSES,
    Resource,
)
from jhaws.local.api.statuses import (
    BadRequest,
    Conflict,
    FieldError,
    conflict,
    forbidden,
    invalid,
)

if TYPE_CHECKING:
    from jhaws.local.api.storage import Storage

# Letters and digits that make no words and look different; five of them, after at most 58 characters.
# Source: Kubernetes API conventions, "generateName".
_ALPHABET = "bcdfghjklmnpqrstvwxz2456789"
_SUFFIX = 5
_MAX_BASE = 63 - _SUFFIX

# Seconds, thirty years: more would leave the calendar.
_MAX_GRACE = 10**9

_DEFAULT_CLASS = "storageclass.kubernetes.io/is-default-class"


def generate_name(base: str) -> str:
    """Make a name of `metadata.generateName`, with a random end."""
    return base[:_MAX_BASE] + "".join(secrets.choice(_ALPHABET) for _ in range(_SUFFIX))


def place(storage: Storage, resource: Resource, new: Obj, namespace: str) -> None:
    """Set the namespace of a new object.

    Args:
        storage: Where the namespaces are.
        resource: What the object is.
        new: The object; changed.
        namespace: From the path; if empty the object's own counts, then `default`.

    Raises:
        BadRequest: The object names another namespace than the path.
        NotFound: There is no such namespace.
        Forbidden: The namespace is being deleted.
    """
    meta = new["metadata"]
    stated = meta.get("namespace", "")
    if not resource.namespaced:
        meta.pop("namespace", None)
        return
    if stated and namespace and stated != namespace:
        raise BadRequest("the namespace of the provided object does not match the namespace sent on the request")
    meta["namespace"] = namespace = namespace or stated or "default"
    if "deletionTimestamp" in storage.get(NAMESPACES, "", namespace)["metadata"]:
        why = f"unable to create new content in namespace {namespace} because it is being terminated"
        error = forbidden(resource, meta.get("name", ""), why)
        cause = FieldError("metadata.namespace", "NamespaceTerminating", f"namespace {namespace} is being terminated")
        error.details["causes"] = [cause.make_cause()]
        raise error


def admit(storage: Storage, resource: Resource, new: Obj) -> None:
    """Complete a new object and check it.

    Args:
        storage: The other objects.
        resource: What the object is.
        new: The object; defaults are filled in.

    Raises:
        BadRequest: A value has a form that cannot be read, such as a bad quantity.
        Forbidden: It names a PriorityClass or a ServiceAccount that does not exist.
        Invalid: It breaks a rule.
    """
    meta = new["metadata"]
    if not meta.get("name") and meta.get("generateName"):
        meta["name"] = generate_name(meta["generateName"])
    defaults.fill(resource, new, now=storage.now())
    if resource is PODS:
        _admit_pod(storage, new)
    elif resource is PVCS:
        _choose_storage_class(storage, new["spec"])
    errors = validation.validate(resource, new)
    if resource is SERVICES and not errors:
        errors = clusterips.allocate(new["spec"], taken=clusterips.taken_addresses(storage.list(SERVICES)))
    if errors:
        raise invalid(resource, meta.get("name", ""), errors)


def _admit_pod(storage: Storage, pod: Obj) -> None:
    spec, meta = pod["spec"], pod["metadata"]
    name = meta.get("name", "")
    account = spec["serviceAccountName"]
    if storage.find(SERVICEACCOUNTS, meta["namespace"], account) is None:
        why = f'error looking up service account {meta["namespace"]}/{account}: serviceaccount "{account}" not found'
        raise forbidden(PODS, name, why)
    chosen = _find_priority_class(storage, spec)
    if chosen is None and spec.get("priorityClassName"):
        raise forbidden(PODS, name, f"no PriorityClass with name {spec['priorityClassName']} was found")
    value = chosen["value"] if chosen else 0
    if spec.get("priority", value) != value:
        why = (
            f"the integer value of priority ({spec['priority']}) must not be provided in pod spec; "
            f"priority admission controller computed {value} from the given PriorityClass name"
        )
        raise forbidden(PODS, name, why)
    if chosen:
        spec["priorityClassName"] = chosen["metadata"]["name"]
    spec["priority"] = value
    policy = chosen.get("preemptionPolicy") if chosen else None
    spec.setdefault("preemptionPolicy", policy or "PreemptLowerPriority")


def _find_priority_class(storage: Storage, spec: dict[str, Any]) -> Obj | None:
    name = spec.get("priorityClassName")
    if name:
        return storage.find(PRIORITYCLASSES, "", name)
    marked = [found for found in storage.list(PRIORITYCLASSES) if found.get("globalDefault")]
    return min(marked, key=lambda found: int(found["value"]), default=None)


def _choose_storage_class(storage: Storage, spec: dict[str, Any]) -> None:
    if "storageClassName" in spec:
        return
    marked = [
        found
        for found in storage.list(STORAGECLASSES)
        if (found["metadata"].get("annotations") or {}).get(_DEFAULT_CLASS) == "true"
    ]
    if marked:
        newest = max(marked, key=lambda found: str(found["metadata"]["creationTimestamp"]))
        spec["storageClassName"] = newest["metadata"]["name"]


def check_update_preconditions(resource: Resource, old: Obj, meta: dict[str, Any]) -> None:
    """Compare version and uid in what a writer brings with what is stored.

    Raises:
        Conflict: They differ.
    """
    name, stored = old["metadata"]["name"], old["metadata"]
    uid, version = meta.get("uid"), meta.get("resourceVersion")
    if uid and uid != stored["uid"]:
        why = f"Precondition failed: UID in precondition: {uid}, UID in object meta: {stored['uid']}"
        raise conflict(resource, name, why)
    if version and version != stored["resourceVersion"]:
        why = "the object has been modified; please apply your changes to the latest version and try again"
        raise conflict(resource, name, why)


def check_delete(resource: Resource, old: Obj, *, uid: str | None, version: str | None) -> None:
    """Check the preconditions of a delete.

    Raises:
        Conflict: The object is another one, or another version.
        Forbidden: It is a namespace that every cluster needs.
    """
    meta = old["metadata"]
    if resource is NAMESPACES and meta["name"] in bootstrap.PROTECTED_NAMESPACES:
        raise forbidden(resource, meta["name"], "this namespace may not be deleted")
    why = ""
    if uid and uid != meta["uid"]:
        why = (
            f"the UID in the precondition ({uid}) does not match the UID in record ({meta['uid']}). "
            "The object might have been deleted and then recreated"
        )
    elif version and version != meta["resourceVersion"]:
        why = (
            f"the ResourceVersion in the precondition ({version}) does not match the ResourceVersion in record "
            f"({meta['resourceVersion']}). The object might have been modified"
        )
    if why:
        raise Conflict(
            f'Operation cannot be fulfilled on {resource.kind} "{meta["name"]}": {why}',
            details={"name": meta["name"], "kind": resource.kind},
        )


def choose_grace(pod: Obj, asked: int | None) -> int:
    """Decide how many seconds a pod gets to end; 0 if nothing runs.

    Args:
        pod: The stored pod.
        asked: Seconds in the request, `None` if it names none.
    """
    spec = pod["spec"]
    if not spec.get("nodeName") or pod.get("status", {}).get("phase") in ("Succeeded", "Failed"):
        return 0
    seconds = spec.get("terminationGracePeriodSeconds", 30) if asked is None else asked
    return 1 if seconds < 0 else min(int(seconds), _MAX_GRACE)
