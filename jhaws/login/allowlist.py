"""Who may enter: the hub's users table, and what the configuration adds to it once.

Pure functions and one trait. A user who is in the users table is on the allow list, whoever put it there: the
admin panel, the REST API or the configuration. A name of the configuration becomes a user once; when somebody
deletes or renames that user in the hub, the configuration no longer brings the name back, until it was taken out
of the configuration and put in again. Names in `admin_users` always come back.

Never looks at passwords (`passwords.py`) and never reads the database (`jhaws.store`); `authenticator.py`
puts the three together.
"""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import Any

from traitlets import Set

from ..errors import ConfigError

Normalise = Callable[[str], str]


class UserNames(Set):
    """User names in the configuration. YAML turns a name of digits into a number; its error says so."""

    def validate(self, obj: Any, value: Any) -> Any:
        """Accept names that are text.

        Raises:
            ConfigError: One of them is not.
        """
        names = super().validate(obj, value)
        for name in names or ():
            check_is_text(name, option=f"{type(obj).__name__}.{self.name}")
        return names


@dataclass(frozen=True)
class AllowRules:
    """The options that decide who is allowed, with normalised names."""

    allow_all: bool
    allow_existing_users: bool
    allowed_users: AbstractSet[str]
    admin_users: AbstractSet[str]


@dataclass(frozen=True)
class ConfiguredNames:
    """What happens at hub start to the names of the configuration; all normalised.

    Attributes:
        dropped: Were users before and were deleted or renamed since: must not come back.
        forgotten: Are remembered but no longer configured: may come back when configured again.
        new: Were never turned into users: remember them once they are.
    """

    dropped: frozenset[str]
    forgotten: frozenset[str]
    new: frozenset[str]


def check_is_text(name: object, *, option: str) -> None:
    """Check that a configured user name is text.

    Raises:
        ConfigError: It is something else.
    """
    if not isinstance(name, str):
        raise ConfigError(f"{option} must hold user names, got {name!r}, {type(name).__name__}; write it in quotes.")


def should_allow(name: str, *, rules: AllowRules, exists: bool) -> bool:
    """Decide whether `name` may enter, its password aside.

    Args:
        name: The normalised name.
        rules: The options.
        exists: Whether the users table has the name right now. It must, for everybody but admins: a name in
            `allowed_users` was written there at hub start, so if it is missing somebody took it out.
    """
    if rules.allow_all or name in rules.admin_users:
        return True
    return exists and (rules.allow_existing_users or name in rules.allowed_users)


def make_configured_names(
    configured: AbstractSet[str],
    *,
    seen: AbstractSet[str],
    users: AbstractSet[str],
    admins: AbstractSet[str],
) -> ConfiguredNames:
    """Sort the names of the configuration into dropped, forgotten and new.

    Args:
        configured: Names the configuration would turn into users.
        seen: Names it already turned into users.
        users: Names in the users table now.
        admins: Names in `admin_users`, which are never dropped.
    """
    return ConfiguredNames(
        dropped=frozenset((configured & seen) - users - admins),
        forgotten=frozenset(seen - configured),
        new=frozenset(configured - seen),
    )


def names_in_groups(load_groups: Mapping[str, Any]) -> Iterator[Any]:
    """List the users that `JupyterHub.load_groups` would create.

    Args:
        load_groups: Group name → `{"users": [...], ...}`, or the older form, a plain list of users.
    """
    for contents in load_groups.values():
        yield from contents.get("users", ()) if isinstance(contents, Mapping) else contents


def names_in_roles(load_roles: Sequence[Mapping[str, Any]]) -> Iterator[Any]:
    """List the users that `JupyterHub.load_roles` would create."""
    for role in load_roles:
        yield from role.get("users", ())


def make_groups_without(
    load_groups: Mapping[str, Any], dropped: AbstractSet[str], *, normalise: Normalise
) -> dict[str, Any]:
    """Copy `JupyterHub.load_groups` without the dropped users."""
    copy: dict[str, Any] = {}
    for group, contents in load_groups.items():
        if not isinstance(contents, Mapping):
            copy[group] = _without(contents, dropped, normalise=normalise)
        elif "users" in contents:
            copy[group] = {**contents, "users": _without(contents["users"], dropped, normalise=normalise)}
        else:
            copy[group] = contents
    return copy


def make_roles_without(
    load_roles: Sequence[Mapping[str, Any]], dropped: AbstractSet[str], *, normalise: Normalise
) -> list[Mapping[str, Any]]:
    """Copy `JupyterHub.load_roles` without the dropped users."""
    return [
        {**role, "users": _without(role["users"], dropped, normalise=normalise)} if "users" in role else role
        for role in load_roles
    ]


def _without(names: Collection[str], dropped: AbstractSet[str], *, normalise: Normalise) -> list[str]:
    return [name for name in names if normalise(name) not in dropped]
