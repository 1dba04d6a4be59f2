"""What the audit log of a real hub says of changes that JupyterHub itself makes: who asked for them, and from where."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from tests.hubclient import eventually

from .hubs import RunningHub, running_hub
from .test_people import ADMIN, CONFIG, add, start_server

FIELDS = ("action", "name", "actor", "address", "detail")
GROUPS = """
c.JhawsAuthenticator.allow_all = True
c.JhawsAuthenticator.manage_groups = True
c.JhawsAuthenticator.password_groups = {"tutors-password": ["tutors"]}
"""
# As an operator's own code does it: JupyterHub changes somebody whom no request of the API of users and groups names.
HOOK = """
c.Spawner.pre_spawn_hook = lambda spawner: spawner.user.sync_groups(["hooked"])
"""
SLOW_STOP = """
c.JupyterHub.tornado_settings = {"slow_stop_timeout": 60}
import asyncio, pathlib
async def wait(spawner):
    pathlib.Path("stopping").touch()
    while not pathlib.Path("go").exists():
        await asyncio.sleep(0.05)
c.Spawner.post_stop_hook = wait
"""


async def read_log(hub: RunningHub, *, after: int = 0) -> list[dict[str, Any]]:
    """Read the entries after a number, the oldest first."""
    entries = (await hub.api("GET", "jhaws/audit"))[1]
    return [each for each in reversed(entries) if each["number"] > after]


async def test_what_jupyterhubs_own_api_changes_is_in_the_audit_log(tmp_path: Path) -> None:
    """Once each, with who asked and from where, as what our own API does; nothing of the hub's start."""
    config = CONFIG + 'c.JupyterHub.load_groups = {"configured": {"users": ["root"]}}\n'
    async with running_hub(tmp_path, config) as hub:
        root = await hub.login("root", ADMIN)
        root.http.headers["X-Forwarded-For"] = "1.2.3.4, 198.51.100.10, 10.0.3.4"

        async def added_to_log(*requests: tuple[str, str, Any]) -> list[tuple[str, ...]]:
            last = (await read_log(hub))[-1]["number"]
            for method, path, body in requests:
                status, answer = await root.api(method, path, body)
                assert status < 300, (path, answer)
            entries = await read_log(hub, after=last)
            assert {(each["actor"], each["address"]) for each in entries} <= {("root", "198.51.100.10")}
            return [tuple(each[field] for field in ("action", "name", "detail")) for each in entries]

        assert [each["action"] for each in await read_log(hub)] == ["login"]
        assert await added_to_log(("POST", "users", {"usernames": ["ann", "bob"]})) == [
            ("person.added", "ann", ""),
            ("person.added", "bob", ""),
        ]
        assert await added_to_log(("POST", "users/carl", None)) == [("person.added", "carl", "")]
        assert await added_to_log(("PATCH", "users/bob", {"admin": True}), ("PATCH", "users/bob", {"admin": True})) == [
            ("person.changed", "bob", "admin: yes")
        ]
        assert await added_to_log(("PATCH", "users/bob", {"name": "bobby", "admin": False})) == [
            ("person.renamed", "bobby", "before: bob"),
            ("person.changed", "bobby", "admin: no"),
        ]
        members = {"users": ["ann", "bobby"]}
        assert await added_to_log(("POST", "groups/a", {}), ("POST", "groups/a/users", members)) == [
            ("person.changed", "ann", "joined: a"),
            ("person.changed", "bobby", "joined: a"),
        ]
        assert await added_to_log(("DELETE", "groups/a/users", {"users": ["ann"]}), ("DELETE", "groups/a", None)) == [
            ("person.changed", "ann", "left: a"),
            ("person.changed", "bobby", "left: a"),
        ]
        assert await added_to_log(("POST", "groups/c", members), ("POST", "groups", {"groups": ["d"], **members})) == [
            ("person.changed", name, f"joined: {group}") for group in "cd" for name in ("ann", "bobby")
        ]
        assert await added_to_log(("DELETE", "users/bobby", None)) == [("person.deleted", "bobby", "")]
        ours = {"admin": True, "groups": ["b"]}
        assert await added_to_log(("PATCH", "jhaws/people/ann", ours), ("DELETE", "jhaws/people/ann", None)) == [
            ("person.changed", "ann", "groups: b; admin: yes"),
            ("person.deleted", "ann", ""),
        ]
        assert await added_to_log(("POST", "users/root/tokens", {})) == []


async def test_an_admin_and_a_service_at_once_are_told_apart(tmp_path: Path) -> None:
    """What a request does after it had to wait is its own, whoever asked for something else meanwhile."""
    async with running_hub(tmp_path, CONFIG + SLOW_STOP) as hub:
        root = await hub.login("root", ADMIN)
        await add(root, "ann")
        await start_server(root, "ann")
        deletion = asyncio.create_task(root.api("DELETE", "users/ann"))

        async def is_stopping() -> bool:
            return (tmp_path / "stopping").exists()

        await eventually(is_stopping, within=60, what="the stop")
        last = (await read_log(hub))[-1]["number"]
        assert (await hub.api("POST", "users/bob"))[0] == 201
        (tmp_path / "go").touch()
        assert (await deletion)[0] == 204

        assert [tuple(each[field] for field in FIELDS) for each in await read_log(hub, after=last)] == [
            ("person.added", "bob", "service test-admin", "127.0.0.1", ""),
            ("person.deleted", "ann", "root", "127.0.0.1", ""),
        ]


@pytest.mark.parametrize("personal", ["off", "required"])
async def test_what_a_login_changes_is_ones_own_work(tmp_path: Path, personal: str) -> None:
    """With the address that it came from, and where it leads to the choice of a password too."""
    async with running_hub(
        tmp_path, CONFIG + GROUPS + f"c.JhawsAuthenticator.personal_password = {personal!r}\n"
    ) as hub:
        await hub.login("carla", "tutors-password")

        changes = [each for each in await read_log(hub) if each["action"].startswith("person.")]
        assert [tuple(each[field] for field in FIELDS) for each in changes] == [
            ("person.added", "carla", "", "127.0.0.1", ""),
            ("person.changed", "carla", "", "127.0.0.1", "joined: tutors"),
        ]


async def test_what_the_hub_changes_by_itself_is_nobodys(tmp_path: Path) -> None:
    """It says so instead, and is not taken for the work of who used the same connection before."""
    async with running_hub(tmp_path, CONFIG + HOOK) as hub:
        root = await hub.login("root", ADMIN)
        await add(root, "ann")
        assert (await root.api("PATCH", "users/ann", {"admin": True}))[0] == 200
        await start_server(root, "ann")

        assert [tuple(each[field] for field in FIELDS) for each in (await read_log(hub))[-2:]] == [
            ("person.changed", "ann", "root", "127.0.0.1", "admin: yes"),
            ("person.changed", "ann", "", "", "by JupyterHub; joined: hooked"),
        ]
