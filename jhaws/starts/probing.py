"""Asks a server by HTTP until it answers, as JupyterHub does, only more often."""

from __future__ import annotations

import asyncio
import ssl
from urllib.parse import ParseResult

import aiohttp

PAUSE_SECONDS = 0.05  # between two tries
CONNECT_SECONDS = 1.0  # a packet that was lost is sent again after one second by TCP; a new try is not slower
ANSWER_SECONDS = 10.0  # a server that has just started on a busy node is given this long for its first answer


def port_of(url: ParseResult) -> int:
    """Return the port of a server's URL; one that an operator's hook made may leave it out."""
    return url.port or (443 if url.scheme == "https" else 80)


async def wait_for_answer(url: str, *, ssl_context: ssl.SSLContext | None = None) -> None:
    """Return as soon as `url` answers with anything but a 5xx, which is what JupyterHub calls up.

    Args:
        url: Of the server's API, which needs no token.
        ssl_context: With the hub's certificate, where JupyterHub's `internal_ssl` is on.
    """
    timeout = aiohttp.ClientTimeout(total=ANSWER_SECONDS, sock_connect=CONNECT_SECONDS)
    connector = aiohttp.TCPConnector(ssl=ssl_context or True, force_close=True)
    async with aiohttp.ClientSession(connector=connector, timeout=timeout) as http:
        while not await _answers(http, url):  # noqa: ASYNC110  # nobody tells when it is up
            await asyncio.sleep(PAUSE_SECONDS)


async def _answers(http: aiohttp.ClientSession, url: str) -> bool:
    try:
        async with http.get(url, allow_redirects=False) as response:
            return response.status < 500
    except (aiohttp.ClientError, OSError, TimeoutError):
        return False
