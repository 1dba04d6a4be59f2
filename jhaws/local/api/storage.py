"""The objects of the embedded cluster, and the order in which they changed.

Everything lives in memory, on one event loop: a method runs to its end before anybody else looks, which is what
makes compare-and-swap and the one counter of versions true. Stored objects are replaced, never edited: readers get
them without a copy and must not change them; writers bring a new one, or edit a copy through `modify`.

`Storage` owns versions, uids, deletion (grace, finalizers, owners, namespaces) and history. What a new object may
look like is decided in `admission`; what a client's write may change, in `strategies`; neither concerns the
scheduler and the kubelet, which write here directly.
"""

from __future__ import annotations

import builtins
import time
import uuid
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from jhaws.local.api import admission, bootstrap, schema
from jhaws.local.api.encoding import Obj, Stored, clone, format_time
from jhaws.local.api.resources import NAMESPACES, PODS, RESOURCES, Resource
from jhaws.local.api.statuses import (
    BadRequest,
    Conflict,
    Forbidden,
    Gone,
    Invalid,
    NotFound,
    StatusError,
    already_exists,
    not_found,
)
from jhaws.local.api.tables import Owners, Table, key_of, make_key
from jhaws.local.api.watching import Event, Watch

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = [
    "BadRequest",
    "Conflict",
    "Event",
    "Forbidden",
    "Gone",
    "Invalid",
    "NotFound",
    "StatusError",
    "Storage",
    "Watch",
]

# Events kept per resource; at 20 changes a second this is three minutes.
HISTORY = 4096

# Tries for a free name, as in kube-apiserver since 1.31.
GENERATED_NAME_TRIES = 8

# The server sets these; a writer's values are ignored.
OWNED_METADATA = ("uid", "creationTimestamp", "deletionTimestamp", "deletionGracePeriodSeconds", "generation")


class Storage:
    """All objects of a cluster.

    Args:
        history: Events to remember per resource; a watch that asks for older ones gets `Gone`.
        first_revision: The version to begin with. By default milliseconds since 1970, so that a version from an
            earlier run of the cluster is "too old" and never "in the future".
        now: The clock, aware UTC.

    Attributes:
        revision: The version of the last change, of any resource.
    """

    def __init__(
        self,
        *,
        history: int = HISTORY,
        first_revision: int | None = None,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self.revision = int(time.time() * 1000) if first_revision is None else first_revision
        self.now = now
        self._tables = {r: Table(history=history, floor=self.revision) for r in RESOURCES}
        self._owners = Owners()
        bootstrap.fill(self)

    # Reading

    def get(self, resource: Resource, namespace: str, name: str) -> Obj:
        """Give one object; it must not be changed.

        Raises:
            NotFound: There is none.
        """
        found = self.find(resource, namespace, name)
        if found is None:
            raise not_found(resource, name)
        return found

    def find(self, resource: Resource, namespace: str, name: str) -> Obj | None:
        """Give one object, or `None`; it must not be changed."""
        return self._tables[resource].objects.get(make_key(resource, namespace, name))

    def list(self, resource: Resource, namespace: str = "") -> list[Obj]:
        """Give all objects of a resource, sorted by namespace and name; they must not be changed.

        Args:
            resource: What to list.
            namespace: Only of this namespace; empty means of all.
        """
        table = self._tables[resource]
        return [table.objects[key] for key in table.keys_in(namespace)]

    def list_at(self, resource: Resource, revision: int, *, namespace: str = "") -> builtins.list[tuple[str, Obj]]:
        """Give keys and objects, in order, as they were at version `revision`.

        Raises:
            Gone: That version is older than the history.
        """
        table = self._tables[resource]
        then: dict[str, Obj | None] = {}
        for event in table.history.since(revision):
            then.setdefault(key_of(resource, event.object), event.previous)
        if not then:
            return [(key, table.objects[key]) for key in table.keys_in(namespace)]
        prefix = f"{namespace}/" if namespace else ""
        merged: dict[str, Obj | None] = {**table.objects, **then}
        return [(key, obj) for key in sorted(merged) if key.startswith(prefix) and (obj := merged[key])]

    def watch(self, resource: Resource, *, since: int | None = None) -> Watch:
        """Follow the changes of a resource.

        Args:
            resource: What to follow.
            since: Begin after this version; `None` means from now on.

        Raises:
            Gone: `since` is older than the history; the returned watch raises it when its reader is too slow.
        """
        history = self._tables[resource].history
        return history.watch(history.end if since is None else history.position_after(since))

    # Writing

    def create(self, resource: Resource, obj: Obj, *, namespace: str = "", dry_run: bool = False) -> Obj:
        """Add an object: checks it, fills defaults, name, uid and version.

        Args:
            resource: What it is.
            obj: The manifest; it is not changed.
            namespace: Where it goes; taken from the manifest if empty.
            dry_run: Do everything but keep it.

        Raises:
            BadRequest: The manifest has the wrong shape, or names another namespace or kind.
            NotFound: The namespace does not exist.
            Forbidden: A policy refuses it.
            Conflict: The name is taken.
            Invalid: It breaks a rule.
        """
        new = schema.conform(resource, obj)
        admission.place(self, resource, new, namespace)
        generated = not new["metadata"].get("name")
        admission.admit(self, resource, new)
        key = self._choose_key(resource, new, generated=generated)
        self._stamp(resource, new)
        if dry_run:
            return new
        stored = self._write(resource, key, new, previous=None)
        if resource is NAMESPACES:
            bootstrap.fill_namespace(self, stored["metadata"]["name"])
        if self._owners.is_orphan(stored):
            # Made for an owner that is gone already: the garbage collector would take it in a moment.
            self._erase(resource, key, stored)
        return stored

    def update(self, resource: Resource, obj: Obj, *, dry_run: bool = False) -> Obj:
        """Replace an object; with `metadata.resourceVersion` only if that is still its version.

        A write that changes nothing makes no new version. What the server owns in the metadata stays as it is.

        Raises:
            NotFound: There is none.
            Conflict: It changed in the meantime, or is another object of the same name.
        """
        meta = obj["metadata"]
        namespace, name = meta.get("namespace", ""), meta["name"]
        old = self.get(resource, namespace, name)
        old_meta = old["metadata"]
        admission.check_update_preconditions(resource, old, meta)
        new_meta = {k: v for k, v in meta.items() if k not in OWNED_METADATA}
        new_meta |= {k: old_meta[k] for k in OWNED_METADATA if k in old_meta}
        new_meta["resourceVersion"] = old_meta["resourceVersion"]
        new = {**obj, "metadata": new_meta, "kind": resource.kind, "apiVersion": resource.api_version}
        if new == old:
            return old
        if "generation" in old_meta and new.get("spec") != old.get("spec"):
            new_meta["generation"] = old_meta["generation"] + 1
        if dry_run:
            return new
        key = make_key(resource, namespace, name)
        if _is_released(resource, new_meta):
            return self._erase(resource, key, new)
        return self._write(resource, key, clone(new), previous=old)

    def modify(self, resource: Resource, namespace: str, name: str, change: Callable[[Obj], None]) -> Obj:
        """Let `change` edit a copy of an object, and store the copy.

        Raises:
            NotFound: There is none.
        """
        copy = clone(self.get(resource, namespace, name))
        change(copy)
        return self.update(resource, copy)

    def delete(
        self,
        resource: Resource,
        namespace: str,
        name: str,
        *,
        grace_period_seconds: int | None = None,
        uid: str | None = None,
        resource_version: str | None = None,
        orphan: bool = False,
        dry_run: bool = False,
    ) -> Obj:
        """Ask for the end of an object.

        A running pod stays, marked with `deletionTimestamp`, until its kubelet calls `remove`; finalizers hold
        anything until they are taken off; a namespace goes when its last object is gone. The rest goes at once,
        and takes along what it owns.

        Args:
            resource: What it is.
            namespace: Where it is; empty for cluster-wide objects.
            name: Its name.
            grace_period_seconds: Seconds a pod has; `None` means what its spec says, 0 at once.
            uid: Only if the object has this uid.
            resource_version: Only if the object is this version.
            orphan: Leave what it owns.
            dry_run: Check only.

        Returns:
            The object in its last or its marked state.

        Raises:
            NotFound: There is none.
            Conflict: A precondition does not hold.
            Forbidden: It is a namespace that every cluster needs.
        """
        old = self.get(resource, namespace, name)
        admission.check_delete(resource, old, uid=uid, version=resource_version)
        if dry_run:
            return old
        if orphan:
            self._disown(old["metadata"]["uid"])
        if resource is NAMESPACES:
            return self._empty_namespace(name, old)
        key = make_key(resource, namespace, name)
        grace = admission.choose_grace(old, grace_period_seconds) if resource is PODS else 0
        if grace or old["metadata"].get("finalizers"):
            return self._mark(resource, key, old, grace)
        return self._end(resource, key, old)

    def remove(self, resource: Resource, namespace: str, name: str, *, uid: str) -> None:
        """End an object for good; the kubelet's last word on a pod. Does nothing if it is another or gone.

        Finalizers still hold it.
        """
        old = self.find(resource, namespace, name)
        if old is None or old["metadata"]["uid"] != uid:
            return
        key = make_key(resource, namespace, name)
        if old["metadata"].get("finalizers"):
            self._mark(resource, key, old, 0)
        else:
            self._end(resource, key, old)

    # Inside

    def _choose_key(self, resource: Resource, new: Obj, *, generated: bool) -> str:
        objects = self._tables[resource].objects
        meta = new["metadata"]
        for _ in range(GENERATED_NAME_TRIES):
            key = key_of(resource, new)
            if key not in objects:
                return key
            if not generated:
                raise already_exists(resource, meta["name"], leaving=_is_leaving(objects[key]))
            meta["name"] = admission.generate_name(meta["generateName"])
        raise already_exists(resource, meta["name"])

    def _stamp(self, resource: Resource, new: Obj) -> None:
        meta = new["metadata"]
        for key in (*OWNED_METADATA, "resourceVersion", "selfLink", "managedFields"):
            meta.pop(key, None)
        meta |= {"uid": str(uuid.uuid4()), "creationTimestamp": format_time(self.now())}
        if resource is PODS:
            meta["generation"] = 1
        new |= {"kind": resource.kind, "apiVersion": resource.api_version}

    def _write(self, resource: Resource, key: str, new: Obj, *, previous: Obj | None) -> Stored:
        self.revision += 1
        new["metadata"]["resourceVersion"] = str(self.revision)
        stored = Stored(new)
        table = self._tables[resource]
        table.put(key, stored)
        self._owners.on_change(resource, key, previous, stored)
        kind = "ADDED" if previous is None else "MODIFIED"
        table.history.append(Event(kind, stored, self.revision, previous))
        return stored

    def _end(self, resource: Resource, key: str, old: Obj) -> Obj:
        # A pod is seen to be deleted before it is gone, also when nothing of it runs; as in Kubernetes.
        last = self._mark(resource, key, old, 0) if resource is PODS else old
        return self._erase(resource, key, last)

    def _erase(self, resource: Resource, key: str, last: Obj) -> Obj:
        """Take an object away; `last` is the state its DELETED event shows."""
        self.revision += 1
        table = self._tables[resource]
        previous = table.objects[key]
        table.drop(key)
        self._owners.on_change(resource, key, previous, None)
        gone = Stored({**last, "metadata": {**last["metadata"], "resourceVersion": str(self.revision)}})
        table.history.append(Event("DELETED", gone, self.revision, previous))
        for owned_key, owned in self._owners.owned_by(previous["metadata"]["uid"]):
            found = self._tables[owned].objects.get(owned_key)
            if found is not None and self._owners.is_orphan(found):
                self.delete(owned, found["metadata"].get("namespace", ""), found["metadata"]["name"])
        self._finish_namespace(previous["metadata"].get("namespace", ""))
        return gone

    def _mark(self, resource: Resource, key: str, old: Obj, grace: int) -> Obj:
        """Set the deletion time, or bring it forward; never push it back."""
        meta = old["metadata"]
        if "deletionTimestamp" in meta and grace >= meta.get("deletionGracePeriodSeconds", 0):
            return old
        marked = clone(old)
        marked["metadata"]["deletionTimestamp"] = format_time(self.now() + timedelta(seconds=grace))
        marked["metadata"]["deletionGracePeriodSeconds"] = grace
        if "deletionTimestamp" not in meta and "generation" in meta:
            marked["metadata"]["generation"] += 1
        return self._write(resource, key, marked, previous=old)

    def _disown(self, uid: str) -> None:
        for key, resource in self._owners.owned_by(uid):
            old = self._tables[resource].objects[key]
            new = clone(old)
            left = [ref for ref in new["metadata"].pop("ownerReferences") if ref["uid"] != uid]
            if left:
                new["metadata"]["ownerReferences"] = left
            self._write(resource, key, new, previous=old)

    def _empty_namespace(self, name: str, old: Obj) -> Obj:
        marked = old
        if "deletionTimestamp" not in old["metadata"]:
            new = clone(old)
            new["metadata"]["deletionTimestamp"] = format_time(self.now())
            new["status"] = {**new.get("status", {}), "phase": "Terminating"}
            marked = self._write(NAMESPACES, name, new, previous=old)
        for resource in RESOURCES:
            for obj in self.list(resource, name) if resource.namespaced else ():
                # Owners take what they own along, so a later object of this list may be gone.
                if self.find(resource, name, obj["metadata"]["name"]) is obj:
                    self.delete(resource, name, obj["metadata"]["name"])
        self._finish_namespace(name)
        return marked

    def _finish_namespace(self, name: str) -> None:
        namespace = self.find(NAMESPACES, "", name) if name else None
        if namespace is None or "deletionTimestamp" not in namespace["metadata"]:
            return
        if not any(self._tables[r].keys_in(name) for r in RESOURCES if r.namespaced):
            self._erase(NAMESPACES, name, namespace)


def _is_leaving(obj: Obj) -> bool:
    return "deletionTimestamp" in obj["metadata"]


def _is_released(resource: Resource, meta: Obj) -> bool:
    """Tell whether a write took the last thing away that held a deleted object."""
    waiting = meta.get("finalizers") or meta.get("deletionGracePeriodSeconds")
    return "deletionTimestamp" in meta and not waiting and resource is not NAMESPACES
