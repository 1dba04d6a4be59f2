"""A hub's REST API as the command line sees it: an address, a token, and sentences for what goes wrong.

A token is never shown, and never follows a redirect. What a hub answers is looked at before anything is done with it:
it may be another server, or one that means harm. `upgrade-check`, `people` and `password rotate` are told apart by
their callers: here is what they need.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import aiohttp

from .errors import ConfigError

TOKEN = "JUPYTERHUB_API_TOKEN"  # noqa: S105  # the name of the environment variable
TIMEOUT_SECONDS = 60.0


def read_token(file: str | None = None) -> str:
    """Return the token in a file, or in the environment variable where no file is named.

    Raises:
        ConfigError: The file cannot be read.
    """
    if not file:
        return os.environ.get(TOKEN, "")
    try:
        return Path(file).read_text(encoding="utf-8").strip()
    except OSError as error:
        raise ConfigError(f"{file} cannot be read: {(error.strerror or 'error').lower()}.") from error
    except ValueError as error:
        raise ConfigError(f"{file} holds no token.") from error


def check_access(url: str, token: str, *, needs: str) -> None:
    """Check an address and a token before anything is sent.

    Args:
        url: The hub's public URL, `https://hub.example.org/` and its base URL if it has one.
        token: What `read_token` returned.
        needs: The scopes that the token must have, for the error.

    Raises:
        ConfigError: One of them cannot be right.
    """
    # Whatever else is in a URL may be a secret, and the URL is in every message.
    if any(mark in url for mark in "@?#"):
        raise ConfigError(f"--hub must be a URL without @, ? and #: no password, no query. The token comes by {TOKEN}.")
    if not url.startswith(("http://", "https://")):
        raise ConfigError(f"--hub must be the hub's URL with http:// or https://, got {url!r}.")
    if not token or not token.isascii() or not token.isprintable():
        raise ConfigError(f"Put an admin's token into the environment variable {TOKEN}; its scopes: {needs}.")


def open_session(token: str, **headers: str) -> aiohttp.ClientSession:
    """Return a session that sends the token with each request."""
    timeout = aiohttp.ClientTimeout(total=TIMEOUT_SECONDS)
    return aiohttp.ClientSession(
        headers={"Authorization": f"token {token}", **headers}, timeout=timeout, trust_env=True
    )


async def ask(
    http: aiohttp.ClientSession, method: str, url: str, *, hub: str, needs: str, body: Any = None
) -> tuple[int, bytes]:
    """Send one request and return the status and the body of the answer.

    Args:
        http: Of `open_session`.
        method: HTTP's.
        url: What is asked.
        hub: The hub's address as the operator wrote it, for errors.
        needs: The scopes that the token must have.
        body: What is sent as JSON, None for nothing.

    Raises:
        ConfigError: The hub does not answer, refuses the token or sends elsewhere.
    """
    try:
        async with http.request(method, url, json=body, allow_redirects=False) as response:
            status, content = response.status, await response.read()
    except (TimeoutError, aiohttp.ClientError, OSError, ValueError) as error:
        raise ConfigError(
            f"{hub} does not answer ({type(error).__name__}). Is --hub the URL that users open?"
        ) from error
    if status == 401 or (status == 403 and not read_message(content)):
        raise ConfigError(f"{hub} refused the token in {TOKEN} ({status}). It must be an admin's, or have {needs}.")
    if 300 <= status < 400:
        raise ConfigError(
            f"{hub} sends elsewhere ({status}). Give the URL that it leads to, with https:// if it has it."
        )
    return status, content


def read_json(content: bytes, *, hub: str) -> Any:
    """Return the JSON of an answer.

    Raises:
        ConfigError: It holds none.
    """
    try:
        return json.loads(content)
    except (ValueError, RecursionError) as error:
        raise ConfigError(f"{hub} did not answer with JSON; is it a JupyterHub's URL?") from error


def read_message(content: bytes) -> str:
    """Return the sentence of an error that is ours, "" where it has none."""
    try:
        message = json.loads(content)["message"]
    except (ValueError, RecursionError, KeyError, TypeError):
        return ""
    # JupyterHub's own refusals have other words.
    ours = isinstance(message, str) and message.endswith(".") and message != "Missing or invalid credentials."
    return message if ours else ""


def check_shape(answer: Any, shape: Any, *, hub: str) -> Any:
    """Return an answer of which all that is needed is there.

    Args:
        answer: What `read_json` returned.
        shape: A type, or several with `|`; a list with the shape of all its values; a dictionary with the shapes of
            the fields that are needed.
        hub: The hub's address as the operator wrote it, for the error.

    Raises:
        ConfigError: Something is missing, or of another kind.
    """
    if not _fits(answer, shape):
        raise ConfigError(f"{hub} did not answer as a hub with this version of jhaws does. Is --hub its URL?")
    return answer


def printable(text: str) -> str:
    r"""Write out what a terminal obeys or does not show, `\x1b` and the like; users' names may have it."""
    return "".join(each if each.isprintable() else each.encode("unicode_escape").decode() for each in text)


def _fits(answer: Any, shape: Any) -> bool:
    if isinstance(shape, list):
        return isinstance(answer, list) and all(_fits(each, shape[0]) for each in answer)
    if isinstance(shape, dict):
        return isinstance(answer, dict) and all(
            name in answer and _fits(answer[name], field) for name, field in shape.items()
        )
    return isinstance(answer, shape)
