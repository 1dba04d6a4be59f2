"""The API server under test: a client, a plain connection, a namespace of one's own."""

from __future__ import annotations

import asyncio
import base64
import json
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import aiohttp
from kubernetes_asyncio import client
from kubernetes_asyncio.client.exceptions import ApiException

from jhaws.local.api.apiserver import ApiServer

# Seconds any single condition may take; far more than it ever does.
PATIENCE = 60

# Nobody schedules these pods, on any server, so nobody but the test writes to them.
SCHEDULER = "nobody"


@dataclass(frozen=True)
class Refusal:
    """How the server said no."""

    code: int
    reason: str
    message: str
    details: dict[str, Any]

    @property
    def causes(self) -> list[tuple[str, str]]:
        """Field and message of each complaint."""
        return [(cause["field"], cause["message"]) for cause in self.details.get("causes", [])]


@dataclass(frozen=True)
class Cluster:
    """A server and a fresh namespace on it."""

    api: client.ApiClient
    session: aiohttp.ClientSession
    url: str
    headers: dict[str, str]
    ssl: ssl.SSLContext | bool
    namespace: str

    @property
    def core(self) -> client.CoreV1Api:
        """The client of the core group."""
        return client.CoreV1Api(self.api)

    @property
    def pods(self) -> str:
        """The path of the namespace's pods."""
        return f"/api/v1/namespaces/{self.namespace}/pods"

    async def call(
        self, method: str, path: str, body: Any = None, *, kind: str = "application/json", **query: str
    ) -> tuple[int, Any]:
        """Send a request, and give the HTTP status and the JSON of the answer."""
        data = body if isinstance(body, bytes | None) else json.dumps(body).encode()
        headers = {**self.headers, **({"Content-Type": kind} if data is not None else {})}
        async with self.session.request(
            method, self.url + path, data=data, headers=headers, params=query, ssl=self.ssl
        ) as response:
            text = await response.text()
        return response.status, json.loads(text) if text.startswith("{") else text

    async def refuse(self, method: str, path: str, body: Any = None, **options: str) -> Refusal:
        """Send a request that must be refused."""
        code, status = await self.call(method, path, body, **options)
        assert code >= 400, f"{method} {path} was accepted"
        assert status["kind"] == "Status"
        assert status["status"] == "Failure"
        assert status["code"] == code
        return Refusal(code, status.get("reason", ""), status.get("message", ""), status.get("details") or {})

    @asynccontextmanager
    async def watch(self, path: str, **query: str) -> AsyncIterator[Lines]:
        """Open a watch, and read its lines as they come."""
        query = {"watch": "true", **query}
        timeout = aiohttp.ClientTimeout(sock_read=PATIENCE)
        async with self.session.get(
            self.url + path, headers=self.headers, params=query, ssl=self.ssl, timeout=timeout
        ) as response:
            assert response.status == 200, await response.text()
            yield Lines(response)

    async def create_pod(self, name: str, **meta: Any) -> dict[str, Any]:
        """Create a pod that stays pending."""
        code, pod = await self.call("POST", self.pods, make_pod(name, **meta))
        assert code == 201, pod
        return dict(pod)


class Lines:
    """The events of a watch."""

    def __init__(self, response: aiohttp.ClientResponse) -> None:
        self._response = response
        self._content = response.content

    async def next(self) -> dict[str, Any]:
        """Wait for one event."""
        async with asyncio.timeout(PATIENCE):
            line = await self._content.readline()
        assert line, "the watch ended"
        return dict(json.loads(line))

    async def take(self, count: int) -> list[tuple[str, str]]:
        """Wait for `count` events, and give type and name of each."""
        events = [await self.next() for _ in range(count)]
        return [(event["type"], event["object"]["metadata"].get("name", "")) for event in events]

    async def rest(self) -> list[dict[str, Any]]:
        """Give all events until the server ends the watch."""
        async with asyncio.timeout(PATIENCE):
            text = await self._content.read()
        return [json.loads(line) for line in text.splitlines()]


def make_pod(name: str, *, spec: dict[str, Any] | None = None, **meta: Any) -> dict[str, Any]:
    """Build a pod that nobody schedules."""
    named = {"name": name} if name else {}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {**named, **meta},
        "spec": {
            "schedulerName": SCHEDULER,
            "automountServiceAccountToken": False,
            "containers": [{"name": "main", "image": "example.org/main:1"}],
            **(spec or {}),
        },
    }


async def refused(call: Awaitable[Any]) -> Refusal:
    """Await a call of the client that must fail, and give the server's Status."""
    try:
        await call
    except ApiException as error:
        status = json.loads(error.body)
        return Refusal(error.status, status.get("reason", ""), status["message"], status.get("details") or {})
    raise AssertionError("the call was accepted")


async def eventually(check: Callable[[], Awaitable[Any]]) -> Any:
    """Ask again until the answer is true; gives the answer."""
    async with asyncio.timeout(PATIENCE):
        while not (found := await check()):
            await asyncio.sleep(0.05)
    return found


def trust(server: ApiServer) -> ssl.SSLContext:
    """Trust what an embedded server's kubeconfig says, as strictly as Python 3.13 and newer do by default."""
    data = server.make_kubeconfig()["clusters"][0]["cluster"]["certificate-authority-data"]
    context = ssl.create_default_context(cadata=base64.b64decode(data).decode())
    context.verify_flags |= ssl.VERIFY_X509_STRICT | ssl.VERIFY_X509_PARTIAL_CHAIN
    return context
