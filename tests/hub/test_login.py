"""Who may enter a real hub: through its proxy, with its login form, its admin panel's requests and its REST API."""

from __future__ import annotations

import asyncio
import re
import sys
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from tests.hubclient import eventually, read_json

from .hubs import RunningHub, descendants, running_hub

USER = "shared-password"
ADMIN = "the-admins-own-password-of-40-characters"

CONFIG = f"""
c.JhawsAuthenticator.admin_users = {{"root"}}
c.JhawsAuthenticator.user_password = {USER!r}
c.JhawsAuthenticator.admin_password = {ADMIN!r}
"""
REFUSED = "Invalid username or password"


async def may_enter(hub: RunningHub, name: str, password: str = USER) -> bool:
    """Tell whether the login form lets somebody in."""
    return (await hub.login(name, password)).ok


async def request_token(hub: RunningHub, url_name: str, auth: Any, **headers: str) -> tuple[int, Any]:
    """Ask for an API token with a password instead of a login; needs neither login page nor XSRF token."""
    url = f"{hub.url}hub/api/users/{url_name}/tokens"
    async with aiohttp.ClientSession(headers=headers) as http, http.post(url, json={"auth": auth}) as response:
        return response.status, await read_json(response)


async def test_the_panel_keeps_the_allow_list(tmp_path: Path) -> None:
    """Only the admin enters at first; who is added, deleted or renamed in the panel follows at once and for good."""
    config = CONFIG + 'c.JhawsAuthenticator.allowed_users = {"ann", "carl"}\n'
    async with running_hub(tmp_path, config) as hub:
        assert not await may_enter(hub, "bob")
        assert await may_enter(hub, "ann")
        root = await hub.login("root", ADMIN)
        assert root.ok
        assert (await root.get("hub/admin"))[0] == 200
        assert (await root.api("POST", "users", {"usernames": ["Bob", "dora"]}))[0] == 201
        assert await may_enter(hub, "bob")
        assert (await root.api("DELETE", "users/ann"))[0] == 204
        assert (await root.api("PATCH", "users/carl", {"name": "carla"}))[0] == 200
        assert (await root.api("PATCH", "users/dora", {"name": "doris"}))[0] == 200
        # Whom the configuration makes an admin is not deleted, and the answer says where to remove the name.
        assert (await root.api("POST", "users", {"usernames": ["boss"], "admin": True}))[0] == 201
        boss = await hub.login("boss", ADMIN)
        status, answer = await boss.api("DELETE", "users/root")
        assert (status, "JhawsAuthenticator.admin_users" in answer["message"]) == (409, True)
        expected = {"root": False, "ann": False, "bob": True, "carl": False, "carla": True}
        expected |= {"dora": False, "doris": True}
        assert {name: await may_enter(hub, name) for name in expected} == expected
        await hub.kill()
        await hub.start()
        assert {name: await may_enter(hub, name) for name in expected} == expected
        assert await may_enter(hub, "root", ADMIN)
        assert re.search(r"deleted or renamed in the hub \(ann, carl\)", hub.log())
        assert "Traceback" not in hub.log()


async def test_a_deleted_users_cookie_and_token_end(tmp_path: Path) -> None:
    """Deleting somebody ends the login and the tokens they already have."""
    async with running_hub(tmp_path, CONFIG) as hub:
        root = await hub.login("root", ADMIN)
        await root.api("POST", "users", {"usernames": ["ann"]})
        ann = await hub.login("ann", USER)
        status, token = await ann.api("POST", "users/ann/tokens", {})
        assert status == 201
        assert (await hub.api("GET", "user", token=token["token"]))[1]["name"] == "ann"
        assert (await ann.api("GET", "user"))[0] == 200
        assert (await root.api("DELETE", "users/ann"))[0] == 204
        assert (await ann.api("GET", "user"))[0] in (401, 403)
        assert (await hub.api("GET", "user", token=token["token"]))[0] in (401, 403)
        assert (await ann.get("hub/home", allow_redirects=False))[0] == 302
        # The same name added again is another person: the old login stays dead.
        await root.api("POST", "users", {"usernames": ["ann"]})
        assert (await ann.api("GET", "user"))[0] in (401, 403)


async def test_shared_password_opens_no_admins_account(tmp_path: Path) -> None:
    """Neither the form nor the token request gives an admin's account for the shared password, however written."""
    config = CONFIG + "c.JhawsAuthenticator.allow_all = True\n"
    async with running_hub(tmp_path, config) as hub:
        root = await hub.login("root", ADMIN)
        await root.api("POST", "users", {"usernames": ["boss"], "admin": True})
        await root.api("POST", "users", {"usernames": ["ann"]})
        for name in ("root", "ROOT", "Root", " root ", "root\u00a0", "boss", "BOSS"):
            assert not await may_enter(hub, name), name
            await root.api("DELETE", "jhaws/throttle")
            for url_name in ("root", "boss", "ROOT"):
                status, _ = await request_token(hub, url_name, {"username": name, "password": USER})
                assert status == 403, (name, url_name)
        await root.api("DELETE", "jhaws/throttle")
        assert await may_enter(hub, "boss", ADMIN)
        # One's own token is fine, another's is not, and an admin's password does not open a user's account.
        assert (await request_token(hub, "ann", {"username": "ann", "password": USER}))[0] == 201
        assert (await request_token(hub, "root", {"username": "ann", "password": USER}))[0] == 403
        assert (await request_token(hub, "ann", {"username": "ann", "password": ADMIN}))[0] == 403
        assert (await request_token(hub, "root", {"username": "root", "password": ADMIN}))[0] == 201
        _, users = await hub.api("GET", "users")
        assert {user["name"] for user in users if user["admin"]} == {"root", "boss"}


async def test_becoming_an_admin_closes_the_account_to_the_shared_password(tmp_path: Path) -> None:
    """From the moment the flag is set in the panel, and back when it is taken away; no login changes the flag.

    The hub's database is in memory only: our tables live there too.
    """
    async with running_hub(tmp_path, CONFIG + 'c.JupyterHub.db_url = "sqlite://"\n') as hub:
        root = await hub.login("root", ADMIN)
        await root.api("POST", "users", {"usernames": ["ann"]})
        assert await may_enter(hub, "ann")
        await root.api("PATCH", "users/ann", {"admin": True})
        assert not await may_enter(hub, "ann")
        assert await may_enter(hub, "ann", ADMIN)
        await root.api("PATCH", "users/ann", {"admin": False})
        assert await may_enter(hub, "ann")
        assert (await hub.api("GET", "users/ann"))[1]["admin"] is False


AUTHS: list[Any] = [
    None,
    {},
    [],
    "ann",
    7,
    {"username": "ann"},
    {"password": USER},
    {"username": "ann", "password": None},
    {"username": "ann", "password": 12345678},
    {"username": "ann", "password": ["x"]},
    {"username": 5, "password": USER},
    {"username": "ann", "password": "gr\u00fc\u00dfe-und-mehr"},
    {"username": "ann", "password": "\ud800"},
    {"username": "\ud800", "password": USER},
    {"username": "ann\0", "password": USER},
    {"username": "x" * 300, "password": USER},
    {"username": "x" * 10_000_000, "password": "x" * 10_000_000},
]

FORMS: list[dict[str, str]] = [
    {},
    {"username": "ann"},
    {"password": USER},
    {"username": "", "password": ""},
    {"username": "ann", "password": ""},
    {"username": "ann", "password": "gr\u00fc\u00dfe-und-mehr"},
    {"username": "ann", "password": "\0"},
    {"username": "ann", "password": "x" * 10_000_000},
    {"username": "x" * 300, "password": USER},
    {"username": "a/b", "password": USER},
    {"username": "../root", "password": USER},
    {"username": "..", "password": USER},
    {"username": "a\nb", "password": USER},
    {"username": "\u00e4" * 43, "password": USER},
    {"username": "<script>alert(1)</script>", "password": USER},
    {"username": "typed-into-the-wrong-field", "password": "my-own-secret"},
]


async def test_bad_input_is_just_refused(tmp_path: Path) -> None:
    """Whatever form or token request comes: 403, the usual page, no traceback, and nothing secret in the log."""
    config = CONFIG + 'c.JhawsAuthenticator.allowed_users = {"ann"}\n'
    async with running_hub(tmp_path, config) as hub:
        root = await hub.login("root", ADMIN)
        for auth in AUTHS:
            await root.api("DELETE", "jhaws/throttle")
            assert (await request_token(hub, "ann", auth))[0] == 403, repr(auth)[:60]
        session = await hub.login("ann", "wrong")
        for form in FORMS:
            data = {**form, "_xsrf": session.xsrf}
            await root.api("DELETE", "jhaws/throttle")
            async with session.http.post(f"{hub.url}hub/login", data=data, allow_redirects=False) as response:
                assert response.status == 403, repr(form)[:60]
                text = await response.text()
                assert REFUSED in text, repr(form)[:60]
                assert "<script>alert(1)" not in text
        assert (await hub.login("ann", USER)).ok
        log = hub.log()
        assert "Traceback" not in log
        assert "Refused the login of 'ann' from 127.0.0.1: wrong password." in log
        assert "Refused the login of an unknown name" in log
        for secret in ("typed-into-the-wrong-field", "my-own-secret", "und-mehr", USER, ADMIN):
            assert secret not in log


async def test_unknown_names_and_wrong_passwords_look_the_same(tmp_path: Path) -> None:
    """Status and page tell nobody which names exist, are admins, or are blocked."""
    config = CONFIG + 'c.JhawsAuthenticator.allowed_users = {"ann", "eve"}\n'
    config += 'c.JhawsAuthenticator.blocked_users = {"eve"}\n'
    async with running_hub(tmp_path, config) as hub:
        pages = set()
        for name in ("ann", "bob", "eve", "root"):
            session = await hub.login(name, "wrong-password")
            # What differs between any two requests: the name that the form repeats, and its XSRF token.
            page = re.sub(r'(_xsrf[^>]*?value=|xsrf_token: )"[^"]*"', "", session.text.replace(f'"{name}"', ""))
            pages.add((session.status, re.sub(r"\s+", " ", page)))
        assert len(pages) == 1
        assert next(iter(pages))[0] == 403


@pytest.mark.parametrize(
    ("config", "said"),
    [
        ("c.JhawsAuthenticator.user_password = 48151623", "user_password"),
        ('c.JhawsAuthenticator.admin_password = "s3cret"', "at least 32 characters, got 6"),
        (f"c.JhawsAuthenticator.user_password = {ADMIN!r}", "must not hold the same password"),
        ('c.JhawsAuthenticator.user_password = "$argon2id$s3cret"', "whole argon2id hash"),
        ('c.JhawsAuthenticator.user_password_file = "/nowhere"', "are both set"),
        ("c.JhawsAuthenticator.update(admin_password='', admin_password_file='/no')", "cannot be read"),
        ('c.JhawsAuthenticator.allowed_users = {"a/b"}', "must not contain a slash"),
    ],
)
async def test_bad_options_end_the_hub_with_a_sentence(tmp_path: Path, config: str, said: str) -> None:
    """The hub exits with 1 and one line that names the option; no traceback and no part of a password."""
    hub = RunningHub(tmp_path, 1, 2, 3)
    hub.write_config(CONFIG + config)
    await hub.launch()
    try:
        assert await hub.exit_status() == 1
    finally:
        await hub.stop()
    lines = [line for line in hub.log().splitlines() if "The hub does not start" in line]
    assert len(lines) == 1
    assert said in lines[0]
    assert "JhawsAuthenticator." in lines[0]
    for absent in ("Traceback", "s3cret", "48151623", ADMIN):
        assert absent not in hub.log()


async def test_passwords_from_a_file_and_the_environment_are_shown_nowhere(tmp_path: Path) -> None:
    """They open; neither log, database, nor what Linux shows of hub, proxy and a user's server has any of them."""
    (tmp_path / "user-password").write_text(f"{USER}-in-a-file\n")
    config = f"""
c.JhawsAuthenticator.admin_users = {{"root"}}
c.JhawsAuthenticator.allowed_users = {{"ann"}}
c.JhawsAuthenticator.user_password_file = "{tmp_path}/user-password"
c.JupyterHub.log_level = "DEBUG"
c.JupyterHub.tornado_settings = {{"slow_spawn_timeout": 0}}
c.Spawner.cmd = ["sleep", "90"]
"""
    async with running_hub(tmp_path, config, environment={"JHAWS_ADMIN_PASSWORD": ADMIN}) as hub:
        assert await may_enter(hub, "ann", f"{USER}-in-a-file")
        root = await hub.login("root", ADMIN)
        assert root.ok
        assert (await root.api("POST", "users/root/server"))[0] == 202
        shown = await eventually(lambda: shown_by_processes(hub, program="sleep"), what="the user's server")
        assert len(shown) >= 3
        assert not any(ADMIN.encode() in each for each in shown)
        kept = b"".join(path.read_bytes() for path in tmp_path.glob("jupyterhub.sqlite*"))
        for secret in (ADMIN, f"{USER}-in-a-file"):
            assert secret not in hub.log()
            assert secret.encode() not in kept


def shown_by_processes(hub: RunningHub, *, program: str) -> list[bytes]:
    """Return what Linux shows of the hub and its descendants, [] where none of them is `program`."""
    assert hub.process
    folders = [Path(f"/proc/{pid}") for pid in (hub.process.pid, *(pid for pid, _ in descendants(hub.process.pid)))]
    shown = [folder.joinpath("cmdline").read_bytes() + folder.joinpath("environ").read_bytes() for folder in folders]
    return shown if any(each.startswith(program.encode()) for each in shown) else []


async def test_the_shown_configuration_has_no_password(tmp_path: Path) -> None:
    """`jupyterhub --JupyterHub.show_config=True` says that they are set, also as JSON and under a parent's name."""
    hub = RunningHub(tmp_path, 1, 2, 3)
    groups = (
        'c.Authenticator.manage_groups = True\nc.SharedPasswordAuthenticator.password_groups = {"s3cret-": ["a"]}\n'
    )
    hub.write_config(CONFIG + groups.replace("s3cret-", "s3cret-of-a-group"))
    for option in ("show_config", "show_config_json"):
        command = ("-m", "jupyterhub", "-f", "jupyterhub_config.py", f"--JupyterHub.{option}=True")
        process = await asyncio.create_subprocess_exec(
            sys.executable, *command, cwd=tmp_path, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
        )
        output = (await process.communicate())[0].decode()
        assert process.returncode == 0, output
        assert "user_password" in output
        for secret in (USER, ADMIN, "s3cret-of-a-group"):
            assert secret not in output


async def test_nobody_enters_without_passwords(tmp_path: Path) -> None:
    """A hub whose passwords nobody set starts, says so, and refuses all."""
    async with running_hub(tmp_path, 'c.JhawsAuthenticator.admin_users = {"root"}\n') as hub:
        for password in ("", "None", "root"):
            assert not await may_enter(hub, "root", password)
        assert "Neither JhawsAuthenticator.admin_password nor JhawsAuthenticator.user_password is set" in hub.log()


async def test_many_logins_at_once(tmp_path: Path) -> None:
    """Right and wrong logins that overlap do not mix up."""
    config = CONFIG + "c.JhawsAuthenticator.allowed_users = {f'user-{n}' for n in range(10)}\n"
    async with running_hub(tmp_path, config) as hub:
        attempts = [(f"user-{n}", USER if n % 2 else "wrong") for n in range(10)]
        sessions = await asyncio.gather(*(hub.login(*attempt) for attempt in attempts))
        assert [session.ok for session in sessions] == [bool(n % 2) for n in range(10)]
        for number, session in enumerate(sessions):
            if session.ok:
                assert (await session.api("GET", "user"))[1]["name"] == f"user-{number}"
