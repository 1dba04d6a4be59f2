"""Watches: one answer that never ends, a line per change.

A watch begins with all objects (as ADDED), with the changes after a version, or with nothing, as the query says;
then it follows the storage until its time is up, the client leaves or the server stops. A version that is too old
is an ERROR line with a 410 inside, as from a real API server, never an HTTP error.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from aiohttp import web

from jhaws.local.api.encoding import dump
from jhaws.local.api.listing import make_bookmark, make_event_line, make_line
from jhaws.local.api.statuses import Gone
from jhaws.local.api.verbs import send_pieces
from jhaws.local.api.views import View, choose_view

if TYPE_CHECKING:
    from collections.abc import Iterator

    from jhaws.local.api.encoding import Obj
    from jhaws.local.api.options import ListOptions
    from jhaws.local.api.paths import Target
    from jhaws.local.api.storage import Storage
    from jhaws.local.api.watching import Watch

# As kube-apiserver: half an hour to an hour, and a bookmark a minute.
_DEFAULT_SECONDS = 2700
_BOOKMARK_SECONDS = 60


class Streamer:
    """Answers watches, and ends them all when the server stops.

    Args:
        storage: The objects.
    """

    def __init__(self, storage: Storage) -> None:
        self._storage = storage
        self._open: set[Watch] = set()

    def close(self) -> None:
        """End all watches."""
        for watch in list(self._open):
            watch.close()

    async def watch(self, request: web.Request, target: Target, query: ListOptions) -> web.StreamResponse:
        """Answer a watch until it ends."""
        try:
            initial, watch = self._begin(target, query)
        except Gone as error:
            response = await _open_response(request)
            await response.write(_make_error_line(error))
            return response
        self._open.add(watch)
        revision = self._storage.revision
        view = choose_view(target.resource, request.headers, request.query, clock=self._storage.now)
        try:
            response = await _open_response(request)
            await send_pieces(response, _make_initial_lines(view, query, initial))
            if query.initial_events and query.bookmarks:
                await response.write(make_bookmark(view, revision, initial_end=True))
            await self._follow(response, view, target, query, watch)
        finally:
            self._open.discard(watch)
            watch.close()
        return response

    def _begin(self, target: Target, query: ListOptions) -> tuple[list[Obj], Watch]:
        """Choose the objects to begin with and the place from which to follow, without a gap between."""
        named = query.revision or 0
        if query.initial_events or (query.initial_events is None and not named):
            items = self._storage.list(target.resource, target.namespace)
            return items, self._storage.watch(target.resource)
        return [], self._storage.watch(target.resource, since=named or None)

    async def _follow(
        self, response: web.StreamResponse, view: View, target: Target, query: ListOptions, watch: Watch
    ) -> None:
        loop = asyncio.get_running_loop()
        deadline = loop.time() + (query.timeout_seconds or _DEFAULT_SECONDS)
        while (left := deadline - loop.time()) > 0:
            try:
                async with asyncio.timeout(min(left, _BOOKMARK_SECONDS)):
                    events = await watch.batch()
            except TimeoutError:
                if query.bookmarks:
                    await response.write(make_bookmark(view, self._storage.revision))
                continue
            except Gone as error:
                await response.write(_make_error_line(error))
                return
            if not events:
                return
            lines = (
                make_event_line(view, event, namespace=target.namespace, selector=query.selector) for event in events
            )
            await send_pieces(response, (line for line in lines if line is not None))


def _make_initial_lines(view: View, query: ListOptions, items: list[Obj]) -> Iterator[bytes]:
    for obj in items:
        if query.selector.matches(obj):
            yield make_line("ADDED", view.encode(obj))


async def _open_response(request: web.Request) -> web.StreamResponse:
    response = web.StreamResponse(headers={"Content-Type": "application/json"})
    await response.prepare(request)
    return response


def _make_error_line(error: Gone) -> bytes:
    return make_line("ERROR", dump(error.make_status()))
