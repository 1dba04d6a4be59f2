"""The shelves of the storage: objects by key, and who owns whom.

A `Table` holds the objects of one resource with their keys in order, so that lists and pages need no sorting.
`Owners` answers the garbage collector's question, what goes when this object goes. Both only remember; `storage`
decides.
"""

from __future__ import annotations

from bisect import bisect_left, insort

from jhaws.local.api.encoding import Obj, Stored
from jhaws.local.api.resources import RESOURCES, Resource
from jhaws.local.api.watching import History

_OUR_KINDS = {(resource.api_version, resource.kind) for resource in RESOURCES}


def make_key(resource: Resource, namespace: str, name: str) -> str:
    """Build the key objects are sorted by: `namespace/name`, or `name` of a cluster-wide object."""
    return f"{namespace}/{name}" if resource.namespaced else name


def key_of(resource: Resource, obj: Obj) -> str:
    """Build the key of an object that has a name."""
    meta = obj["metadata"]
    return make_key(resource, meta.get("namespace", ""), meta["name"])


class Table:
    """The objects of one resource.

    Attributes:
        objects: The objects by key.
        keys: The keys in order; do not change.
        history: What happened to them.
    """

    def __init__(self, *, history: int, floor: int) -> None:
        self.objects: dict[str, Stored] = {}
        self.keys: list[str] = []
        self.history = History(limit=history, floor=floor)

    def put(self, key: str, obj: Stored) -> None:
        """Add or replace an object."""
        if key not in self.objects:
            insort(self.keys, key)
        self.objects[key] = obj

    def drop(self, key: str) -> None:
        """Take an object away."""
        del self.objects[key]
        del self.keys[bisect_left(self.keys, key)]

    def keys_in(self, namespace: str) -> list[str]:
        """Give the keys of one namespace in order, or all if it is empty; do not change the list."""
        if not namespace:
            return self.keys
        # "0" is the character after "/", so this ends behind the last key of the namespace.
        start, end = (bisect_left(self.keys, namespace + mark) for mark in "/0")
        return self.keys[start:end]


def owner_uids(obj: Obj | None) -> set[str]:
    """Give the uids in `metadata.ownerReferences`."""
    references = obj["metadata"].get("ownerReferences") if obj else None
    return {reference["uid"] for reference in references or ()}


class Owners:
    """Which objects are owned by which uid, and which uids live."""

    def __init__(self) -> None:
        self._owned: dict[str, set[tuple[str, Resource]]] = {}
        self._living: set[str] = set()

    def on_change(self, resource: Resource, key: str, old: Obj | None, new: Obj | None) -> None:
        """Note that `old` became `new`; `None` for not there."""
        before, after = owner_uids(old), owner_uids(new)
        for uid in before - after:
            owned = self._owned[uid]
            owned.discard((key, resource))
            if not owned:
                del self._owned[uid]
        for uid in after - before:
            self._owned.setdefault(uid, set()).add((key, resource))
        if new is not None:
            self._living.add(new["metadata"]["uid"])
        elif old is not None:
            self._living.discard(old["metadata"]["uid"])

    def owned_by(self, uid: str) -> list[tuple[str, Resource]]:
        """Give key and resource of what `uid` owns, in a fixed order."""
        return sorted(self._owned.get(uid, ()), key=lambda entry: (entry[0], entry[1].plural))

    def is_orphan(self, obj: Obj) -> bool:
        """Tell whether an object has owners of which none lives.

        An owner of a kind this cluster does not serve counts as living.
        """
        references = obj["metadata"].get("ownerReferences") or ()
        return bool(references) and not any(
            reference["uid"] in self._living or (reference.get("apiVersion"), reference.get("kind")) not in _OUR_KINDS
            for reference in references
        )
