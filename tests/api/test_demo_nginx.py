"""nginx and configurable-http-proxy of the demo manifests, the real programs, in front of something that looks."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

import aiohttp
import pytest
import yarl
from aiohttp import web

from tests.api.cluster import PATIENCE
from tests.api.demo import NGINX, Front, running_front
from tests.hubclient import eventually

pytestmark = pytest.mark.skipif(NGINX is None, reason="There is no nginx: install Debian's nginx-light.")

# More than nginx takes by default (1 MB), and than it and the kernel keep in their buffers.
PIECE, PIECES = 1_000_000, 20


@dataclass
class Backend:
    """What stands where the hub and users' servers are."""

    asked: list[web.Request] = field(default_factory=list)
    first_piece: asyncio.Event = field(default_factory=asyncio.Event)
    release: asyncio.Event = field(default_factory=asyncio.Event)

    async def answer(self, request: web.Request) -> web.StreamResponse:
        """Echo a websocket, count what is uploaded, or answer in two parts; look at the rest."""
        self.asked.append(request)
        if request.path == "/socket":
            return await self._echo(request)
        if request.path == "/upload":
            count = 0
            async for piece in request.content.iter_any():
                count += len(piece)
                self.first_piece.set()
            return web.Response(text=str(count))
        if request.path == "/answer":
            # With its length, as a file has it: an answer in chunks is passed on in any case.
            response = web.StreamResponse(headers={"Content-Length": "18"})
            await response.prepare(request)
            await response.write(b"data: 1\n\n")
            await self.release.wait()
            await response.write(b"data: 2\n\n")
            return response
        return web.Response(text="seen")

    @staticmethod
    async def _echo(request: web.Request) -> web.WebSocketResponse:
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        async for message in socket:
            await socket.send_str(message.data[::-1])
        return socket


@dataclass
class Place:
    """The front, what is behind it, and a client before it."""

    front: Front
    backend: Backend
    http: aiohttp.ClientSession


@pytest.fixture
async def place() -> AsyncIterator[Place]:
    """A front with a backend where the hub would be."""
    backend = Backend()
    app = web.Application(client_max_size=0)
    app.router.add_route("*", "/{path:.*}", backend.answer)
    runner = web.AppRunner(app, shutdown_timeout=1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    port = site._server.sockets[0].getsockname()[1]
    timeout = aiohttp.ClientTimeout(total=PATIENCE)
    async with running_front(hub_port=port) as front, aiohttp.ClientSession(timeout=timeout) as http:
        yield Place(front, backend, http)
    await runner.cleanup()


async def test_a_websocket_goes_through(place: Place) -> None:
    """A kernel's websocket is upgraded, and messages go both ways."""
    async with place.http.ws_connect(f"{place.front.url}/socket") as socket:
        await socket.send_str("abc")
        assert await socket.receive_str() == "cba"


async def test_what_a_client_says_of_itself_is_not_believed(place: Place) -> None:
    """The hub gets the address and protocol that nginx saw, whatever headers the client made up."""
    forged = ("X-Real-IP", "X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Proto", "X-Forwarded-Port", "X-Scheme")
    headers = dict.fromkeys(forged, "6.6.6.6") | {"Forwarded": "for=6.6.6.6;proto=https;host=6.6.6.6"}
    async with place.http.get(f"{place.front.url}/hub/", headers=headers) as response:
        assert response.status == 200
    seen = place.backend.asked[0].headers

    assert seen["X-Real-IP"] == "127.0.0.1"
    # The client, as nginx saw it, and nginx, as configurable-http-proxy saw it.
    assert set(seen["X-Forwarded-For"].split(",")) == {"127.0.0.1"}
    assert set(seen["X-Forwarded-Proto"].split(",")) == {"http"}
    assert (seen["X-Scheme"], seen["X-Forwarded-Host"]) == ("http", seen["Host"])
    assert "Forwarded" not in seen
    assert "6.6.6.6" not in " ".join(seen.values())


async def test_host_and_path_arrive_as_they_were(place: Place) -> None:
    """The host keeps its port, which an Origin is compared with, and an escaped path stays escaped."""
    async with place.http.get(yarl.URL(f"{place.front.url}/user/a%40b/x%2Fy?z=%20", encoded=True)) as response:
        assert response.status == 200
    (seen,) = place.backend.asked

    assert seen.headers["Host"] == f"127.0.0.1:{place.front.port}"
    assert seen.raw_path == "/user/a%40b/x%2Fy?z=%20"


async def test_a_large_upload_arrives_while_it_is_sent(place: Place) -> None:
    """Files of any size are taken, and are not kept on nginx's small disk first."""

    async def pieces() -> AsyncIterator[bytes]:
        yield bytes(PIECE)
        async with asyncio.timeout(PATIENCE):
            await place.backend.first_piece.wait()
        for _ in range(PIECES - 1):
            yield bytes(PIECE)

    async with place.http.post(f"{place.front.url}/upload", data=pieces()) as response:
        assert await response.text() == str(PIECES * PIECE)


async def test_an_answer_arrives_while_it_is_sent(place: Place) -> None:
    """What a server sends is not kept on nginx's small disk first, nor is a waiting user's progress."""
    async with place.http.get(f"{place.front.url}/answer") as response:
        assert await response.content.readuntil(b"\n\n") == b"data: 1\n\n"
        place.backend.release.set()
        assert await response.content.read() == b"data: 2\n\n"


async def test_the_log_has_requests_without_their_query(place: Place) -> None:
    """A token in a URL does not get into nginx's log."""
    async with place.http.get(f"{place.front.url}/user/ada/lab?token=secret") as response:
        assert response.status == 200

    # nginx writes the line after the last byte of the answer has left.
    await eventually(lambda: '127.0.0.1 "GET /user/ada/lab" 200 4 bytes' in place.front.log(), what="the line")
    assert "secret" not in place.front.log()
