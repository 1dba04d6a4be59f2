"""Does a manifest have the shape of its kind? Types of fields, unknown fields, empty fields.

The shapes are those of kubernetes_asyncio's models, so there is no second list of every Kubernetes field here. As
the API server does: a wrong type is refused, a field nobody knows is dropped (or refused, if the client asks for
it), `null` and empty lists and maps are as good as absent. What values are allowed is `validation`'s business.
"""

from __future__ import annotations

import re
from functools import cache
from typing import Any

from kubernetes_asyncio.client import models

from jhaws.local.api.encoding import Obj, clone
from jhaws.local.api.resources import Resource
from jhaws.local.api.statuses import BadRequest

# Both spellings occur in the client's versions: `dict(str, str)`, `dict[str, str]`.
_LIST = re.compile(r"list\[(.+)\]")
_MAP = re.compile(r"dict[(\[]str, (.+)[)\]]", re.IGNORECASE)

_QUANTITIES = frozenset(
    {"allocatable", "allocatedResources", "capacity", "divisor", "limits", "overhead", "requests", "sizeLimit"}
)
_GO_TYPES = {"str": "string", "int": "int32", "float": "float64", "bool": "bool", "datetime": "Time"}
_MODEL_OF_KIND = {"Event": "CoreV1Event"}

_INT64 = 2**63

# Manifests nest about ten levels; this only keeps a hostile one from exhausting the stack.
_MAX_DEPTH = 60


class _WrongTypeError(Exception):
    pass


@cache
def _fields(model: str) -> dict[str, str]:
    """Give the fields of a model by their JSON names, with their types."""
    found = getattr(models, model)
    return {found.attribute_map[name]: kind for name, kind in found.openapi_types.items()}


def conform(resource: Resource, obj: object, *, unknown: list[str] | None = None) -> Obj:
    """Copy a manifest, with what does not belong there left out.

    Args:
        resource: What the manifest should be.
        obj: The manifest as parsed from JSON.
        unknown: Collects the paths of fields nobody knows, if given.

    Raises:
        BadRequest: It is of another kind, or a value has the wrong type.
    """
    what = f'{resource.kind} in version "{resource.version}" cannot be handled as a {resource.kind}'
    if not isinstance(obj, dict):
        raise BadRequest(
            f"the object provided is unrecognized (must be of type {resource.kind}): "
            f"couldn't get version/kind; json parse error: {_describe(obj)} where an object was expected"
        )
    kind, version = obj.get("kind") or resource.kind, obj.get("apiVersion") or resource.api_version
    if (kind, version) != (resource.kind, resource.api_version):
        raise BadRequest(
            f'{kind} in version "{version}" cannot be handled as a {resource.kind}: '
            f"expected {resource.kind} in version {resource.api_version}"
        )
    try:
        model = _MODEL_OF_KIND.get(resource.kind, f"V1{resource.kind}")
        result: Obj = _conform(model, obj, path="", owner="", unknown=[] if unknown is None else unknown)
    except _WrongTypeError as error:
        raise BadRequest(f"{what}: {error}") from error
    result.setdefault("metadata", {})
    return result


def _conform(kind: str, value: Any, *, path: str, owner: str, unknown: list[str]) -> Any:
    if path.count(".") > _MAX_DEPTH:
        raise _WrongTypeError("exceeded max depth")
    if kind == "object":
        return clone(value)
    if match := _LIST.fullmatch(kind):
        _require(isinstance(value, list), value, path=path, owner=owner, kind=kind)
        items = (_conform(match[1], item, path=path, owner=owner, unknown=unknown) for item in value)
        return [item for item in items if item is not None]
    if match := _MAP.fullmatch(kind):
        _require(isinstance(value, dict), value, path=path, owner=owner, kind=kind)
        # `{"key": null}` is an empty string to the server.
        empty = "" if match[1] == "str" else None
        return {
            key: empty if item is None else _conform(match[1], item, path=path, owner=owner, unknown=unknown)
            for key, item in value.items()
        }
    if kind in _GO_TYPES:
        _require(_is_scalar(kind, value, path), value, path=path, owner=owner, kind=kind)
        return value
    _require(isinstance(value, dict), value, path=path, owner=owner, kind=kind)
    return _conform_model(kind, value, path=path, unknown=unknown)


def _conform_model(model: str, value: Obj, *, path: str, unknown: list[str]) -> Obj:
    fields = _fields(model)
    result = {}
    for name, item in value.items():
        inner = f"{path}.{name}" if path else name
        if name not in fields:
            unknown.append(inner)
        elif item is not None:
            made = _conform(fields[name], item, path=inner, owner=model, unknown=unknown)
            # An empty list or map is not kept, an empty structure (`emptyDir: {}`) is.
            if made or not isinstance(made, list | dict) or not _is_container(fields[name]):
                result[name] = made
    return result


def _is_container(kind: str) -> bool:
    return kind.lower().startswith(("list", "dict"))


def _is_scalar(kind: str, value: object, path: str) -> bool:
    if kind == "bool":
        return isinstance(value, bool)
    if kind in ("int", "float"):
        wanted = int if kind == "int" else (int, float)
        return isinstance(value, wanted) and not isinstance(value, bool) and abs(value) < _INT64
    if not isinstance(value, bool) and isinstance(value, int | float):
        return path.rpartition(".")[2] in _QUANTITIES
    return isinstance(value, str)


def _require(condition: bool, value: object, *, path: str, owner: str, kind: str) -> None:
    if not condition:
        field = f"{_bare(owner)}.{path}" if owner else path
        raise _WrongTypeError(
            f"json: cannot unmarshal {_describe(value)} into Go struct field {field} of type {_go_type(kind)}"
        )


def _go_type(kind: str) -> str:
    if match := _LIST.fullmatch(kind):
        return f"[]{_go_type(match[1])}"
    if match := _MAP.fullmatch(kind):
        return f"map[string]{_go_type(match[1])}"
    return _GO_TYPES.get(kind) or f"v1.{_bare(kind)}"


def _bare(model: str) -> str:
    return model.removeprefix("Core").removeprefix("V1")


def _describe(value: object) -> str:
    if isinstance(value, bool):
        return "bool"
    if isinstance(value, str):
        return "string"
    if isinstance(value, int | float):
        return "number"
    return "array" if isinstance(value, list) else "object" if isinstance(value, dict) else "null"
