"""Bytes from the API server, cut into lines and read as JSON.

aiohttp's own `readline` refuses lines longer than its buffer, and a pod may be 1.5 MiB long (etcd's limit), so lines
are cut here. A line that has not ended is kept; when the connection ends first, it is never read.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import orjson

from .troubles import WatchError

SHOWN_BYTES = 60  # of something that is no JSON, in the log


class Lines:
    """Cuts a stream of bytes into whole lines."""

    def __init__(self) -> None:
        self._rest = bytearray()

    def feed(self, chunk: bytes) -> Iterator[bytes]:
        """Take the next bytes and give every line that is now whole."""
        if b"\n" not in chunk:
            self._rest += chunk
            return
        head, *whole, tail = chunk.split(b"\n")
        first = bytes(self._rest) + head
        self._rest = bytearray(tail)
        for line in (first, *whole):
            if line.strip():
                yield line


def read_json(text: bytes) -> dict[str, Any]:
    """Read a JSON object.

    Raises:
        WatchError: It is something else, such as the HTML page of a proxy in between.
    """
    try:
        found = orjson.loads(text)
    except orjson.JSONDecodeError as error:
        shown = text[:SHOWN_BYTES].decode(errors="replace")
        raise WatchError(f"its answer is no JSON but begins with {shown!r}") from error
    if not isinstance(found, dict):
        raise WatchError(f"its answer is JSON of the kind {type(found).__name__}, not an object")
    return found
