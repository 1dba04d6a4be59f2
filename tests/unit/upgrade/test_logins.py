"""Who enters a hub, and how, under the values of now and of then."""

from __future__ import annotations

from typing import Any

import pytest

from jhaws.errors import ConfigError
from jhaws.upgrade.logins import BLOCKED, NO, NO_PASSWORD, WITH_ADMINS, WITH_USERS, YES, Door
from jhaws.upgrade.setups import make_setup
from jhaws.upgrade.users import User

ADMIN, USER = "correct-horse-battery-staple-admin", "shared-by-the-class"
PASSWORDS = {"admin_password": ADMIN, "user_password": USER}


def door(section: str, authenticator: str | None = None, names: tuple[str, ...] = ("ann",), **options: Any) -> Door:
    hub = {} if authenticator is None else {"JupyterHub": {"authenticator_class": authenticator}}
    values = {"hub": {"config": {section: options} | hub}}
    return Door(make_setup(values, option="--to"), names)


def stock(**options: Any) -> Door:
    return door("SharedPasswordAuthenticator", "shared-password", **(PASSWORDS | options))


def ours(**options: Any) -> Door:
    return door("JhawsAuthenticator", **(PASSWORDS | options))


ANN, ANN_ADMIN = User("ann"), User("ann", admin=True)


@pytest.mark.parametrize(
    ("options", "user", "stock_way", "our_way"),
    [
        ({}, ANN, NO, WITH_USERS),
        ({"allow_all": True}, ANN, WITH_USERS, WITH_USERS),
        ({"allowed_users": ["Ann"]}, ANN, WITH_USERS, WITH_USERS),
        ({"allowed_users": ["bob"]}, ANN, WITH_USERS, WITH_USERS),
        ({"allowed_users": ["bob"], "allow_existing_users": False}, ANN, NO, NO),
        ({"allowed_users": ["new"]}, User("new"), WITH_USERS, WITH_USERS),
        ({"admin_users": ["new"]}, User("new"), NO, WITH_ADMINS),
        ({"admin_users": ["Ann"], "allow_all": True}, ANN, WITH_ADMINS, WITH_ADMINS),
        ({"allow_all": True}, ANN_ADMIN, WITH_USERS, WITH_ADMINS),
        ({"admin_users": ["ann"], "allowed_users": ["x"], "admin_password": None}, ANN, NO_PASSWORD, NO_PASSWORD),
        ({"allow_all": True, "user_password": None}, ANN, NO_PASSWORD, NO_PASSWORD),
        ({"allow_all": True, "blocked_users": ["ann"]}, ANN, BLOCKED, BLOCKED),
        ({"allow_existing_users": True}, ANN, WITH_USERS, WITH_USERS),
        ({"allow_all": True}, User("a/b"), NO, NO),
        ({"allow_all": True}, User("invisible\u200b"), WITH_USERS, NO),
        ({"allow_all": True}, User("cleo.müller"), WITH_USERS, WITH_USERS),
    ],
)
async def test_the_stock_rule_and_ours(options: dict[str, Any], user: User, stock_way: str, our_way: str) -> None:
    """With the same options, the two authenticators of a shared password differ in these cases and no others."""
    assert (await stock(**options).way_in(user), await ours(**options).way_in(user)) == (stock_way, our_way)


async def test_names_in_groups_and_roles_are_users_too() -> None:
    """The hub makes users of them at its start, so they are on our list, and on the stock one where that has one."""
    hub = {"load_groups": {"staff": {"users": ["Gina"]}}}
    values = {
        "hub": {"config": {"JhawsAuthenticator": PASSWORDS, "JupyterHub": hub}, "loadRoles": {"r": {"users": ["ron"]}}}
    }
    ours = Door(make_setup(values, option="--to"), ())

    assert ours.configured == {"gina", "ron"}
    assert [await ours.way_in(User(name)) for name in ("gina", "ron", "nobody")] == [WITH_USERS, WITH_USERS, NO]


@pytest.mark.parametrize(
    ("options", "way"), [({}, YES), ({"allowed_users": ["bob"]}, YES), ({"blocked_users": ["ann"]}, BLOCKED)]
)
async def test_dummy_lets_in_by_name(options: dict[str, Any], way: str) -> None:
    """z2jh's default authenticator asks for no password that would matter."""
    assert await door("DummyAuthenticator", "dummy", **options).way_in(ANN) == way


async def test_another_authenticator_decides_by_itself() -> None:
    """Whether a provider lets somebody in is not guessed, but whom the options block is told."""
    assert await door("GitHubOAuthenticator", "github").way_in(ANN) == "github decides"
    assert door("GitHubOAuthenticator", "github").decides
    assert not stock().decides
    assert not ours().decides


def test_who_may_come_that_is_no_user_yet() -> None:
    """`allow_all` opens a hub to names that nobody has added."""
    assert [stock().open_to_all, stock(allow_all=True).open_to_all] == [False, True]
    assert [door("DummyAuthenticator", "dummy").open_to_all, ours().open_to_all] == [True, False]


def test_options_that_an_authenticator_refuses_are_named_without_their_values() -> None:
    """A password that is too short ends the check with a sentence, and is not in it."""
    with pytest.raises(ConfigError, match="--to: SharedPasswordAuthenticator refuses its options") as refused:
        stock(user_password="short")

    assert "short" not in str(refused.value)
