"""A hub as its users, admins and services see it: over HTTP, wherever it runs.

`HubClient` logs in through the login form, calls the REST API and runs code on servers. The rings share it: a hub that
is a process of this machine (tests/hub) and one in a cluster (tests/cluster) answer alike.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import aiohttp


@dataclass(kw_only=True)
class HubClient:
    """Where a hub is, and the token of a service that may do everything there.

    Attributes:
        url: The public URL, with a slash at its end.
        admin_token: For the REST API.
        sessions: Browsers that have logged in; `close` ends them.
    """

    url: str = ""
    admin_token: str
    sessions: list[aiohttp.ClientSession] = field(default_factory=list)

    async def close(self) -> None:
        """End the browsers."""
        for session in self.sessions:
            await session.close()

    async def api(self, method: str, path: str, body: Any = None, *, token: str = "") -> tuple[int, Any]:
        """Call the hub's REST API with a token (default: an administrator's) and return status and JSON."""
        url = f"{self.url}hub/api/{path.lstrip('/')}"
        headers = {"Authorization": f"token {token or self.admin_token}"}
        async with (
            aiohttp.ClientSession() as http,
            http.request(method, url, json=body, headers=headers) as response,
        ):
            return response.status, await read_json(response)

    async def login(self, name: str, password: str) -> Session:
        """Log in through the login form, as a browser does; look at the session's `ok`."""
        http = aiohttp.ClientSession(cookie_jar=aiohttp.CookieJar(unsafe=True, quote_cookie=False))
        self.sessions.append(http)
        session = Session(self, http)
        await session.get("hub/login")
        form = {"username": name, "password": password, "_xsrf": session.xsrf}
        async with http.post(f"{self.url}hub/login", data=form, allow_redirects=False) as response:
            session.status = response.status
            session.location = response.headers.get("Location", "")
            session.text = await response.text()
        return session

    async def add_user(self, name: str) -> None:
        """Add a user, as the admin does in the panel."""
        status, answer = await self.api("POST", f"users/{name}")
        assert status in (201, 409), answer

    async def server(self, name: str) -> dict[str, Any] | None:
        """Return the hub's model of the user's default server, None where it has none."""
        _, user = await self.api("GET", f"users/{name}")
        found: dict[str, Any] | None = user.get("servers", {}).get("")
        return found

    async def token(self, name: str) -> str:
        """Return a new token of the user's own."""
        _, answer = await self.api("POST", f"users/{name}/tokens", {"note": "test"})
        return str(answer["token"])

    async def contents(self, name: str, path: str = "", *, token: str = "") -> tuple[int, Any]:
        """Ask a user's server for a folder or a file, through the proxy as a browser does."""
        url = f"{self.url}user/{name}/api/contents/{path}"
        headers = {"Authorization": f"token {token or await self.token(name)}"}
        async with aiohttp.ClientSession() as http, http.get(url, headers=headers) as response:
            return response.status, await read_json(response)

    async def start_kernel(self, name: str) -> str:
        """Start a kernel on a user's server and return its id."""
        headers = {"Authorization": f"token {await self.token(name)}"}
        url = f"{self.url}user/{name}/api/kernels"
        async with aiohttp.ClientSession(headers=headers) as http, http.post(url, json={}) as response:
            assert response.status == 201, await response.text()
            return str((await response.json())["id"])

    async def run_cell(self, name: str, code: str, *, kernel: str = "") -> str:
        """Run `code` in a kernel of a user's server, by default a new one, and return what it prints."""
        kernel = kernel or await self.start_kernel(name)
        headers = {"Authorization": f"token {await self.token(name)}"}
        message_id = secrets.token_hex(8)
        header = {
            "msg_id": message_id,
            "msg_type": "execute_request",
            "session": "s",
            "username": name,
            "version": "5.3",
        }
        content = {"code": code, "silent": False}
        request = {"channel": "shell", "header": header, "parent_header": {}, "metadata": {}, "content": content}
        url = f"{self.url}user/{name}/api/kernels/{kernel}/channels"
        async with aiohttp.ClientSession(headers=headers) as http, http.ws_connect(url) as socket:
            await socket.send_json(request)
            async with asyncio.timeout(60):
                async for message in socket:
                    reply = message.json()
                    if reply["msg_type"] in ("stream", "error") and reply["parent_header"].get("msg_id") == message_id:
                        return str(reply["content"].get("text", reply["content"]))
        raise AssertionError("the kernel closed its socket")


@dataclass
class Session:
    """One browser: its cookies, and the answer to its login."""

    hub: HubClient
    http: aiohttp.ClientSession
    status: int = 0
    location: str = ""
    text: str = ""

    @property
    def ok(self) -> bool:
        """True when the login was accepted."""
        return self.status == 302

    @property
    def xsrf(self) -> str:
        """The newest `_xsrf` cookie that the hub has set."""
        found = [morsel.value for morsel in self.http.cookie_jar if morsel.key == "_xsrf"]
        return found[-1] if found else ""

    async def get(self, path: str, **options: Any) -> tuple[int, str]:
        """GET a path below the hub's base URL and return status and text."""
        async with self.http.get(self.hub.url + path.lstrip("/"), **options) as response:
            return response.status, await response.text()

    async def api(self, method: str, path: str, body: Any = None) -> tuple[int, Any]:
        """Call the hub's REST API as this browser does: with its cookies and its XSRF token."""
        url = f"{self.hub.url}hub/api/{path.lstrip('/')}"
        headers = {"X-XSRFToken": self.xsrf, "Content-Type": "application/json"}
        async with self.http.request(method, url, json=body, headers=headers) as response:
            return response.status, await read_json(response)


async def read_json(response: aiohttp.ClientResponse) -> Any:
    """Return the JSON of a response, or its text where it has none."""
    try:
        return await response.json(content_type=None)
    except ValueError:
        return await response.text()


async def eventually(check: Callable[[], Any], *, within: float = 30.0, what: str = "the condition") -> Any:
    """Return the first true result of `check()`, asked again until `within` seconds are over.

    Args:
        check: Function or coroutine function without arguments.
        within: Seconds until the test fails.
        what: What is waited for; shown when it fails.
    """
    deadline = asyncio.get_running_loop().time() + within
    while True:
        result = check()
        if asyncio.iscoroutine(result):
            result = await result
        if result:
            return result
        if asyncio.get_running_loop().time() > deadline:
            raise AssertionError(f"{what} did not come true within {within} s; last: {result!r}")
        await asyncio.sleep(0.1)
