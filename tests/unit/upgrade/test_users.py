"""The users of a hub, from its REST API or from a file."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from jhaws.errors import ConfigError
from jhaws.upgrade.users import Server, User, fetch_users, read_users, read_users_file
from tests.unit.services.fakehub import TOKEN, fake_hub, make_server, make_user


def test_a_user_has_what_the_check_needs() -> None:
    """The default server is there even where the hub lists none; an admin is one by flag or by role."""
    stopped = {"stopped": True, "ready": False, "state": {"pod_name": "x"}, "user_options": {"profile": "small"}}
    models = [
        {"name": "ann", "groups": ["staff"], "servers": {"lab": stopped}},
        {"name": "bob", "admin": True},
        {"name": "cleo", "roles": ["user", "admin"], "servers": {"": {"ready": True}}},
    ]

    assert read_users(models, source="x") == [
        User(
            "ann",
            groups=("staff",),
            servers=(Server(), Server("lab", state={"pod_name": "x"}, user_options={"profile": "small"})),
        ),
        User("bob", admin=True),
        User("cleo", admin=True, servers=(Server("", running=True, state=None),)),
    ]


@pytest.mark.parametrize("models", [None, {}, 7, ["ann"], [{}], [{"name": ""}], {"items": 3}, {"detail": "x"}])
def test_what_is_no_list_of_users_is_refused(models: Any) -> None:
    """Another answer of the hub, or another file, ends with a sentence."""
    with pytest.raises(ConfigError, match="the file must hold what GET /hub/api/users answers"):
        read_users(models, source="the file")


def test_the_first_of_several_pages_is_refused() -> None:
    """Half of the users would look like all of them."""
    page = {"items": [{"name": "ann"}], "_pagination": {"total": 300, "next": {"offset": 200}}}

    with pytest.raises(ConfigError, match="holds 1 of 300 users only"):
        read_users(page, source="the file")


def test_a_file_is_read_or_refused_with_a_sentence(tmp_path: Path) -> None:
    """A saved answer of the API is as good as the API; a missing file and other text are named."""
    file = tmp_path / "users.json"
    file.write_text(json.dumps([{"name": "cleo.müller/x"}]))
    assert read_users_file(str(file)) == [User("cleo.müller/x")]
    with pytest.raises(ConfigError, match=r"absent.json cannot be read: no such file"):
        read_users_file(str(tmp_path / "absent.json"))
    file.write_text("name: ann")
    with pytest.raises(ConfigError, match="holds no JSON"):
        read_users_file(str(file))


async def test_all_pages_are_fetched() -> None:
    """A hub that cuts pages shorter than asked is asked until it has no more, and no user comes twice."""
    names = [f"user-{number}" for number in range(25)]
    async with fake_hub(
        *(make_user(name, servers={"": make_server(state={})}) for name in names), page_limit=10
    ) as hub:
        users = await fetch_users(hub.url.removesuffix("/hub/api") + "/", TOKEN)

    assert [user.name for user in users] == names
    assert users[0].servers == (Server("", running=True, state={}),)


@pytest.mark.parametrize(
    ("status", "sentence"),
    [
        (403, "refused the token in JUPYTERHUB_API_TOKEN (403). It must be an admin's, or have list:users"),
        (401, "refused the token"),
        (302, "sends elsewhere (302)"),
        (404, "could not list its users (404)"),
        (503, "could not list its users (503)"),
    ],
)
async def test_a_hub_that_does_not_answer_with_users_is_named(status: int, sentence: str) -> None:
    """A wrong token, a wrong URL and a broken proxy each end with a sentence that has no token in it."""
    async with fake_hub(answers={"GET": status}) as hub:
        with pytest.raises(ConfigError) as refused:
            await fetch_users(hub.url.removesuffix("/hub/api"), TOKEN)

    assert sentence in str(refused.value)
    assert TOKEN not in str(refused.value)


async def test_nobody_at_the_address_is_said() -> None:
    """A hub that is away is told from one that refuses."""
    with pytest.raises(ConfigError, match="http://127.0.0.1:1 does not answer"):
        await fetch_users("http://127.0.0.1:1", TOKEN)


@pytest.mark.parametrize("token", ["", "two\nlines", "tökén"])
async def test_a_token_that_is_none_is_not_sent(token: str) -> None:
    """It comes by the environment, and where it is missing or mangled the sentence says so without showing it."""
    with pytest.raises(ConfigError, match="Put an admin's token into the environment variable") as refused:
        await fetch_users("http://127.0.0.1:1", token)

    assert not token or token not in str(refused.value)


async def test_a_url_with_a_password_is_not_repeated() -> None:
    """Nor is one without http taken for a host."""
    with pytest.raises(ConfigError) as refused:
        await fetch_users("https://root:hunter2@hub.example.org", TOKEN)
    assert "hunter2" not in str(refused.value)
    with pytest.raises(ConfigError, match="must be the hub's URL with http:// or https://, got 'hub.example.org'"):
        await fetch_users("hub.example.org", TOKEN)
