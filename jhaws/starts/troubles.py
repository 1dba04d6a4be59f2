"""What can go wrong between a watch and the API server, and what each kind means for the watch.

Pure: an answer comes in, the kind of trouble goes out. Whoever watches decides how long to wait.
"""

from __future__ import annotations

import ssl
from collections.abc import Mapping
from typing import Any

import aiohttp

UNAUTHORIZED = 401
GONE = 410
# What a server that does not stream its first list says to `sendInitialEvents`.
NOT_STREAMING = (400, 422)
# What a server that lost its past (a restored etcd) says to a version that it has not reached yet.
FROM_THE_FUTURE = "too large resource version"
MAX_RETRY_AFTER = 60.0  # seconds; a server that asks for more is asked again sooner


class WatchError(Exception):
    """The API server cannot be watched now; try again.

    Attributes:
        status: The HTTP status it answered, 0 where there was no answer.
        retry_after: Seconds it asked us to wait, 0 where it did not.
    """

    def __init__(self, message: str, *, status: int = 0, retry_after: float = 0.0) -> None:
        super().__init__(message)
        self.status = status
        self.retry_after = retry_after


class GoneError(WatchError):
    """The version that the watch wants to go on from is no longer, or not yet, known: list again."""


def trouble_of(status: int, message: str, headers: Mapping[str, str] | None = None) -> WatchError:
    """Return the trouble that an answer other than 200 means.

    Args:
        status: HTTP status, or the code of a Status in a watch.
        message: The Status' own words.
        headers: Of the answer; `Retry-After` counts, in seconds.
    """
    words = f"it answered {status} {message}".strip()
    if status == GONE or FROM_THE_FUTURE in message.lower():
        return GoneError(words, status=status)
    return WatchError(words, status=status, retry_after=_seconds((headers or {}).get("Retry-After", "")))


def _seconds(text: str) -> float:
    """Read a Retry-After of seconds; one that is a date, as HTTP allows too, counts as none."""
    return min(float(text), MAX_RETRY_AFTER) if text.isascii() and text.isdigit() else 0.0


def trouble_from(error: Exception) -> WatchError:
    """Return the trouble that an error of the network means, in words an operator knows."""
    if isinstance(error, WatchError):
        return error
    if isinstance(error, TimeoutError):
        return WatchError("it is silent")
    if isinstance(error, ssl.SSLError | aiohttp.ClientSSLError):
        return WatchError(f"TLS fails: {error}")
    if isinstance(error, aiohttp.ClientConnectorError):
        return WatchError(f"no connection: {error.os_error.strerror or error.os_error}")
    return WatchError(f"the connection broke: {str(error) or type(error).__name__}")


def status_words(body: Mapping[str, Any]) -> str:
    """Return the message of a Status, "" where there is none."""
    message = body.get("message")
    return message if isinstance(message, str) else ""
