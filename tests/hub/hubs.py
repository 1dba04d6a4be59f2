"""A real JupyterHub for tests: its own process, the real configurable-http-proxy, a database in a folder.

`running_hub` starts one and stops it with everything it started. Killing and starting it again on the same
folder is what an operator's restart is. Nothing here knows what jhaws does: a test says so in its configuration.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import re
import secrets
import signal
import socket
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path

import aiohttp

from tests.hubclient import HubClient, eventually

START_SECONDS = 60  # a hub on a busy two-core machine takes 3-10 s

FIRST_PORT, PORTS_PER_WORKER = 18000, 1500  # below 32768, where Linux begins to give out ports by itself

BASE_CONFIG = """
import os, sys
c = get_config()  # noqa
c.JupyterHub.bind_url = "http://127.0.0.1:{port}{base_url}"
c.JupyterHub.hub_bind_url = "http://127.0.0.1:{hub_port}"
c.ConfigurableHTTPProxy.api_url = "http://127.0.0.1:{proxy_port}"
c.ConfigurableHTTPProxy.command = ["configurable-http-proxy"]
c.JupyterHub.db_url = "sqlite:///{state}/jupyterhub.sqlite"
c.JupyterHub.cookie_secret_file = "{state}/cookie_secret"
c.ConfigurableHTTPProxy.pid_file = "{state}/proxy.pid"
c.JupyterHub.cleanup_servers = False
c.JupyterHub.last_activity_interval = 5
c.JupyterHub.services = [{{"name": "test-admin", "api_token": "{admin_token}"}}]
c.JupyterHub.load_roles = [{{
    "name": "test-admin",
    "services": ["test-admin"],
    "scopes": ["admin:users", "admin:servers", "admin:groups", "tokens", "proxy", "shutdown", "list:services",
               "read:services", "read:hub", "read:roles"],
}}]
c.Spawner.cmd = [sys.executable, "-m", "jupyterhub.singleuser"]
{preset}
"""

JHAWS_PRESET = """
from jhaws.hub import configure
c.JupyterHub.spawner_class = "simple"
configure(c)
"""


def free_ports(count: int) -> list[int]:
    """Return `count` different TCP ports of 127.0.0.1 that are free.

    They lie below the range from which the kernel gives out ports, in a part that is this test process's own: a
    port that is free now is still free when the hub takes it, whatever other processes do.
    """
    worker = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
    first = FIRST_PORT + worker * PORTS_PER_WORKER
    found: list[int] = []
    for port in random.sample(range(first, first + PORTS_PER_WORKER), PORTS_PER_WORKER):
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            found.append(port)
        if len(found) == count:
            return found
    raise AssertionError(f"no {count} free ports from {first} on")


@dataclass
class RunningHub(HubClient):
    """A hub process, where to reach it and how to end it."""

    state: Path
    port: int
    hub_port: int
    proxy_port: int
    base_url: str = "/"
    admin_token: str = field(default_factory=lambda: secrets.token_hex(16), kw_only=True)
    environment: dict[str, str] = field(default_factory=dict)
    process: asyncio.subprocess.Process | None = None
    left_behind: list[tuple[int, str]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.url = f"http://127.0.0.1:{self.port}{self.base_url}"

    def log(self) -> str:
        """Everything that the hub, its proxy and its services have written so far."""
        return (self.state / "hub.log").read_text(errors="replace")

    def write_config(self, config: str, *, preset: str = JHAWS_PRESET) -> None:
        """Write the configuration that the next `start` reads."""
        values = {
            "port": self.port,
            "hub_port": self.hub_port,
            "proxy_port": self.proxy_port,
            "base_url": self.base_url,
            "state": self.state,
            "admin_token": self.admin_token,
            "preset": preset,
        }
        (self.state / "jupyterhub_config.py").write_text(BASE_CONFIG.format(**values) + config)

    async def launch(self) -> None:
        """Start the hub process without waiting for it to answer."""
        environment = {
            **{k: v for k, v in os.environ.items() if not k.startswith(("JUPYTERHUB_", "KUBE"))},
            "PATH": program_path(),
            "CONFIGPROXY_AUTH_TOKEN": self.admin_token,
            "JUPYTER_RUNTIME_DIR": str(self.state / "runtime"),
            **self.environment,
        }
        with open(self.state / "hub.log", "ab") as log:
            self.process = await asyncio.create_subprocess_exec(
                sys.executable,
                "-m",
                "jupyterhub",
                "-f",
                str(self.state / "jupyterhub_config.py"),
                cwd=self.state,
                env=environment,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    async def start(self) -> None:
        """Start the hub and return when its API answers; raises AssertionError with its log if it exits."""
        await self.launch()
        await eventually(self._answers, within=START_SECONDS, what=f"hub at {self.url}")

    async def _answers(self) -> bool:
        assert self.process is not None
        if self.process.returncode is not None:
            raise AssertionError(f"the hub exited with {self.process.returncode}:\n{self.log()[-6000:]}")
        try:
            status, _ = await self.api("GET", "info")
        except (aiohttp.ClientError, OSError):
            return False
        return status == 200

    async def exit_status(self, *, within: float = START_SECONDS) -> int:
        """Wait for the hub process to exit by itself and return its exit status."""
        assert self.process is not None
        return await asyncio.wait_for(self.process.wait(), within)

    async def kill(self, with_signal: int = signal.SIGKILL) -> None:
        """End the hub process alone; the proxy and the servers stay, as when a hub pod is killed."""
        if self.process and self.process.returncode is None:
            self.left_behind += descendants(self.process.pid)
            self.process.send_signal(with_signal)
            await self.process.wait()

    async def stop(self) -> None:
        """End the hub and whatever it started."""
        await self.close()
        if self.process is None:
            return
        if self.process.returncode is None:
            self.left_behind += [(self.process.pid, process_stat(self.process.pid)[1])]
            self.left_behind += descendants(self.process.pid)
            self.process.send_signal(signal.SIGTERM)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self.process.wait(), 15)
        kill_processes(self.left_behind + self._orphaned_proxy())
        await self.process.wait()

    def _orphaned_proxy(self) -> list[tuple[int, str]]:
        """Return the proxy of a hub that ended by itself, as one that a test broke does."""
        with contextlib.suppress(OSError, ValueError):
            pid = int((self.state / "proxy.pid").read_text())
            if b"configurable-http-proxy" in Path(f"/proc/{pid}/cmdline").read_bytes():
                return [(pid, process_stat(pid)[1])]
        return []


def descendants(pid: int) -> list[tuple[int, str]]:
    """Return every process below `pid` with its start time, which tells it from a later one of the same number."""
    children: dict[int, list[tuple[int, str]]] = {}
    for entry in Path("/proc").iterdir():
        with contextlib.suppress(OSError, ValueError):
            parent, started = process_stat(int(entry.name))
            children.setdefault(parent, []).append((int(entry.name), started))
    found, waiting = [], [pid]
    while waiting:
        below = children.get(waiting.pop(), [])
        found.extend(below)
        waiting.extend(child for child, _ in below)
    return found


def process_stat(pid: int) -> tuple[int, str]:
    """Return a process's parent and start time; raises OSError when it is gone."""
    # pid (comm) state ppid pgrp session ... starttime is field 22; comm may hold spaces and brackets
    fields = re.sub(r"^.*\)", "", Path(f"/proc/{pid}/stat").read_text(), flags=re.DOTALL).split()
    return int(fields[1]), fields[19]


def kill_processes(processes: list[tuple[int, str]]) -> None:
    """Kill those of the processes that are still the same ones."""
    for pid, started in processes:
        with contextlib.suppress(OSError):
            if process_stat(pid)[1] == started:
                os.kill(pid, signal.SIGKILL)


def program_path() -> str:
    """Return the PATH under which a hub finds the programs that are installed beside it, as its proxy and alembic."""
    return str(Path(sys.executable).parent) + os.pathsep + os.environ["PATH"]


@contextlib.asynccontextmanager
async def running_hub(
    state: Path,
    config: str = "",
    *,
    preset: str = JHAWS_PRESET,
    base_url: str = "/",
    environment: dict[str, str] | None = None,
) -> AsyncIterator[RunningHub]:
    """Run a hub with its state in `state`, configured by `config`, until the block ends."""
    state.mkdir(parents=True, exist_ok=True)
    port, hub_port, proxy_port = free_ports(3)
    hub = RunningHub(state, port, hub_port, proxy_port, base_url=base_url, environment=environment or {})
    hub.write_config(config, preset=preset)
    try:
        await hub.start()
        yield hub
    finally:
        await hub.stop()
