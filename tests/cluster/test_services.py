"""The culler and the placeholder, as processes of the hub's pod in a real cluster."""

from __future__ import annotations

import subprocess
import sys

import pytest

from jhaws.local.api.quantities import parse_quantity
from tests.hubclient import eventually

from .installation import Installation
from .kubectl import Obj

pytestmark = pytest.mark.asyncio(loop_scope="session")


# Prints a digest of the package's sources, wherever it is installed.
DIGEST = """
import hashlib, pathlib, jhaws
folder = pathlib.Path(jhaws.__file__).parent
files = sorted(file.relative_to(folder).as_posix() for file in folder.rglob("*.py"))
print(hashlib.sha256(b"".join(name.encode() + (folder / name).read_bytes() for name in files)).hexdigest())
"""


async def test_the_hub_runs_this_checkout(hub: Installation) -> None:
    """The image that was just built holds these sources, not those of an earlier build's layer."""
    inside = await hub.kubectl.run("exec", "deployment/hub", "--container=hub", "--", "python3", "-c", DIGEST)
    here = subprocess.run([sys.executable, "-c", DIGEST], capture_output=True, text=True, check=True)

    assert inside == here.stdout


async def test_a_placeholder_gives_way_to_a_user(hub: Installation) -> None:
    """A server that fits nowhere else takes the place of a placeholder, which then waits for a new node."""
    (placeholder,) = await eventually(lambda: running_placeholders(hub), within=90, what="a running placeholder")
    held = requested_bytes(placeholder)
    free = await free_bytes(hub)
    name = f"large-{(free + held // 2) // 2**20}"
    pod = await hub.start_server(name)
    waiting = await eventually(lambda: pending_placeholders(hub), what="a placeholder that waits")

    assert requested_bytes(pod) > free
    assert placeholder["metadata"]["uid"] not in {each["metadata"]["uid"] for each in waiting}
    await hub.stop_server(name)
    await eventually(lambda: running_placeholders(hub), within=90, what="the placeholder in its place again")


async def test_placeholders_of_a_class_that_is_not_there_stay_off_with_a_sentence(hub: Installation) -> None:
    """A PriorityClass that nobody made is named in the hub's log, with what makes it; users' servers start as ever."""
    await hub.set_config("c.JhawsPlaceholder.priority_class = 'no-such-class'\n")
    try:
        await eventually(lambda: "no PriorityClass 'no-such-class'" in hub.read_log(), what="the sentence")
        assert await placeholders(hub, "Running") == []
        await hub.start_server("light-unplaced")
        await hub.stop_server("light-unplaced")
    finally:
        await hub.set_config()


async def test_the_culler_stops_an_idle_server(hub: Installation) -> None:
    """A server that nobody uses for `timeout` is stopped, and its user's next one starts as ever."""
    await hub.set_config("c.JhawsCuller.timeout = 5\n")
    try:
        await hub.start_server("light-idle")
        await eventually(lambda: hub.is_gone("light-idle"), within=90, what="the end of the idle server")
    finally:
        log = hub.read_log()
        print(log)  # for who looks into a failure: what the next hub writes says nothing of it
        await hub.set_config()
    await hub.start_server("light-idle")

    assert any("Stopping server" in line and "light-idle" in line for line in log.splitlines())
    await hub.stop_server("light-idle")


async def placeholders(hub: Installation, phase: str) -> list[Obj]:
    """Return the placeholders of the hub in this phase that stay."""
    found = await hub.kubectl.list("pods", component="jhaws-placeholder")
    return [pod for pod in found if pod["status"]["phase"] == phase and "deletionTimestamp" not in pod["metadata"]]


async def running_placeholders(hub: Installation) -> list[Obj]:
    """Return those that hold a place."""
    return await placeholders(hub, "Running")


async def pending_placeholders(hub: Installation) -> list[Obj]:
    """Return those that wait for one."""
    return await placeholders(hub, "Pending")


def requested_bytes(pod: Obj) -> int:
    """Return how much memory a pod's containers ask for together."""
    requests = [container.get("resources", {}).get("requests", {}) for container in pod["spec"]["containers"]]
    return sum(int(parse_quantity(each.get("memory", "0"))) for each in requests)


async def free_bytes(hub: Installation) -> int:
    """Return how much memory of the one node no pod has asked for."""
    (node,) = await hub.kubectl.list("nodes")
    pods = await hub.kubectl.list("pods", "--all-namespaces")
    taken = sum(requested_bytes(pod) for pod in pods if pod["status"]["phase"] in ("Pending", "Running"))
    return int(parse_quantity(node["status"]["allocatable"]["memory"])) - taken
