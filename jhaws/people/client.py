"""A hub's REST API of people, one method for each request."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import quote, urlencode

from ..errors import ConfigError, JhawsError
from ..hubaccess import HubClient, check_shape

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


class PeopleClient(HubClient):
    """A client of one hub, to be used as `async with PeopleClient(url, token) as hub`; see `HubClient`."""

    def __init__(self, url: str, token: str) -> None:
        super().__init__(url, token, needs=SCOPES)

    async def list_people(self, *, search: str, state: str) -> AsyncIterator[dict[str, Any]]:
        """Give people page after page."""
        offset = 0
        while True:
            query = urlencode({"search": search, "state": state, "offset": offset, "limit": PAGE_SIZE})
            page = await self.ask("GET", f"people?{query}", shape=_PAGE)
            for person in page["items"]:
                yield person
            following = page["_pagination"]["next"]
            if not following:
                return
            check_shape(following, {"offset": int}, hub=self.hub)
            if following["offset"] <= offset:
                return
            offset = following["offset"]

    async def add(self, names: list[str], fields: dict[str, Any]) -> Any:
        """Add people: all of them, or none."""
        return await self.ask("POST", "people", {"names": names, **fields}, shape=[_PERSON])

    async def change(self, name: str, fields: dict[str, Any]) -> Any:
        """Change a person."""
        return await self.ask("PATCH", f"people/{_quote(name)}", fields, shape=_PERSON)

    async def revoke(self, name: str) -> Any:
        """End a person's logins, tokens and servers."""
        return await self.ask("POST", f"people/{_quote(name)}/revoke", {}, shape=_PERSON)

    async def reset(self, name: str) -> Any:
        """Give a person a one-time code for a new password, which only this answer has."""
        return await self.ask("POST", f"people/{_quote(name)}/reset", {}, shape=_CODE)

    async def allow(self, names: Any) -> Any:
        """Let people in who wait, or "all"."""
        return await self.ask("POST", "waiting", {"allow": names}, shape={"allowed": int})

    async def roster(self, verb: str, body: dict[str, Any]) -> Any:
        """Preview, apply or undo an import."""
        return await self.ask("POST", f"roster/{verb}", body, shape=_CHANGES if verb == "undo" else _PREVIEW)

    async def export(self) -> bytes:
        """Return the list as a CSV file in UTF-8."""
        content = await self.ask_bytes("GET", "roster.csv")
        try:
            content.decode("utf-8-sig")
        except UnicodeDecodeError as error:
            raise ConfigError(f"{self.hub} did not answer with a list in UTF-8. Is --hub its URL?") from error
        return content


def _quote(name: str) -> str:
    """Quote a name as one path segment.

    Raises:
        JhawsError: It would be another path; no user can have such a name.
    """
    if name in ("", ".", ".."):
        raise JhawsError(f"No user can have the name {name!r}.")
    return quote(name, safe="")
