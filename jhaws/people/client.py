"""A hub's REST API of people, one method for each request."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import quote, urlencode

from ..errors import ConfigError, JhawsError
from ..hubaccess import ask, check_access, check_shape, open_session, read_json, read_message

SCOPES = "admin:users and admin:groups (to read: read:users)"
PAGE_SIZE = 200  # the hub's default `api_page_max_limit`

# What `command.py` needs of answers.
_ENTRY = {"name": str, "groups": [str], "admin": bool, "ends_at": str | None, "note": str}
_PERSON = {**_ENTRY, "state": str, "servers": int}
_PAGE = {"items": [_PERSON], "_pagination": {"next": dict | None}}
_CODE = {"name": str, "code": str, "ends_at": str, "link": str}
_FINDINGS = [{"line": int | None, "sentence": str}]
_CHANGES = {
    "added": [_ENTRY],
    "changed": [{"old": _ENTRY, "new": _ENTRY, "fields": [str]}],
    "removed": [_ENTRY],
    "unchanged": int,
    "remarks": _FINDINGS,
}
_PREVIEW = {**_CHANGES, "problems": _FINDINGS, "digest": str}


class PeopleClient:
    """A client of one hub, to be used as `async with PeopleClient(url, token) as hub`.

    Args:
        url: The hub's public URL.
        token: It is never shown, and never follows a redirect.

    Raises:
        ConfigError: One of them cannot be right.
    """

    def __init__(self, url: str, token: str) -> None:
        check_access(url, token, needs=SCOPES)
        self._hub = url
        self._url = url.rstrip("/") + "/hub/api/jhaws/"
        self._token = token

    async def __aenter__(self) -> PeopleClient:
        self._http = open_session(self._token)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._http.close()

    async def list_people(self, *, search: str, state: str) -> AsyncIterator[dict[str, Any]]:
        """Give people page after page."""
        offset = 0
        while True:
            query = urlencode({"search": search, "state": state, "offset": offset, "limit": PAGE_SIZE})
            page = await self._ask("GET", f"people?{query}", shape=_PAGE)
            for person in page["items"]:
                yield person
            following = page["_pagination"]["next"]
            if not following:
                return
            check_shape(following, {"offset": int}, hub=self._hub)
            if following["offset"] <= offset:
                return
            offset = following["offset"]

    async def add(self, names: list[str], fields: dict[str, Any]) -> Any:
        """Add people: all of them, or none."""
        return await self._ask("POST", "people", {"names": names, **fields}, shape=[_PERSON])

    async def change(self, name: str, fields: dict[str, Any]) -> Any:
        """Change a person."""
        return await self._ask("PATCH", f"people/{_quote(name)}", fields, shape=_PERSON)

    async def revoke(self, name: str) -> Any:
        """End a person's logins, tokens and servers."""
        return await self._ask("POST", f"people/{_quote(name)}/revoke", {}, shape=_PERSON)

    async def reset(self, name: str) -> Any:
        """Give a person a one-time code for a new password, which only this answer has."""
        return await self._ask("POST", f"people/{_quote(name)}/reset", {}, shape=_CODE)

    async def allow(self, names: Any) -> Any:
        """Let people in who wait, or "all"."""
        return await self._ask("POST", "waiting", {"allow": names}, shape={"allowed": int})

    async def roster(self, verb: str, body: dict[str, Any]) -> Any:
        """Preview, apply or undo an import."""
        return await self._ask("POST", f"roster/{verb}", body, shape=_CHANGES if verb == "undo" else _PREVIEW)

    async def export(self) -> bytes:
        """Return the list as a CSV file in UTF-8."""
        content = await self._ask_bytes("GET", "roster.csv")
        try:
            content.decode("utf-8-sig")
        except UnicodeDecodeError as error:
            raise ConfigError(f"{self._hub} did not answer with a list in UTF-8. Is --hub its URL?") from error
        return content

    async def _ask(self, method: str, path: str, body: Any = None, *, shape: Any) -> Any:
        answer = read_json(await self._ask_bytes(method, path, body), hub=self._hub)
        return check_shape(answer, shape, hub=self._hub)

    async def _ask_bytes(self, method: str, path: str, body: Any = None) -> bytes:
        status, content = await ask(self._http, method, self._url + path, hub=self._hub, needs=SCOPES, body=body)
        if status < 300:
            return content
        if message := read_message(content):
            raise JhawsError(message)
        if status == 404:
            raise ConfigError(f"{self._hub} has no jhaws people. Is its login JhawsAuthenticator, and --hub its URL?")
        raise ConfigError(f"{self._hub} could not do it ({status}); its log says why.")


def _quote(name: str) -> str:
    """Quote a name as one path segment, dots included: "." and ".." would climb."""
    return quote(name, safe="").replace(".", "%2E")
