"""JupyterHub's own REST API of users, where a new name must not be mistaken for another one, nor be an admin's.

Whoever has a name of `admin_users` is an admin. It is free only where its admin was renamed or deleted while the hub
runs; and a service or a tutor who may change users must not give it to somebody.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from jupyterhub.apihandlers.users import UserAPIHandler, UserListAPIHandler

from .. import store
from ..sentences import say
from . import lookalikes
from .answers import SentenceMixin
from .roster_cells import show_name


class _NamesMixin(SentenceMixin):
    """Refuses new names."""

    authenticator: Any
    current_user: Any
    db: Any
    parsed_scopes: Any

    def check_names(self, names: Iterable[Any], *, instead_of: str = "") -> None:
        """Refuse names that somebody is about to get; who may not change users gets JupyterHub's own answer.

        Args:
            names: What was sent.
            instead_of: The name that is given up.

        Raises:
            HTTPError: 403: one is an admin's, and whoever asks is none. 400: one looks like another name.
        """
        if "admin:users" not in self.parsed_scopes:
            return
        normalise = self.authenticator.normalize_username
        wanted = {normalise(name) for name in names if isinstance(name, str)}
        admins = {normalise(name) for name in self.authenticator.admin_users}
        if not getattr(self.current_user, "admin", False) and wanted & admins:
            self.refuse(403, say("Only admins can make, change or remove admins."))
        there = store.read_user_names(self.db)
        known = lookalikes.map_skeletons(there - {instead_of})
        for name in sorted(wanted - there):
            if fault := lookalikes.find_mistake(name, known):
                self.refuse(400, say("{name}: {sentence}", name=show_name(name), sentence=fault))
            known |= lookalikes.map_skeletons([name])


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
        self.check_names([name] if name != user_name else (), instead_of=user_name)
        await super().patch(user_name)


HANDLERS: list[Any] = [(r"/api/users", UsersAPI), (r"/api/users/([^/]+)", UserAPI)]
