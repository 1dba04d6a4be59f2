"""A real hub on the embedded cluster: JhawsSpawner makes pods, and pods are processes of this machine."""

from __future__ import annotations

import asyncio
import contextlib
import json
import subprocess
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp

from jhaws.local.api.resources import PODS, PRIORITYCLASSES
from jhaws.local.cluster import LocalCluster, LocalSettings
from jhaws.local.scheduling.nodes import LocalNodegroup
from tests.hubclient import Session, eventually

from .hubs import RunningHub, running_hub

ADMIN_PASSWORD = "correct-horse-battery-staple-admin"
USER_PASSWORD = "shared-by-the-class"

PRESET = f"""
from jhaws.hub import configure
c.KubeSpawner.namespace = "default"
c.KubeSpawner.image = "test/image:1"
c.KubeSpawner.cmd = ["jupyterhub-singleuser"]
if os.geteuid() == 0:
    c.KubeSpawner.args = ["--allow-root"]
c.JhawsAuthenticator.admin_users = {{"root"}}
c.JhawsAuthenticator.admin_password = "{ADMIN_PASSWORD}"
c.JhawsAuthenticator.user_password = "{USER_PASSWORD}"
c.Spawner.default_url = "/lab"
c.Spawner.http_timeout = 60
configure(c)
"""

USERS = LocalNodegroup(name="jhusers", nodes=1, cpu_cores=8.0, memory_gib=16.0, labels={"pool": "users"})


@dataclass
class Place:
    """A hub and the cluster its servers run on."""

    hub: RunningHub
    cluster: LocalCluster
    state: Path

    async def add_user(self, name: str) -> None:
        """Add a user, as the admin does in the panel."""
        await self.hub.add_user(name)

    async def start_server(self, name: str, *, options: dict[str, Any] | None = None, within: float = 90) -> None:
        """Start a user's server and wait until the hub calls it ready."""
        status, answer = await self.hub.api("POST", f"users/{name}/server", options or {})
        assert status in (201, 202), answer
        await eventually(lambda: self.is_ready(name), within=within, what=f"{name}'s server")

    async def stop_server(self, name: str) -> None:
        """Stop a user's server and wait until its pod is gone."""
        await self.hub.api("DELETE", f"users/{name}/server")
        await eventually(lambda: self.is_gone(name), what=f"end of {name}'s server")

    async def is_ready(self, name: str) -> bool:
        """Say whether the hub calls the user's server ready; an ended start is an error."""
        server = await self.server(name)
        assert server is not None or "failed to start" not in self.hub.log(), self.hub.log()[-5000:]
        return bool(server and server["ready"])

    async def is_gone(self, name: str) -> bool:
        """Say whether the hub knows no server of the user and the cluster has no pod of theirs."""
        return await self.server(name) is None and self.pod(name) is None

    async def server(self, name: str) -> dict[str, Any] | None:
        """Return the hub's model of the user's default server, None where it has none."""
        return await self.hub.server(name)

    def pod(self, name: str) -> dict[str, Any] | None:
        """Return the pod of a user's server, None where there is none."""
        for pod in self.cluster.storage.list(PODS, "default"):
            if (pod["metadata"].get("annotations") or {}).get("hub.jupyter.org/username") == name:
                return pod
        return None

    async def token(self, name: str) -> str:
        """Return a new token of the user's own."""
        return await self.hub.token(name)

    async def progress(self, name: str) -> AsyncIterator[dict[str, Any]]:
        """Give the events of a start, as the waiting page gets them."""
        url = f"{self.hub.url}hub/api/users/{name}/server/progress"
        headers = {"Authorization": f"token {self.hub.admin_token}", "Accept": "text/event-stream"}
        async with aiohttp.ClientSession(headers=headers) as http, http.get(url) as response:
            assert response.status == 200, await response.text()
            async for line in response.content:
                if line.startswith(b"data:"):
                    yield json.loads(line.removeprefix(b"data:"))

    async def contents(self, name: str, path: str = "", *, token: str = "") -> tuple[int, Any]:
        """Ask a user's server for a folder or a file, through the proxy as a browser does."""
        return await self.hub.contents(name, path, token=token)

    async def admin(self) -> Session:
        """Log in as the admin."""
        session = await self.hub.login("root", ADMIN_PASSWORD)
        assert session.ok, session.text
        return session

    def home(self, name: str) -> Path:
        """Return the folder that stands for a user's NFS home."""
        return next(self.state.glob(f"cluster/**/home/{name}"))


@contextlib.asynccontextmanager
async def hub_on_cluster(
    state: Path,
    config: str = "",
    *,
    nodegroups: tuple[LocalNodegroup, ...] = (USERS,),
    **settings: Any,
) -> AsyncIterator[Place]:
    """Run a hub with jhaws on an embedded cluster; `config` comes after `configure(c)`, as extraConfig does."""
    state.mkdir(parents=True, exist_ok=True)
    async with LocalCluster(LocalSettings(state_dir=state / "cluster", nodegroups=nodegroups, **settings)) as cluster:
        cluster.storage.create(PRIORITYCLASSES, {"metadata": {"name": "placeholder"}, "value": -10})
        environment = {"KUBECONFIG": str(cluster.kubeconfig)}
        async with running_hub(state, config, preset=PRESET, environment=environment) as hub:
            yield Place(hub, cluster, state)


def make_course(folder: Path) -> str:
    """Make a git repository with one notebook and return its URL."""
    folder.mkdir()
    notebook = {"cells": [], "metadata": {}, "nbformat": 4, "nbformat_minor": 5}
    (folder / "lesson.ipynb").write_text(json.dumps(notebook))
    identity = ["-c", "user.name=t", "-c", "user.email=t@example.org"]
    for command in (["init", "-q", "-b", "main"], ["add", "."], [*identity, "commit", "-qm", "First"]):
        subprocess.run(["git", "-C", str(folder), *command], check=True)
    return f"file://{folder}"


async def settled(seconds: float) -> None:
    """Give something that must not happen the time to happen."""
    await asyncio.sleep(seconds)
