"""What happened to the objects of one resource, in order, and readers of it.

`History` is a bounded list of events; a `Watch` is a place in that list. A reader that is slower than the list is
long gets `Gone`, as from a real API server, and lists again; so no reader can make the server grow. Positions
count from the first event ever, so they stay valid while old events are dropped.

Nothing here is copied: events share their objects with the storage, and nobody edits an object in place.
"""

from __future__ import annotations

import asyncio
from bisect import bisect_right
from dataclasses import dataclass
from typing import Any

from jhaws.local.api.statuses import Gone

Obj = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Event:
    """One change.

    Attributes:
        type: `ADDED`, `MODIFIED` or `DELETED`.
        object: The object after the change; for `DELETED` its last state, with the version of the deletion.
        resource_version: The version the change made.
        previous: The object before, `None` for `ADDED`. Tells a selector whether the object left its view.
    """

    type: str
    object: Obj
    resource_version: int
    previous: Obj | None = None


class History:
    """The last changes of one resource.

    Args:
        limit: At least this many events are kept, at most twice as many.
        floor: The version before the first change; a watch from there on misses nothing.
    """

    def __init__(self, *, limit: int, floor: int) -> None:
        self._limit = limit
        self.floor = floor
        self.dropped = 0
        self._events: list[Event] = []
        self._watches: set[Watch] = set()

    @property
    def end(self) -> int:
        """The position after the newest event."""
        return self.dropped + len(self._events)

    def append(self, event: Event) -> None:
        """Add a change and wake every reader."""
        self._events.append(event)
        if len(self._events) >= 2 * self._limit:
            self.floor = self._events[-self._limit - 1].resource_version
            self.dropped += len(self._events) - self._limit
            del self._events[: -self._limit]
        for watch in self._watches:
            watch.wake()

    def read(self, position: int) -> list[Event]:
        """Give the events from `position` on.

        Raises:
            Gone: Events at `position` are forgotten.
        """
        if position < self.dropped:
            raise _too_old(position, self.dropped)
        return self._events[position - self.dropped :]

    def since(self, revision: int) -> list[Event]:
        """Give the events after version `revision`.

        Raises:
            Gone: Some of them are forgotten.
        """
        return self.read(self.position_after(revision))

    def position_after(self, revision: int) -> int:
        """Find the position of the first event after version `revision`.

        Raises:
            Gone: Events between `revision` and the oldest kept one are forgotten.
        """
        if revision < self.floor:
            raise _too_old(revision, self.floor)
        return self.dropped + bisect_right(self._events, revision, key=lambda event: event.resource_version)

    def watch(self, position: int) -> Watch:
        """Make a reader that begins at `position`."""
        watch = Watch(self, position)
        self._watches.add(watch)
        return watch

    def forget(self, watch: Watch) -> None:
        """Let a reader go."""
        self._watches.discard(watch)


def _too_old(asked: int, oldest: int) -> Gone:
    return Gone(f"too old resource version: {asked} ({oldest})")


class Watch:
    """A reader of one resource's changes: `async for event in watch`, and `close()` when done."""

    def __init__(self, history: History, position: int) -> None:
        self._history = history
        self._position = position
        self._closed = False
        self._news = asyncio.Event()

    def wake(self) -> None:
        """Tell the reader that there is something to read."""
        self._news.set()

    def close(self) -> None:
        """End the iteration; safe to call twice."""
        self._closed = True
        self._history.forget(self)
        self._news.set()

    def __aiter__(self) -> Watch:
        return self

    async def __anext__(self) -> Event:
        await self._wait()
        event = self._history.read(self._position)[0]
        self._position += 1
        return event

    async def batch(self) -> list[Event]:
        """Wait for at least one event, and give all there are; an empty list once closed.

        Raises:
            Gone: The reader fell out of the history.
        """
        try:
            await self._wait()
        except StopAsyncIteration:
            return []
        return self.pending()

    def pending(self) -> list[Event]:
        """Give what can be read without waiting.

        Raises:
            Gone: The reader fell out of the history.
        """
        events = self._history.read(self._position)
        self._position += len(events)
        return events

    async def _wait(self) -> None:
        while not self._closed and self._position == self._history.end:
            self._news.clear()
            await self._news.wait()
        if self._closed:
            raise StopAsyncIteration
