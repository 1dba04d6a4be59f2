"""What a client's write may touch, and what it leaves as it is.

A write to an object leaves its status alone, a write to `/status` everything but status and metadata; some values
are taken over from the old object when the new one leaves them out. Patches go the same way as whole objects. The
scheduler and the kubelet write to the storage directly and do not come here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from jhaws.local.api import defaults, patches, schema, validation
from jhaws.local.api.encoding import Obj, load
from jhaws.local.api.resources import NAMESPACES, PODS, SERVICES, Resource
from jhaws.local.api.statuses import BadRequest, FieldError, Invalid, UnsupportedMedia, invalid, invalid_kind

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

MERGE = "application/merge-patch+json"
STRATEGIC = "application/strategic-merge-patch+json"
JSON_PATCH = "application/json-patch+json"


def prepare_update(resource: Resource, old: Obj, new: Obj, *, status: bool, now: datetime) -> Obj:
    """Build what is to be stored from what a client wants to write.

    Args:
        resource: What the object is.
        old: The stored object.
        new: The client's, already of the right shape.
        status: Whether this is a write to `/status`.
        now: The current time, aware.

    Raises:
        BadRequest: Name or namespace are not those of `old`.
        Invalid: The change is not allowed.
    """
    _take_identity(new["metadata"], old["metadata"])
    if status:
        return _with_status(resource, old, new)
    defaults.fill(resource, new, now=now)
    _take_over(resource, old, new)
    errors = validation.validate_update(resource, old, new)
    if errors:
        raise invalid(resource, old["metadata"]["name"], errors)
    return new


def _take_over(resource: Resource, old: Obj, new: Obj) -> None:
    """Keep what this write may not touch or left out."""
    if resource.has_status:
        new.pop("status", None)
        if "status" in old:
            new["status"] = old["status"]
    if resource is NAMESPACES:
        new["spec"] = old["spec"]
    if resource is SERVICES:
        _keep_address(old["spec"], new["spec"])
    if resource is PODS:
        for key in ("priority", "preemptionPolicy", "priorityClassName", "nodeName"):
            if key in old["spec"]:
                new["spec"].setdefault(key, old["spec"][key])


def _take_identity(meta: Obj, old_meta: Obj) -> None:
    if meta.get("name", old_meta["name"]) != old_meta["name"]:
        raise BadRequest(
            f"the name of the object ({meta['name']}) does not match the name on the URL ({old_meta['name']})"
        )
    if meta.get("namespace") and meta["namespace"] != old_meta.get("namespace"):
        raise BadRequest("the namespace of the provided object does not match the namespace sent on the request")
    meta["name"] = old_meta["name"]
    if "namespace" in old_meta:
        meta["namespace"] = old_meta["namespace"]
    meta.pop("managedFields", None)
    meta.pop("selfLink", None)


def _with_status(resource: Resource, old: Obj, new: Obj) -> Obj:
    errors = validation.check_metadata(resource, new["metadata"])
    if errors:
        raise invalid(resource, old["metadata"]["name"], errors)
    result = {**old, "metadata": new["metadata"], "status": new.get("status") or {}}
    try:
        defaults.spell_quantities(resource, result)
    except ValueError as error:
        raise BadRequest(str(error)) from error
    if resource is PODS and "qosClass" in old.get("status", {}):
        result["status"] = {**result["status"], "qosClass": old["status"]["qosClass"]}
    return result


def _keep_address(old: dict[str, Any], new: dict[str, Any]) -> None:
    for key in ("clusterIP", "clusterIPs"):
        if not new.get(key) and old.get(key):
            new[key] = old[key]


def describe_unknown(paths: Sequence[str]) -> str:
    """Write which fields nobody knows."""
    return "strict decoding error: " + ", ".join(f'unknown field "{path}"' for path in paths)


def apply_patch(resource: Resource, old: Obj, body: bytes, *, content_type: str, strict: bool = False) -> Obj:
    """Build the object that a patch makes of the stored one.

    Args:
        resource: What the object is.
        old: The stored object.
        body: The patch.
        content_type: Which of the three kinds of patch it is.
        strict: Whether to refuse fields nobody knows; else they are dropped.

    Raises:
        UnsupportedMedia: None of the three.
        BadRequest: The patch cannot be read.
        Invalid: A JSON patch does not fit, the result has the wrong shape, or the uid would change.
    """
    if content_type not in (MERGE, STRATEGIC, JSON_PATCH):
        raise UnsupportedMedia("415: Unsupported Media Type")
    patch = _read_patch(body, list if content_type == JSON_PATCH else dict)
    if content_type == MERGE:
        made = patches.apply_merge(old, patch)
    elif content_type == STRATEGIC:
        made = patches.apply_strategic(old, patch)
    else:
        try:
            made = patches.apply_json(old, patch)
        except patches.PatchError as error:
            # The API server does not say which operation failed.
            raise Invalid("the server rejected our request due to an error in our request") from error
    unknown: list[str] = []
    try:
        new = schema.conform(resource, made, unknown=unknown)
        if strict and unknown:
            raise BadRequest(describe_unknown(unknown))
    except BadRequest as error:
        # The patch could be read, what it makes is wrong.
        raise invalid_kind("", "", [FieldError.invalid("patch", patch, error.message)]) from error
    uid = new["metadata"].get("uid", old["metadata"]["uid"])
    if uid != old["metadata"]["uid"]:
        why = FieldError.invalid("metadata.uid", uid, "field is immutable")
        raise invalid(resource, old["metadata"]["name"], [why])
    return new


def _read_patch(body: bytes, wanted: type) -> Any:
    try:
        patch = load(body)
    except ValueError as error:
        raise BadRequest(f"error decoding patch: {type(error).__name__}") from error
    if not isinstance(patch, wanted):
        raise BadRequest(f"error decoding patch: expected a JSON {'array' if wanted is list else 'object'}")
    return patch
