"""`jhaws demo`: a real JupyterHub on this machine, with everything jhaws does, in one folder.

It starts the embedded cluster in this process and, below it, JupyterHub with its proxy and services, as it is run on
a real cluster; `demo_config` is its configuration. Ctrl-C stops what was started here and nothing else; so does the
cluster's warden when this process is killed. The folder (`demo_folder`) keeps homes, the hub's database and the
passwords, so the next start is the same hub again.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import re
import shutil
import signal
import socket
import sys
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp

from ..errors import LocalError
from .api.resources import PRIORITYCLASSES
from .cluster import LocalCluster, LocalSettings
from .demo_folder import claimed_folder, empty_folder, ensure_course, ensure_passwords
from .kubelet.containers import CLUSTER_VARIABLE, Warden
from .scheduling.nodes import LocalNodegroup

CONFIG = Path(__file__).with_name("demo_config.py")
HUB_START_SECONDS = 90.0
HUB_STOP_SECONDS = 15.0
NOT_FOR_THE_HUB = re.compile(r"(JUPYTER|KUBE|JHAWS).*|(?i:(http|https|all)_proxy)")
# The colours of the proxy's log.
COLOURS = re.compile(r"\x1b\[[0-9;]*m")


@dataclass(frozen=True)
class DemoOptions:
    """What `jhaws demo` was asked for.

    Attributes:
        state: Folder that keeps everything.
        port: TCP port of the hub on 127.0.0.1; 0 takes any free one.
        fresh: Whether to begin with an empty folder.
        cull_after_seconds: Idle time after which a server is stopped.
    """

    state: Path
    port: int = 8000
    fresh: bool = False
    cull_after_seconds: int = 1200


@dataclass(frozen=True)
class Ports:
    """The hub's TCP ports on 127.0.0.1: what people open, the hub's own, the proxy's API."""

    public: int
    hub: int
    proxy: int


@dataclass(frozen=True)
class Setting:
    """What was found out before the start: the proxy's program, the ports, the mark of this run's processes."""

    proxy: str
    ports: Ports
    run_id: str


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
    stop = watch_signals()
    proxy = find_proxy()
    with claimed_folder(options.state) as state:
        # It kills what an earlier demo on this folder left when it was killed, before the port is looked at.
        warden = Warden(state)
        await warden.start()
        try:
            ports = choose_ports(options.port)
            if options.fresh:
                empty_folder(state)
            say(f"  Folder      {state}")
            await _run_on(state, options, Setting(proxy, ports, warden.run_id), stop=stop, say=say)
        finally:
            await warden.stop()
    say(f"Stopped. Homes and the hub's database stay in {state}; the same command starts it again.")


def watch_signals() -> asyncio.Event:
    """Return an event that Ctrl-C, SIGTERM and the end of the terminal set."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        if number != signal.SIGHUP or signal.getsignal(number) != signal.SIG_IGN:  # nohup
            loop.add_signal_handler(number, stop.set)
    return stop


async def _run_on(
    state: Path, options: DemoOptions, setting: Setting, *, stop: asyncio.Event, say: Callable[[str], None]
) -> None:
    settings = LocalSettings(state_dir=state / "cluster", nodegroups=nodegroups())
    async with LocalCluster(settings) as cluster:
        ensure_priority_class(cluster)
        say(f"  Kubernetes  {cluster.url} (embedded; nodegroups jhusers and jhlarge)")
        course = await asyncio.to_thread(ensure_course, state)
        say("  Course      a git repository with one notebook")
        words = ensure_passwords(state)
        environment = make_environment(cluster.kubeconfig, setting, demo_values(options, state, setting, course, words))
        async with running_hub(state, environment) as hub:
            await wait_for_hub(hub, state, ports=setting.ports, stop=stop)
            if not stop.is_set():
                say("  JupyterHub  runs, with its proxy, the culler and the placeholder service")
                say(welcome(setting.ports.public, words, state=state, kubeconfig=cluster.kubeconfig))
            await wait_for_end(hub, state, stop)
            if not stop.is_set():
                say("\nJupyterHub was shut down in its admin panel.")
            say("\nStopping the hub, its servers and the cluster ...")


def welcome(port: int, passwords: dict[str, str], *, state: Path, kubeconfig: Path) -> str:
    """Return what a person needs to know to use the hub."""
    return f"""
  Open          http://127.0.0.1:{port}
  Admin         admin
  Password      {passwords["admin"]}
  Everybody else is added by the admin in the admin panel and logs in with
  Password      {passwords["user"]}

  Log           {state / "hub.log"}
  kubectl       KUBECONFIG={kubeconfig}
  Ctrl-C stops it all."""


def choose_ports(public: int) -> Ports:
    """Return the hub's three TCP ports of 127.0.0.1, of which nobody uses one.

    Args:
        public: The one that people open; 0 takes any free one.

    Raises:
        LocalError: Something uses it, or this user may not use it, or it is no port.
    """
    another = "choose another: jhaws demo --port 8001."
    if not 0 <= public <= 65535:
        raise LocalError(f"The hub's port must be from 0 to 65535, got {public}; {another}")
    with contextlib.ExitStack() as stack:
        chosen = []
        for port in (public, 0, 0):
            probe = stack.enter_context(socket.socket())
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError as error:
                raise LocalError(
                    f"The hub cannot use port {port} of 127.0.0.1 ({error.strerror}): stop what uses it, or {another}"
                ) from error
            chosen.append(probe.getsockname()[1])
    return Ports(*chosen)


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
    options: DemoOptions, state: Path, setting: Setting, course: str, passwords: dict[str, str]
) -> dict[str, Any]:
    """Return what `demo_config` reads from the environment variable JHAWS_DEMO."""
    return {
        "state": str(state),
        "port": setting.ports.public,
        "hub_port": setting.ports.hub,
        "proxy_port": setting.ports.proxy,
        "proxy": setting.proxy,
        "course": course,
        "admin_password": passwords["admin"],
        "user_password": passwords["user"],
        "cull_after_seconds": options.cull_after_seconds,
    }


def make_environment(kubeconfig: Path, setting: Setting, values: dict[str, Any]) -> dict[str, str]:
    """Return the environment of the hub: this process's, without what belongs to another hub or cluster.

    Proxies go too: everything is on this machine, and Kubernetes' client would look for the cluster through them.
    """
    kept = {name: value for name, value in os.environ.items() if not NOT_FOR_THE_HUB.fullmatch(name)}
    return {
        **kept,
        "PATH": search_path(),
        "JHAWS_DEMO": json.dumps(values),
        "KUBECONFIG": str(kubeconfig),
        CLUSTER_VARIABLE: setting.run_id,
    }


@contextlib.asynccontextmanager
async def running_hub(state: Path, environment: dict[str, str]) -> AsyncIterator[asyncio.subprocess.Process]:
    """Run JupyterHub until the block ends, then stop it and what it started."""
    path = state / "hub.log"
    if path.exists():
        path.replace(state / "hub.previous.log")
    with open(path, "ab") as log:  # noqa: ASYNC230  # a local file, before anything else runs
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
        await stop_hub(hub)


async def stop_hub(hub: asyncio.subprocess.Process) -> None:
    """Stop the hub, which stops its proxy and services; what is left of a hub that was killed, the warden kills."""
    if hub.returncode is None:
        hub.terminate()
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(hub.wait(), HUB_STOP_SECONDS)
    if hub.returncode is None:
        hub.kill()
        await hub.wait()


async def wait_for_hub(hub: asyncio.subprocess.Process, state: Path, *, ports: Ports, stop: asyncio.Event) -> None:
    """Return when the hub answers through its proxy, or when `stop` is set.

    Raises:
        LocalError: It ended or did not answer in time.
    """
    deadline = asyncio.get_running_loop().time() + HUB_START_SECONDS
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=5)) as http:
        # The hub itself first: before it is there, its proxy logs every question as an error.
        for port in (ports.hub, ports.public):
            while not stop.is_set() and not await _answers(http, f"http://127.0.0.1:{port}/hub/health"):
                if hub.returncode is not None:
                    raise LocalError(f"JupyterHub ended at its start; --fresh would begin anew. {last_lines(state)}")
                if asyncio.get_running_loop().time() > deadline:
                    raise LocalError(f"JupyterHub does not answer after {HUB_START_SECONDS:.0f} s. {last_lines(state)}")
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(stop.wait(), 0.1)


async def _answers(http: aiohttp.ClientSession, url: str) -> bool:
    try:
        async with http.get(url) as response:
            return response.status == 200
    except (aiohttp.ClientError, TimeoutError):
        return False


async def wait_for_end(hub: asyncio.subprocess.Process, state: Path, stop: asyncio.Event) -> None:
    """Wait until somebody stops the demo or shuts down the hub.

    Raises:
        LocalError: The hub ended otherwise.
    """
    waits = [asyncio.create_task(hub.wait(), name="hub"), asyncio.create_task(stop.wait(), name="stop")]
    await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
    for wait in waits:
        wait.cancel()
    if stop.is_set() or hub.returncode == 0:
        return
    if hub.returncode is not None and hub.returncode < 0:
        raise LocalError(
            f"JupyterHub was killed by {signal.Signals(-hub.returncode).name}, so the demo ended. Start it again with "
            f"the same command; what the hub said is in {state / 'hub.log'}."
        )
    raise LocalError(f"JupyterHub ended by itself with exit code {hub.returncode}. {last_lines(state)}")


def last_lines(state: Path) -> str:
    """Return the end of the hub's log as part of an error."""
    text = COLOURS.sub("", (state / "hub.log").read_text(errors="replace"))
    lines = text.splitlines()[-15:]
    return f"The end of {state / 'hub.log'}:\n" + "\n".join(f"    {line}" for line in lines)
