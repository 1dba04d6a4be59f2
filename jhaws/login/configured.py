"""What the configuration says of names and passwords: read and checked at hub start.

Names that somebody deleted or renamed in the hub are taken out of it, users of an earlier login wait for an admin, and
passwords come from wherever the operator put them. `authenticator.py` calls these in its order; what is decided
without a hub is in `allowlist.py`, `passwords.py` and `sources.py`.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

from .. import store
from ..errors import ConfigError, UsernameError
from ..names import check_username
from ..sentences import say
from . import allowlist, passwords, sources
from .people import RefusedError

# Characters of a user's name in a log line, and names in a list of them.
SHOWN_NAME_LENGTH = 64
SHOWN_NAMES = 20
# What JupyterHub itself logs with whatever was typed as a name, where our own line takes its place, and with the body
# of a request that is not JSON, passwords too; a line without the body goes on.
UPSTREAM_LEAKS = ("Failed login for %r", "Bad JSON: %r")


def begin_with_names(authenticator: Any) -> set[str]:
    """Let users of another login wait, and drop names that were deleted or renamed in the hub.

    Returns:
        The names of the configuration that no user has had yet.
    """
    hub = authenticator.parent
    if hub.reset_db:
        # JupyterHub has emptied its own tables; a name that we still remember would look deleted.
        store.drop_tables(hub.db)
    since = store.ensure_login(hub.db, now=datetime.now(UTC))
    let_earlier_users_wait(authenticator, since=since)
    return drop_deleted_names(authenticator)


def begin_with_passwords(authenticator: Any) -> None:
    """Take the passwords of the configuration, say what is odd about them, and hide them."""
    hub, option = authenticator.parent, type(authenticator).__name__
    now, known = datetime.now(UTC), authenticator.known_passwords()
    for sentence in authenticator.keyring.begin(hub.db, known, option=option, now=now):
        authenticator.log.warning(sentence)
    warn_of_passwords(authenticator)
    sources.hide_passwords(hub.config, type(authenticator).section_names())


def is_no_upstream_leak(record: logging.LogRecord) -> bool:
    """Tell whether a line of the hub's log may be written, as a filter of it."""
    return record.msg not in UPSTREAM_LEAKS


def read_passwords(authenticator: Any) -> None:
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
            f"{type(authenticator).__name__}.{name}",
            value=getattr(authenticator, name),
            file=getattr(authenticator, f"{name}_file"),
            variable=f"JHAWS_{name.upper()}",
            min_length=min_length,
        )
        authenticator.set_trait(name, password)


def check_passwords(authenticator: Any) -> None:
    """Check what the password options must be to each other.

    Raises:
        ConfigError: Two of them are the same, or a group password could not give its groups.
    """
    option = type(authenticator).__name__
    if clash := passwords.find_clash(authenticator.known_passwords()):
        raise ConfigError(
            f"{option}.{clash[0]} and {option}.{clash[1]} must not hold the same password; "
            "choose another one for one of them."
        )
    if authenticator.password_groups and not authenticator.manage_groups:
        raise ConfigError(
            f"{option}.password_groups needs {option}.manage_groups = True, got False; "
            "without it JupyterHub does not put users into groups at login."
        )


def warn_of_passwords(authenticator: Any) -> None:
    """Say what JupyterHub's own class says of passwords that are not set, and which of groups can open nothing."""
    option = type(authenticator).__name__
    shared = authenticator.keyring.has_shared(authenticator.parent.db)
    if not shared and not authenticator.admin_password:
        authenticator.log.error(
            "Neither %s.admin_password nor %s.user_password is set. Nobody will be able to login!", option, option
        )
    elif not shared:
        authenticator.log.warning("%s.user_password not set. No non-admin users will be able to login.", option)
    if authenticator.admin_users and not authenticator.admin_password:
        authenticator.log.warning(
            "%s.admin_users set, but %s.admin_password is not: only those admins will be able to login who have "
            "a password of their own, which `jhaws password code` leads to.",
            option,
            option,
        )
    if authenticator.admin_password and not authenticator.admin_users:
        authenticator.log.warning(
            "%s.admin_password set, but %s.admin_users is not: it opens the accounts only that got the admin flag "
            "in the admin panel.",
            option,
            option,
        )
    _, roles = _groups_and_roles(authenticator)
    for groups in map(sorted, authenticator.password_groups.values()):
        # As JupyterHub gives them out a moment later; to groups it leaves no others.
        given = [role for role in roles if not set(groups).isdisjoint(role.get("groups", ()))]
        if store.find_reach((role["name"], role.get("scopes", ())) for role in given).anybody:
            authenticator.log.warning(
                "A password of %s.password_groups opens nothing, since roles of its groups (%s) make admins, which no "
                "shared password may: take the groups out of it, or the roles from the groups.",
                option,
                ", ".join(groups),
            )


def check_names(authenticator: Any) -> None:
    """Check each name that the configuration would turn into a user.

    Raises:
        ConfigError: A name is no text, or cannot be a user's name.
    """
    for option, name in list_names(authenticator):
        allowlist.check_is_text(name, option=option)
        normalised = authenticator.normalize_username(name)
        try:
            check_username(normalised)
        except UsernameError as error:
            raise ConfigError(f"{option} holds {name[:SHOWN_NAME_LENGTH]!r}. {error}") from error
        if not authenticator.validate_username(normalised):
            raise ConfigError(
                f"{option} holds {name[:SHOWN_NAME_LENGTH]!r}, which JupyterHub does not accept as a user name; "
                "remove it or choose another one."
            )


def list_names(authenticator: Any) -> Iterator[tuple[str, Any]]:
    """List (option, name) for each name that JupyterHub turns into a user at hub start."""
    option = type(authenticator).__name__
    yield from ((f"{option}.admin_users", name) for name in authenticator.admin_users)
    yield from ((f"{option}.allowed_users", name) for name in authenticator.allowed_users)
    groups, roles = _groups_and_roles(authenticator)
    yield from (("JupyterHub.load_groups", name) for name in allowlist.names_in_groups(groups))
    yield from (("JupyterHub.load_roles", name) for name in allowlist.names_in_roles(roles))


def drop_deleted_names(authenticator: Any) -> set[str]:
    """Take out of the configuration the names that somebody deleted or renamed in the hub.

    Returns:
        Names that become users during this hub start and are not remembered yet.
    """
    db = authenticator.parent.db
    admins = {authenticator.normalize_username(name) for name in authenticator.admin_users}
    names = allowlist.make_configured_names(
        {authenticator.normalize_username(name) for _, name in list_names(authenticator)},
        seen=store.read_configured_names(db),
        users=store.read_user_names(db),
        admins=admins,
    )
    store.delete_configured_names(db, names.forgotten)
    db.commit()
    if not names.dropped:
        return set(names.new)
    kept = {name for name in authenticator.allowed_users if authenticator.normalize_username(name) not in names.dropped}
    authenticator.set_trait("allowed_users", kept)
    groups, roles = _groups_and_roles(authenticator)
    if groups:
        authenticator.parent.load_groups = allowlist.make_groups_without(
            groups, names.dropped, normalise=authenticator.normalize_username
        )
    if roles:
        authenticator.parent.load_roles = allowlist.make_roles_without(
            roles, names.dropped, normalise=authenticator.normalize_username
        )
    authenticator.log.warning(
        "Not letting in %d names of the configuration that were deleted or renamed in the hub (%s): add them in "
        "the admin panel, or remove them from %s.allowed_users, JupyterHub.load_groups and load_roles.",
        len(names.dropped),
        ", ".join(sorted(names.dropped)[:SHOWN_NAMES]),
        type(authenticator).__name__,
    )
    return set(names.new)


def check_deletion(authenticator: Any, name: str) -> None:
    """Refuse to delete an admin of the configuration, who would be back at the next hub start.

    Raises:
        RefusedError: It is one.
    """
    if name in authenticator.admin_users:
        option = f"{type(authenticator).__name__}.admin_users"
        sentence = say(
            "{name} is in {option} and cannot be deleted here: remove the name from that option, restart the hub "
            "and delete the user then.",
            name=name,
            option=option,
        )
        raise RefusedError(409, sentence)


def let_earlier_users_wait(authenticator: Any, *, since: datetime | None) -> None:
    """Let users whom another authenticator let in wait for an admin; the caller commits.

    With `allow_all` nobody waits: whoever has no name here yet may enter anyway.
    """
    if authenticator.allow_all:
        return
    known = {authenticator.normalize_username(name) for _, name in list_names(authenticator)}
    waiting = store.add_waiting(authenticator.parent.db, known=known, since=since, now=datetime.now(UTC))
    if waiting:
        authenticator.log.warning(
            "The hub's database has %d users whom another login than %s has let in. They may not log in until an admin "
            "lets them in: `jhaws people list --state waiting` shows them, `jhaws people allow NAME` or `allow --all` "
            "lets them in; delete those who should not.",
            waiting,
            type(authenticator).__name__,
        )


def _groups_and_roles(authenticator: Any) -> tuple[Mapping[str, Any], list[Mapping[str, Any]]]:
    return getattr(authenticator.parent, "load_groups", {}), getattr(authenticator.parent, "load_roles", [])
