"""The events of pods that are starting, and of no others.

Kubernetes says in events why a pod waits: no node fits, an image cannot be pulled, a volume cannot be mounted. A
namespace may hold tens of thousands of them, so none is listed: while a server starts, one watch follows what is new,
and of that only the last few events of each starting pod are kept.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

from .podwatch import pod_key
from .watching import FIRST_PAUSE, ListCall, Object, Watch

SCALE_UPS = ("TriggeredScaleUp", "Nominated")  # what cluster-autoscaler and Karpenter say when a node comes
SCALER_SECONDS = 900.0  # how long one of these shows that something scales
KEPT_EVENTS = 40  # of one pod; the same event repeated is one event with a higher count
LINGER_SECONDS = 60.0  # how long the watch goes on after the last start, so that a class's starts share it
FIELDS = ("type", "reason", "message", "count", "series", "firstTimestamp", "lastTimestamp", "eventTime", "source")


class EventWatch:
    """Keeps the events of the pods that somebody listens for."""

    def __init__(
        self,
        list_call: ListCall,
        *,
        log: Any = None,
        reread_credentials: Callable[[], Awaitable[None]] | None = None,
    ) -> None:
        """Make the watch; it runs only while somebody listens.

        Args:
            list_call: Lists or watches the events of pods, and hands out the raw answer.
            log: Logger for what an operator should know.
            reread_credentials: Called when the API server no longer accepts ours.
        """
        self.watch = _WatchFromNow(
            "the events of starting servers", list_call, self, log=log, reread_credentials=reread_credentials
        )
        self._kept: dict[str, deque[Object]] = {}
        self._listeners: dict[str, list[Callable[[], None]]] = {}
        self._ending: asyncio.TimerHandle | None = None
        self._scaled_at = float("-inf")

    @property
    def scaler_seen(self) -> bool:
        """Whether an autoscaler has lately begun to add a node, for whichever pod."""
        return asyncio.get_running_loop().time() - self._scaled_at < SCALER_SECONDS

    @property
    def events(self) -> list[Object]:
        """All kept events, oldest first, as KubeSpawner's reflector gives them."""
        return sorted((event for kept in self._kept.values() for event in kept), key=event_time)

    def events_of(self, key: str) -> list[Object]:
        """Return the events of one pod that is starting, oldest first.

        Args:
            key: `namespace/name` of the pod.
        """
        return sorted(self._kept.get(key, ()), key=event_time)

    @contextlib.contextmanager
    def listening(self, key: str, wake: Callable[[], None]) -> Iterator[None]:
        """Keep the events of the pod `key`, and call `wake` at each, until the block ends."""
        self._listeners.setdefault(key, []).append(wake)
        self._kept.setdefault(key, deque(maxlen=KEPT_EVENTS))
        if self._ending:
            self._ending.cancel()
            self._ending = None
        self.watch.start()
        try:
            yield
        finally:
            self._listeners[key].remove(wake)
            if not self._listeners[key]:
                del self._listeners[key], self._kept[key]
            if not self._listeners:
                self._ending = asyncio.get_running_loop().call_later(LINGER_SECONDS, self._end)

    async def ready(self) -> None:
        """Wait until the watch is open: every later event will come."""
        await self.watch.loaded.wait()

    async def stop(self) -> None:
        """End the watch."""
        await self.watch.stop()

    def begin(self) -> None:
        """Nothing is listed."""

    def complete(self) -> None:
        """Nothing was listed."""

    def put(self, kind: str, item: Object) -> None:
        """Keep an event of a pod that is starting; a newer form of one that is kept takes its place."""
        if item.get("reason") in SCALE_UPS:
            self._scaled_at = asyncio.get_running_loop().time()
        about = item.get("involvedObject") or {}
        key = pod_key(about.get("namespace") or "", about.get("name") or "")
        kept = self._kept.get(key)
        if kept is None or kind == "DELETED":
            return
        name = item["metadata"].get("name")
        for old in [each for each in kept if each["metadata"]["name"] == name]:
            kept.remove(old)
        kept.append(_trim(item))
        for wake in list(self._listeners.get(key, ())):
            wake()

    def _end(self) -> None:
        self._ending = None
        self._ended = asyncio.ensure_future(self.stop())


class _WatchFromNow(Watch):
    """A watch that loads nothing: it asks for one object, to learn the version from which to follow."""

    async def _load_stream(self) -> str:
        page = await self._fetch_page("", size=1)
        return str(page["metadata"]["resourceVersion"])

    async def stop(self) -> None:
        """End the watch; the next start follows from then on."""
        await super().stop()
        self._version = ""
        self._pause, self._trouble_since, self._told_at = FIRST_PAUSE, 0.0, 0.0
        self.loaded.clear()


def event_time(event: Object) -> str:
    """Return when an event happened last; both of Kubernetes' forms sort as text to the second."""
    series = event.get("series") or {}
    return str(series.get("lastObservedTime") or event.get("lastTimestamp") or event.get("eventTime") or "")


def _trim(event: Object) -> Object:
    kept = {name: event.get(name) for name in FIELDS}
    kept["reportingComponent"] = event.get("reportingComponent")
    kept["involvedObject"] = event.get("involvedObject")
    kept["metadata"] = {name: event["metadata"].get(name) for name in ("name", "uid")}
    return kept
