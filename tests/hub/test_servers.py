"""Servers on the embedded cluster: what a user gets, and what survives what."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from jhaws.local.api.resources import PODS
from tests.hubclient import eventually

from .clusters import USER_PASSWORD, Place, hub_on_cluster, make_course

pytestmark = pytest.mark.asyncio(loop_scope="module")

CONFIG = """
c.JhawsSpawner.nfs_server = "drive"
c.JhawsSpawner.shares = [
    {{"name": "shared", "mount": "/home/jovyan/shared", "groups": ["staff"], "read_only": False}},
    {{"name": "shared", "mount": "/home/jovyan/shared"}},
]
c.JhawsSpawner.nodegroups = {{"jhusers": {{"node_labels": {{"pool": "users"}}}}}}
c.JhawsSpawner.iam_roles = [{{"role": "arn:aws:iam::123456789012:role/{{username}}-role"}}]
c.JhawsSpawner.git_repos = [{{"url": "{course}", "branch": "main", "directory": "course"}}]
c.JhawsCuller.timeout = 86400
c.Spawner.poll_interval = 2
"""


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def place(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Place]:
    """One hub with a home, a share and a course, for all tests of this module."""
    state = tmp_path_factory.mktemp("servers")
    course = make_course(state / "source")
    async with hub_on_cluster(state, CONFIG.format(course=course)) as running:
        yield running


async def test_a_user_gets_home_share_course_nodegroup_and_role(place: Place) -> None:
    """A user whom the admin added logs in and has everything that the configuration promises."""
    await place.add_user("ada")
    session = await place.hub.login("ada", USER_PASSWORD)
    assert session.ok
    await place.start_server("ada")
    pod = place.pod("ada")

    assert pod["metadata"]["annotations"]["iam.amazonaws.com/role"] == "arn:aws:iam::123456789012:role/ada-role"
    assert pod["spec"]["nodeName"].startswith("jhusers")
    status, page = await session.get("user/ada/lab")
    assert status == 200
    assert "JupyterLab" in page

    async def names() -> set[str]:
        _, folder = await place.contents("ada")
        return {entry["name"] for entry in folder["content"]}

    await eventually(lambda: _contains(names, {"shared", "course"}), what="share and course in the file browser")
    status, lesson = await place.contents("ada", "course/lesson.ipynb")
    assert (status, lesson["type"]) == (200, "notebook")


async def _contains(names, wanted: set[str]) -> bool:
    return wanted <= await names()


async def test_a_file_survives_stop_and_start(place: Place) -> None:
    """What a user leaves in the home is there in the next server."""
    await place.add_user("grace")
    await place.start_server("grace")
    (place.home("grace") / "note.txt").write_text("kept")
    await place.stop_server("grace")
    await place.start_server("grace")
    status, note = await place.contents("grace", "note.txt")

    assert (status, note["content"]) == (200, "kept")
    await place.stop_server("grace")


async def test_nobody_reads_the_server_of_another(place: Place) -> None:
    """A user's token and browser open their own server only."""
    for name in ("ada", "eve"):
        await place.add_user(name)
    if not await place.is_ready("ada"):
        await place.start_server("ada")
    status, _ = await place.contents("ada", token=await place.token("eve"))
    assert status in (403, 404)

    session = await place.hub.login("eve", USER_PASSWORD)
    status, page = await session.get("user/ada/lab")
    assert "JupyterLab" not in page
    assert status in (403, 404)


async def test_an_admin_starts_opens_and_stops_the_server_of_another(place: Place) -> None:
    """The admin panel's buttons work: start, access and stop a user's server."""
    await place.add_user("kim")
    admin = await place.admin()
    status, _ = await admin.api("POST", "users/kim/server")
    assert status in (201, 202)
    await eventually(lambda: place.is_ready("kim"), within=90, what="kim's server")
    assert (await place.contents("kim", token=await place.token("root")))[0] == 200

    status, _ = await admin.api("DELETE", "users/kim/server")
    assert status in (202, 204)
    await eventually(lambda: place.is_gone("kim"), what="end of kim's server")


async def test_two_servers_run_side_by_side_on_the_same_port(place: Place) -> None:
    """Each pod has its own address, so every server listens on 8888."""
    for name in ("one", "two"):
        await place.add_user(name)
    await asyncio.gather(place.start_server("one"), place.start_server("two"))
    addresses = {place.pod(name)["status"]["podIP"] for name in ("one", "two")}

    assert len(addresses) == 2
    for name in ("one", "two"):
        assert (await place.contents(name))[0] == 200
        await place.stop_server(name)


@pytest.mark.parametrize("name", ["müller", "ada.lovelace@example.org", "ü" * 43])
async def test_an_odd_name_has_a_server_and_a_home_of_its_own(place: Place, name: str) -> None:
    """Umlauts, dots and a name of 258 escaped bytes work from login to file browser."""
    await place.add_user(name)
    await place.start_server(name)

    assert (await place.contents(name))[0] == 200
    await place.stop_server(name)


async def test_a_killed_server_is_restarted_and_the_log_says_so(place: Place) -> None:
    """When a server's process is killed, Kubernetes starts it again and the hub tells that kernels were lost."""
    await place.add_user("joe")
    await place.start_server("joe")
    os.kill(container_pid("joe"), signal.SIGKILL)
    sentence = "server ended (exit status 137"
    await eventually(lambda: sentence in place.hub.log(), what="the hub noticing")

    await eventually(lambda: _answers(place, "joe"), what="joe's server")
    await place.stop_server("joe")


async def test_a_server_that_ended_by_itself_is_noticed_and_named(place: Place) -> None:
    """A server that shuts down, as from JupyterLab's File menu, loses its route and the log names it."""
    await place.add_user("lea")
    await place.start_server("lea")
    os.kill(container_pid("lea"), signal.SIGTERM)
    await eventually(lambda: _has_no_server(place, "lea"), what="the hub noticing")

    assert "User lea server stopped" in place.hub.log()


async def _answers(place: Place, name: str) -> bool:
    return (await place.contents(name))[0] == 200


async def _has_no_server(place: Place, name: str) -> bool:
    return await place.server(name) is None


def container_pid(name: str) -> int:
    """Return the process of a user's server: the one that runs jupyterhub-singleuser with their prefix."""
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                environment = (entry / "environ").read_bytes().split(b"\0")
                command = (entry / "cmdline").read_bytes()
            except OSError:
                continue
            if f"JUPYTERHUB_USER={name}".encode() in environment and b"singleuser" in command:
                return int(entry.name)
    raise AssertionError(f"no process of {name}'s server")


async def test_a_killed_hub_finds_the_running_servers_again(place: Place) -> None:
    """A hub that dies and comes back serves the very same pods."""
    await place.add_user("ada")
    if not await place.is_ready("ada"):
        await place.start_server("ada")
    uid = place.pod("ada")["metadata"]["uid"]
    await place.hub.kill()
    await place.hub.start()
    await eventually(lambda: place.is_ready("ada"), what="ada's server")

    assert place.pod("ada")["metadata"]["uid"] == uid
    assert (await place.contents("ada"))[0] == 200


async def test_a_pod_that_vanished_while_the_hub_was_down_is_noticed(place: Place) -> None:
    """A hub that comes back calls no server running whose pod is gone."""
    await place.add_user("gone")
    await place.start_server("gone")
    await place.hub.kill()
    pod = place.pod("gone")
    place.cluster.storage.delete(PODS, "default", pod["metadata"]["name"], grace_period_seconds=0)
    await eventually(lambda: place.pod("gone") is None, what="end of the pod")
    await place.hub.start()

    await eventually(lambda: _has_no_server(place, "gone"), what="the hub noticing")


async def test_a_cell_runs_in_the_users_home(place: Place) -> None:
    """A kernel answers through the proxy's websocket, and its working directory is the user's home."""
    await place.add_user("ada")
    if not await place.is_ready("ada"):
        await place.start_server("ada")
    outputs = await place.hub.run_cell("ada", "import os; print(os.environ['JUPYTERHUB_USER'], os.listdir())")

    assert outputs.startswith("ada ")
    assert "course" in outputs
