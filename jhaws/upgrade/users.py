"""The users of a hub and their servers: from its REST API, or from a file with that API's answer."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp

from ..errors import ConfigError

TOKEN = "JUPYTERHUB_API_TOKEN"  # noqa: S105  # the name of the environment variable
SCOPES = "list:users, read:users, read:servers and admin:server_state"
# The hub's default `api_page_max_limit`; it cuts longer pages to its own limit, and we follow its `next`.
PAGE_SIZE = 200
PAGINATION = "application/jupyterhub-pagination+json"
TIMEOUT_SECONDS = 60.0


@dataclass(frozen=True)
class Server:
    """A server that a user has or had.

    Attributes:
        name: "" for the default server.
        running: Whether it is not stopped.
        state: What KubeSpawner remembers of it, {} for one that was never started, None where it is not told.
        user_options: What was chosen at its last start.
    """

    name: str = ""
    running: bool = False
    state: Mapping[str, Any] | None = field(default_factory=dict)
    user_options: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class User:
    """A user of the hub.

    Attributes:
        name: As the hub has it, normalised.
        admin: The admin flag or the role `admin`.
        groups: Names.
        servers: All that the hub knows; the default server is always there.
    """

    name: str
    admin: bool = False
    groups: tuple[str, ...] = ()
    servers: tuple[Server, ...] = (Server(),)


def read_users(models: Any, *, source: str) -> list[User]:
    """Return the users of the API's answer: a list of user models, or a page of them.

    Args:
        models: What the JSON holds.
        source: Where it comes from, for errors.

    Raises:
        ConfigError: It holds something else, or the first of several pages only.
    """
    if isinstance(models, dict) and (models.get("_pagination") or {}).get("next"):
        raise ConfigError(
            f"{source} holds {len(models.get('items') or ())} of {models['_pagination'].get('total')} users only. Put "
            "the items of all pages into one list, or use --hub."
        )
    items = models.get("items") if isinstance(models, dict) else models
    if not isinstance(items, list) or not all(isinstance(each, dict) and each.get("name") for each in items):
        raise ConfigError(f"{source} must hold what GET /hub/api/users answers, a list of users with their names.")
    return [_read_user(item) for item in items]


def _read_user(model: Mapping[str, Any]) -> User:
    servers = {name: _read_server(name, server) for name, server in (model.get("servers") or {}).items()}
    return User(
        name=str(model["name"]),
        admin=bool(model.get("admin")) or "admin" in (model.get("roles") or ()),
        groups=tuple(model.get("groups") or ()),
        servers=tuple(({"": Server()} | servers).values()),
    )


def _read_server(name: str, model: Mapping[str, Any]) -> Server:
    running = not model.get("stopped", not model.get("ready"))
    state = (model["state"] or {}) if "state" in model else None
    return Server(name=name, running=running, state=state, user_options=model.get("user_options") or {})


def read_users_file(name: str) -> list[User]:
    """Read a file that holds the API's answer.

    Raises:
        ConfigError: It cannot be read, or holds something else.
    """
    try:
        models = json.loads(Path(name).read_bytes())
    except OSError as error:
        raise ConfigError(f"{name} cannot be read: {(error.strerror or 'error').lower()}.") from error
    except (ValueError, RecursionError) as error:
        raise ConfigError(
            f"{name} holds no JSON. Save what GET /hub/api/users?include_stopped_servers=1 answers."
        ) from error
    return read_users(models, source=name)


async def fetch_users(url: str, token: str) -> list[User]:
    """Fetch the users of a hub, page after page.

    Args:
        url: The hub's public URL, `https://hub.example.org/` and its base URL if it has one.
        token: Of an admin; it is never shown, and never follows a redirect.

    Raises:
        ConfigError: The hub cannot be reached, refuses, or is no hub.
    """
    if "@" in url:
        raise ConfigError(f"--hub must be a URL without a name and a password; the token comes by {TOKEN}.")
    if not url.startswith(("http://", "https://")):
        raise ConfigError(f"--hub must be the hub's URL with http:// or https://, got {url!r}.")
    if not token or not token.isascii() or not token.isprintable():
        raise ConfigError(f"Put an admin's token into the environment variable {TOKEN}; its scopes: {SCOPES}.")
    users: list[User] = []
    timeout = aiohttp.ClientTimeout(total=TIMEOUT_SECONDS)
    headers = {"Authorization": f"token {token}", "Accept": PAGINATION}
    async with aiohttp.ClientSession(headers=headers, timeout=timeout, trust_env=True) as http:
        offset: int | None = 0
        while offset is not None:
            query = f"offset={offset}&limit={PAGE_SIZE}&include_stopped_servers=1"
            page = await _fetch(http, f"{url.rstrip('/')}/hub/api/users?{query}", hub=url)
            if not isinstance(page, dict) or "_pagination" not in page:
                raise ConfigError(f"{url} did not answer with a page of users; is it a JupyterHub's URL?")
            following = page["_pagination"].pop("next", None)
            users += read_users(page, source=url)
            # An offset that does not grow would keep us here for ever.
            offset = following["offset"] if following and following["offset"] > offset else None
    return users


async def _fetch(http: aiohttp.ClientSession, url: str, *, hub: str) -> Any:
    try:
        async with http.get(url, allow_redirects=False) as response:
            status, text = response.status, await response.text()
    except (TimeoutError, aiohttp.ClientError, OSError, ValueError) as error:
        raise ConfigError(
            f"{hub} does not answer ({type(error).__name__}). Is --hub the URL that users open?"
        ) from error
    if status in (401, 403):
        raise ConfigError(f"{hub} refused the token in {TOKEN} ({status}). It must be an admin's, or have {SCOPES}.")
    if 300 <= status < 400:
        raise ConfigError(
            f"{hub} sends elsewhere ({status}). Give the URL that it leads to, with https:// if it has it."
        )
    if status != 200:
        raise ConfigError(f"{hub} could not list its users ({status}). Is --hub the URL that users open?")
    try:
        return json.loads(text)
    except ValueError as error:
        raise ConfigError(f"{hub} did not answer with JSON; is it a JupyterHub's URL?") from error
