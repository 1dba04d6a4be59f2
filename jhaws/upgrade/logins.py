"""Who may enter under one setup, and with which password.

The authenticator's own `check_allowed` and `check_blocked_users` answer, after the steps that a starting hub takes with
the names of its configuration. JhawsAuthenticator asks the hub's database, so its rule is applied to the users that
the hub listed. Of any other authenticator than JupyterHub's own only part of the rules is known here.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Any

from jupyterhub.auth import Authenticator
from jupyterhub.authenticators.shared import SharedPasswordAuthenticator
from jupyterhub.utils import maybe_future

from ..login import allowlist
from ..login.authenticator import JhawsAuthenticator
from .setups import Setup
from .users import User

NO = "no"
YES = "yes"
WITH_USERS = "with the users' password"
WITH_ADMINS = "with the admin password"
BLOCKED = "no, blocked"
WAITS = "no, waits for an admin"
NO_PASSWORD = "no, no such password is set"  # noqa: S105  # a sentence


class Door:
    """Answers how each user enters a setup.

    Args:
        setup: The hub.
        names: The names of all users in the hub's table.
        first: Whether jhaws's login, if it is the setup's, is new to the hub: users of another one wait.
    """

    def __init__(self, setup: Setup, names: Collection[str], *, first: bool = False) -> None:
        self.login = setup.login
        self._authenticator: Any = setup.authenticator
        self.configured = configured_names(setup)
        self._names = frozenset(names) | self.configured
        self._waiting = frozenset(names) - self.configured if first else frozenset()
        if self._authenticator is not None:
            self._normalise()

    def _normalise(self) -> None:
        """Do with the configured names what JupyterHub does when it starts."""
        one = self._authenticator
        one.admin_users = {one.normalize_username(name) for name in one.admin_users}
        allowed = {one.normalize_username(name) for name in one.allowed_users}
        existing = one.allow_existing_users
        one.allowed_users = allowed | one.admin_users if allowed else allowed
        if existing and not isinstance(one, JhawsAuthenticator):
            one.allowed_users = one.allowed_users | self._names

    @property
    def decides(self) -> bool:
        """Whether the authenticator has rules of its own, which only a log-in would show."""
        one = self._authenticator
        return one is None or (not isinstance(one, JhawsAuthenticator) and not _is_jupyterhubs(one))

    @property
    def open_to_all(self) -> bool:
        """Whether names that are no users yet may enter."""
        return bool(self._authenticator is not None and self._authenticator.allow_all)

    async def way_in(self, user: User) -> str:
        """Return how a user enters, for people; the same text is the same way."""
        one = self._authenticator
        if one is None:
            return f"{self.login} decides"
        if not await maybe_future(one.check_blocked_users(user.name)):
            return BLOCKED
        if not one.validate_username(user.name):
            return NO
        if isinstance(one, JhawsAuthenticator):
            if user.name in self._waiting and not one.allow_all:
                return WAITS
            admin = user.admin or user.name in one.admin_users
            return self._password(admin, allowed=self._is_on_our_list(user.name))
        allowed = one.allow_all or await maybe_future(one.check_allowed(user.name))
        if isinstance(one, SharedPasswordAuthenticator):
            return self._password(user.name in one.admin_users, allowed=allowed)
        if self.decides:
            return f"{self.login} decides"
        return YES if allowed else NO

    def _is_on_our_list(self, name: str) -> bool:
        one = self._authenticator
        rules = allowlist.AllowRules(
            allow_all=one.allow_all,
            allow_existing_users=one.allow_existing_users,
            allowed_users=one.allowed_users,
            admin_users=one.admin_users,
        )
        return allowlist.should_allow(name, rules=rules, exists=name in self._names)

    def _password(self, admin: bool, *, allowed: bool) -> str:
        one = self._authenticator
        if not allowed:
            return NO
        if admin:
            return WITH_ADMINS if one.admin_password else NO_PASSWORD
        return WITH_USERS if one.user_password or one.password_groups else NO_PASSWORD


def _is_jupyterhubs(authenticator: Authenticator) -> bool:
    """Tell whether an authenticator is of a class of JupyterHub's own."""
    return type(authenticator).__module__.startswith("jupyterhub.")


def configured_names(setup: Setup) -> frozenset[str]:
    """Return the normalised names that the hub makes users of at its start."""
    one: Authenticator | None = setup.authenticator
    if one is None:
        return frozenset()
    hub = setup.config.JupyterHub
    names: Iterable[Any] = [
        *one.admin_users,
        *one.allowed_users,
        *allowlist.names_in_groups(hub.get("load_groups") or {}),
        *allowlist.names_in_roles(hub.get("load_roles") or []),
    ]
    return frozenset(one.normalize_username(str(name)) for name in names)
