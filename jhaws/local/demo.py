"""`jhaws demo`: a real JupyterHub on this machine, with everything jhaws does, in one folder.

It starts the embedded cluster in this process and, below it, JupyterHub with its proxy and services, as it is run on
a real cluster; `demo_config` is its configuration. Ctrl-C stops what was started here and nothing else. The folder
keeps homes, the hub's database and the passwords, so the next start is the same hub again.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp

from ..errors import LocalError
from .api.resources import PRIORITYCLASSES
from .cluster import LocalCluster, LocalSettings
from .scheduling.nodes import LocalNodegroup

MARKER = ".jhaws-demo"  # `--fresh` deletes no folder without it
CONFIG = Path(__file__).with_name("demo_config.py")
HUB_START_SECONDS = 90.0
HUB_STOP_SECONDS = 15.0
# Words that are easy to say to a class and to type.
WORDS = "amber birch cedar delta ember fjord grove hazel iris jade karst lotus maple nectar opal pine quartz river"

WELCOME = """\
# Welcome

This notebook came from the course repository. jhaws pulled it when your server started, and it will never
overwrite what you change in it.
"""


@dataclass(frozen=True)
class DemoOptions:
    """What `jhaws demo` was asked for.

    Attributes:
        state: Folder that keeps everything.
        port: TCP port of the hub on 127.0.0.1.
        fresh: Whether to begin with an empty folder.
        cull_after_seconds: Idle time after which a server is stopped.
    """

    state: Path
    port: int = 8000
    fresh: bool = False
    cull_after_seconds: int = 1200


def nodegroups() -> tuple[LocalNodegroup, ...]:
    """Return the demo's nodegroups: one with a node, one that starts its first node when it is needed."""
    return (
        LocalNodegroup(
            name="jhusers",
            nodes=1,
            max_nodes=3,
            cpu_cores=2.0,
            memory_gib=8.0,
            labels={"hub.jupyter.org/node-purpose": "user"},
        ),
        LocalNodegroup(
            name="jhlarge",
            nodes=0,
            max_nodes=1,
            cpu_cores=8.0,
            memory_gib=32.0,
            labels={"hub.jupyter.org/node-purpose": "large"},
            taints=[{"key": "hub.jupyter.org/dedicated", "value": "large", "effect": "NoSchedule"}],
        ),
    )


async def run_demo(options: DemoOptions, *, say: Callable[[str], None] = print) -> None:
    """Run the demo until Ctrl-C or SIGTERM.

    Args:
        options: What was asked for.
        say: Shows a line to the person who started it.

    Raises:
        LocalError: A port is used, a program is missing, the folder is somebody else's, or the hub does not start.
    """
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    check_port(options.port)
    proxy = find_proxy()
    state = prepare_state(options)
    say(f"  Folder      {state}")
    settings = LocalSettings(state_dir=state / "cluster", nodegroups=nodegroups())
    async with LocalCluster(settings) as cluster:
        ensure_priority_class(cluster)
        say(f"  Kubernetes  {cluster.url} (embedded; nodegroups jhusers and jhlarge)")
        course = await asyncio.to_thread(ensure_course, state)
        say("  Course      a git repository with one notebook")
        words = ensure_passwords(state)
        values = demo_values(options, state=state, proxy=proxy, course=course, passwords=words)
        async with running_hub(state, values, kubeconfig=cluster.kubeconfig) as hub:
            await wait_for_hub(hub, state, port=options.port, stop=stop)
            if stop.is_set():
                return
            say("  JupyterHub  runs, with its proxy, the culler and the placeholder service")
            say(welcome(options.port, words, kubeconfig=cluster.kubeconfig))
            await wait_for_end(hub, state, stop)
            say("\nStopping the hub, its servers and the cluster ...")
    say(f"Stopped. Homes and the hub's database stay in {state}; the same command starts it again.")


def welcome(port: int, passwords: dict[str, str], *, kubeconfig: Path) -> str:
    """Return what a person needs to know to use the hub."""
    return f"""
  Open          http://127.0.0.1:{port}
  Admin         admin
  Password      {passwords["admin"]}
  Everybody else is added by the admin in the admin panel and logs in with
  Password      {passwords["user"]}

  kubectl       KUBECONFIG={kubeconfig}
  Ctrl-C stops it all."""


def check_port(port: int) -> None:
    """Refuse a TCP port of 127.0.0.1 that something else uses.

    Raises:
        LocalError: It is used, or this user may not use it.
    """
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except (OSError, OverflowError) as error:
            raise LocalError(
                f"The hub cannot use port {port} of 127.0.0.1: {error}. Stop what uses it, or choose another: "
                "jhaws demo --port 8001."
            ) from error


def find_proxy() -> str:
    """Return the path of configurable-http-proxy, first beside this Python.

    Raises:
        LocalError: It is not installed.
    """
    found = shutil.which("configurable-http-proxy", path=search_path())
    if not found:
        raise LocalError(
            "configurable-http-proxy is not installed. Run `make install` in a clone of jhaws, or "
            "`npm install --global configurable-http-proxy`."
        )
    return found


def search_path() -> str:
    """Return PATH with the folder of this Python first: programs of a virtual environment that is not activated."""
    return os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)])


def prepare_state(options: DemoOptions) -> Path:
    """Make the demo's folder, empty it when that was asked for, and return its absolute path.

    Raises:
        LocalError: It is a file, or a folder that the demo did not make.
    """
    state = options.state.expanduser().resolve()
    ours = (state / MARKER).exists()
    if state.exists() and not ours and (not state.is_dir() or any(state.iterdir())):
        raise LocalError(
            f"{state} is there and was not made by `jhaws demo`, so it is left alone. Choose another folder: "
            "jhaws demo --state FOLDER."
        )
    if options.fresh and ours:
        shutil.rmtree(state)
    state.mkdir(parents=True, exist_ok=True, mode=0o700)
    (state / MARKER).touch()
    return state


def ensure_passwords(state: Path) -> dict[str, str]:
    """Return the demo's passwords, `{"admin": ..., "user": ...}`, made at the first start and kept."""
    path = state / "passwords.json"
    if path.exists():
        kept: dict[str, str] = json.loads(path.read_text())
        return kept
    words = WORDS.split()
    made = {
        "admin": secrets.token_hex(16),  # 32 characters, as JupyterHub demands of an admin's password
        "user": "-".join(secrets.choice(words) for _ in range(4)),
    }
    path.touch(mode=0o600)
    path.write_text(json.dumps(made))
    return made


def ensure_course(state: Path) -> str:
    """Make the course's git repository where it is missing and return its URL.

    Raises:
        LocalError: git is not installed or failed.
    """
    course = state / "course.git"
    if not (course / ".git").exists():
        cell = {"cell_type": "markdown", "id": "welcome", "metadata": {}, "source": WELCOME}
        code: dict[str, Any] = {
            "cell_type": "code",
            "execution_count": None,
            "id": "first",
            "metadata": {},
            "outputs": [],
            "source": "import os\n\nprint('Hello from', os.environ['JUPYTERHUB_USER'])",
        }
        kernel = {"name": "python3", "display_name": "Python 3 (ipykernel)", "language": "python"}
        notebook = {
            "cells": [cell, code],
            "metadata": {"kernelspec": kernel},
            "nbformat": 4,
            "nbformat_minor": 5,
        }
        course.mkdir(exist_ok=True)
        (course / "Welcome.ipynb").write_text(json.dumps(notebook, indent=1))
        identity = ["-c", "user.name=jhaws demo", "-c", "user.email=demo@example.org"]
        for command in (["init", "-q", "-b", "main"], ["add", "."], [*identity, "commit", "-q", "-m", "Welcome"]):
            _git(course, *command)
    return f"file://{course}"


def _git(folder: Path, *arguments: str) -> None:
    try:
        subprocess.run(
            ["git", "-C", str(folder), *arguments], check=True, capture_output=True, timeout=60
        )  # fixed arguments
    except FileNotFoundError as error:
        raise LocalError("git is not installed, and the demo's course is a git repository. Install git.") from error
    except subprocess.SubprocessError as error:
        raise LocalError(f"git could not make the demo's course in {folder}: {error}. Try --fresh.") from error


def ensure_priority_class(cluster: LocalCluster) -> None:
    """Make the PriorityClass of placeholder pods, as z2jh does with scheduling.podPriority.enabled."""
    cluster.storage.create(
        PRIORITYCLASSES,
        {
            "metadata": {"name": "placeholder"},
            "value": -10,
            "description": "Placeholder pods give way to every server.",
        },
    )


def demo_values(
    options: DemoOptions, *, state: Path, proxy: str, course: str, passwords: dict[str, str]
) -> dict[str, Any]:
    """Return what `demo_config` reads from the environment variable JHAWS_DEMO."""
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(2)]
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        hub_port, proxy_port = (each.getsockname()[1] for each in sockets)
    return {
        "state": str(state),
        "port": options.port,
        "hub_port": hub_port,
        "proxy_port": proxy_port,
        "proxy": proxy,
        "course": course,
        "admin_password": passwords["admin"],
        "user_password": passwords["user"],
        "cull_after_seconds": options.cull_after_seconds,
    }


@contextlib.asynccontextmanager
async def running_hub(
    state: Path, values: dict[str, Any], *, kubeconfig: Path
) -> AsyncIterator[asyncio.subprocess.Process]:
    """Run JupyterHub until the block ends, then stop it and what it started."""
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith(("JUPYTER", "KUBE"))},
        "PATH": search_path(),
        "JHAWS_DEMO": json.dumps(values),
        "KUBECONFIG": str(kubeconfig),
    }
    with open(state / "hub.log", "ab") as log:  # noqa: ASYNC230  # a local file, before anything else runs
        hub = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "jupyterhub",
            "--config",
            str(CONFIG),
            cwd=state,
            env=environment,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,  # Ctrl-C is for us; the hub is stopped in order
        )
    try:
        yield hub
    finally:
        await stop_hub(hub, state)


async def stop_hub(hub: asyncio.subprocess.Process, state: Path) -> None:
    """Stop the hub, which stops its proxy and services; kill what does not listen."""
    if hub.returncode is None:
        hub.terminate()
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(hub.wait(), HUB_STOP_SECONDS)
    if hub.returncode is None:
        hub.kill()
        await hub.wait()
    # A hub that was killed leaves its proxy; the services notice by themselves that their hub is gone.
    with contextlib.suppress(OSError, ValueError):
        os.kill(int((state / "proxy.pid").read_text()), signal.SIGTERM)


async def wait_for_hub(hub: asyncio.subprocess.Process, state: Path, *, port: int, stop: asyncio.Event) -> None:
    """Return when the hub answers through its proxy, or when `stop` is set.

    Raises:
        LocalError: It ended or did not answer in time.
    """
    deadline = asyncio.get_running_loop().time() + HUB_START_SECONDS
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=5)) as http:
        while not stop.is_set():
            if hub.returncode is not None:
                raise LocalError(f"JupyterHub ended at its start. {last_lines(state)}")
            if asyncio.get_running_loop().time() > deadline:
                raise LocalError(f"JupyterHub does not answer after {HUB_START_SECONDS:.0f} s. {last_lines(state)}")
            with contextlib.suppress(aiohttp.ClientError, TimeoutError):
                async with http.get(f"http://127.0.0.1:{port}/hub/health") as response:
                    if response.status == 200:
                        return
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), 0.1)


async def wait_for_end(hub: asyncio.subprocess.Process, state: Path, stop: asyncio.Event) -> None:
    """Wait until somebody stops the demo.

    Raises:
        LocalError: The hub ended by itself.
    """
    waits = [asyncio.create_task(hub.wait(), name="hub"), asyncio.create_task(stop.wait(), name="stop")]
    await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
    for wait in waits:
        wait.cancel()
    if not stop.is_set():
        raise LocalError(f"JupyterHub ended by itself. {last_lines(state)}")


def last_lines(state: Path) -> str:
    """Return the end of the hub's log as part of an error."""
    lines = (state / "hub.log").read_text(errors="replace").splitlines()[-15:]
    return f"The end of {state / 'hub.log'}:\n" + "\n".join(f"    {line}" for line in lines)
