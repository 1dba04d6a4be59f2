"""`configure(c)` in a real hub: mistakes end in a sentence, and what comes late counts."""

import asyncio
import sqlite3
import sys
from pathlib import Path

import pytest

from .hubs import RunningHub, free_ports, running_hub


def stopped_hub(state: Path, config: str) -> RunningHub:
    hub = RunningHub(state, *free_ports(3))
    hub.write_config(config)
    return hub


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        ('c.JhawsSpwaner.nfs_server = "x"', "has a section 'JhawsSpwaner', but no class of that name"),
        ("c.JhawsCuller.timeout = '1h'", "JhawsCuller.timeout: must be an int, got str '1h'"),
        ("c.JhawsAuthenticator.user_password = 12345678", "JhawsAuthenticator.user_password"),
        ("c.JhawsAuthenticator.user_password = 'short77'", "JhawsAuthenticator.user_password"),
        ("c.JhawsAuthenticator.admin_user = {'a'}", "has no option 'admin_user'. Did you mean 'admin_users'"),
        ("c.JhawsSpawner.shares = [{'name': 'a', 'mount': 'b'}]", "shares[0].mount must be an absolute path"),
    ],
)
async def test_a_hub_with_a_mistake_does_not_start_and_says_why_in_one_sentence(
    tmp_path: Path, line: str, sentence: str
) -> None:
    """A wrong option ends the hub before it serves anything, without a traceback and without a secret."""
    hub = stopped_hub(tmp_path, line + "\n")
    await hub.launch()
    try:
        assert await hub.exit_status() != 0
    finally:
        await hub.stop()
    log = hub.log()

    assert "The hub does not start: " in log
    assert sentence in log
    assert "Traceback" not in log
    assert "12345678" not in log
    assert "short77" not in log


async def test_options_set_after_configure_count(tmp_path: Path) -> None:
    """`hub.extraConfig` runs last: an option and a list of services set there are what the services get."""
    late = """
c.JhawsCuller.timeout = 4321
c.JupyterHub.services = c.JupyterHub.services + [{"name": "own", "api_token": "x" * 32}]
"""
    async with running_hub(tmp_path, late) as hub:
        status, services = await hub.api("GET", "services")

        assert status == 200
        assert set(services) == {"test-admin", "own", "jhaws-culler"}
        environment = Path(f"/proc/{services['jhaws-culler']['pid']}/environ").read_text()
        assert '"timeout": 4321' in environment


async def test_the_culler_can_list_and_stop_and_nothing_more(tmp_path: Path) -> None:
    """The service's role has the least scopes, so its token is of little use to a thief."""
    async with running_hub(tmp_path) as hub:
        _, service = await hub.api("GET", "services/jhaws-culler")

        assert service["roles"] == ["jhaws-culler"]
        assert service["admin"] is False


async def test_the_token_command_leaves_our_role_in_the_database(tmp_path: Path) -> None:
    """`jupyterhub token` deletes roles that its configuration does not name; the culler's stays."""
    users = "c.JhawsAuthenticator.allowed_users = {'bob'}\n"
    async with running_hub(tmp_path, users):
        command = [sys.executable, "-m", "jupyterhub", "token", "bob", "-f", "jupyterhub_config.py"]
        process = await asyncio.create_subprocess_exec(*command, cwd=tmp_path, stdout=asyncio.subprocess.DEVNULL)
        assert await asyncio.wait_for(process.wait(), 60) == 0
        with sqlite3.connect(tmp_path / "jupyterhub.sqlite") as database:
            roles = {name for (name,) in database.execute("select name from roles")}

        assert "jhaws-culler" in roles
