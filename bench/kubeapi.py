"""A small client of the Kubernetes API, for what the benchmark itself does: make pods, patch them, watch them.

Not KubeSpawner's client and not jhaws's, so that neither side warms up or slows down the other's.
"""

from __future__ import annotations

import contextlib
import json
import ssl
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
from kubernetes_asyncio import client, config

Obj = dict[str, Any]

MERGE = "application/merge-patch+json"
CONNECTIONS = 48  # at once; what makes 10,000 pods in a minute on two cores

# A pod's line in a watch; aiohttp reads lines up to a quarter of a buffer.
BUFFER_BYTES = 4 << 20


class ApiError(Exception):
    """The API server said no.

    Attributes:
        status: The HTTP status.
    """

    def __init__(self, status: int, message: str) -> None:
        super().__init__(f"{status}: {message[:300]}")
        self.status = status


class KubeApi:
    """One API server, reached as a kubeconfig says; made by `connect`."""

    def __init__(self, url: str, http: aiohttp.ClientSession) -> None:
        self.url = url
        self._http = http

    async def call(
        self, method: str, path: str, body: Any = None, *, kind: str = "application/json", **query: str
    ) -> Obj:
        """Send a request and return the JSON of the answer.

        Raises:
            ApiError: The server refused it.
        """
        headers = {"Content-Type": kind} if body is not None else {}
        data = json.dumps(body).encode() if body is not None else None
        async with self._http.request(method, self.url + path, data=data, headers=headers, params=query) as response:
            text = await response.text()
        if response.status >= 400:
            raise ApiError(response.status, text)
        answer: Obj = json.loads(text)
        return answer

    async def patch(self, path: str, body: Obj) -> Obj:
        """Change a part of an object by a merge patch."""
        return await self.call("PATCH", path, body, kind=MERGE)

    async def ensure(self, path: str, body: Obj) -> None:
        """Create an object unless it is there."""
        try:
            await self.call("POST", path, body)
        except ApiError as error:
            if error.status != 409:
                raise

    async def delete(self, path: str, **options: Any) -> None:
        """Delete one object, or all of a collection; what is gone already is fine."""
        try:
            await self.call("DELETE", path, options or None)
        except ApiError as error:
            if error.status not in (404, 409):
                raise

    async def watch(self, path: str, **query: str) -> AsyncIterator[Obj]:
        """Yield the events of one watch until the server ends it."""
        timeout = aiohttp.ClientTimeout(total=None, sock_read=None)
        query = {**query, "watch": "true"}
        async with self._http.get(
            self.url + path, params=query, timeout=timeout, read_bufsize=BUFFER_BYTES
        ) as response:
            if response.status >= 400:
                raise ApiError(response.status, await response.text())
            async for line in response.content:
                yield json.loads(line)


@contextlib.asynccontextmanager
async def connect(kubeconfig: str) -> AsyncIterator[KubeApi]:
    """Connect to the server that a kubeconfig names."""
    settings = client.Configuration()
    await config.load_kube_config(config_file=kubeconfig, client_configuration=settings)
    host = settings.host or ""
    context: ssl.SSLContext | bool = True
    if host.startswith("https"):
        context = ssl.create_default_context(cafile=settings.ssl_ca_cert)
        if settings.cert_file:
            context.load_cert_chain(settings.cert_file, settings.key_file)
    token = settings.api_key.get("BearerToken")
    headers = {"Authorization": token} if token else {}
    connector = aiohttp.TCPConnector(ssl=context, limit=CONNECTIONS)
    async with aiohttp.ClientSession(connector=connector, headers=headers) as http:
        yield KubeApi(host, http)
