"""What breaks in a cluster, and what must be there afterwards."""

from __future__ import annotations

import asyncio
import re
from datetime import UTC, datetime

import pytest

from tests.hubclient import eventually

from .installation import Installation
from .kubectl import Obj
from .place import Place

pytestmark = pytest.mark.asyncio(loop_scope="session")

OUTAGE_SECONDS = 90
ROUNDS, AT_ONCE = 20, 10  # 200 starts
MEMORY_MIB = 32  # that the hub may have gained by them


async def test_servers_outlive_the_hub(hub: Installation) -> None:
    """A hub that is killed comes back and knows the servers; they never stop, and their kernels keep their state."""
    before = await hub.ensure_server("ada")
    kernel = await hub.start_kernel("ada")
    await hub.run_cell("ada", "x = 41; print(x)", kernel=kernel)
    killed = await hub.hub_pod()
    await hub.kubectl.run("delete", "pod", name_of(killed), "--grace-period=0", "--force")
    await hub.wait_until_up()
    after = await hub.pod("ada")

    assert name_of(await hub.hub_pod()) != name_of(killed)
    assert await hub.is_ready("ada")
    assert generation(after) == generation(before)
    assert await hub.run_cell("ada", "print(x + 1)", kernel=kernel) == "42\n"


async def test_a_start_goes_on_under_the_next_hub(hub: Installation) -> None:
    """A server that was starting when the hub was killed is there when the hub is back."""
    await hub.add_user("light-orphan")
    await hub.api("POST", "users/light-orphan/server")
    pod = await eventually(lambda: hub.pod("light-orphan"), what="the pod")
    await hub.kubectl.run("delete", "pod", name_of(await hub.hub_pod()), "--grace-period=0", "--force")
    await hub.wait_until_up()
    await eventually(lambda: hub.is_ready("light-orphan"), within=90, what="the server under the next hub")

    assert generation(await hub.pod("light-orphan")) == generation(pod)
    await hub.stop_server("light-orphan")


async def test_an_outage_of_the_api_server_costs_nobody_anything(hub: Installation, place: Place) -> None:
    """While Kubernetes' API is away, servers work and people log in; when it is back, servers start as before."""
    if place.node is None:
        pytest.skip("the API server of a cluster from KUBECONFIG is not stopped")
    before = await hub.ensure_server("ada")
    hub_before = await hub.hub_pod()
    await place.node.stop_apiserver()
    try:
        meanwhile = await hub.run_cell("ada", "print('still here')")
        login = await hub.login("ada", hub.user_password)
        await asyncio.sleep(OUTAGE_SECONDS)
    finally:
        await place.node.start_apiserver()
    await wait_for_node(hub, since=datetime.now(UTC))
    await hub.wait_until_up()
    await hub.start_server("light-after")
    after = await hub.pod("ada")

    assert meanwhile == "still here\n"
    assert login.ok
    assert generation(after) == generation(before)
    assert generation(await hub.hub_pod()) == generation(hub_before)
    await hub.stop_server("light-after")


async def test_a_hub_that_lost_its_rights_says_so_and_goes_on_when_it_has_them(hub: Installation) -> None:
    """Without its RoleBinding a start ends at once, with a sentence for the user and the missing right in the log."""
    await hub.add_user("light-rights")
    session = await hub.login("light-rights", hub.user_password)
    binding = await hub.kubectl.get("rolebinding", "hub")
    await hub.kubectl.run("delete", "rolebinding", "hub")
    try:
        await hub.api("POST", "users/light-rights/server")
        await eventually(lambda: hub.is_gone("light-rights"), what="the end of the start")
        page = (await session.get("hub/spawn-pending/light-rights"))[1]
        log = hub.read_log()
    finally:
        kept = ("name", "labels", "annotations")
        metadata = {name: binding["metadata"][name] for name in kept if name in binding["metadata"]}
        await hub.kubectl.apply({**binding, "metadata": metadata})
    await hub.start_server("light-rights")

    assert "This hub is not allowed to start servers" in page
    assert re.search(r"hub_not_allowed.*cannot create resource \\*\"pods\\*\"", log)
    await hub.stop_server("light-rights")


async def test_who_was_on_a_drained_node_starts_again_with_their_files(hub: Installation) -> None:
    """A drained node ends servers and hub; once there is a node again, the hub knows it and homes are as they were."""
    await hub.ensure_server("ada")
    await hub.run_cell("ada", "open('drained.txt', 'w').write('kept'); print('ok')")
    (node,) = await hub.kubectl.list("nodes")
    options = ("--ignore-daemonsets", "--delete-emptydir-data", "--force", "--grace-period=5", "--timeout=120s")
    selected = "--pod-selector=component in (hub,proxy,singleuser-server)"
    try:
        await hub.kubectl.run("drain", name_of(node), *options, selected)
        gone = await hub.pod("ada") is None
    finally:
        await hub.kubectl.run("uncordon", name_of(node))
    await hub.wait_until_up()
    await eventually(lambda: hub.is_gone("ada"), within=60, what="the hub noticing")
    await hub.start_server("ada")

    assert gone
    assert (await hub.contents("ada", "drained.txt"))[1]["content"] == "kept"


async def test_the_hub_does_not_grow_with_each_start(hub: Installation) -> None:
    """Two hundred starts and stops leave the hub about as large as it was after the first few."""
    names = [f"light-{number}" for number in range(AT_ONCE)]
    for _ in range(2):
        await start_and_stop(hub, names)
    before = await hub.metric("process_resident_memory_bytes")
    for _ in range(ROUNDS):
        await start_and_stop(hub, names)
    gained = (await hub.metric("process_resident_memory_bytes") - before) / 2**20

    assert gained < MEMORY_MIB


async def start_and_stop(hub: Installation, names: list[str]) -> None:
    """Start these users' servers at once, and stop them."""
    await asyncio.gather(*(hub.start_server(name) for name in names))
    await asyncio.gather(*(hub.stop_server(name) for name in names))


async def wait_for_node(hub: Installation, *, since: datetime) -> None:
    """Wait until the kubelet is back: it backs off too, and until then no Service leads to a pod of its node."""
    (node,) = await hub.kubectl.list("nodes")
    lease = ("get", "lease", name_of(node), "--namespace=kube-node-lease", "--output=jsonpath={.spec.renewTime}")

    async def is_renewed() -> bool:
        return datetime.fromisoformat(await hub.kubectl.run(*lease)) > since

    await eventually(is_renewed, within=180, what="a sign of life of the kubelet")
    await hub.kubectl.run("wait", "--for=condition=Ready", "node", name_of(node), "--timeout=180s")


def name_of(thing: Obj) -> str:
    """Return an object's name."""
    return str(thing["metadata"]["name"])


def generation(pod: Obj | None) -> tuple[str, list[int]]:
    """Return what tells a pod and its containers from later ones of the same name."""
    assert pod is not None
    return pod["metadata"]["uid"], [each["restartCount"] for each in pod["status"].get("containerStatuses", [])]
