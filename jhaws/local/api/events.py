"""Events about objects, as `kubectl describe` shows them, and the list-then-watch of the cluster's own parts.

`EventRecorder` counts a repetition up instead of writing it again, and keeps the number of events bounded.
`follow` is how scheduler, kubelet, claims and autoscaler hear of changes: every object once, then each change,
and all of it anew after a gap. Nothing here decides anything.
"""

from __future__ import annotations

import logging
import uuid
from collections import OrderedDict
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from jhaws.local.api.resources import EVENTS, Resource
from jhaws.local.api.storage import Gone, NotFound, StatusError, Storage

Obj = dict[str, Any]
log = logging.getLogger(__name__)

# Events one component keeps; the real ones expire after an hour.
KEPT = 2000


def now() -> str:
    """The time in the form of Kubernetes: UTC, whole seconds."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


class EventRecorder:
    """Writes events in the name of one component.

    Args:
        storage: Where they go.
        component: Who speaks, for example `kubelet`.
    """

    def __init__(self, storage: Storage, component: str) -> None:
        self._storage = storage
        self._component = component
        self._written: OrderedDict[tuple[str, ...], tuple[str, str]] = OrderedDict()

    def record(
        self,
        obj: Obj,
        reason: str,
        message: str,
        *,
        warning: bool = False,
        field_path: str = "",
        component: str = "",
        host: str = "",
    ) -> None:
        """Write one event, or count it up if it was said before.

        Args:
            obj: What it is about; needs kind, name, uid.
            reason: One word, for example `Scheduled`.
            message: The sentence.
            warning: Whether its type is `Warning`, else `Normal`.
            field_path: The part of the object, for example `spec.containers{notebook}`.
            component: Who speaks, if not the recorder's component.
            host: The node, if the component is bound to one.
        """
        source = {"component": component or self._component, **({"host": host} if host else {})}
        key = (obj["metadata"].get("uid", ""), reason, message, field_path, source["component"])
        if key in self._written and self._count_up(self._written[key]):
            self._written.move_to_end(key)
            return
        event = self._make(obj, reason, message, source)
        event["type"] = "Warning" if warning else "Normal"
        if field_path:
            event["involvedObject"]["fieldPath"] = field_path
        try:
            stored = self._storage.create(EVENTS, event, namespace=event["metadata"]["namespace"])
        except StatusError:
            # The namespace is on its way out; what is in it has no reader any more.
            return
        self._written[key] = (event["metadata"]["namespace"], stored["metadata"]["name"])
        while len(self._written) > KEPT:
            self._forget(self._written.popitem(last=False)[1])

    def _make(self, obj: Obj, reason: str, message: str, source: Obj) -> Obj:
        meta = obj["metadata"]
        namespace = meta.get("namespace") or "default"
        involved = {
            "apiVersion": obj.get("apiVersion", "v1"),
            "kind": obj.get("kind", "Pod"),
            "name": meta["name"],
            "uid": meta.get("uid", ""),
            "resourceVersion": meta.get("resourceVersion", ""),
        }
        if meta.get("namespace"):
            involved["namespace"] = meta["namespace"]
        at = now()
        return {
            "apiVersion": "v1",
            "kind": "Event",
            "metadata": {"name": f"{meta['name'][:230]}.{uuid.uuid4().hex[:16]}", "namespace": namespace},
            "involvedObject": involved,
            "reason": reason,
            # kube-apiserver refuses longer ones.
            "message": message[:1024],
            "source": source,
            "firstTimestamp": at,
            "lastTimestamp": at,
            "count": 1,
            "eventTime": None,
            "reportingComponent": source["component"],
            "reportingInstance": source.get("host", ""),
        }

    def _count_up(self, where: tuple[str, str]) -> bool:
        def change(event: Obj) -> None:
            event["count"] = event.get("count", 1) + 1
            event["lastTimestamp"] = now()

        try:
            self._storage.modify(EVENTS, *where, change)
        except NotFound:
            return False
        return True

    def _forget(self, where: tuple[str, str]) -> None:
        try:
            self._storage.delete(EVENTS, *where)
        except NotFound:
            return


async def follow(storage: Storage, resource: Resource, on_change: Callable[[str, Obj], None]) -> None:
    """Call `on_change(type, object)` for every object and then every change, for ever.

    After a gap all objects come again as `ADDED`, and the ones that went meanwhile as `DELETED`.
    The first objects are delivered before the first await, so a part that is started after another sees it all.
    """
    known: dict[str, Obj] = {}
    while True:
        watch = storage.watch(resource)
        listed = {obj["metadata"]["uid"]: obj for obj in storage.list(resource)}
        for uid in known.keys() - listed.keys():
            _deliver(on_change, "DELETED", known[uid])
        known = listed
        for obj in listed.values():
            _deliver(on_change, "ADDED", obj)
        try:
            while events := await watch.batch():
                for event in events:
                    uid = event.object["metadata"]["uid"]
                    if event.type == "DELETED":
                        known.pop(uid, None)
                    else:
                        known[uid] = event.object
                    _deliver(on_change, event.type, event.object)
        except Gone:
            continue
        finally:
            watch.close()
        return


def _deliver(on_change: Callable[[str, Obj], None], kind: str, obj: Obj) -> None:
    try:
        on_change(kind, obj)
    except Exception:
        # One malformed object must not stop a component for all others.
        meta = obj["metadata"]
        log.exception("%s %s/%s was ignored", kind, meta.get("namespace", ""), meta.get("name", ""))
