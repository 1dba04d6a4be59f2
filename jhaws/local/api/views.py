"""How one client wants to see objects: as they are, or as rows of a Table, which `kubectl get` asks for.

A view turns objects into the bytes of an answer, of a list or of a watch's event; it is chosen once per request.
It never decides which objects are shown (`listing`), nor what a row says (`printing`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

from jhaws.local.api.encoding import Obj, dump, encode_item, encode_object, make_head
from jhaws.local.api.printing import columns_of, make_cells

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import datetime

    from jhaws.local.api.resources import Resource

_TABLE = {"as": "Table", "g": "meta.k8s.io", "v": "v1"}


class View(Protocol):
    """What answers need."""

    def encode(self, obj: Obj) -> bytes:
        """Write an object on its own."""

    def encode_bookmark(self, meta: Obj) -> bytes:
        """Write an object that is nothing but a version."""

    def encode_list_head(self, metadata: Obj) -> bytes:
        """Write a list up to its first item."""

    def encode_item(self, obj: Obj) -> bytes:
        """Write an object as an item of a list."""


class PlainView:
    """Objects as they are.

    Args:
        resource: What they are.
    """

    def __init__(self, resource: Resource) -> None:
        self._resource = resource

    def encode(self, obj: Obj) -> bytes:
        """Write an object on its own."""
        return encode_object(self._resource, obj)

    def encode_bookmark(self, meta: Obj) -> bytes:
        """Write an object that is nothing but a version."""
        return make_head(self._resource) + dump({"metadata": meta})[1:]

    def encode_list_head(self, metadata: Obj) -> bytes:
        """Write a list up to its first item."""
        head = {"kind": f"{self._resource.kind}List", "apiVersion": self._resource.api_version, "metadata": metadata}
        return dump(head)[:-1] + b',"items":['

    def encode_item(self, obj: Obj) -> bytes:
        """Write an object as an item of a list."""
        return encode_item(obj)


class TableView:
    """Objects as rows of a `meta.k8s.io/v1` Table.

    Args:
        resource: What they are.
        include: What a row carries beside its cells: `None`, `Metadata` or `Object`.
        clock: Tells the current time, aware.
    """

    def __init__(self, resource: Resource, *, include: str, clock: Callable[[], datetime]) -> None:
        self._resource = resource
        self._include = include
        self._clock = clock
        self._columns = [column.make_definition() for column in columns_of(resource)]

    def encode(self, obj: Obj) -> bytes:
        """Write an object on its own: a table of one row."""
        metadata = {"resourceVersion": obj["metadata"].get("resourceVersion", "")}
        return self.encode_list_head(metadata) + self.encode_item(obj) + b"]}"

    def encode_bookmark(self, meta: Obj) -> bytes:
        """Write an object that is nothing but a version."""
        row = {"cells": [], "object": self._make_partial(meta)}
        return self.encode_list_head({"resourceVersion": meta["resourceVersion"]}) + dump(row) + b"]}"

    def encode_list_head(self, metadata: Obj) -> bytes:
        """Write a table up to its first row."""
        head = {"kind": "Table", "apiVersion": "meta.k8s.io/v1", "metadata": metadata}
        return dump({**head, "columnDefinitions": self._columns})[:-1] + b',"rows":['

    def encode_item(self, obj: Obj) -> bytes:
        """Write a row."""
        cells = dump({"cells": make_cells(self._resource, obj, self._clock())})
        if self._include == "None":
            return cells
        if self._include == "Object":
            shown = encode_object(self._resource, obj)
        else:
            shown = dump(self._make_partial(obj["metadata"]))
        return cells[:-1] + b',"object":' + shown + b"}"

    def _make_partial(self, meta: Obj) -> Obj:
        return {"kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1", "metadata": meta}


def choose_view(
    resource: Resource, headers: Mapping[str, str], query: Mapping[str, str], *, clock: Callable[[], datetime]
) -> View:
    """Choose the first kind of answer a client accepts that there is; plain objects if there is none.

    Args:
        resource: What it will see.
        headers: Of its request; `Accept` counts.
        query: Of its request; `includeObject` counts.
        clock: Tells the current time, aware.
    """
    for accepted in headers.get("Accept", "").split(","):
        kind, *rest = (part.strip() for part in accepted.split(";"))
        wanted: dict[str, Any] = dict(part.split("=", 1) for part in rest if "=" in part)
        if kind == "application/json" and _TABLE.items() <= wanted.items():
            return TableView(resource, include=query.get("includeObject", "Metadata"), clock=clock)
        if kind in ("application/json", "application/*", "*/*") and "as" not in wanted:
            break
    return PlainView(resource)
