"""JupyterHub's own REST API of users and groups, where only admins change admins, and no new name is mistaken.

Whoever has a name of `admin_users` is an admin. It is free only where its admin was renamed or deleted while the hub
runs; and a service or a tutor who may change users must not give it to somebody, nor touch an admin, by flag or by
role: JupyterHub itself asks for the flag alone, and not where somebody is deleted. Each method asks for JupyterHub's
scope before it looks at anything: a body of many megabytes from a stranger would hold the hub for seconds.

All of them tell the audit log who asks; JupyterHub's panel is a browser that asks them.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from jupyterhub.apihandlers.groups import GroupAPIHandler, GroupListAPIHandler, GroupUsersAPIHandler
from jupyterhub.apihandlers.users import UserAPIHandler, UserListAPIHandler

from .. import store
from ..sentences import say
from . import list_audit, lookalikes
from .answers import SentenceMixin, needs
from .people import ONLY_ADMINS
from .roster_cells import show_name


class _AskedMixin(SentenceMixin):
    """Tells the audit log who asks."""

    async def prepare(self) -> None:
        """Find who asks, in the task in which JupyterHub then does it."""
        await super().prepare()  # type: ignore[misc]  # of the handler
        if self.current_user is not None:
            list_audit.ask(actor=self.asker, address=self.address)


class _UsersMixin(_AskedMixin):
    """Refuses new names."""

    def check_names(self, names: Iterable[Any], *, instead_of: str = "") -> None:
        """Refuse names that somebody is about to get.

        Args:
            names: What was sent.
            instead_of: The name that is given up.

        Raises:
            HTTPError: 403: one is an admin's, and whoever asks is none. 400: one looks like another name.
        """
        normalise = self.authenticator.normalize_username
        wanted = {normalise(name) for name in names if isinstance(name, str)}
        admins = {normalise(name) for name in self.authenticator.admin_users}
        if wanted & admins and not self.is_admin:
            self.refuse(403, ONLY_ADMINS)
        there = store.read_user_names(self.db)
        known = lookalikes.map_skeletons(there - {instead_of})
        for name in sorted(wanted - there):
            if fault := lookalikes.find_mistake(name, known):
                self.refuse(400, say("{name}: {sentence}", name=show_name(name), sentence=fault))
            known |= lookalikes.map_skeletons([name])


class UsersAPI(_UsersMixin, UserListAPIHandler):  # type: ignore[misc]  # upstream has no types
    """`/hub/api/users`."""

    @needs("admin:users")
    async def post(self) -> None:
        """Add users."""
        body = self.get_json_body()
        names = body.get("usernames") if isinstance(body, dict) else None
        self.check_names(names if isinstance(names, list) else ())
        await super().post()


class UserAPI(_UsersMixin, UserAPIHandler):  # type: ignore[misc]  # upstream has no types
    """`/hub/api/users/NAME`."""

    @needs("admin:users")
    async def post(self, user_name: str) -> None:
        """Add a user, whose name JupyterHub would leave as it is here: with another spelling nobody could log in."""
        spelling = self.authenticator.normalize_username(user_name)
        if spelling != user_name:
            shown, right = show_name(user_name), show_name(spelling)
            self.refuse(
                400, say("{name} is written {spelling} in this hub; use that name.", name=shown, spelling=right)
            )
        self.check_names([user_name])
        await super().post(user_name)

    @needs("admin:users")
    async def patch(self, user_name: str) -> None:
        """Change or rename a user."""
        self.check_target(user_name)
        body = self.get_json_body()
        name = body.get("name") if isinstance(body, dict) else None
        if name == user_name:
            # As the admin panel sends it; JupyterHub 5.5.4 and 6.1.1 would set the name to nothing, and answer 500.
            del body["name"]
            self.request.body = json.dumps(body).encode()
        elif name is not None:
            self.check_names([name], instead_of=user_name)
        await super().patch(user_name)

    @needs("delete:users")
    async def delete(self, user_name: str) -> None:
        """Delete a user."""
        self.check_target(user_name)
        await super().delete(user_name)


class GroupsAPI(_AskedMixin, GroupListAPIHandler):  # type: ignore[misc]  # upstream has no types
    """`/hub/api/groups`."""


class GroupAPI(_AskedMixin, GroupAPIHandler):  # type: ignore[misc]  # upstream has no types
    """`/hub/api/groups/NAME`."""


class GroupUsersAPI(_AskedMixin, GroupUsersAPIHandler):  # type: ignore[misc]  # upstream has no types
    """`/hub/api/groups/NAME/users`."""


HANDLERS: list[Any] = [
    (r"/api/users", UsersAPI),
    (r"/api/users/([^/]+)", UserAPI),
    (r"/api/groups", GroupsAPI),
    (r"/api/groups/([^/]+)", GroupAPI),
    (r"/api/groups/([^/]+)/users", GroupUsersAPI),
]
