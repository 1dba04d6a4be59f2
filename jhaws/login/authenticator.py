"""The door of the hub: a shared password and an allow list.

`JhawsAuthenticator` takes the place of JupyterHub's SharedPasswordAuthenticator with the same options. It has
`keyring.py` say which passwords were typed, reads what the hub's database knows about the name, asks `passwords.py`
whether the password opens that account and `allowlist.py` whether the name may enter, and writes one log line for
each refusal. At hub start it stops the configuration from bringing back users whom somebody deleted or renamed in the
hub.

It never answers an unknown name differently from a wrong password, never logs a password, and never logs a
typed name that is not a user's: people type passwords into the wrong field.
"""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from jupyterhub.authenticators.shared import SharedPasswordAuthenticator
from jupyterhub.utils import maybe_future
from tornado import web
from traitlets import Bool, Enum, Integer, List, TraitError, Unicode, validate

from .. import store
from ..errors import ConfigError, UsernameError
from ..names import check_username
from . import (
    addresses,
    allowlist,
    api,
    closing,
    gate,
    gate_api,
    handlers,
    keyring,
    metrics,
    passwords,
    people,
    people_api,
    sources,
    throttle,
)
from .times import TimeZoneName

# What JupyterHub itself logs with whatever was typed as a name; our own line takes its place.
UPSTREAM_REFUSAL = "Failed login for %r"

TEMPLATES = Path(__file__).parents[1] / "pages" / "templates"

# Characters; far above what a name may have, and so few that looking at each of them costs nothing.
MAX_TYPED_NAME_LENGTH = 1024

# Of the audit log, which a scanner could fill: some 50 MB.
AUDIT_ENTRIES = 200_000

# Characters of a user's name in a log line, and names in a list of them.
SHOWN_NAME_LENGTH = 64
SHOWN_NAMES = 20


@dataclass(frozen=True)
class Verdict:
    """What comes of a login: JupyterHub's auth model, or why not; and whether a password must be chosen first."""

    model: dict[str, Any] | None
    refusal: str
    must_choose: bool


class JhawsAuthenticator(SharedPasswordAuthenticator):  # type: ignore[misc]  # upstream has no types
    """Lets in the hub's users with a shared password, and admins with their own."""

    user_password = passwords.Password(
        min_length=passwords.USER_PASSWORD_MIN_LENGTH,
        config=True,
        help="""
        The password of all users who are not admins, at least 8 characters.

        None by default: nobody enters with a shared password, until an admin sets one while the hub runs. It never
        opens the account of an admin, that is of a name in `admin_users` or of a user with the admin flag.

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

        None by default: no admin can log in. It opens the accounts in `admin_users` and those that got the admin
        flag in the admin panel, and no others; not those of admins who have set a password of their own.

        It may be plain text or a hash that `jhaws password hash` makes (`$argon2id$...`), may be in a file, see
        `admin_password_file`, or in the environment variable JHAWS_ADMIN_PASSWORD, but in one of them only.
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

        Empty by default. They log in with `admin_password`. Taking a name out leaves the user and the admin flag;
        take the flag away in the admin panel.
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

        Default: all private networks, since pods and load balancers are there. Who is in such a network, as a user's
        own server is, can then pretend to be elsewhere; failures are counted by name too, whatever the address. Name
        the subnets of the load balancer and of the proxy's pods to close that. Example: `["10.0.0.0/24"]`.
        """,
    )

    audit_days = Integer(
        90,
        config=True,
        help="""
        Keep entries of the audit log this many days, and at most 200,000 of them.

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
        self._gate = gate.Gate(lambda: self.parent.db, tidy=self._forget_old_logins)
        self.keyring = keyring.Keyring()
        try:
            super().__init__(**kwargs)
            self._read_passwords()
            self._check_passwords()
            self._trusted = addresses.read_networks(
                self.trusted_proxies, option=f"{type(self).__name__}.trusted_proxies"
            )
        except (ConfigError, TraitError) as error:
            self._refuse_start(str(error), parent=kwargs.get("parent"))

    @validate("user_password")
    def _validate_password(self, proposal: Any) -> Any:
        # The trait has looked at it; what must fit together is checked when all options are known.
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
        login = passwords.make_login(data)
        name = self._make_username(login.username)
        address = self.client_address(handler)
        is_known = name in self.admin_users or store.read_account(self.parent.db, name or "").exists
        shown = name if is_known and name else ""
        async with self._gated(name or login.username, shown, address) as attempt:
            verdict = await self._judge(login, name, is_form=handlers.is_login_form(handler))
            attempt.succeeded = verdict.model is not None
            self._remember(shown, address, verdict.refusal)
        if verdict.model and verdict.must_choose:
            await handlers.lead_to_choosing(handler, str(name), verdict.model)
        return verdict.model

    @asynccontextmanager
    async def _gated(self, typed: str | None, shown: str, address: str) -> AsyncIterator[gate.Attempt]:
        """Let an attempt at a password wait for its turn, and say so where it is put off.

        Raises:
            TooManyLoginsError: Its turn is too far away.
        """
        key = throttle.name_value(shown or typed, known=bool(shown), secret=self.parent.cookie_secret)
        try:
            async with self._gate.attempt(key, address) as attempt:
                yield attempt
        except gate.TooManyLoginsError:
            metrics.logins.labels(outcome=metrics.THROTTLED).inc()
            self.log.warning("Put off a login of %s from %s.", _show(shown), address)
            raise

    async def _judge(self, login: passwords.Login, name: str | None, *, is_form: bool) -> Verdict:
        """Check name and password.

        Args:
            login: What was sent.
            name: The normalised name, None where it cannot be one.
            is_form: Whether it came from the login form, which can lead to the choice of a password.
        """
        match = await self.keyring.match(self.parent.db, name, login.password)
        # Read now, as hashing takes a while.
        account = store.read_account(self.parent.db, name or "")
        admin = self._is_admin(name, account)
        # None leaves the flag as it is: nobody is demoted who became an admin in the panel a moment ago.
        flag = True if name in self.admin_users or account.admin else None
        model: dict[str, Any] = {"name": login.username, "admin": flag}
        if self.manage_groups:
            model["groups"] = passwords.make_groups(match, admin=admin)
        refusal = await self._find_name_refusal(name, model)
        refusal = refusal or passwords.find_refusal(
            match, admin=admin, known=self._passwords(), personal=self.personal_password
        )
        must_choose = passwords.must_choose(match, admin=admin, personal=self.personal_password)
        if must_choose and not is_form:
            refusal = refusal or "a password of its own has to be chosen first, by a login in the browser"
        return Verdict(None if refusal else model, refusal or "", must_choose)

    def _remember(self, name: str, address: str, refusal: str) -> None:
        """Write how a login ended into log, audit log and metrics; the gate commits."""
        outcome = metrics.REFUSED if refusal else metrics.OK
        metrics.logins.labels(outcome=outcome).inc()
        action = "login.refused" if refusal else "login"
        store.add_audit(self.parent.db, action=action, at=datetime.now(UTC), name=name, address=address, detail=refusal)
        if refusal:
            self.log.warning("Refused the login of %s from %s: %s.", _show(name), address, refusal)

    def _forget_old_logins(self) -> None:
        before = datetime.now(UTC) - timedelta(days=self.audit_days)
        store.prune_audit(self.parent.db, before=before, keep=AUDIT_ENTRIES)

    def client_address(self, handler: Any) -> str:
        """Return the address that a request comes from, as far as our own proxies tell."""
        request = getattr(handler, "request", None)
        forwarded_for = request.headers.get_list("X-Forwarded-For") if request else None
        return addresses.client_address(forwarded_for, addresses.peer_of(request), self._trusted)

    async def opens(self, handler: Any, name: str, password: str) -> bool:
        """Tell whether a password opens a user's account now; who may enter at all is not asked.

        Raises:
            TooManyLoginsError: Too many were wrong, here or at the login.
        """
        async with self._gated(name, name, self.client_address(handler)) as attempt:
            match = await self.keyring.match(self.parent.db, name, password)
            admin = self.is_admin_name(name)
            known, personal = self._passwords(), self.personal_password
            attempt.succeeded = passwords.find_refusal(match, admin=admin, known=known, personal=personal) is None
        return attempt.succeeded

    def own_password_min_length(self, name: str | None) -> int | None:
        """Return how many characters a user's own password must have; None where the user may have none."""
        if self.is_admin_name(name):
            return passwords.OWN_ADMIN_PASSWORD_MIN_LENGTH
        return None if self.personal_password == passwords.OFF else passwords.USER_PASSWORD_MIN_LENGTH

    def is_admin_name(self, name: str | None) -> bool:
        """Tell whether a normalised name is an admin's now."""
        return self._is_admin(name, store.read_account(self.parent.db, name or ""))

    def user_name(self, typed: str) -> str | None:
        """Return the normalised name of what was typed; None when it cannot be a user's."""
        return self._make_username(typed)

    def check_allowed(self, username: str, authentication: Any = None) -> bool:
        """Tell whether the allow list has a normalised name right now; the users table is asked each time."""
        rules = allowlist.AllowRules(
            allow_all=self.allow_all,
            allow_existing_users=self.allow_existing_users,
            allowed_users=self.allowed_users,
            admin_users=self.admin_users,
        )
        exists = store.read_account(self.parent.db, username).exists
        allowed = allowlist.should_allow(username, rules=rules, exists=exists)
        return self._find_standing_refusal(username) is None and allowed

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
            self.log.addFilter(_is_not_upstream_refusal)
        if str(TEMPLATES) not in self.parent.template_paths:
            self.parent.template_paths = [*self.parent.template_paths, str(TEMPLATES)]
        if self.parent.reset_db:
            # JupyterHub has emptied its own tables; a name that we still remember would look deleted.
            store.drop_tables(self.parent.db)
        if store.ensure_login(self.parent.db, now=datetime.now(UTC)):
            self._let_earlier_users_wait()
        self._drop_deleted_names()
        closing.find_closer(self.parent).start()
        # `jupyterhub token` and the like come here too, but may have been called with another environment.
        if self.parent.parent is None:
            now, option = datetime.now(UTC), type(self).__name__
            for sentence in self.keyring.begin(self.parent.db, self._passwords(), option=option, now=now):
                self.log.warning(sentence)
            self._warn_of_missing_passwords()
            sources.hide_passwords(self.parent.config, type(self).section_names())

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
        """Refuse to delete an admin of the configuration, who would be back at the next hub start.

        Raises:
            HTTPError: 409, with a sentence for the admin panel.
        """
        if user.name in self.admin_users:
            raise web.HTTPError(
                409,
                f"{user.name} is in {type(self).__name__}.admin_users and cannot be deleted here: "
                "remove the name from that option, restart the hub and delete the user then.",
            )
        store.delete_person(self.parent.db, user.id)
        super().delete_user(user)

    def get_handlers(self, app: Any) -> list[Any]:
        """Add our pages and our parts of the REST API to the hub's."""
        return [*super().get_handlers(app), *handlers.HANDLERS, *api.HANDLERS, *people_api.HANDLERS, *gate_api.HANDLERS]

    def _passwords(self) -> passwords.Passwords:
        return passwords.Passwords(user=self.user_password, admin=self.admin_password, groups=self.password_groups)

    def _make_username(self, typed: str | None) -> str | None:
        """Normalise what was typed, once; None when it cannot be a user's name."""
        if typed is None or len(typed) > MAX_TYPED_NAME_LENGTH:
            return None
        name = self.normalize_username(typed)
        return name if self.validate_username(name) else None

    def _is_admin(self, name: str | None, account: store.Account) -> bool:
        return name in self.admin_users or account.admin or account.admin_by_role

    async def _find_name_refusal(self, name: str | None, model: Mapping[str, Any]) -> str | None:
        """Say why a name may not enter whatever its password; None when it may.

        JupyterHub asks the same afterwards, but would log the typed name.
        """
        if name is None:
            return "no user can have that name"
        if not await maybe_future(self.check_blocked_users(name, model)):
            return "blocked_users has the name"
        if refusal := self._find_standing_refusal(name):
            return refusal
        if not await maybe_future(self.check_allowed(name, model)):
            return "the name is not on the allow list"
        return None

    def _find_standing_refusal(self, name: str) -> str | None:
        """Say which block, end or waiting keeps a person out right now; the database is asked each time."""
        standing = store.read_standing(self.parent.db, name)
        if name in self.admin_users:
            return None
        return people.find_refusal(standing, configured=name in self.allowed_users, now=datetime.now(UTC))

    def _read_passwords(self) -> None:
        """Take the passwords from where the operator put them.

        Raises:
            ConfigError: One is in two places, or cannot be read.
        """
        lengths = {
            "user_password": passwords.USER_PASSWORD_MIN_LENGTH,
            "admin_password": passwords.ADMIN_PASSWORD_MIN_LENGTH,
        }
        for name, min_length in lengths.items():
            password = sources.read_password(
                f"{type(self).__name__}.{name}",
                value=getattr(self, name),
                file=getattr(self, f"{name}_file"),
                variable=f"JHAWS_{name.upper()}",
                min_length=min_length,
            )
            self.set_trait(name, password)

    def _check_passwords(self) -> None:
        """Check what the password options must be to each other.

        Raises:
            ConfigError: Two of them are the same, or a group password could not give its groups.
        """
        option = type(self).__name__
        if clash := passwords.find_clash(self._passwords()):
            raise ConfigError(
                f"{option}.{clash[0]} and {option}.{clash[1]} must not hold the same password; "
                "choose another one for one of them."
            )
        if self.password_groups and not self.manage_groups:
            raise ConfigError(
                f"{option}.password_groups needs {option}.manage_groups = True, got False; "
                "without it JupyterHub does not put users into groups at login."
            )

    def check_names(self) -> None:
        """Check each name that the configuration would turn into a user.

        Raises:
            ConfigError: A name is no text, or cannot be a user's name.
        """
        for option, name in self._configured_names():
            allowlist.check_is_text(name, option=option)
            normalised = self.normalize_username(name)
            try:
                check_username(normalised)
            except UsernameError as error:
                raise ConfigError(f"{option} holds {name[:SHOWN_NAME_LENGTH]!r}. {error}") from error
            if not self.validate_username(normalised):
                raise ConfigError(
                    f"{option} holds {name[:SHOWN_NAME_LENGTH]!r}, which JupyterHub does not accept as a user name; "
                    "remove it or choose another one."
                )

    def _configured_names(self) -> Iterator[tuple[str, Any]]:
        """List (option, name) for each name that JupyterHub turns into a user at hub start."""
        option = type(self).__name__
        yield from ((f"{option}.admin_users", name) for name in self.admin_users)
        yield from ((f"{option}.allowed_users", name) for name in self.allowed_users)
        groups, roles = self._groups_and_roles()
        yield from (("JupyterHub.load_groups", name) for name in allowlist.names_in_groups(groups))
        yield from (("JupyterHub.load_roles", name) for name in allowlist.names_in_roles(roles))

    def _groups_and_roles(self) -> tuple[Mapping[str, Any], list[Mapping[str, Any]]]:
        return getattr(self.parent, "load_groups", {}), getattr(self.parent, "load_roles", [])

    def _drop_deleted_names(self) -> None:
        """Take out of the configuration the names that somebody deleted or renamed in the hub."""
        db = self.parent.db
        admins = {self.normalize_username(name) for name in self.admin_users}
        names = allowlist.make_configured_names(
            {self.normalize_username(name) for _, name in self._configured_names()},
            seen=store.read_configured_names(db),
            users=store.read_user_names(db),
            admins=admins,
        )
        self._new_names = set(names.new)
        store.delete_configured_names(db, names.forgotten)
        db.commit()
        if not names.dropped:
            return
        kept = {name for name in self.allowed_users if self.normalize_username(name) not in names.dropped}
        self.set_trait("allowed_users", kept)
        groups, roles = self._groups_and_roles()
        if groups:
            self.parent.load_groups = allowlist.make_groups_without(
                groups, names.dropped, normalise=self.normalize_username
            )
        if roles:
            self.parent.load_roles = allowlist.make_roles_without(
                roles, names.dropped, normalise=self.normalize_username
            )
        self.log.warning(
            "Not letting in %d names of the configuration that were deleted or renamed in the hub (%s): add them in "
            "the admin panel, or remove them from %s.allowed_users, JupyterHub.load_groups and load_roles.",
            len(names.dropped),
            ", ".join(sorted(names.dropped)[:SHOWN_NAMES]),
            type(self).__name__,
        )

    def _let_earlier_users_wait(self) -> None:
        """Let users whom another authenticator let in wait for an admin; the caller commits.

        With `allow_all` nobody waits: whoever has no name here yet may enter anyway.
        """
        if self.allow_all:
            return
        known = {self.normalize_username(name) for _, name in self._configured_names()}
        waiting = store.add_waiting(self.parent.db, known=known, now=datetime.now(UTC))
        if waiting:
            self.log.warning(
                "The hub's database has %d users from before %s. They may not log in until an admin lets them in: "
                "`jhaws people list --state waiting` shows them, `jhaws people allow NAME` or `allow --all` lets them "
                "in; delete those who should not.",
                waiting,
                type(self).__name__,
            )

    def _warn_of_missing_passwords(self) -> None:
        """Say what JupyterHub's own class says of passwords that are not set, where nothing else opens."""
        option = type(self).__name__
        shared = self.keyring.has_shared(self.parent.db)
        if not shared and not self.admin_password:
            self.log.error(
                "Neither %s.admin_password nor %s.user_password is set. Nobody will be able to login!", option, option
            )
        elif not shared:
            self.log.warning("%s.user_password not set. No non-admin users will be able to login.", option)
        if self.admin_users and not self.admin_password:
            self.log.warning(
                "%s.admin_users set, but %s.admin_password is not: only those admins will be able to login who have "
                "a password of their own, which `jhaws password code` leads to.",
                option,
                option,
            )
        if self.admin_password and not self.admin_users:
            self.log.warning(
                "%s.admin_password set, but %s.admin_users is not: it opens the accounts only that got the admin flag "
                "in the admin panel.",
                option,
                option,
            )

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


def _show(name: str) -> str:
    """Return a user's name for a log line; never what somebody typed who is no user."""
    return repr(name)[:SHOWN_NAME_LENGTH] if name else "an unknown name"


def _is_not_upstream_refusal(record: logging.LogRecord) -> bool:
    return record.msg != UPSTREAM_REFUSAL
