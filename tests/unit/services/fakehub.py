"""A small hub for unit tests: it speaks the part of JupyterHub's REST API that the services use, as JupyterHub does.

What it does was read off the real one: pages, 202 for a slow stop, 204 for a quick one, 404 for what is gone. The
tests in tests/hub hold the services against the real hub; this one counts requests in flight and fails on demand.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

TOKEN = "a-token-that-no-log-shows"
LONG_AGO = "2020-01-01T00:00:00.000000Z"


def make_server(**fields: Any) -> dict[str, Any]:
    """Build a server model: ready, idle for years."""
    idle = {"ready": True, "stopped": False, "pending": None, "started": LONG_AGO, "last_activity": LONG_AGO}
    return idle | fields


def make_user(name: str, **fields: Any) -> dict[str, Any]:
    """Build a user model with one idle default server."""
    user = {"kind": "user", "name": name, "admin": False, "last_activity": LONG_AGO, "servers": {"": make_server()}}
    return user | fields


@dataclass
class FakeHub:
    """Users by name, what was asked of the hub, and how it answers."""

    users: dict[str, dict[str, Any]]
    page_limit: int = 200
    # Set to hold every stop until it is set again; the stops in flight are counted.
    may_stop: asyncio.Event = field(default_factory=asyncio.Event)
    answers: dict[str, int] = field(default_factory=dict)
    in_flight: int = 0
    most_in_flight: int = 0
    deleted: list[str] = field(default_factory=list)
    bodies: list[Any] = field(default_factory=list)
    url: str = ""

    async def get_users(self, request: web.Request) -> web.Response:
        """GET /users, with JupyterHub's pages."""
        if status := self.answers.get("GET"):
            return web.json_response({"status": status, "message": "as the test wants"}, status=status)
        assert request.headers["Accept"] == "application/jupyterhub-pagination+json"
        found = list(self.users.values())
        if request.query.get("state") == "ready":
            found = [user for user in found if any(each["ready"] for each in user["servers"].values())]
        offset, limit = int(request.query["offset"]), min(int(request.query["limit"]), self.page_limit)
        following = {"offset": offset + limit, "limit": limit, "url": "http://elsewhere/"}
        page = {
            "items": found[offset : offset + limit],
            "_pagination": {
                "offset": offset,
                "limit": limit,
                "total": len(found),
                "next": following if offset + limit < len(found) else None,
            },
        }
        return web.json_response(page)

    async def delete(self, request: web.Request) -> web.Response:
        """DELETE whatever: counts, waits until the test lets it go on, and answers."""
        self.in_flight += 1
        self.most_in_flight = max(self.most_in_flight, self.in_flight)
        self.bodies.append(await request.json() if request.can_read_body else None)
        await self.may_stop.wait()
        self.in_flight -= 1
        path = request.raw_path.removeprefix("/hub/api")
        self.deleted.append(path)
        return web.Response(status=self.answers.get(path, 204))

    async def check_token(self, request: web.Request) -> None:
        """Every request must carry the service's token."""
        assert request.headers["Authorization"] == f"token {TOKEN}"


@asynccontextmanager
async def fake_hub(*users: dict[str, Any], **options: Any) -> AsyncIterator[FakeHub]:
    """Serve a hub with these users on a free port until the block ends."""
    hub = FakeHub({user["name"]: user for user in users}, **options)
    hub.may_stop.set()
    app = web.Application()
    app.router.add_get("/hub/api/users", hub.get_users)
    app.router.add_delete("/{path:.*}", hub.delete)

    @web.middleware
    async def check(request: web.Request, handler: Any) -> web.StreamResponse:
        await hub.check_token(request)
        response: web.StreamResponse = await handler(request)
        return response

    app.middlewares.append(check)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    hub.url = f"http://127.0.0.1:{runner.addresses[0][1]}/hub/api"
    try:
        yield hub
    finally:
        await runner.cleanup()
