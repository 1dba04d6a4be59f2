"""What becomes of a student who is made an admin, and of what others have prepared for that, on a real hub."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.hubclient import Session, eventually

from .hubs import RunningHub, running_hub
from .test_passwords import send
from .test_people import ADMIN, CONFIG, SERVER, USER, add, do_import, start_server, use

GROUP = "chiefs"
CHIEFS = f"""
c.JupyterHub.load_groups = {{{GROUP!r}: {{"users": []}}}}
c.JupyterHub.load_roles = c.JupyterHub.load_roles + [
    {{"name": "chief", "groups": [{GROUP!r}], "scopes": ["tokens", "list:users"]}},
]
"""
# The server puts its own token where the test finds it.
TELL = "import os; open('token', 'w').write(os.environ['JUPYTERHUB_API_TOKEN'])"
TELLING = f'c.Spawner.cmd = [sys.executable, "-c", {TELL + SERVER!r}]'


async def promote(root: Session, way: str, name: str) -> None:
    """Make somebody an admin."""
    if way == "import":
        await do_import(root, f"name,admin\n{name},yes\n")
        return
    if way == "list-group":
        await do_import(root, f"name,groups\n{name},{GROUP}\n")
        return
    method, path, body = {
        "patch": ("PATCH", f"jhaws/people/{name}", {"admin": True}),
        "panel": ("PATCH", f"users/{name}", {"admin": True}),
        "group": ("PATCH", f"jhaws/people/{name}", {"groups": [GROUP]}),
        "panel-group": ("POST", f"groups/{GROUP}/users", {"users": [name]}),
    }[way]
    status, answer = await root.api(method, path, body)
    assert status == 200, answer


async def is_over(hub: RunningHub, browser: Session, token: str) -> bool:
    """Tell whether a browser login and a token have ended."""
    page, _ = await browser.get("hub/home", allow_redirects=False)
    return (page, (await hub.api("GET", "user", token=token))[0]) in ((302, 401), (302, 403))


async def test_who_becomes_an_admin_loses_the_logins_from_before(tmp_path: Path) -> None:
    """By every way, since somebody with the shared password may have made them; once an admin, nothing ends again."""
    ways = ("patch", "panel", "import", "group", "panel-group", "list-group")
    async with running_hub(tmp_path, CONFIG + CHIEFS) as hub:
        root = await hub.login("root", ADMIN)
        await add(root, *ways, "other")
        before = {name: await use(hub, name) for name in (*ways, "other")}
        for way in ways:
            await promote(root, way, way)
            assert await is_over(hub, *before[way]), way
        assert not await is_over(hub, *before["other"])

        again = {name: await hub.login(name, ADMIN) for name in ways}
        for way in ways:
            await promote(root, "patch" if way == "import" else way, way)
        assert [(await again[name].api("GET", "user"))[0] for name in ways] == [200] * len(ways)
        await hub.kill()
        await hub.start()
        assert [(await again[name].api("GET", "user"))[0] for name in ways] == [200] * len(ways)


@pytest.mark.parametrize("way", ["patch", "panel", "list-group", "own password"])
async def test_a_server_goes_on_when_what_was_before_ends(tmp_path: Path, way: str) -> None:
    """Its own token reaches the hub as before, also when the hub has restarted; one that looks the same ends."""
    optional = "\nc.JhawsAuthenticator.personal_password = 'optional'\n"
    async with running_hub(tmp_path, CONFIG + CHIEFS + TELLING + optional) as hub:
        root = await hub.login("root", ADMIN)
        await add(root, "ann")
        browser = await hub.login("ann", USER)
        await start_server(root, "ann")
        token = (tmp_path / "homes" / "ann" / "token").read_text()
        alike = {"note": "Server at /user/ann/", "scopes": ["access:servers!server=ann/", "users:activity!user=ann"]}
        forged = (await browser.api("POST", "users/ann/tokens", alike))[1]["token"]
        activity = {"servers": {"": {"last_activity": "2026-11-21T12:00:00Z"}}}
        await hub.kill()
        await hub.start()
        assert (await hub.api("POST", "users/ann/activity", activity, token=forged))[0] == 200

        if way == "own password":
            status, page = await send(browser, "password", old=USER, new="a-password-of-her-own")
            assert (status, "Your server goes on" in page) == (200, True)
        else:
            await promote(root, way, "ann")

        assert (await root.api("GET", "users/ann"))[1]["servers"][""]["ready"]
        assert (await hub.api("POST", "users/ann/activity", activity, token=token))[0] == 200
        assert (await hub.api("POST", "users/ann/activity", activity, token=forged))[0] in (401, 403)


async def test_the_token_of_a_server_that_was_stopped_opens_no_later_one(tmp_path: Path) -> None:
    """Also after a restart of the hub, which then no longer knows it, and does not delete it with the server."""
    async with running_hub(tmp_path, CONFIG + TELLING) as hub:
        root = await hub.login("root", ADMIN)
        await add(root, "ann", "bob")
        tokens = {}
        for name in ("ann", "bob"):
            await start_server(root, name)
            tokens[name] = (tmp_path / "homes" / name / "token").read_text()
        await hub.kill()
        await hub.start()
        for name in tokens:
            assert (await root.api("DELETE", f"users/{name}/server"))[0] in (202, 204)

            async def has_stopped(name: str = name) -> bool:
                return not (await root.api("GET", f"users/{name}"))[1]["servers"]

            await eventually(has_stopped, within=30, what="the server to stop")

        await promote(root, "patch", "ann")
        await start_server(root, "bob")
        assert [(await hub.api("GET", "user", token=token))[0] in (401, 403) for token in tokens.values()] == [True] * 2


@pytest.mark.parametrize("way", ["patch", "own password", "revoke"])
async def test_shares_from_before_end(tmp_path: Path, way: str) -> None:
    """Whoever had the shared password could share the server with somebody for good, or make a code for it."""
    more = """
c.JhawsAuthenticator.personal_password = "optional"
c.JupyterHub.load_roles = c.JupyterHub.load_roles + [
    {"name": "user", "scopes": ["self", "shares!user", "read:users:name", "read:groups:name"]},
]
"""
    async with running_hub(tmp_path, CONFIG + more) as hub:
        root = await hub.login("root", ADMIN)
        await add(root, "ann", "eve")
        ann, eve = await hub.login("ann", USER), await hub.login("eve", USER)
        await start_server(root, "ann")
        assert (await ann.api("POST", "shares/ann/", {"user": "eve"}))[0] == 200
        code = (await ann.api("POST", "share-codes/ann/", {}))[1]["code"]
        # Both have what the hub keeps in its memory.
        assert "access:servers!server=ann/" in (await eve.api("GET", "user"))[1]["scopes"]
        assert (await ann.api("GET", "shares/ann/"))[1]["items"]
        if way == "own password":
            assert (await send(ann, "password", old=USER, new="a-password-of-her-own"))[0] == 200
        elif way == "revoke":
            assert (await root.api("POST", "jhaws/people/ann/revoke", {}))[0] == 200
        else:
            await promote(root, way, "ann")

        assert [scope for scope in (await eve.api("GET", "user"))[1]["scopes"] if "ann" in scope] == []
        assert (await root.api("GET", "shares/ann/"))[1]["items"] == []
        page, _ = await eve.get(f"hub/accept-share?code={code}")
        assert page == 404


async def test_a_role_in_the_configuration_ends_the_logins_from_before(tmp_path: Path) -> None:
    """Where it makes admins of those in a group, who came with the shared password; once, and nobody else's."""
    async with running_hub(tmp_path, CONFIG + f"c.JupyterHub.load_groups = {{{GROUP!r}: {{'users': []}}}}\n") as hub:
        root = await hub.login("root", ADMIN)
        await add(root, "gina", groups=[GROUP])
        await add(root, "other")
        before, other = await use(hub, "gina"), await use(hub, "other")
        await hub.kill()
        config = tmp_path / "jupyterhub_config.py"
        config.write_text(config.read_text() + CHIEFS)
        await hub.start()
        assert await is_over(hub, *before)
        assert not await is_over(hub, *other)
        assert (await root.api("GET", "user"))[0] == 200
        assert "Ended the logins of 'gina' from before, who is an admin now." in hub.log()

        assert not (await hub.login("gina", USER)).ok
        gina = await hub.login("gina", ADMIN)
        assert gina.ok
        await hub.kill()
        await hub.start()
        assert (await gina.api("GET", "user"))[0] == 200


async def test_who_may_do_all_to_some_users_is_an_admin_when_one_is_among_them(tmp_path: Path) -> None:
    """Then the shared password does not open that account, and what it opened before ends."""
    tutor = """
c.JupyterHub.load_groups = {"class-a": {"users": []}}
c.JupyterHub.load_roles = c.JupyterHub.load_roles + [
    {"name": "tutor", "users": ["tina"], "scopes": ["tokens!group=class-a", "list:users!group=class-a"]},
]
c.JhawsAuthenticator.allowed_users = {"tina"}
"""
    async with running_hub(tmp_path, CONFIG + tutor) as hub:
        root = await hub.login("root", ADMIN)
        await add(root, "ann", groups=["class-a"])
        tina, token = await use(hub, "tina")
        assert (await tina.api("POST", "users/ann/tokens", {}))[0] == 201
        assert (await root.api("POST", "groups/class-a/users", {"users": ["root"]}))[0] == 200

        async def has_ended() -> bool:
            return await is_over(hub, tina, token)

        await eventually(has_ended, within=20, what="the tutor's logins to end")
        assert not (await hub.login("tina", USER)).ok
        assert (await hub.login("tina", ADMIN)).ok
        assert (await root.api("DELETE", "groups/class-a/users", {"users": ["root"]}))[0] == 200
        assert (await hub.login("tina", USER)).ok


async def test_only_an_admin_gives_a_name_of_admin_users_to_somebody(tmp_path: Path) -> None:
    """Neither by renaming nor by adding, in the panel's API or ours, once the admin has given it up."""
    tutor = '[{"name": "tutor", "users": ["tutor"], "scopes": ["admin:users", "list:users", "read:users"]}]'
    async with running_hub(tmp_path, CONFIG + f"c.JupyterHub.load_roles = c.JupyterHub.load_roles + {tutor}\n") as hub:
        root, token = await hub.login("root", ADMIN), await hub.token("tutor")
        await add(root, "ann", "boss", admin=False)
        await root.api("PATCH", "jhaws/people/boss", {"admin": True})
        boss = await hub.login("boss", ADMIN)
        assert (await boss.api("PATCH", "users/root", {"name": "old-root"}))[0] == 200
        seen = (await hub.api("POST", "jhaws/roster/preview", {"text": "root\n"}, token=token))[1]
        tries: list[tuple[str, str, Any]] = [
            ("PATCH", "users/ann", {"name": "root"}),
            ("PATCH", "users/ann", {"name": "ROOT"}),
            ("POST", "users/root", None),
            ("POST", "users", {"usernames": ["new-one", "Root"]}),
            ("POST", "jhaws/people", {"names": ["root"]}),
        ]
        for method, path, body in tries:
            status, answer = await hub.api(method, path, body, token=token)
            assert (status, answer["message"]) == (403, "Only admins can make, change or remove admins."), path
        assert [each["sentence"] for each in seen["problems"]] == ["Only admins can make, change or remove admins."]
        assert (await hub.api("PATCH", "users/ann", {"name": "anna"}, token=token))[0] == 200
        assert (await hub.api("POST", "users/new-two", token=token))[0] == 201
        assert (await boss.api("POST", "users/root"))[0] == 201


TUTOR = """
c.JupyterHub.load_roles = c.JupyterHub.load_roles + [
    {"name": "tutor", "users": ["tutor"], "scopes": ["admin:users", "list:users"]},
]
"""


async def test_only_admins_change_who_is_an_admin_by_a_role(tmp_path: Path) -> None:
    """Nobody else revokes, blocks or deletes them; so nobody who may change users moves an end of their own."""
    async with running_hub(tmp_path, CONFIG + CHIEFS + TUTOR) as hub:
        root, token = await hub.login("root", ADMIN), await hub.token("tutor")
        await add(root, "boss", groups=[GROUP])
        await add(root, "ann")
        assert (await root.api("PATCH", "jhaws/people/tutor", {"ends_at": "2099-12-31"}))[0] == 200
        tries: list[tuple[str, str, Any]] = [
            ("POST", "boss/revoke", {}),
            ("PATCH", "boss", {"blocked": True}),
            ("DELETE", "boss", None),
            ("PATCH", "tutor", {"ends_at": None}),
        ]
        for method, path, body in tries:
            status, answer = await hub.api(method, f"jhaws/people/{path}", body, token=token)
            assert (status, answer and answer["message"]) == (403, "Only admins can make, change or remove admins.")
        for text in ("name,note\nboss,mine\n", "name,end\ntutor,\n"):
            status, seen = await hub.api("POST", "jhaws/roster/preview", {"text": text}, token=token)
            assert [each["sentence"] for each in seen["problems"]] == ["Only admins can make, change or remove admins."]
        assert (await hub.api("PATCH", "jhaws/people/ann", {"ends_at": "2099-12-31"}, token=token))[0] == 200
        assert (await root.api("POST", "jhaws/people/boss/revoke", {}))[0] == 200


async def test_only_admins_change_admins_by_jupyterhubs_own_api(tmp_path: Path) -> None:
    """Nobody else renames or deletes one, by flag or by role, nor learns who is one; others go on as before."""
    async with running_hub(tmp_path, CONFIG + CHIEFS + TUTOR) as hub:
        root, token = await hub.login("root", ADMIN), await hub.token("tutor")
        await add(root, "flagged", admin=True)
        await add(root, "boss", groups=[GROUP])
        await add(root, "ann", "bob")
        stranger = await hub.token("ann")
        for name in ("root", "flagged", "boss"):
            for method, body in (("DELETE", None), ("PATCH", {"name": "gone"}), ("PATCH", {"admin": False})):
                status, answer = await hub.api(method, f"users/{name}", body, token=token)
                assert (status, answer["message"]) == (403, "Only admins can make, change or remove admins."), name
        for method, body in (("DELETE", None), ("PATCH", {"name": "gone"})):
            answers = [await hub.api(method, f"users/{name}", body, token=stranger) for name in ("boss", "bob")]
            assert [status for status, _ in answers] == [403, 403]
            assert answers[0][1]["message"] == answers[1][1]["message"]
        assert (await hub.api("PATCH", "users/ann", {"admin": True}, token=token))[0] == 403
        assert (await hub.api("PATCH", "users/ann", {"name": "anna"}, token=token))[0] == 200
        assert (await hub.api("DELETE", "users/bob", token=token))[0] == 204
        assert (await root.api("PATCH", "users/boss", {"name": "chief"}))[0] == 200
        assert (await root.api("DELETE", "users/flagged"))[0] == 204


async def test_an_admin_of_the_configuration_who_is_not_deleted_keeps_the_server(tmp_path: Path) -> None:
    """The refusal comes before anything is stopped."""
    async with running_hub(tmp_path, CONFIG) as hub:
        root = await hub.login("root", ADMIN)
        await add(root, "boss", admin=True)
        await start_server(root, "root")
        boss = await hub.login("boss", ADMIN)

        status, answer = await boss.api("DELETE", "jhaws/people/root")

        assert (status, "JhawsAuthenticator.admin_users" in answer["message"]) == (409, True)
        assert (await root.api("GET", "users/root"))[1]["servers"][""]["ready"]
