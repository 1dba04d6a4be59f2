"""The three ways to change a part of an object: merge patch, strategic merge patch, JSON patch.

Pure functions from an object and a patch to a new object; the arguments are not changed. Strategic patches merge
lists by a key that depends on the list (`containers` by name, `volumeMounts` by path); the table is here. Whether
the result is allowed is not asked here: the caller checks it like any other write.

Source: RFC 7386, RFC 6902; Kubernetes docs, "Update API Objects in Place Using kubectl patch".
"""

from __future__ import annotations

from typing import Any

from jhaws.local.api.encoding import clone

# Lists that are merged by a key; any other list is replaced.
_MERGE_KEYS = {
    "addresses": "type",
    "conditions": "type",
    "containers": "name",
    "env": "name",
    "ephemeralContainers": "name",
    "hostAliases": "ip",
    "hostIPs": "ip",
    "imagePullSecrets": "name",
    "initContainers": "name",
    "ownerReferences": "uid",
    "podIPs": "ip",
    "resourceClaims": "name",
    "schedulingGates": "name",
    "secrets": "name",
    "topologySpreadConstraints": "topologyKey",
    "volumeDevices": "devicePath",
    "volumeMounts": "mountPath",
    "volumes": "name",
}
# Lists of plain values to which a patch adds.
_MERGED_VALUES = frozenset({"finalizers"})

_DELETE_VALUES = "$deleteFromPrimitiveList/"
_MISSING = object()


class PatchError(Exception):
    """A JSON patch does not fit the object, or a `test` in it fails."""


def apply_merge(target: Any, patch: Any) -> Any:
    """Apply a JSON merge patch: objects merge, `null` deletes, all else replaces."""
    if not isinstance(patch, dict):
        return clone(patch)
    result = dict(target) if isinstance(target, dict) else {}
    for key, value in patch.items():
        if value is None:
            result.pop(key, None)
        else:
            result[key] = apply_merge(result.get(key), value)
    return result


def apply_strategic(target: dict[str, Any], patch: dict[str, Any]) -> dict[str, Any]:
    """Apply a strategic merge patch.

    Understands `$patch: replace`, `$patch: delete`, `$retainKeys` and `$deleteFromPrimitiveList`;
    `$setElementOrder` is ignored.
    """
    if patch.get("$patch") == "replace":
        kept: dict[str, Any] = _without_directives(patch)
        return kept
    if patch.get("$patch") == "delete":
        return {}
    result = dict(target)
    if "$retainKeys" in patch:
        retained = set(patch["$retainKeys"])
        result = {key: value for key, value in result.items() if key in retained}
    for key, value in patch.items():
        if key.startswith(_DELETE_VALUES):
            field = key.removeprefix(_DELETE_VALUES)
            result[field] = [item for item in result.get(field) or [] if item not in value]
    for key, value in patch.items():
        if key.startswith("$"):
            continue
        if value is None:
            result.pop(key, None)
        else:
            result[key] = _merge_value(key, result.get(key), value)
    return result


def _merge_value(field: str, old: Any, new: Any) -> Any:
    if isinstance(new, dict):
        return apply_strategic(old if isinstance(old, dict) else {}, new)
    if isinstance(new, list):
        if field in _MERGED_VALUES:
            present = list(old or [])
            return _order(present + [item for item in new if item not in present], present, new)
        merge_key = _find_merge_key(field, new)
        if merge_key:
            return _merge_list(old if isinstance(old, list) else [], new, merge_key)
    return clone(new)


def _find_merge_key(field: str, items: list[Any]) -> str:
    if field == "ports":
        # Ports of a container, or of a Kubernetes Service.
        return "containerPort" if any("containerPort" in item for item in _maps(items)) else "port"
    return _MERGE_KEYS.get(field, "")


def _maps(items: list[Any]) -> list[dict[str, Any]]:
    return [item for item in items if isinstance(item, dict)]


def _merge_list(old: list[Any], new: list[Any], merge_key: str) -> list[Any]:
    if any(item.get("$patch") == "replace" for item in _maps(new)):
        return [_without_directives(item) for item in _maps(new) if item.get("$patch") != "replace"]
    merged = {item.get(merge_key): item for item in _maps(old)}
    for item in _maps(new):
        name = item.get(merge_key)
        if item.get("$patch") == "delete":
            merged.pop(name, None)
        else:
            merged[name] = apply_strategic(merged.get(name, {}), item)
    names = [[item.get(merge_key) for item in _maps(items)] for items in (old, new)]
    return [merged[name] for name in _order(list(merged), *names)]


def _order(names: list[Any], old: list[Any], new: list[Any]) -> list[Any]:
    """Order merged items as the API server does: new ones come before old ones the patch does not name."""
    patched = [name for name in new if name in names]
    kept = [name for name in old if name in names and name not in new]
    result = []
    while patched and kept:
        first = patched[0] not in old or old.index(patched[0]) < old.index(kept[0])
        result.append((patched if first else kept).pop(0))
    return result + patched + kept


def _without_directives(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_directives(item) for key, item in value.items() if not key.startswith("$")}
    if isinstance(value, list):
        return [_without_directives(item) for item in value]
    return value


def apply_json(target: Any, operations: list[Any]) -> Any:
    """Apply a JSON patch, all of it or nothing.

    Raises:
        PatchError: An operation is unknown, its path does not exist, or a `test` fails.
    """
    document = clone(target)
    for operation in operations:
        if not isinstance(operation, dict) or not isinstance(operation.get("path"), str):
            raise PatchError(f"not an operation: {operation!r}")
        document = _apply_operation(document, operation)
    return document


def _apply_operation(document: Any, operation: dict[str, Any]) -> Any:
    kind, path = operation.get("op"), _split(operation["path"])
    if kind in ("add", "replace", "test") and "value" not in operation:
        raise PatchError(f"{kind} {operation['path']} has no value")
    if kind == "test":
        if _read(document, path, default=None) != operation["value"]:
            raise PatchError(f"test of {operation['path']} failed")
        return document
    if kind == "remove":
        return _remove(document, path)
    if kind == "replace":
        _read(document, path)
        return _put(document, path, clone(operation["value"]), replace=True)
    if kind == "add":
        return _put(document, path, clone(operation["value"]))
    if kind in ("move", "copy"):
        if not isinstance(operation.get("from"), str):
            raise PatchError(f"{kind} {operation['path']} has no from")
        source = _split(operation["from"])
        if kind == "move" and path[: len(source)] == source and path != source:
            raise PatchError("a value cannot be moved into itself")
        value = clone(_read(document, source))
        return _put(_remove(document, source) if kind == "move" else document, path, value)
    raise PatchError(f"unknown operation {kind!r}")


def _split(pointer: str) -> list[str]:
    if pointer and not pointer.startswith("/"):
        raise PatchError(f"not a JSON pointer: {pointer}")
    return [part.replace("~1", "/").replace("~0", "~") for part in pointer.split("/")[1:]]


def _index(items: list[Any], key: str, *, limit: int) -> int:
    if not (key.isascii() and key.isdigit()) or len(key) > 9 or int(key) >= limit:
        raise PatchError(f"no item {key} in a list of {len(items)}")
    return int(key)


def _read(document: Any, path: list[str], *, default: Any = _MISSING) -> Any:
    for key in path:
        if isinstance(document, list):
            document = document[_index(document, key, limit=len(document))]
        elif isinstance(document, dict) and key in document:
            document = document[key]
        elif default is not _MISSING:
            return default
        else:
            raise PatchError(f"there is no {key}")
    return document


def _put(document: Any, path: list[str], value: Any, *, replace: bool = False) -> Any:
    if not path:
        return value
    parent, key = _read(document, path[:-1]), path[-1]
    if isinstance(parent, list):
        if replace:
            parent[_index(parent, key, limit=len(parent))] = value
        else:
            place = len(parent) if key == "-" else _index(parent, key, limit=len(parent) + 1)
            parent.insert(place, value)
    elif isinstance(parent, dict):
        parent[key] = value
    else:
        raise PatchError(f"{key} has no place in a {type(parent).__name__}")
    return document


def _remove(document: Any, path: list[str]) -> Any:
    if not path:
        raise PatchError("the whole document cannot be removed")
    _read(document, path)
    parent, key = _read(document, path[:-1]), path[-1]
    if isinstance(parent, list):
        del parent[int(key)]
    else:
        del parent[key]
    return document
