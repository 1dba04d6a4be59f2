"""What opens an account: the shared password, a group's, the admins', or the person's own.

Pure functions and the two traits that hold configured passwords. The account of an admin opens with
`admin_password` and no shared one; all other accounts open with `user_password` or a key of `password_groups`. A
password of one's own takes the place of all these for that name. What was typed is compared in `hashing.py`; here is
decided what it opens.

No message made here holds a password, not even one of the wrong type. `authenticator.py` asks and answers.
"""

import secrets
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from traitlets import Dict, Unicode

from ..errors import ConfigError, PasswordError
from ..sentences import say
from . import hashing

# Characters; both as JupyterHub's SharedPasswordAuthenticator demands.
USER_PASSWORD_MIN_LENGTH = 8
ADMIN_PASSWORD_MIN_LENGTH = 32
# Characters of an admin's own password, which only one person has to remember.
OWN_ADMIN_PASSWORD_MIN_LENGTH = 12


# Different characters; "aaaaaaaa" and "12121212" have less.
LEAST_DIFFERENT = 3
# What leads the lists of passwords found in leaks, of 8 characters and more, in the languages of our pages.
SILLIEST = frozenset(
    "password password1 password123 passwort passwort1 passwort123 12345678 123456789 1234567890 123123123 87654321 "
    "987654321 qwertyuiop qwertzuiop qwerty123 1q2w3e4r 1qaz2wsx iloveyou ichliebedich abcd1234 abc12345 abcdefgh "
    "sonnenschein sunshine football princess trustno1 hallo123 jupyterhub changeme geheim123 00000000".split()
)
# Without what is mistaken for something else: 0 O o, 1 I l i.
READABLE = "abcdefghjkmnpqrstuvwxyz23456789"

SHORT_HASH = say(
    "the configuration has the hash of it, but it is too short to open anything (admin_password has at least {admins} "
    "characters, the others {others})",
    admins=ADMIN_PASSWORD_MIN_LENGTH,
    others=USER_PASSWORD_MIN_LENGTH,
)

# What the option `personal_password` may be.
OFF, OPTIONAL, REQUIRED = "off", "optional", "required"


@dataclass(frozen=True)
class Login:
    """What somebody sent to be let in; None where text was missing."""

    username: str | None
    password: str | None = field(repr=False)


@dataclass(frozen=True)
class Passwords:
    """The configured passwords, plain or hashed; None means that nobody enters this way."""

    user: str | None = field(repr=False)
    admin: str | None = field(repr=False)
    groups: Mapping[str, list[str]] = field(repr=False, default_factory=dict)


@dataclass(frozen=True)
class Match:
    """Which passwords were typed.

    Attributes:
        user: The shared one of all.
        admin: The admins'.
        groups: The groups of the group password.
        own: The person's own.
        has_own: The person has an own one, typed or not.
        own_is_admins: The own one was set when the person was an admin.
        is_short: One of the configuration that is too short to open anything, which nobody could tell from its hash.
    """

    user: bool = False
    admin: bool = False
    groups: tuple[str, ...] | None = None
    own: bool = False
    has_own: bool = False
    own_is_admins: bool = False
    is_short: bool = False

    @property
    def is_shared(self) -> bool:
        """Whether a shared password was typed, the one of all or of a group."""
        return self.user or self.groups is not None


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


def find_refusal(match: Match, *, admin: bool, known: Passwords, personal: str) -> str | None:
    """Say why the password does not open the account, for the log; None when it does.

    Args:
        match: What was typed.
        admin: Whether the account is an admin's.
        known: The configured passwords.
        personal: The option `personal_password`; what users have set counts unless it is "off".
    """
    if match.has_own and (match.own_is_admins if admin else personal != OFF):
        return _find_own_refusal(match)
    if match.is_short:
        return SHORT_HASH
    if admin:
        return _find_admin_refusal(match, is_set=known.admin is not None)
    if match.is_shared:
        return None
    if match.admin:
        return say("admin_password opens the accounts of admins only")
    return say("wrong password")


def own_min_length(*, admin: bool) -> int:
    """Return how many characters an own password must have."""
    return OWN_ADMIN_PASSWORD_MIN_LENGTH if admin else USER_PASSWORD_MIN_LENGTH


def _find_own_refusal(match: Match) -> str | None:
    if match.own:
        return None
    if match.is_shared or match.admin:
        return say("it has a password of its own, and opens with no other")
    return say("wrong password")


def _find_admin_refusal(match: Match, *, is_set: bool) -> str | None:
    if match.admin and match.is_shared:
        return say("admin_password and a shared password are the same, so it opens no admin's account")
    if match.admin:
        return None
    if match.own:
        return say(
            "its own password is from before it was an admin's, when others could set it (another admin can give "
            "a one-time code for a new one)"
        )
    if not is_set:
        return say("it is an admin's account and admin_password is not set")
    if match.is_shared:
        return say("it is an admin's account, which opens with admin_password only")
    return say("wrong password")


def must_choose(match: Match, *, admin: bool, personal: str) -> bool:
    """Tell whether somebody whose password was right has to choose an own one first."""
    return personal == REQUIRED and not admin and not match.has_own


def make_groups(match: Match, *, admin: bool) -> list[str] | None:
    """List the groups that the typed password brings; the shared password and the admins' bring none.

    Returns:
        None for a password of one's own, which says nothing about groups: they stay as they are.
    """
    if match.own and not match.is_shared:
        return None
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
    if hashing.is_hash(value):
        return hashing.find_hash_fault(value)
    if len(value) < min_length:
        return (
            f"must have at least {min_length} characters, got {len(value)}; "
            f"set a longer one, for example made with `openssl rand -hex {min_length // 2 + 4}`"
        )
    if hashing.to_bytes(value) is None:
        return f"must have at most {hashing.MAX_PASSWORD_BYTES} bytes in UTF-8, got {len(value)} characters"
    if any(unicodedata.category(character) in ("Cc", "Cs") for character in value):
        return (
            f"must not hold control characters, got some in {len(value)} characters; "
            "remove them, often it is the line break at the end of a file or Secret"
        )
    return None


def check_new(password: object, *, min_length: int, name: str = "") -> str:
    """Check a password that somebody wants to set while the hub runs, and return it.

    Length is what makes a password good; the rest keeps out what is tried first.

    Args:
        password: What was sent.
        min_length: Characters it must have at least.
        name: The user whose own it is to be, "" for a shared one.

    Raises:
        PasswordError: It is no good; the sentence does not have it.
    """
    if not isinstance(password, str):
        raise PasswordError(
            "text", say("The new password must be text of at least {least} characters.", least=min_length)
        )
    if len(password) < min_length:
        raise PasswordError("short", say("The new password must have at least {least} characters.", least=min_length))
    if hashing.to_bytes(password) is None:
        most = hashing.MAX_PASSWORD_BYTES
        raise PasswordError("long", say("The new password must have at most {most} bytes.", most=most))
    if any(unicodedata.category(character) in ("Cc", "Cs") for character in password):
        raise PasswordError("characters", say("The new password must not hold control characters."))
    plain = password.casefold().strip()
    if name and plain == name.casefold():
        raise PasswordError("name_used", say("The new password must not be the user name."))
    if len(set(plain)) < LEAST_DIFFERENT or plain in SILLIEST:
        sentence = say("The new password is one of those that are tried first; choose another one.")
        raise PasswordError("silly", sentence)
    return password


def make_password() -> str:
    """Make a shared password at random that can be read out to a class: 59 bits, three groups of four characters."""
    return "-".join("".join(secrets.choice(READABLE) for _ in range(4)) for _ in range(3))


def find_clash(known: Passwords) -> tuple[str, str] | None:
    """Find two options that hold the same password; slow where one of them is a hash.

    Returns:
        The names of the two options, or None when all passwords differ, as far as can be told: of two hashes with
        different salts it cannot.
    """
    if _is_same(known.user, known.admin):
        return "user_password", "admin_password"
    for option, password in (("user_password", known.user), ("admin_password", known.admin)):
        if any(_is_same(password, group) for group in known.groups):
            return "password_groups", option
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


def _is_same(one: str | None, other: str | None) -> bool:
    return one is not None and other is not None and (is_same(one, other) or is_same(other, one))


def is_same(value: str, stored: str) -> bool:
    """Tell whether a configured password, plain or hashed, is what `stored` is; slow for a plain one and a hash."""
    if hashing.is_hash(stored) and not hashing.is_hash(value):
        return hashing.is_right(value, stored)
    return value == stored


def _kind(value: object) -> str:
    kind = type(value).__name__
    return f"{'an' if kind[0] in 'aeiou' else 'a'} {kind}"
