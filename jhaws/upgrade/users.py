"""The users of a hub and their servers: from its REST API, or from a file with that API's answer."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp

from ..errors import ConfigError
from ..hubaccess import ask, check_access, open_session, read_json
from ..values.places import value_at

SCOPES = "list:users, read:users, read:servers and admin:server_state"
SAVE = "Save what GET /hub/api/users?include_stopped_servers=1 answers; of several pages, put all items into one list."
# What the check reads of the API's models, and how JSON calls it.
USER_FIELDS = {"name": str, "id": int, "admin": bool, "roles": list, "groups": list, "servers": dict}
SERVER_FIELDS = {"ready": bool, "stopped": bool, "state": dict, "user_options": dict}
JSON_NAMES: Mapping[type, str] = {
    str: "a text",
    int: "a number",
    float: "a number",
    bool: "true or false",
    list: "a list",
    dict: "an object",
    type(None): "null",
}
# The hub's default `api_page_max_limit`; it cuts longer pages to its own limit, and we follow its `next`.
PAGE_SIZE = 200
PAGINATION = "application/jupyterhub-pagination+json"


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
        id: The number in the hub's database; the API does not tell it, a file of one's own may.
    """

    name: str
    admin: bool = False
    groups: tuple[str, ...] = ()
    servers: tuple[Server, ...] = (Server(),)
    id: int | None = None


def read_users(models: Any, *, source: str) -> list[User]:
    """Return the users of the API's answer: a list of user models, or a page that holds them all.

    Args:
        models: What the JSON holds.
        source: Where it comes from, for errors.

    Raises:
        ConfigError: It holds something else, one of several pages only, or users without their servers.
    """
    items = models.get("items") if isinstance(models, dict) else models
    users = _read_list(items, source)
    total = value_at(models, ("_pagination", "total"))
    if value_at(models, ("_pagination", "next")) or (isinstance(total, int) and total > len(users)):
        raise ConfigError(
            f"{source} holds one page of users, {len(users)}, and the hub has more. Put the items of all pages into "
            "one list, or use --hub."
        )
    return users


def _read_list(items: Any, source: str) -> list[User]:
    if not isinstance(items, list):
        raise ConfigError(f"{source} must hold a list of users, got {_describe(items)}. {SAVE}")
    users = [_read_user(item, f"{source}: user {number}") for number, item in enumerate(items, start=1)]
    if untold := sum(item.get("servers") is None for item in items):
        raise ConfigError(
            f"{source} says nothing about the servers of {untold} of {len(items)} users, so what changes for them "
            "cannot be told. A hub leaves servers out where the token lacks the scope read:servers, which admin:users "
            f"does not bring. Ask with an admin's token, or with one that has {SCOPES}."
        )
    return users


def _read_user(model: Any, place: str) -> User:
    _check_fields(model, USER_FIELDS, place)
    if not model.get("name"):
        raise ConfigError(f"{place} has no name. {SAVE}")
    servers = {
        name: _read_server(name, server, f"{place}, server {name!r}")
        for name, server in (model.get("servers") or {}).items()
    }
    return User(
        name=model["name"],
        admin=bool(model.get("admin")) or "admin" in (model.get("roles") or ()),
        groups=tuple(str(group) for group in model.get("groups") or ()),
        servers=tuple(({"": Server()} | servers).values()),
        id=model.get("id"),
    )


def _read_server(name: str, model: Any, place: str) -> Server:
    _check_fields(model, SERVER_FIELDS, place)
    running = not model.get("stopped", not model.get("ready"))
    state = (model["state"] or {}) if "state" in model else None
    return Server(name=name, running=running, state=state, user_options=model.get("user_options") or {})


def _check_fields(model: Any, fields: Mapping[str, type], place: str) -> None:
    """Refuse what is no model of the API; fields that it leaves out, or makes null, are not told."""
    if not isinstance(model, dict):
        raise ConfigError(f"{place} must be an object, got {_describe(model)}. {SAVE}")
    for name, kind in fields.items():
        value = model.get(name)
        if value is not None and not isinstance(value, kind):
            raise ConfigError(f"{place}: {name} must be {JSON_NAMES[kind]}, got {_describe(value)}. {SAVE}")


def _describe(value: Any) -> str:
    """Return what a value of JSON is, and never the value: a server's state may hold secrets."""
    return JSON_NAMES[type(value)]


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
        raise ConfigError(f"{name} holds no JSON. {SAVE}") from error
    return read_users(models, source=name)


async def fetch_users(url: str, token: str) -> list[User]:
    """Fetch the users of a hub, page after page.

    Args:
        url: The hub's public URL, `https://hub.example.org/` and its base URL if it has one.
        token: Of an admin; it is never shown, and never follows a redirect.

    Raises:
        ConfigError: The hub cannot be reached, refuses, does not tell everything, or is no hub.
    """
    check_access(url, token, needs=SCOPES)
    users: list[User] = []
    async with open_session(token, Accept=PAGINATION) as http:
        offset: int | None = 0
        while offset is not None:
            query = f"offset={offset}&limit={PAGE_SIZE}&include_stopped_servers=1"
            page = await _fetch(http, f"{url.rstrip('/')}/hub/api/users?{query}", hub=url)
            following = _find_following(page, offset, hub=url)
            users += _read_list(page["items"], url)
            offset = following
    return users


def _find_following(page: Any, offset: int, *, hub: str) -> int | None:
    """Return the offset of the page after `page`, which begins at `offset`; None where it is the last."""
    if isinstance(page, dict) and isinstance(page.get("_pagination"), dict) and "items" in page:
        following = page["_pagination"].get("next")
        if following is None:
            return None
        found = value_at(following, ("offset",))
        # One that does not grow would keep us here for ever.
        if isinstance(found, int) and found > offset:
            return found
    raise ConfigError(f"{hub} did not answer with a page of users; is it a JupyterHub's URL?")


async def _fetch(http: aiohttp.ClientSession, url: str, *, hub: str) -> Any:
    status, content = await ask(http, "GET", url, hub=hub, needs=SCOPES)
    if status == 403:
        raise ConfigError(f"{hub} refused the token ({status}). It must be an admin's, or have {SCOPES}.")
    if status != 200:
        raise ConfigError(f"{hub} could not list its users ({status}). Is --hub the URL that users open?")
    return read_json(content, hub=hub)
