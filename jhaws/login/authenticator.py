"""The door of the hub: a shared password and an allow list.

`JhawsAuthenticator` takes the place of JupyterHub's SharedPasswordAuthenticator with the same options. It holds them
and answers JupyterHub: `door.py` lets somebody in or not, `keyring.py` says which passwords were typed, `allowlist.py`
and `people.py` whether the name may enter, and `configured.py` reads at hub start what the configuration says of
names and passwords.
"""

from __future__ import annotations

import logging
from datetime import UTC, datetime
from typing import Any
from urllib.parse import unquote

from jupyterhub.authenticators.shared import SharedPasswordAuthenticator
from tornado import web
from traitlets import Bool, Enum, Integer, List, TraitError, Unicode, validate

from .. import pages, store
from ..errors import ConfigError, UsernameError
from ..names import check_username
from ..sentences import say
from ..starts.telling import spare_the_hub
from . import (
    addresses,
    admin_pages,
    allowlist,
    api,
    closing,
    configured,
    gate_api,
    handlers,
    keyring,
    list_audit,
    passwords,
    people,
    people_api,
    users_api,
)
from .configured import SHOWN_NAME_LENGTH
from .door import Door
from .people import RefusedError
from .roster_cells import show_name
from .times import TimeZoneName

# Characters; far above what a name may have, and so few that looking at each of them costs nothing.
MAX_TYPED_NAME_LENGTH = 1024


class JhawsAuthenticator(SharedPasswordAuthenticator):  # type: ignore[misc]  # upstream has no types
    """Lets in the hub's users with a shared password, and admins with their own."""

    user_password = passwords.Password(
        min_length=passwords.USER_PASSWORD_MIN_LENGTH,
        config=True,
        help="""
        The password of all users who are not admins, at least 8 characters.

        None by default: nobody enters with a shared password, until an admin sets one while the hub runs. It never
        opens the account of an admin, by `admin_users`, by the admin flag or by roles.

        It may be plain text or a hash that `jhaws password hash` makes (`$argon2id$...`), may be in a file, see
        `user_password_file`, or in the environment variable JHAWS_USER_PASSWORD, but in one of them only. What an
        admin sets while the hub runs goes on after a restart, until this value is another one than before.
        """,
    )

    user_password_file = Unicode(
        config=True,
        help="""
        A file that holds what `user_password` may hold, as a Kubernetes Secret is mounted.

        Empty by default: there is none. A line break at its end does not count. It is read when the hub starts, and
        without it the hub does not start. Example: `/etc/jhaws/user-password`.
        """,
    )

    admin_password = passwords.Password(
        min_length=passwords.ADMIN_PASSWORD_MIN_LENGTH,
        config=True,
        help="""
        The password of all admins, at least 32 characters and different from all others.

        None by default: admins have one of their own, the first of them by a one-time code. It opens the accounts
        of all admins, by `admin_users`, flag or roles, who have not set a password of their own, and no others.

        It may be plain text or a hash that `jhaws password hash` makes (`$argon2id$...`), may be in a file, see
        `admin_password_file`, or in the environment variable JHAWS_ADMIN_PASSWORD, but in one of them only. How
        long a hashed one is shows at a login: if it is too short or a shared one, it opens no admin's account.
        """,
    )

    admin_password_file = Unicode(
        config=True,
        help="""
        A file that holds what `admin_password` may hold, as a Kubernetes Secret is mounted.

        Empty by default: there is none. A line break at its end does not count. It is read when the hub starts, and
        without it the hub does not start. Example: `/etc/jhaws/admin-password`.
        """,
    )

    password_groups = passwords.PasswordGroups(
        Unicode(),
        config=True,
        help="""
        Further passwords for users who are not admins, each with the groups it puts the user into.

        Empty by default. A key is a password of at least 8 characters, or the hash of one, its value a list of
        groups; requires `manage_groups = True`. Example: `{"some-tutors-only": ["tutors"]}`.
        """,
    )

    personal_password = Enum(
        [passwords.OFF, passwords.OPTIONAL, passwords.REQUIRED],
        default_value=passwords.OFF,
        config=True,
        help="""
        Whether users may have a password of their own, set on the page `/hub/jhaws/password`. From its first use on
        no shared password opens that user's account.

        "off" by default: they have none, and one that was set before does not count. "optional": who wants sets one.
        "required": who logs in with a shared password has to choose an own one first, of at least 8 characters.
        Admins may always have their own, of at least 12 characters.
        """,
    )

    admin_users = allowlist.UserNames(
        config=True,
        help="""
        Users who are admins of the hub: always allowed, made admins at each hub start, and not to be deleted in
        the admin panel.

        Empty by default. Taking a name out leaves the user and the admin flag; take the flag away in the panel.
        """,
    )

    allowed_users = allowlist.UserNames(
        config=True,
        help="""
        Users whom the hub adds to its users table, once.

        Empty by default. A name that somebody deletes or renames in the hub does not come back with the next
        start; to allow it again, add it in the admin panel, or start the hub once without it.
        """,
    )

    blocked_users = allowlist.UserNames(
        config=True,
        help="""
        Users who may not enter even if they are allowed.

        Empty by default. At hub start JupyterHub takes their roles, groups and servers away.
        """,
    )

    allow_existing_users = Bool(
        True,
        config=True,
        help="""
        Allow every user whom the hub's users table has, so that adding somebody in the admin panel or by the REST
        API lets them in and deleting them keeps them out.

        True by default, since this is the allow list. False: only names in `allowed_users` and `admin_users`.
        """,
    ).tag(allow_config=True)

    trusted_proxies = List(
        Unicode(),
        default_value=list(addresses.DEFAULT_TRUSTED),
        config=True,
        help="""
        Networks of the proxies in front of the hub, whose `X-Forwarded-For` is believed: load balancer, ingress and
        the proxy pod. The first address from the right that is in none of them is the client's, by which failed
        logins are counted.

        Default: all private networks, since pods and load balancers are there. Who is in such a network can then
        pretend to be elsewhere and make others wait, but for users' running servers, whose addresses are known. Name
        the subnets of the load balancer and of the proxy's pods to close that. Example: `["10.0.0.0/24"]`.
        """,
    )

    audit_days = Integer(
        90,
        config=True,
        help="""
        Keep entries of the audit log this many days, and of logins, which everybody makes, the newest 200,000.

        Default: 90 days, a term. They hold names and addresses of people, so keep them no longer than your rules
        allow. Example: `audit_days: 30`.
        """,
    )

    time_zone = TimeZoneName(
        "UTC",
        config=True,
        help="""
        The time zone in which the day of an end date is over, a name such as `Europe/Berlin`.

        UTC by default. A person with the end date 2027-02-28 may log in until midnight there.
        """,
    )

    def __init__(self, **kwargs: Any) -> None:
        # Names of the configuration that become users during this hub start and are not remembered yet.
        self._new_names: set[str] = set()
        self.door = Door(self)
        self.keyring = keyring.Keyring(with_groups=lambda: bool(self.manage_groups))
        try:
            super().__init__(**kwargs)
            configured.read_passwords(self)
            configured.check_passwords(self)
            option = f"{type(self).__name__}.trusted_proxies"
            self.door.trusted = addresses.read_networks(self.trusted_proxies, option=option)
        except (ConfigError, TraitError) as error:
            self._refuse_start(str(error), parent=kwargs.get("parent"))

    # The traits have looked at them; what must fit together is checked when all options are known.
    @validate("user_password")
    def _validate_password(self, proposal: Any) -> Any:
        return proposal.value

    @validate("admin_password")
    def _validate_admin_password(self, proposal: Any) -> Any:
        return proposal.value

    @validate("password_groups")
    def _validate_password_groups(self, proposal: Any) -> Any:
        return proposal.value

    @classmethod
    def class_get_trait_help(cls, trait: Any, inst: Any = None, helptext: Any = None) -> str:
        """Describe an option, without the current value where that is a password."""
        if isinstance(trait, passwords.Password | passwords.PasswordGroups):
            inst = None
        return str(super().class_get_trait_help(trait, inst, helptext))

    async def authenticate(self, handler: Any, data: Any) -> dict[str, Any] | None:
        """Let somebody in, or not, and say why in the log.

        Args:
            handler: The request's handler, of the login form or of the REST API.
            data: The form's fields, or any JSON value that a token request carries as `auth`.

        Returns:
            JupyterHub's auth model, or None when refused. Its name is the typed one: JupyterHub normalises it
            once more, and doing that twice could lead to another account where `username_map` has chains.
        """
        if isinstance(data, dict):
            # JupyterHub's login handler reads the field again after a refusal.
            data.setdefault("username", "")
        model: dict[str, Any] | None = await self.door.enter(handler, data)
        return model

    def own_password_min_length(self, name: str | None) -> int | None:
        """Return how many characters a user's own password must have; None where the user may have none."""
        admin = self.is_admin_name(name)
        return passwords.own_min_length(admin=admin) if admin or self.personal_password != passwords.OFF else None

    def is_admin_name(self, name: str | None) -> bool:
        """Tell whether a normalised name is an admin's now."""
        return self.is_admin_account(name, store.read_account(self.parent.db, name or ""))

    def check_allowed(self, username: str, authentication: Any = None) -> bool:
        """Tell whether the allow list has a normalised name right now; the users table is asked each time."""
        rules = allowlist.AllowRules(
            allow_all=self.allow_all,
            allow_existing_users=self.allow_existing_users,
            allowed_users=self.allowed_users,
            admin_users=self.admin_users,
        )
        allowed = allowlist.should_allow(username, rules=rules, exists=store.has_user(self.parent.db, username))
        return self.find_standing_refusal(username) is None and allowed

    def validate_username(self, username: str) -> bool:
        """Tell whether a normalised name may be a user's, by JupyterHub's rules and by ours."""
        try:
            check_username(username)
        except UsernameError:
            return False
        if not unquote(username).strip("."):
            # "..", also as "%2e%2e", would be another path in a URL; JupyterHub 5 still takes it.
            return False
        return bool(super().validate_username(username))

    def check_allow_config(self) -> None:
        """Check the names of the configuration, and drop those that were deleted or renamed in the hub.

        JupyterHub calls this at hub start, before it makes users of the names.
        """
        try:
            self.check_names()
        except ConfigError as error:
            self._refuse_start(str(error), parent=self.parent)
        # JupyterHub's own check of SharedPasswordAuthenticator knows nothing of the passwords in the database.
        super(SharedPasswordAuthenticator, self).check_allow_config()
        if isinstance(self.log, logging.Logger):
            self.log.addFilter(configured.is_no_upstream_leak)
        pages.add_templates(self.parent)
        # For the links in the hub's navigation.
        self.parent.template_vars = {**self.parent.template_vars, "jhaws_personal_password": self.personal_password}
        self._new_names = configured.begin_with_names(self)
        store.watch_promotions()
        closing.find_closer(self.parent).start()
        list_audit.watch(self.parent)
        # `jupyterhub token` and the like come here too, but may have been called with another environment.
        if self.parent.parent is None:
            configured.begin_with_passwords(self)

    def add_user(self, user: Any) -> None:
        """Remember a name of the configuration that has just become a user; others need no bookkeeping.

        JupyterHub's own version copies each name into `allowed_users`, where it would outlive a renaming.

        Raises:
            ValueError: The name cannot be a user's; JupyterHub then removes the user it was about to add.
        """
        if not self.validate_username(user.name):
            raise ValueError(f"{user.name[:SHOWN_NAME_LENGTH]!r} cannot be a user name; choose another one.")
        if user.name in self._new_names:
            self._new_names.discard(user.name)
            # No commit: at hub start, where this happens, JupyterHub commits once for all users.
            store.add_configured_name(self.parent.db, user.name, seen_at=datetime.now(UTC))

    def delete_user(self, user: Any) -> None:
        """Forget a user who is deleted.

        Raises:
            HTTPError: 409, with a sentence for the admin panel: it is an admin of the configuration.
        """
        try:
            configured.check_deletion(self, user.name)
        except RefusedError as error:
            raise web.HTTPError(error.status, "%s", error.sentence) from None
        store.delete_person(self.parent.db, user.id)
        super().delete_user(user)

    def pre_spawn_start(self, user: Any, spawner: Any) -> None:
        """Let nobody start a server of a person who may not enter, and remember the token that the server gets.

        Raises:
            HTTPError: 403, with a sentence for whoever starts it.
        """
        if reason := self.find_standing_refusal(user.name):
            spare_the_hub(spawner)
            sentence = say("The server of {name} does not start: {reason}.", name=show_name(user.name), reason=reason)
            raise web.HTTPError(403, "%s", sentence)
        store.keep_server_token(self.parent.db, spawner.orm_spawner.id, spawner.api_token)
        # Now: JupyterHub awaits others first, for whom a writer on SQLite would have to wait.
        self.parent.db.commit()

    def get_handlers(self, app: Any) -> list[Any]:
        """Add our pages and our parts of the REST API to the hub's; the first one of a path counts."""
        # The hub has all users and roles now, and answers nobody yet.
        closing.settle_admins(app)
        ours = (handlers, admin_pages, api, people_api, users_api, gate_api)
        return [*(handler for module in ours for handler in module.HANDLERS), *super().get_handlers(app)]

    def known_passwords(self) -> passwords.Passwords:
        """Return the passwords of the configuration."""
        return passwords.Passwords(user=self.user_password, admin=self.admin_password, groups=self.password_groups)

    def user_name(self, typed: str | None) -> str | None:
        """Normalise what was typed, once; None when it cannot be a user's name."""
        if typed is None or len(typed) > MAX_TYPED_NAME_LENGTH:
            return None
        name = self.normalize_username(typed)
        return name if self.validate_username(name) else None

    def is_admin_account(self, name: str | None, account: store.Account) -> bool:
        """Tell whether a normalised name with this account is an admin's."""
        return name in self.admin_users or account.admin or account.admin_by_role

    def check_names(self) -> None:
        """Check each name that the configuration would turn into a user.

        Raises:
            ConfigError: A name is no text, or cannot be a user's name.
        """
        configured.check_names(self)

    def find_standing_refusal(self, name: str) -> str | None:
        """Say which block, end or waiting keeps a person out right now; the database is asked each time."""
        standing = store.read_standing(self.parent.db, name)
        if name in self.admin_users:
            return None
        return people.find_refusal(standing, configured=name in self.allowed_users, now=datetime.now(UTC))

    def _refuse_start(self, sentence: str, *, parent: Any) -> None:
        """End the hub with a sentence instead of a traceback; outside a hub, raise it.

        Raises:
            ConfigError: There is no hub to end.
        """
        leave = getattr(parent, "exit", None)
        if leave is None:
            raise ConfigError(sentence) from None
        parent.log.critical("The hub does not start: %s", sentence)
        leave(1)
