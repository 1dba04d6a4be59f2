"""The part of the hub's REST API that services use: list users, stop servers, delete users.

It owns one HTTP session with the service's token. It never follows a redirect (the token would go along),
never retries and never logs: a caller gets a `TryAgainError` with one sentence and decides. User and server
names come from people, so they are quoted whole; a server called ".." must not turn its URL into its owner's.
"""

import json
from types import TracebackType
from typing import Any, Self
from urllib.parse import quote

import aiohttp
from yarl import URL

from jhaws.services.running import TryAgainError

# Longer than the hub's own `slow_stop_timeout` (10 s), after which it answers 202 by itself.
REQUEST_TIMEOUT_SECONDS = 60.0
# The hub's default `api_page_max_limit`; it cuts longer pages to its own limit, and we follow its `next`.
PAGE_SIZE = 200
PAGINATION = "application/jupyterhub-pagination+json"


def quote_name(name: str) -> str:
    """Quote a user or server name as one path segment, dots included: "." and ".." would climb."""
    return quote(name, safe="").replace(".", "%2E")


def make_server_path(user: str, server: str) -> str:
    """Return the API path of a server; the default server has the name ""."""
    if not server:
        return f"/users/{quote_name(user)}/server"
    return f"/users/{quote_name(user)}/servers/{quote_name(server)}"


class HubApi:
    """A client of one hub, to be used as `async with HubApi(url, token) as hub`.

    Args:
        url: The API's address without a slash at its end, for example http://127.0.0.1:8081/hub/api.
        token: The service's own token; it is never shown.
        timeout_seconds: The longest wait for one answer.
    """

    def __init__(self, url: str, token: str, *, timeout_seconds: float = REQUEST_TIMEOUT_SECONDS) -> None:
        self.url = url.rstrip("/")
        self._session = aiohttp.ClientSession(
            headers={"Authorization": f"token {token}"},
            timeout=aiohttp.ClientTimeout(total=timeout_seconds),
            # The caller bounds how many requests run at once.
            connector=aiohttp.TCPConnector(limit=0),
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._session.close()

    async def fetch_users(self, *, state: str = "") -> list[dict[str, Any]]:
        """Fetch the models of all users, page after page.

        Args:
            state: "ready" for users with a ready server only; "" for all.

        Raises:
            TryAgainError: The hub does not answer, or not with users.
        """
        users: list[dict[str, Any]] = []
        offset = 0
        while True:
            query = f"?offset={offset}&limit={PAGE_SIZE}" + (f"&state={quote(state)}" if state else "")
            _, page = await self._request("GET", "/users" + query)
            try:
                users += page["items"]
                following = page["_pagination"]["next"]
            except (TypeError, KeyError) as error:
                raise TryAgainError(f"{self.url} did not answer with a page of users; is it a JupyterHub?") from error
            # An offset that does not grow would keep us here for ever.
            if not following or following["offset"] <= offset:
                return users
            offset = following["offset"]

    async def delete_server(self, user: str, server: str, *, remove: bool = False) -> bool:
        """Stop a server; one that is gone already counts as stopped.

        Args:
            user: The owner's name.
            server: The server's name, "" for the default server.
            remove: Delete the named server's record, too.

        Returns:
            True if it has stopped, False if the hub is still stopping it.

        Raises:
            TryAgainError: The hub does not answer, or refuses.
        """
        body = {"remove": True} if remove and server else None
        status, _ = await self._request("DELETE", make_server_path(user, server), body=body)
        return status != 202

    async def delete_user(self, user: str) -> None:
        """Delete a user; one that is gone already counts as deleted.

        Raises:
            TryAgainError: The hub does not answer, or refuses.
        """
        await self._request("DELETE", f"/users/{quote_name(user)}")

    async def _request(self, method: str, path: str, *, body: Any = None) -> tuple[int, Any]:
        """Send one request; return its status (2xx, or a DELETE's 404) and what JSON the answer holds."""
        try:
            async with self._session.request(
                method,
                URL(self.url + path, encoded=True),
                json=body,
                headers={"Accept": PAGINATION},
                allow_redirects=False,
            ) as response:
                text = await response.text()
                status = response.status
        except (aiohttp.ClientError, OSError, TimeoutError) as error:
            kind = type(error).__name__
            raise TryAgainError(f"The hub does not answer at {self.url} ({kind}); it may be starting.") from error
        if status < 300 or (method == "DELETE" and status == 404):
            return status, _parse(text)
        what = f"{method} {path.partition('?')[0]}"
        if status == 403:
            raise TryAgainError(
                f"The hub refused {what} (403): this service's role lacks a scope, or its token is of "
                "another hub; look at JupyterHub.load_roles."
            )
        raise TryAgainError(f"The hub could not do {what} ({status}): {_read_message(text)}.")


def _parse(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return None


def _read_message(text: str) -> str:
    model = _parse(text)
    message = model.get("message") if isinstance(model, dict) else None
    return str(message or "it gave no reason")[:200].rstrip(".")
