"""The users of a hub, from its REST API or from a file."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from jhaws.errors import ConfigError
from jhaws.upgrade.users import Server, User, fetch_users, read_users, read_users_file
from tests.unit.services.fakehub import TOKEN, fake_hub, make_server, make_user


def test_a_user_has_what_the_check_needs() -> None:
    """The default server is there even where the hub lists none; an admin is one by flag or by role."""
    stopped = {"stopped": True, "ready": False, "state": {"pod_name": "x"}, "user_options": {"profile": "small"}}
    models = [
        {"name": "ann", "groups": ["staff"], "servers": {"lab": stopped}},
        {"name": "bob", "admin": True, "servers": {}},
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


def bob(**fields: Any) -> list[dict[str, Any]]:
    return [{"name": "bob", "servers": {}} | fields]


@pytest.mark.parametrize(
    ("models", "said"),
    [
        (None, "must hold a list of users, got null"),
        (7, "must hold a list of users, got a number"),
        ("ann", "must hold a list of users, got a text"),
        ({}, "must hold a list of users, got null"),
        ({"detail": "x"}, "must hold a list of users, got null"),
        ({"items": 3}, "must hold a list of users, got a number"),
        ({"items": 3, "_pagination": {"next": {"offset": 1}}}, "must hold a list of users, got a number"),
        (["ann"], "user 1 must be an object, got a text"),
        ([*bob(), None], "user 2 must be an object, got null"),
        ([{}], "user 1 has no name"),
        (bob(name=""), "user 1 has no name"),
        (bob(name=3), "user 1: name must be a text, got a number"),
        (bob(admin="false"), "user 1: admin must be true or false, got a text"),
        (bob(roles=3), "user 1: roles must be a list, got a number"),
        (bob(groups="staff"), "user 1: groups must be a list, got a text"),
        (bob(servers=[{"name": ""}]), "user 1: servers must be an object, got a list"),
        (bob(servers={"lab": "x"}), "user 1, server 'lab' must be an object, got a text"),
        (bob(servers={"": {"state": "hunter2"}}), "user 1, server '': state must be an object, got a text"),
        (bob(servers={"": {"user_options": []}}), "user 1, server '': user_options must be an object, got a list"),
        (bob(servers={"": {"stopped": 1.5}}), "user 1, server '': stopped must be true or false, got a number"),
        ([{"items": bob(), "_pagination": {"next": None}}], "user 1 has no name"),
    ],
)
def test_what_is_no_list_of_users_is_refused(models: Any, said: str) -> None:
    """Another answer of the hub, or another file, ends with a sentence that says where, what was got and what to do."""
    with pytest.raises(ConfigError) as refused:
        read_users(models, source="the file")

    assert said in str(refused.value)
    assert "Save what GET /hub/api/users?include_stopped_servers=1 answers" in str(refused.value)
    assert "hunter2" not in str(refused.value)


@pytest.mark.parametrize("untold", [{"name": "ann"}, {"name": "ann", "servers": None}])
def test_users_without_their_servers_are_refused(untold: dict[str, Any]) -> None:
    """Without the scope read:servers a hub leaves servers out, and nothing would seem to change for anybody."""
    with pytest.raises(ConfigError) as refused:
        read_users([*bob(), untold], source="the file")

    assert "says nothing about the servers of 1 of 2 users" in str(refused.value)
    assert "lacks the scope read:servers, which admin:users does not bring" in str(refused.value)
    assert "list:users, read:users, read:servers and admin:server_state" in str(refused.value)


@pytest.mark.parametrize(
    "pagination",
    [
        {"total": 300, "offset": 0, "next": {"offset": 200}},
        {"total": 201, "offset": 200, "next": None},
        {"next": "elsewhere"},
    ],
)
def test_one_of_several_pages_is_refused(pagination: dict[str, Any]) -> None:
    """Half of the users would look like all of them, also where the file has the last page."""
    with pytest.raises(ConfigError, match="the file holds one page of users, 1, and the hub has more"):
        read_users({"items": bob(), "_pagination": pagination}, source="the file")


@pytest.mark.parametrize("pagination", [{"total": 1, "offset": 0, "next": None}, {}, None, [1]])
def test_a_page_with_all_users_is_as_good_as_a_list(pagination: Any) -> None:
    """A small hub has one page; what is told beside the users does not matter then."""
    assert read_users({"items": bob(), "_pagination": pagination}, source="the file") == [User("bob")]


def test_a_file_is_read_or_refused_with_a_sentence(tmp_path: Path) -> None:
    """A saved answer of the API is as good as the API; a missing file and other text are named."""
    file = tmp_path / "users.json"
    file.write_text(json.dumps([{"name": "cleo.müller/x", "servers": {}}]))
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


async def test_a_token_that_may_not_read_servers_is_refused() -> None:
    """The hub answers such a token with users alone, and the sentence names the scope that is missing."""
    user = make_user("ann")
    del user["servers"]
    async with fake_hub(user) as hub:
        with pytest.raises(ConfigError, match="says nothing about the servers of 1 of 1 users") as refused:
            await fetch_users(hub.url.removesuffix("/hub/api"), TOKEN)

    assert "read:servers" in str(refused.value)
    assert TOKEN not in str(refused.value)


@pytest.mark.parametrize(
    "answer",
    [
        [],
        {"items": []},
        {"items": [], "_pagination": None},
        {"_pagination": {}},
        {"items": [], "_pagination": {"next": 3}},
        {"items": [], "_pagination": {"next": {"offset": "200"}}},
        {"items": [], "_pagination": {"next": {"offset": 0}}},
    ],
)
async def test_an_answer_that_is_no_page_is_refused(answer: Any) -> None:
    """Nor is a part of the users taken for all of them where the way to the next page is not told."""

    async def get_users(request: web.Request) -> web.Response:
        return web.json_response(answer)

    app = web.Application()
    app.router.add_get("/hub/api/users", get_users)
    async with TestServer(app) as hub:
        with pytest.raises(ConfigError, match="did not answer with a page of users; is it a JupyterHub's URL?"):
            await fetch_users(str(hub.make_url("/")), TOKEN)


@pytest.mark.parametrize(
    ("status", "sentence"),
    [
        (403, "refused the token (403). It must be an admin's, or have list:users"),
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


@pytest.mark.parametrize(
    "url",
    [
        "https://root:hunter2@hub.example.org",
        "https://hub.example.org/?token=hunter2",
        "https://hub.example.org/#hunter2",
        "hub.example.org?token=hunter2",
    ],
)
async def test_a_url_with_a_secret_is_refused_and_not_repeated(url: str) -> None:
    """Neither a password nor a token belongs there, and the sentence shows neither."""
    with pytest.raises(ConfigError, match="The token comes by JUPYTERHUB_API_TOKEN") as refused:
        await fetch_users(url, TOKEN)

    assert "hunter2" not in str(refused.value)


@pytest.mark.parametrize("url", ["hub.example.org", "http://", "https:///hub", "http://[", "http://hub:99999"])
async def test_a_url_without_http_or_host_is_no_url(url: str) -> None:
    """It is not taken for a host, nor asked."""
    said = f"must be the hub's URL with http:// or https://, got {url!r}"
    with pytest.raises(ConfigError, match=re.escape(said)):
        await fetch_users(url, TOKEN)
