"""A TCP relay in front of an API server that can fail in two ways: it refuses connections, or it swallows them.

Either way what was connected is lost for good, as behind a load balancer that was replaced: after the outage only new
connections work.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import yaml

from jhaws.local.api.apiserver import write_kubeconfig

CHUNK = 1 << 16


class Relay:
    """Passes bytes between clients and one server, unless it is out of order."""

    def __init__(self, host: str, port: int) -> None:
        self._host, self._port = host, port
        self._server: asyncio.Server | None = None
        self._swallows = False
        self._generation = 0
        self._writers: set[asyncio.StreamWriter] = set()
        self._connections: set[asyncio.Task[None]] = set()
        self.port = 0

    async def open(self) -> None:
        """Accept connections, again at the same port after `refuse`."""
        self._swallows = False
        if self._server is None:
            self._server = await asyncio.start_server(self._accept, "127.0.0.1", self.port)
            self.port = self._server.sockets[0].getsockname()[1]

    def refuse(self) -> None:
        """Cut every connection and refuse new ones."""
        if self._server is not None:
            self._server.close()
            self._server = None
        self._cut()

    def swallow(self) -> None:
        """Let no byte through any more, and accept new connections without a word."""
        self._swallows = True
        self._generation += 1

    def _cut(self) -> None:
        self._generation += 1
        for writer in self._writers:
            writer.transport.abort()

    async def close(self) -> None:
        """End, and give up what is stuck."""
        self.refuse()
        for task in self._connections:
            task.cancel()
        await asyncio.gather(*self._connections, return_exceptions=True)

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.create_task(self._serve(reader, writer))
        self._connections.add(task)
        task.add_done_callback(self._connections.discard)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        generation = self._generation
        self._writers.add(writer)
        try:
            if self._swallows:
                await asyncio.Event().wait()
            with contextlib.suppress(OSError):
                up_reader, up_writer = await asyncio.open_connection(self._host, self._port)
                self._writers.add(up_writer)
                async with asyncio.TaskGroup() as group:
                    group.create_task(self._pass(reader, up_writer, generation))
                    group.create_task(self._pass(up_reader, writer, generation))
                self._writers.discard(up_writer)
        finally:
            self._writers.discard(writer)
            writer.close()

    async def _pass(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, generation: int) -> None:
        with contextlib.suppress(OSError):
            while data := await reader.read(CHUNK):
                if generation != self._generation:
                    await asyncio.Event().wait()
                writer.write(data)
                await writer.drain()
        writer.close()


def make_relayed_kubeconfig(kubeconfig: str, port: int) -> tuple[dict[str, Any], str, int]:
    """Return a kubeconfig that goes through 127.0.0.1:`port`, and the host and port of the server itself."""
    config = yaml.safe_load(Path(kubeconfig).read_text())
    context = next(each["context"] for each in config["contexts"] if each["name"] == config["current-context"])
    cluster = next(each["cluster"] for each in config["clusters"] if each["name"] == context["cluster"])
    url = urlsplit(cluster["server"])
    host = url.hostname or ""
    cluster["server"] = f"{url.scheme}://127.0.0.1:{port}"
    if host != "127.0.0.1":
        cluster["tls-server-name"] = host
    return config, host, url.port or 443


@contextlib.asynccontextmanager
async def relay(kubeconfig: str, relayed: Path) -> AsyncIterator[Relay]:
    """Run a relay in front of a kubeconfig's server and write to `relayed` the kubeconfig that uses it."""
    _, host, port = make_relayed_kubeconfig(kubeconfig, 0)
    running = Relay(host, port)
    await running.open()
    write_kubeconfig(relayed, make_relayed_kubeconfig(kubeconfig, running.port)[0])
    try:
        yield running
    finally:
        await running.close()
