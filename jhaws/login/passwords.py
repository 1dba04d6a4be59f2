"""What opens an account: the shared password, a group's, or the admins' own.

Pure functions and the two traits that hold configured passwords. The account of an admin opens with
`admin_password` and nothing else; all other accounts open with `user_password` or a key of `password_groups`.
Whatever was typed is compared as bytes with every password there is, so that an answer takes the same time
for every name, and anything that is not text is just wrong.

No message made here holds a password, not even one of the wrong type. `authenticator.py` asks and answers.
"""

import hmac
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from traitlets import Dict, Unicode

from ..errors import ConfigError

# Characters; both as JupyterHub's SharedPasswordAuthenticator demands.
USER_PASSWORD_MIN_LENGTH = 8
ADMIN_PASSWORD_MIN_LENGTH = 32


@dataclass(frozen=True)
class Login:
    """What somebody sent to be let in; None where text was missing."""

    username: str | None
    password: str | None = field(repr=False)


@dataclass(frozen=True)
class Passwords:
    """The configured passwords; None means that nobody enters this way."""

    user: str | None = field(repr=False)
    admin: str | None = field(repr=False)
    groups: Mapping[str, list[str]] = field(repr=False, default_factory=dict)


@dataclass(frozen=True)
class Match:
    """Which of the configured passwords was typed; `groups` are those of the group password."""

    user: bool = False
    admin: bool = False
    groups: tuple[str, ...] | None = None


def make_login(data: object) -> Login:
    """Take name and password out of a login form or of `auth` in a token request.

    Args:
        data: Whatever came: a dict of the form's fields, any JSON value, or None.
    """
    fields = data if isinstance(data, Mapping) else {}
    username, password = fields.get("username"), fields.get("password")
    return Login(
        username=username if isinstance(username, str) else None,
        password=password if isinstance(password, str) else None,
    )


def match_password(typed: str | None, *, known: Passwords) -> Match:
    """Compare what was typed with every configured password.

    Args:
        typed: Of any length and any characters; None when nothing was sent.
        known: The configured passwords.
    """
    attempt = None if typed is None else _to_bytes(typed)
    groups: tuple[str, ...] | None = None
    for password, names in known.groups.items():
        if _is_same(attempt, password) and groups is None:
            groups = tuple(names)
    return Match(user=_is_same(attempt, known.user), admin=_is_same(attempt, known.admin), groups=groups)


def find_refusal(match: Match, *, admin: bool, known: Passwords) -> str | None:
    """Say why the password does not open the account, for the log; None when it does.

    Args:
        match: What was typed.
        admin: Whether the account is an admin's.
        known: The configured passwords.
    """
    if admin:
        if match.admin:
            return None
        if known.admin is None:
            return "it is an admin's account and admin_password is not set"
        if match.user or match.groups is not None:
            return "it is an admin's account, which opens with admin_password only"
        return "wrong password"
    if match.user or match.groups is not None:
        return None
    if match.admin:
        return "admin_password opens the accounts of admins only"
    return "wrong password"


def make_groups(match: Match, *, admin: bool) -> list[str]:
    """List the groups that the typed password brings; the shared password and the admins' bring none."""
    if admin or match.user or match.groups is None:
        return []
    return list(match.groups)


def find_password_fault(value: object, *, min_length: int) -> str | None:
    """Say what is wrong with a configured password, without showing it; None when it is fine.

    Args:
        value: What the configuration holds.
        min_length: Characters it must have at least.
    """
    if not isinstance(value, str):
        return (
            f"must be text of at least {min_length} characters, got {_kind(value)}; "
            "write it in quotes, since YAML turns digits into a number"
        )
    if len(value) < min_length:
        return (
            f"must have at least {min_length} characters, got {len(value)}; "
            f"set a longer one, for example made with `openssl rand -hex {min_length // 2 + 4}`"
        )
    if any(unicodedata.category(character) == "Cc" for character in value):
        return (
            f"must not hold control characters, got some in {len(value)} characters; "
            "remove them, often it is the line break at the end of a file or Secret"
        )
    return None


def find_clash(known: Passwords) -> tuple[str, str] | None:
    """Find two options that hold the same password.

    Returns:
        The names of the two options, or None when all passwords differ.
    """
    if known.user is not None and known.user == known.admin:
        return "user_password", "admin_password"
    if known.user in known.groups:
        return "password_groups", "user_password"
    if known.admin in known.groups:
        return "password_groups", "admin_password"
    return None


class Password(Unicode):  # type: ignore[type-arg]
    """A password in the configuration; None or empty means not set. Its errors never show the value."""

    def __init__(self, *, min_length: int, **kwargs: Any) -> None:
        super().__init__(None, allow_none=True, **kwargs)
        self.min_length = min_length

    def validate(self, obj: Any, value: Any) -> Any:
        """Accept a password that is long enough.

        Raises:
            ConfigError: It is not text, too short, or holds control characters.
        """
        if value is None or value == "":
            return None
        fault = find_password_fault(value, min_length=self.min_length)
        if fault:
            raise ConfigError(f"{type(obj).__name__}.{self.name} {fault}.")
        return value


class PasswordGroups(Dict):
    """Password → groups it brings. Its errors never show a key."""

    def validate(self, obj: Any, value: Any) -> Any:
        """Accept a dict of good passwords, each with a list of group names.

        Raises:
            ConfigError: It is no dict, a key is no good password, or a value is no list of names.
        """
        option = f"{type(obj).__name__}.{self.name}"
        if value is None:
            return {}
        if not isinstance(value, dict):
            raise ConfigError(
                f"{option} must map passwords to lists of groups, got {_kind(value)}; "
                "write it as {password: [group]}."
            )
        for number, (password, groups) in enumerate(value.items(), 1):
            fault = find_password_fault(password, min_length=USER_PASSWORD_MIN_LENGTH)
            if fault:
                raise ConfigError(f"{option}: password number {number} {fault}.")
            if not isinstance(groups, list | tuple) or not all(isinstance(group, str) and group for group in groups):
                raise ConfigError(
                    f"{option}: the value of password number {number} must be a list of group names, "
                    f"got {_kind(groups)}; write it as [group, group]."
                )
        return {password: list(groups) for password, groups in value.items()}


def _is_same(attempt: bytes | None, password: str | None) -> bool:
    """Compare in a time that depends on the configured password only: it is the second argument."""
    if attempt is None or password is None:
        return False
    return hmac.compare_digest(attempt, _to_bytes(password))


def _to_bytes(text: str) -> bytes:
    # JSON can carry half of a surrogate pair, which strict UTF-8 refuses with an error.
    return text.encode("utf-8", "surrogatepass")


def _kind(value: object) -> str:
    kind = type(value).__name__
    return f"{'an' if kind[0] in 'aeiou' else 'a'} {kind}"
