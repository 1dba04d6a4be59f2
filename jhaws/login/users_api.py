"""JupyterHub's own REST API of users, where only admins may take a name of `admin_users`.

Whoever has such a name is an admin. It is free only where its admin was renamed or deleted while the hub runs; and a
service or a tutor who may change users must not give it to somebody.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from jupyterhub.apihandlers.users import UserAPIHandler, UserListAPIHandler

from ..sentences import say
from .answers import SentenceMixin


class _NamesMixin(SentenceMixin):
    """Refuses names of admins."""

    authenticator: Any
    current_user: Any
    parsed_scopes: Any

    def check_names(self, names: Iterable[Any]) -> None:
        """Refuse who may change users and is no admin; who may not gets JupyterHub's own answer.

        Raises:
            HTTPError: 403.
        """
        if getattr(self.current_user, "admin", False) or "admin:users" not in self.parsed_scopes:
            return
        normalise = self.authenticator.normalize_username
        admins = {normalise(name) for name in self.authenticator.admin_users}
        if any(isinstance(name, str) and normalise(name) in admins for name in names):
            self.refuse(403, say("Only admins can make, change or remove admins."))


class UsersAPI(_NamesMixin, UserListAPIHandler):  # type: ignore[misc]  # upstream has no types
    """`/hub/api/users`."""

    async def post(self) -> None:
        """Add users."""
        body = self.get_json_body()
        names = body.get("usernames") if isinstance(body, dict) else None
        self.check_names(names if isinstance(names, list) else ())
        await super().post()


class UserAPI(_NamesMixin, UserAPIHandler):  # type: ignore[misc]  # upstream has no types
    """`/hub/api/users/NAME`."""

    async def post(self, user_name: str) -> None:
        """Add a user."""
        self.check_names([user_name])
        await super().post(user_name)

    async def patch(self, user_name: str) -> None:
        """Change or rename a user."""
        body = self.get_json_body()
        name = body.get("name") if isinstance(body, dict) else None
        self.check_names([name] if name != user_name else ())
        await super().patch(user_name)


HANDLERS: list[Any] = [(r"/api/users", UsersAPI), (r"/api/users/([^/]+)", UserAPI)]
