"""A hub in use goes from stock to jhaws and back, and to the next JupyterHub: nothing that users have is lost.

Each test is one hub's life: the same database, cluster and proxy addresses under one configuration after the other.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import jupyterhub
import pytest

from jhaws.local.api.resources import PODS, PVCS
from jhaws.local.cluster import LocalCluster, LocalSettings
from jhaws.names import HUB_LABEL
from tests.hubclient import Session, eventually, read_json

from .clusters import ADMIN_PASSWORD, USER_PASSWORD, USERS, Place
from .hubs import program_path, running_hub

pytestmark = pytest.mark.timeout(240)

# What z2jh and an operator set either way: the options of the stock authenticator and of KubeSpawner.
BOTH = f"""
c.JupyterHub.allow_named_servers = True
c.KubeSpawner.namespace = "default"
c.KubeSpawner.image = "test/image:1"
c.KubeSpawner.cmd = ["jupyterhub-singleuser"]
if os.geteuid() == 0:
    c.KubeSpawner.args = ["--allow-root"]
c.Spawner.http_timeout = 60
c.SharedPasswordAuthenticator.admin_users = {{"root"}}
c.SharedPasswordAuthenticator.allowed_users = {{"ann", "bea", "Cleo.Müller", "carl"}}
c.SharedPasswordAuthenticator.admin_password = "{ADMIN_PASSWORD}"
c.SharedPasswordAuthenticator.user_password = "{USER_PASSWORD}"
"""
STOCK = (
    BOTH
    + """
c.JupyterHub.spawner_class = "kubespawner.KubeSpawner"
c.JupyterHub.authenticator_class = "shared-password"
"""
)
JHAWS = (
    BOTH
    + """
from jhaws.hub import configure
configure(c)
"""
)
# What z2jh makes of `singleuser.storage.type`.
DYNAMIC = """
c.KubeSpawner.storage_pvc_ensure = True
c.KubeSpawner.storage_capacity = "1Gi"
c.KubeSpawner.volumes = {"v": {"name": "volume-{user_server}", "persistentVolumeClaim": {"claimName": "{pvc_name}"}}}
c.KubeSpawner.volume_mounts = {"v": {"mountPath": "/home/jovyan", "name": "volume-{user_server}"}}
"""
STATIC = """
c.KubeSpawner.volumes = {"home": {"name": "home", "persistentVolumeClaim": {"claimName": "homes"}}}
c.KubeSpawner.volume_mounts = {"home": {"mountPath": "/home/jovyan", "name": "home", "subPath": "{username}"}}
"""
NFS = 'c.JhawsSpawner.nfs_server = "drive"\n'
# The same as z2jh's values, for the check before the upgrade.
STOCK_VALUES: dict[str, Any] = {
    "hub": {
        "config": {
            "JupyterHub": {"authenticator_class": "shared-password"},
            "SharedPasswordAuthenticator": {
                "admin_users": ["root"],
                "allowed_users": ["ann", "bea", "Cleo.Müller", "carl"],
                "admin_password": ADMIN_PASSWORD,
                "user_password": USER_PASSWORD,
            },
        }
    }
}
JHAWS_VALUES: dict[str, Any] = {
    "hub": {"image": {"name": "quay.io/jhaws/hub"}, "config": {"JupyterHub": {"authenticator_class": None}}}
}
NFS_VALUES = {"hub": {"config": {"JhawsSpawner": {"nfs_server": "drive"}}}}
STORAGE_VALUES = {
    "dynamic": {},
    "static": {"singleuser": {"storage": {"type": "static", "static": {"pvcName": "homes"}}}},
}
OLD_PYTHON = "JHAWS_JUPYTERHUB_55"  # the environment variable with the path of a Python that has JupyterHub 5.5
OUR_TABLES = ("jhaws_configured_user", "jhaws_hub", "jhaws_start")
ODD = "cleo.müller"  # a name that no pod can have


@contextlib.contextmanager
def python_of(path: str) -> Iterator[None]:
    """Let hubs that are started meanwhile run on another Python."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "executable", path)
        yield


@contextlib.asynccontextmanager
async def hub_in_use(
    state: Path, config: str, *, preset: str = STOCK, python: str = sys.executable
) -> AsyncIterator[Place]:
    """Run a hub, by default a stock one, on an embedded cluster that has the claim `homes`."""
    settings = LocalSettings(state_dir=state / "cluster", nodegroups=(USERS,))
    async with LocalCluster(settings) as cluster, contextlib.AsyncExitStack() as stack:
        spec = {"accessModes": ["ReadWriteMany"], "resources": {"requests": {"storage": "1Gi"}}}
        cluster.storage.create(PVCS, {"metadata": {"name": "homes"}, "spec": spec}, namespace="default")
        environment = {"KUBECONFIG": str(cluster.kubeconfig)}
        with python_of(python):
            hub = await stack.enter_async_context(running_hub(state, config, preset=preset, environment=environment))
        yield Place(hub, cluster, state)


async def foretell(place: Place, *more: dict[str, Any]) -> tuple[int, list[tuple[str, ...]]]:
    """Run `jhaws upgrade-check` against the hub, and return its exit code and what it says would change."""
    code, output, errors = await upgrade_check(place, *more, token=place.hub.admin_token)
    assert code in (0, 1), errors
    return code, [tuple(change.values()) for change in json.loads(output)["changes"]]


async def upgrade_check(place: Place, *more: dict[str, Any], token: str) -> tuple[int | None, bytes, bytes]:
    """Run `jhaws upgrade-check` against the hub, and return its exit code, output and errors.

    Args:
        place: The hub as it is, a stock one.
        more: Further values of both, and, last, those of jhaws alone.
        token: For the hub's API.
    """
    files = []
    for number, values in enumerate([STOCK_VALUES, *more[:-1], JHAWS_VALUES, more[-1]]):
        files.append(place.state / f"values-{number}.yaml")
        files[-1].write_text(json.dumps(values))
    command = ["-m", "jhaws", "upgrade-check", "--json", "--hub", place.hub.url, "--from", *files[:-2], "--to", *files]
    environment = os.environ | {"JUPYTERHUB_API_TOKEN": token}
    process = await asyncio.create_subprocess_exec(
        sys.executable, *command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    output, errors = await process.communicate()
    return process.returncode, output, errors


async def become(place: Place, preset: str, config: str) -> None:
    """Do what `helm upgrade` does to the hub: end it, and start another on the same database."""
    await place.hub.kill()
    place.hub.write_config(config, preset=preset)
    await place.hub.start()


async def start(place: Place, name: str, server: str = "") -> None:
    """Start a server of a user and wait until it is ready."""
    status, answer = await place.hub.api("POST", f"users/{name}/servers/{server}", {})
    assert status in (201, 202), answer
    await eventually(lambda: is_ready(place, name, server), within=90, what=f"{name}'s server {server!r}")


async def stop(place: Place, name: str, server: str = "") -> None:
    """Stop a server of a user and wait until its pod is gone."""
    await place.hub.api("DELETE", f"users/{name}/servers/{server}")
    await eventually(lambda: (name, server) not in pods(place), what=f"the end of {name}'s server {server!r}")

    async def is_forgotten() -> bool:
        return server not in (await place.hub.api("GET", f"users/{name}"))[1]["servers"]

    await eventually(is_forgotten, what=f"the hub's end of {name}'s server {server!r}")


async def is_ready(place: Place, name: str, server: str = "") -> bool:
    _, user = await place.hub.api("GET", f"users/{name}")
    return bool(user["servers"].get(server, {}).get("ready"))


def pods(place: Place) -> dict[tuple[str, str], dict[str, Any]]:
    """Return the pods of all servers by user and server name."""
    found = {}
    for pod in place.cluster.storage.list(PODS, "default"):
        notes = pod["metadata"]["annotations"]
        found[notes["hub.jupyter.org/username"], notes.get("hub.jupyter.org/servername", "")] = pod
    return found


def homes_of(pod: dict[str, Any]) -> list[str]:
    """Return the volumes that are mounted at the home of a pod's server; a real API server takes one only."""
    return [
        each["name"] for each in pod["spec"]["containers"][0]["volumeMounts"] if each["mountPath"] == "/home/jovyan"
    ]


def claims(place: Place) -> dict[str, str]:
    """Return the claims by name, each with its uid."""
    return {each["metadata"]["name"]: each["metadata"]["uid"] for each in place.cluster.storage.list(PVCS, "default")}


async def write(place: Place, name: str, text: str, *, server: str = "") -> None:
    """Write a note into a user's home, by their own running server."""
    status = await notes(place, name, "PUT", server=server, json={"type": "file", "format": "text", "content": text})
    assert status[0] in (200, 201), status


async def read(place: Place, name: str, *, server: str = "", token: str = "") -> Any:
    """Read the note in a user's home by their own running server, None where it is not there."""
    status, answer = await notes(place, name, "GET", server=server, token=token)
    assert status in (200, 404), answer
    return answer["content"] if status == 200 else None


async def notes(
    place: Place, name: str, method: str, *, server: str = "", token: str = "", **body: Any
) -> tuple[int, Any]:
    url = f"{place.hub.url}user/{name}/{server + '/' if server else ''}api/contents/note.txt"
    headers = {"Authorization": f"token {token or await place.token(name)}"}
    async with aiohttp.ClientSession() as http, http.request(method, url, headers=headers, **body) as response:
        return response.status, await read_json(response)


async def who_enters(place: Place) -> dict[str, bool]:
    """Tell for each password and name whether the login form lets them in."""
    tries = [(name, USER_PASSWORD) for name in ("ann", "bea", ODD, "carl", "dave", "root")]
    tries += [(name, ADMIN_PASSWORD) for name in ("ann", "carl", "root")]
    logins = [(name, password, (await place.hub.login(name, password)).ok) for name, password in tries]
    return {f"{name} {'as admin' if password == ADMIN_PASSWORD else ''}".strip(): ok for name, password, ok in logins}


async def admins(place: Place) -> set[str]:
    _, users = await place.hub.api("GET", "users")
    return {user["name"] for user in users if user["admin"]}


@dataclass
class Kept:
    """What must be the same after each change of the hub: ann's servers, who reach them, and all claims."""

    uids: dict[tuple[str, str], str]
    claims: dict[str, str]
    token: str
    browser: Session

    async def check(self, place: Place) -> None:
        """Check that the servers of ann run on, and are reached with what ann had before."""
        for server in ("", "lab"):
            await eventually(lambda server=server: is_ready(place, "ann", server), what=f"ann's server {server!r}")
            assert await read(place, "ann", server=server, token=self.token) == f"ann's {server}"
        assert {key: pod["metadata"]["uid"] for key, pod in pods(place).items() if key[0] == "ann"} == self.uids
        assert self.claims.items() <= claims(place).items()
        status, page = await self.browser.get("hub/home")
        assert (status, "Stop My Server" in page) == (200, True)
        assert await admins(place) == {"root", "carl"}


async def use_hub(place: Place) -> Kept:
    """Be users of the hub: ann has two servers that run on, bea and cleo have homes with a note in it."""
    for name in ("bea", ODD):
        await start(place, name)
        await write(place, name, f"{name}'s own")
        await stop(place, name)
    browser = await place.hub.login("ann", USER_PASSWORD)
    for server in ("", "lab"):
        await start(place, "ann", server)
        await write(place, "ann", f"ann's {server}", server=server)
    uids = {key: pod["metadata"]["uid"] for key, pod in pods(place).items()}
    return Kept(uids, claims(place), await place.token("ann"), browser)


async def test_from_stock_to_jhaws_and_back_nothing_is_lost(tmp_path: Path) -> None:
    """Running servers, tokens, log-ins, named servers, homes, admins and the allow list outlive the change both ways.

    One thing differs, on purpose: with jhaws an admin enters with the admin password only, also one who was made an
    admin in the panel.
    """
    async with hub_in_use(tmp_path, DYNAMIC) as place:
        kept = await use_hub(place)
        before = await who_enters(place)
        # Not before: the stock authenticator takes the flag away when its owner logs in with the users' password.
        assert (await (await place.admin()).api("PATCH", "users/carl", {"admin": True}))[0] == 200
        assert await foretell(place, {}) == (
            1,
            [("carl", "", "log-in", "with the users' password", "with the admin password")],
        )
        await become(place, JHAWS, DYNAMIC)

        await kept.check(place)
        assert await who_enters(place) == before | {"carl": False, "carl as admin": True}
        for name in ("bea", ODD):
            await start(place, name)
            assert await read(place, name) == f"{name}'s own"
            assert HUB_LABEL in pods(place)[name, ""]["metadata"]["labels"]
        await stop(place, "ann", "lab")
        await start(place, "ann", "lab")
        assert await read(place, "ann", server="lab") == "ann's lab"
        kept.uids = {key: pod["metadata"]["uid"] for key, pod in pods(place).items() if key[0] == "ann"}
        await become(place, STOCK, DYNAMIC)

        await kept.check(place)
        assert await who_enters(place) == before
        for name in ("bea", ODD):
            # Still the server that jhaws has started.
            await eventually(lambda name=name: is_ready(place, name), what=f"{name}'s server")
            assert HUB_LABEL in pods(place)[name, ""]["metadata"]["labels"]
            await stop(place, name)
            await start(place, name)
            assert await read(place, name) == f"{name}'s own"
            assert HUB_LABEL not in pods(place)[name, ""]["metadata"]["labels"]
        assert claims(place) == kept.claims


@pytest.mark.parametrize("storage", ["dynamic", "static"])
async def test_an_nfs_home_never_meets_z2jhs_own(tmp_path: Path, storage: str) -> None:
    """`nfs_server` on a hub in use: who runs keeps the old home, the next start has ours alone; back, it is there."""
    config = DYNAMIC if storage == "dynamic" else STATIC
    async with hub_in_use(tmp_path, config) as place:
        await start(place, "ann")
        await write(place, "ann", "in the claim")
        before = homes_of(pods(place)["ann", ""])
        was = "PVC claim-ann" if storage == "dynamic" else "PVC homes, folder ann"
        change = ("ann", "", "home", was, "NFS drive:/home/ann")
        assert await foretell(place, STORAGE_VALUES[storage], NFS_VALUES) == (1, [change])
        claims_before = claims(place)
        await become(place, JHAWS, config + NFS)

        await eventually(lambda: is_ready(place, "ann"), what="ann's server")
        assert await read(place, "ann") == "in the claim"
        await stop(place, "ann")
        await start(place, "ann")
        assert homes_of(pods(place)["ann", ""]) == ["jhaws-nfs"]
        assert place.home("ann").is_dir()
        assert await read(place, "ann") is None
        await write(place, "ann", "on the NFS server")
        await start(place, "bea")
        assert claims(place) == claims_before
        await become(place, STOCK, config)

        await eventually(lambda: is_ready(place, "ann"), what="ann's server")
        assert await read(place, "ann") == "on the NFS server"
        await stop(place, "ann")
        await start(place, "ann")
        assert homes_of(pods(place)["ann", ""]) == before
        assert await read(place, "ann") == "in the claim"


async def test_an_upgrade_is_not_foretold_with_a_token_that_sees_no_servers(tmp_path: Path) -> None:
    """The hub leaves servers out without read:servers, also for admin:users: that is an error, and not "no change"."""
    async with hub_in_use(tmp_path, DYNAMIC) as place:
        await start(place, "ann")
        blind = await make_token(place, "admin:users")
        code, output, errors = await upgrade_check(place, NFS_VALUES, token=blind)
        assert (code, output) == (2, b"")
        assert b"lacks the scope read:servers" in errors
        assert blind.encode() not in errors

        token = await make_token(place, "list:users", "read:users", "read:servers", "admin:server_state")
        code, output, errors = await upgrade_check(place, NFS_VALUES, token=token)
        said = json.loads(output)
        assert (code, errors) == (1, b"")
        assert [change["user"] for change in said["changes"]] == ["ann"]
        assert said["notes"] == []


async def make_token(place: Place, *scopes: str) -> str:
    """Return a token of the admin's with these scopes alone."""
    status, answer = await place.hub.api("POST", "users/root/tokens", {"scopes": scopes})
    assert status == 201, answer
    return str(answer["token"])


@pytest.fixture
def old_python() -> str:
    """The path of a Python with JupyterHub 5.5 and jhaws."""
    path = os.environ.get(OLD_PYTHON, "")
    if not path:
        pytest.skip(f"{OLD_PYTHON} is not set: `make install JUPYTERHUB=5.5` makes such a Python")
    return path


def rows(place: Place) -> dict[str, Any]:
    """Return what is in our tables, in a database whose hub does not run."""
    with contextlib.closing(sqlite3.connect(place.state / "jupyterhub.sqlite")) as database:
        return {table: database.execute(f"SELECT * FROM {table} ORDER BY 1").fetchall() for table in OUR_TABLES}


def upgrade_database(place: Place) -> Path:
    """Do what `jupyterhub upgrade-db` does, with the newer JupyterHub, and return the old database's copy."""
    command = [sys.executable, "-m", "jupyterhub", "upgrade-db", "-f", place.state / "jupyterhub_config.py"]
    environment = os.environ | {"PATH": program_path()} | place.hub.environment
    subprocess.run(command, cwd=place.state, env=environment, check=True, capture_output=True)
    return next(place.state.glob("jupyterhub.sqlite.*"))


async def exits_with(place: Place, sentence: str) -> None:
    """Start the hub and check that it refuses its database."""
    mark = len(place.hub.log())
    await place.hub.launch()
    assert await place.hub.exit_status() == 1
    assert sentence in place.hub.log()[mark:]


if jupyterhub.version_info >= (6,):  # no skip: there is nothing to upgrade from where JupyterHub 5 runs the tests

    async def test_from_jupyterhub_5_to_6_servers_and_our_tables_stay(tmp_path: Path, old_python: str) -> None:
        """After `jupyterhub upgrade-db` servers run on and our rows are the same; back goes only with the old copy."""
        async with hub_in_use(tmp_path, DYNAMIC, preset=JHAWS, python=old_python) as place:
            kept = await use_hub(place)
            assert (await (await place.admin()).api("PATCH", "users/carl", {"admin": True}))[0] == 200
            assert (await place.hub.api("GET", "info"))[1]["version"].startswith("5.5.")
            await place.hub.kill()
            before = rows(place)
            assert all(before.values())
            await exits_with(place, "jupyterhub upgrade-db")
            copy = upgrade_database(place)
            assert rows(place) == before
            await place.hub.start()

            await kept.check(place)
            assert not (await place.hub.api("GET", "info"))[1]["version"].startswith("5.")
            await start(place, "bea")
            assert await read(place, "bea") == "bea's own"
            await stop(place, "bea")
            await place.hub.kill()
            with python_of(old_python):
                await exits_with(place, "Found database schema version")
                shutil.copy(copy, place.state / "jupyterhub.sqlite")
                await place.hub.start()
            await kept.check(place)
