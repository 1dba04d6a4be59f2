"""Who may enter, decided from the options and the users table."""

import itertools

import pytest

from jhaws.login import allowlist
from jhaws.login.allowlist import AllowRules, ConfiguredNames


def rules(*, allow_all: bool = False, existing: bool = True) -> AllowRules:
    """The options of a hub with one admin and one allowed user."""
    return AllowRules(
        allow_all=allow_all,
        allow_existing_users=existing,
        allowed_users={"ann"},
        admin_users={"root"},
    )


@pytest.mark.parametrize(
    ("name", "exists", "existing", "allowed"),
    [
        ("root", True, True, True),
        ("root", False, False, True),  # deleted with SQL: admins of the configuration always come back
        ("ann", True, True, True),
        ("ann", False, True, False),  # deleted or renamed in the hub
        ("ann", True, False, True),
        ("ann", False, False, False),
        ("bob", True, True, True),  # added in the panel
        ("bob", True, False, False),
        ("bob", False, True, False),
    ],
)
def test_who_is_allowed(name: str, exists: bool, existing: bool, allowed: bool) -> None:
    """The users table decides; without allow_existing_users a name must be configured too."""
    assert allowlist.should_allow(name, rules=rules(existing=existing), exists=exists) is allowed


def test_allow_all_allows_all() -> None:
    """With allow_all the list does not matter."""
    for name, exists, existing in itertools.product(("root", "ann", "bob"), (True, False), (True, False)):
        assert allowlist.should_allow(name, rules=rules(allow_all=True, existing=existing), exists=exists)


def test_configured_names_are_sorted() -> None:
    """A configured name counts once; one that was taken out of the configuration is forgotten."""
    names = allowlist.make_configured_names(
        {"fresh", "there", "deleted", "root", "taken-over"},
        seen={"there", "deleted", "root", "no-longer-configured"},
        users={"there", "taken-over", "added-in-panel"},
        admins={"root"},
    )
    assert names == ConfiguredNames(
        dropped=frozenset({"deleted"}),
        forgotten=frozenset({"no-longer-configured"}),
        new=frozenset({"fresh", "taken-over"}),
    )


GROUPS = {
    "staff": {"users": ["Ann", "bob"], "properties": {"a": 1}},
    "old": ["ann", "eve"],
    "empty": {"properties": {}},
}
ROLES = [
    {"name": "helper", "users": {"ann"}, "scopes": ["list:users"]},
    {"name": "service", "services": ["culler"]},
]


def test_names_in_groups_and_roles_are_found() -> None:
    """The users that load_groups and load_roles would create are part of the configuration."""
    assert list(allowlist.names_in_groups(GROUPS)) == ["Ann", "bob", "ann", "eve"]
    assert list(allowlist.names_in_roles(ROLES)) == ["ann"]


def test_dropped_names_leave_groups_and_roles() -> None:
    """What else groups and roles say stays, and the operator's own objects are not changed."""
    assert allowlist.make_groups_without(GROUPS, {"ann"}, normalise=str.lower) == {
        "staff": {"users": ["bob"], "properties": {"a": 1}},
        "old": ["eve"],
        "empty": {"properties": {}},
    }
    assert allowlist.make_roles_without(ROLES, {"ann"}, normalise=str.lower) == [
        {"name": "helper", "users": [], "scopes": ["list:users"]},
        {"name": "service", "services": ["culler"]},
    ]
    assert GROUPS["old"] == ["ann", "eve"]
    assert ROLES[0]["users"] == {"ann"}
