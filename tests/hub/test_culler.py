"""The culler against a real JupyterHub."""

from pathlib import Path
from typing import Any
from urllib.parse import quote

from tests.hub.hubs import JHAWS_PRESET, RunningHub, running_hub
from tests.hubclient import eventually

# The culler never talks to a server, so one that only answers will do, and it starts ten times as fast.
SERVER = """
import http.server, os, urllib.parse
port = urllib.parse.urlparse(os.environ["JUPYTERHUB_SERVICE_URL"]).port
http.server.HTTPServer(("127.0.0.1", port), http.server.SimpleHTTPRequestHandler).serve_forever()
"""
CONFIG = f"""
c.JupyterHub.allow_named_servers = True
c.SimpleLocalProcessSpawner.home_dir_template = os.getcwd() + "/homes/{{username}}"
c.Spawner.cmd = [sys.executable, "-c", {SERVER!r}]
"""
# The culler with the scopes and options that `jhaws.hub` gives it, and nothing else of jhaws.
CULLER_ALONE = """
from jhaws.services.culler.settings import JhawsCuller, make_scopes
from jhaws.services.running import make_service_config
def add_culler(**options):
    settings = JhawsCuller(every=1, **options)
    environment = {"JHAWS_SERVICE_CONFIG": make_service_config(settings)}
    command = [sys.executable, "-m", "jhaws.services.culler"]
    c.JupyterHub.services.append({"name": "culler", "command": command, "environment": environment})
    c.JupyterHub.load_roles.append({"name": "culler", "services": ["culler"], "scopes": make_scopes(settings)})
c.JupyterHub.spawner_class = "simple"
c.JupyterHub.authenticator_class = "null"
"""
LOOK = "GET /hub/api/users?"


async def start_server(hub: RunningHub, user: str, server: str = "") -> None:
    """Add the user if need be, have the hub start a server and wait until it is ready."""
    await hub.api("POST", f"users/{quote(user)}")
    path = f"servers/{quote(server)}" if server else "server"
    status, answer = await hub.api("POST", f"users/{quote(user)}/{path}")
    assert status in (201, 202), answer

    async def is_ready() -> bool:
        return bool((await get_servers(hub, user)).get(server, {}).get("ready"))

    await eventually(is_ready, within=60, what=f"server {server!r} of {user!r}")


async def get_servers(hub: RunningHub, user: str, *, stopped: bool = False) -> dict[str, Any]:
    """Return the servers of a user as the hub's API shows them, with or without those that do not run."""
    query = "?include_stopped_servers=1" if stopped else ""
    status, model = await hub.api("GET", f"users/{quote(user)}{query}")
    assert status == 200, model
    servers: dict[str, Any] = model["servers"]
    return servers


async def wait_until_stopped(hub: RunningHub, user: str) -> None:
    """Wait until a user has no server left, not even one that is stopping."""

    async def none_runs() -> bool:
        return not await get_servers(hub, user)

    await eventually(none_runs, within=60, what=f"the end of the servers of {user}")


async def wait_for_looks(hub: RunningHub, count: int) -> None:
    """Wait until the culler has looked at the users `count` more times."""
    seen = hub.log().count(LOOK)
    await eventually(lambda: hub.log().count(LOOK) >= seen + count, what=f"{count} looks of the culler")


async def test_an_idle_server_goes_away_by_itself(tmp_path: Path) -> None:
    """With jhaws configured the hub starts the culler itself, and an idle server is gone after `timeout`."""
    options = "c.JhawsCuller.timeout = 2\nc.JhawsCuller.every = 1\n"
    async with running_hub(tmp_path, CONFIG + options, preset=JHAWS_PRESET) as hub:
        await start_server(hub, "bob")
        await wait_until_stopped(hub, "bob")

        assert "Stopping server '' of user 'bob': idle since " in hub.log()


async def test_only_idle_servers_go(tmp_path: Path) -> None:
    """A server goes after `timeout` with one line of log, and its owner stays."""
    async with running_hub(tmp_path, CONFIG + "add_culler(timeout=2)\n", preset=CULLER_ALONE) as hub:
        await start_server(hub, "bob")
        await wait_until_stopped(hub, "bob")
        await wait_for_looks(hub, 2)

        assert hub.log().count("Stopping server '' of user 'bob': idle since ") == 1
        assert (await hub.api("GET", "users/bob"))[0] == 200
        assert "could not be culled" not in hub.log()


async def test_servers_in_use_stay(tmp_path: Path) -> None:
    """A server that is not idle for `timeout` stays, however often the culler looks."""
    async with running_hub(tmp_path, CONFIG + "add_culler(timeout=3600)\n", preset=CULLER_ALONE) as hub:
        await start_server(hub, "bob")
        await wait_for_looks(hub, 3)

        assert (await get_servers(hub, "bob"))[""]["ready"]
        assert "Stopping server '" not in hub.log()


async def test_old_named_servers_go(tmp_path: Path) -> None:
    """With `max_age` an old named server is stopped, and with `remove_named_servers` its record goes too."""
    options = "add_culler(max_age=2, remove_named_servers=True)\n"
    async with running_hub(tmp_path, CONFIG + options, preset=CULLER_ALONE) as hub:
        await start_server(hub, "bob", "lab")

        async def is_removed() -> bool:
            return "lab" not in await get_servers(hub, "bob", stopped=True)

        await eventually(is_removed, within=60, what="the record of the named server to go")
        assert "Stopping server 'lab' of user 'bob': running since " in hub.log()


async def test_users_go_only_when_wanted(tmp_path: Path) -> None:
    """With `cull_users` an idle user without a server is deleted; one who never came stays."""
    options = "add_culler(timeout=2, cull_users=True)\n"
    async with running_hub(tmp_path, CONFIG + options, preset=CULLER_ALONE) as hub:
        await hub.api("POST", "users/newcomer")
        await start_server(hub, "bob")

        async def is_gone() -> bool:
            return (await hub.api("GET", "users/bob"))[0] == 404

        await eventually(is_gone, within=60, what="the end of user bob")
        assert (await hub.api("GET", "users/newcomer"))[0] == 200


async def test_odd_names_are_found_again(tmp_path: Path) -> None:
    """A user whose name has dots, blanks, umlauts and per cent signs loses an idle server like everybody."""
    async with running_hub(tmp_path, CONFIG + "add_culler(max_age=2)\n", preset=CULLER_ALONE) as hub:
        await start_server(hub, "d.o t%2fs%ü")
        await wait_until_stopped(hub, "d.o t%2fs%ü")

        assert "could not be culled" not in hub.log()


async def test_a_culler_without_rights_says_so_and_stays(tmp_path: Path) -> None:
    """Without its role the culler says in one line what is missing and goes on trying; the hub never restarts it."""
    options = "add_culler(timeout=2)\nc.JupyterHub.load_roles.pop()\n"
    async with running_hub(tmp_path, CONFIG + options, preset=CULLER_ALONE) as hub:
        await wait_for_looks(hub, 3)

        assert hub.log().count("lacks a scope") == 1
        assert "exited with status" not in hub.log()
