"""A hub's REST API as the command line sees it: an address, a token, and sentences for what goes wrong.

A token is never shown, and never follows a redirect. What a hub answers is looked at before anything is done with it:
it may be another server, or one that means harm. `upgrade-check` asks JupyterHub's own API; `people` and
`password rotate` ask ours, with the same options and exit codes: a `HubClient` is what they share.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, Self, TypeVar
from urllib.parse import urlsplit

import aiohttp

from .errors import ConfigError, JhawsError

TOKEN = "JUPYTERHUB_API_TOKEN"  # noqa: S105  # the name of the environment variable
TIMEOUT_SECONDS = 60.0
# What it means where the answer is a page and no JSON: it is not of the API, but of what is in front of it.
PAGES = {
    403: "answered with a page, as no API does: --hub must be the URL that users open",
    413: "does not take so large a request, or a proxy in front of it does not: divide the list into parts",
}
UNSURE = "gave no answer, but may have done it: look before you try again"

_Client = TypeVar("_Client", bound="HubClient")


def read_token(file: str | None = None) -> str:
    """Return the token in a file, or in the environment variable where no file is named.

    Raises:
        ConfigError: The file cannot be read, or holds something else.
    """
    if not file:
        return os.environ.get(TOKEN, "")
    try:
        token = Path(file).read_text(encoding="utf-8").strip()
    except OSError as error:
        raise ConfigError(f"{file} cannot be read: {(error.strerror or 'error').lower()}.") from error
    except ValueError:
        token = ""
    if not _may_be_token(token):
        raise ConfigError(f"{file} holds no token; put an admin's there, and nothing else.")
    return token


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
    if not url.startswith(("http://", "https://")) or not _has_host(url):
        raise ConfigError(f"--hub must be the hub's URL with http:// or https://, got {url!r}.")
    if not _may_be_token(token):
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
        kind = type(error).__name__
        if method != "GET" and not isinstance(error, aiohttp.ClientConnectorError | ValueError):
            raise ConfigError(f"{hub} {UNSURE} ({kind}).") from error
        raise ConfigError(f"{hub} does not answer ({kind}). Is --hub the URL that users open?") from error
    if status in PAGES and content.lstrip().startswith(b"<"):
        raise ConfigError(f"{hub} {PAGES[status]} ({status}).")
    if status in (502, 503, 504) and not content.lstrip().startswith(b"{"):
        if method != "GET" and status != 503:
            raise ConfigError(f"{hub} {UNSURE} ({status}).")
        raise ConfigError(f"{hub} does not run, or is just starting ({status}). Try it again soon.")
    if status == 401 or (status == 403 and not read_message(content)):
        raise ConfigError(f"{hub} refused the token ({status}). It must be an admin's, or have {needs}.")
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


def add_hub_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of commands that ask our part of a hub's API."""
    parser.add_argument("--hub", metavar="URL", required=True, help="the hub's URL, as users open it")
    parser.add_argument("--token-file", metavar="FILE", help=f"file with the token (default: ${TOKEN})")
    parser.add_argument("--json", action="store_true", help="print JSON")


class HubClient:
    """A client of our part of a hub's API, to be used as `async with HubClient(url, token, needs=...) as hub`.

    Args:
        url: The hub's public URL.
        token: It is never shown, and never follows a redirect.
        needs: The scopes that the token must have, for errors.

    Raises:
        ConfigError: One of them cannot be right.
    """

    def __init__(self, url: str, token: str, *, needs: str) -> None:
        check_access(url, token, needs=needs)
        self.hub = url
        self._url = url.rstrip("/") + "/hub/api/jhaws/"
        self._token = token
        self._needs = needs

    async def __aenter__(self) -> Self:
        self._http = open_session(self._token)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._http.close()

    async def ask(self, method: str, path: str, body: Any = None, *, shape: Any) -> Any:
        """Send one request and return the JSON of the answer, of which all that `shape` names is there.

        Raises:
            JhawsError: The hub refuses, with its own sentence, or does not answer so.
        """
        answer = read_json(await self.ask_bytes(method, path, body), hub=self.hub)
        return check_shape(answer, shape, hub=self.hub)

    async def ask_bytes(self, method: str, path: str, body: Any = None) -> bytes:
        """Send one request and return the body of the answer.

        Raises:
            JhawsError: The hub refuses, with its own sentence, or does not answer.
        """
        status, content = await ask(self._http, method, self._url + path, hub=self.hub, needs=self._needs, body=body)
        if status < 300:
            return content
        if message := read_message(content):
            raise JhawsError(message)
        if status == 404:
            raise ConfigError(f"{self.hub} has no API of jhaws. Is its login JhawsAuthenticator, and --hub its URL?")
        raise ConfigError(f"{self.hub} could not do it ({status}); its log says why.")


def run_on_hub(
    options: argparse.Namespace,
    work: Callable[[_Client], Awaitable[Any]],
    *,
    client: Callable[[str, str], _Client],
    say: Callable[[str], None],
    parser: argparse.ArgumentParser,
) -> int:
    """Run a command that has the options of `add_hub_options`, and return its exit code.

    Args:
        options: Those that were given.
        work: What is done; what it returns is printed with `--json`, if it is not None.
        client: Makes a client of URL and token.
        say: Prints a line.
        parser: The command's, which ends the process with 2 where the options cannot be right.

    Raises:
        JhawsError: It was refused; the sentence holds nothing that a terminal would obey.
    """

    async def connect() -> Any:
        try:
            made = client(options.hub, read_token(options.token_file))
        except ConfigError as error:
            parser.exit(2, f"jhaws: {printable(str(error))}\n")
        async with made as hub:
            return await work(hub)

    try:
        answer = asyncio.run(connect())
    except argparse.ArgumentTypeError as error:
        parser.error(str(error))
    except JhawsError as error:
        raise JhawsError(printable(str(error))) from error
    if options.json and answer is not None:
        say(json.dumps(answer, indent=2))
    return 0


def _has_host(url: str) -> bool:
    try:
        parts = urlsplit(url)
        return bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False


def _may_be_token(text: str) -> bool:
    return bool(text) and text.isascii() and text.isprintable()


def _fits(answer: Any, shape: Any) -> bool:
    if isinstance(shape, list):
        return isinstance(answer, list) and all(_fits(each, shape[0]) for each in answer)
    if isinstance(shape, dict):
        return isinstance(answer, dict) and all(
            name in answer and _fits(answer[name], field) for name, field in shape.items()
        )
    return isinstance(answer, shape)
