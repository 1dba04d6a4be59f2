"""An HTTP relay between a watch and the API server under test, which can go wrong in every way that real ones do."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import aiohttp
from aiohttp import web

from jhaws.starts.podwatch import PodWatch
from tests.api.cluster import Cluster, eventually

# What a test does to one request instead of relaying it.
Fault = Callable[["Relay", web.Request], Awaitable[web.StreamResponse]]

NAMES = {"_continue": "continue"}


class Relay:
    """Relays requests for pods; each fault that a test adds spoils one of them."""

    def __init__(self, cluster: Cluster) -> None:
        self.cluster = cluster
        self.faults: list[Fault] = []
        self.asked: list[dict[str, str]] = []
        self.asked_at: list[float] = []
        self.tokens_read = 0
        self._port = 0
        self._runner: web.AppRunner | None = None
        self._session = aiohttp.ClientSession()

    @property
    def lists(self) -> int:
        """How many requests asked for everything."""
        return sum("resourceVersion" not in query and "continue" not in query for query in self.asked)

    async def list_call(self, *, _preload_content: bool, _request_timeout: Any, **options: Any) -> Any:
        """Ask for pods as the Kubernetes client's methods do."""
        query = {NAMES.get(name, camel(name)): written(value) for name, value in options.items()}
        return await self._session.get(f"http://127.0.0.1:{self._port}/", params=query, timeout=_request_timeout)

    async def reread(self) -> None:
        """Count how often the watch wants fresh credentials."""
        self.tokens_read += 1

    async def open(self) -> None:
        """Listen, on the same port as before."""
        app = web.Application()
        app.router.add_get("/", self._answer)
        self._runner = web.AppRunner(app, handler_cancellation=True, shutdown_timeout=0.1)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", self._port, reuse_address=True)
        await site.start()
        self._port = self._runner.addresses[0][1]

    async def shut(self) -> None:
        """Break every connection and refuse new ones."""
        runner, self._runner = self._runner, None
        if runner:
            for connection in runner.server.connections if runner.server else []:
                if connection.transport:
                    connection.transport.abort()
            await runner.cleanup()

    async def close(self) -> None:
        """End for good."""
        await self.shut()
        await self._session.close()

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        self.asked.append(dict(request.query))
        self.asked_at.append(asyncio.get_running_loop().time())
        if self.faults:
            return await self.faults.pop(0)(self, request)
        return await self.pass_on(request)

    async def pass_on(self, request: web.Request, *, spoil: Callable[[bytes], bytes] | None = None) -> Any:
        """Relay a request; a chunk that `spoil` makes shorter is the last that comes."""
        url, query = self.cluster.url + self.cluster.pods, dict(request.query)
        timeout = aiohttp.ClientTimeout(total=None)
        async with self._session.get(
            url, headers=self.cluster.headers, params=query, ssl=self.cluster.ssl, timeout=timeout
        ) as upstream:
            response = web.StreamResponse(status=upstream.status)
            await response.prepare(request)
            async for chunk in upstream.content.iter_any():
                changed = spoil(chunk) if spoil else chunk
                await response.write(changed)
                if changed != chunk:
                    break_off(request)
                    return response
        return response


def camel(name: str) -> str:
    """Write an option of the client as the API has it."""
    first, *rest = name.split("_")
    return first + "".join(word.capitalize() for word in rest)


def written(value: Any) -> str:
    """Write a value as a query has it."""
    return str(value).lower() if isinstance(value, bool) else str(value)


def break_off(request: web.Request) -> None:
    """Reset the connection of a request."""
    assert request.transport is not None
    request.transport.abort()


def answers(status: int, *, headers: dict[str, str] | None = None, message: str = "no") -> Fault:
    """Make a fault that answers with a Status."""

    async def fault(relay: Relay, request: web.Request) -> web.StreamResponse:
        body = {"kind": "Status", "status": "Failure", "code": status, "message": message}
        return web.json_response(body, status=status, headers=headers)

    return fault


async def sends_html(relay: Relay, request: web.Request) -> web.StreamResponse:
    """Answer as a captive portal or a load balancer does."""
    return web.Response(text="<html>Please log in</html>\n", content_type="text/html")


async def resets(relay: Relay, request: web.Request) -> web.StreamResponse:
    """Reset the connection before any answer."""
    break_off(request)
    return web.Response()


async def hangs(relay: Relay, request: web.Request) -> web.StreamResponse:
    """Accept a watch and say nothing, for ever."""
    response = web.StreamResponse()
    await response.prepare(request)
    with contextlib.suppress(asyncio.CancelledError):
        await asyncio.sleep(600)
    return response


async def hangs_before_its_head(relay: Relay, request: web.Request) -> web.StreamResponse:
    """Accept a connection and say nothing at all."""
    with contextlib.suppress(asyncio.CancelledError):
        await asyncio.sleep(600)
    return web.Response()


async def ends_at_once(relay: Relay, request: web.Request) -> web.StreamResponse:
    """Answer a watch with nothing and end it."""
    return web.Response()


def sends_error(code: int, message: str = "too old resource version") -> Fault:
    """Make a fault that sends an ERROR event in a watch."""

    async def fault(relay: Relay, request: web.Request) -> web.StreamResponse:
        status = {"kind": "Status", "code": code, "message": message, "metadata": {}}
        return web.json_response({"type": "ERROR", "object": status})

    return fault


def sends(text: bytes) -> Fault:
    """Make a fault that sends some bytes and ends."""

    async def fault(relay: Relay, request: web.Request) -> web.StreamResponse:
        return web.Response(body=text)

    return fault


async def cuts_a_line(relay: Relay, request: web.Request) -> web.StreamResponse:
    """Relay a watch until its next line, and break in the middle of that."""
    return await relay.pass_on(request, spoil=lambda chunk: chunk[: len(chunk) // 2])  # type: ignore[no-any-return]


@contextlib.asynccontextmanager
async def watched(cluster: Cluster, **options: Any) -> AsyncIterator[tuple[Relay, PodWatch]]:
    """Watch the namespace's pods through a relay, until the block ends."""
    relay = Relay(cluster)
    await relay.open()
    watch = PodWatch(relay.list_call, reread_credentials=relay.reread, log=logging.getLogger("jhaws.test"), **options)
    try:
        yield relay, watch
    finally:
        await watch.stop()
        await relay.close()


async def shows(watch: PodWatch, *names: str) -> None:
    """Wait until a watch shows exactly these pods."""

    async def check() -> bool:
        return {key.split("/")[1] for key in watch.pods} == set(names)

    await eventually(check)
