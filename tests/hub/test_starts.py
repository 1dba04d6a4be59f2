"""What the hub does about starts that fail, servers that die and an API server that goes away."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from bench.relay import relay
from jhaws.local.api.resources import PODS
from jhaws.local.cluster import LocalCluster, LocalSettings
from tests.hubclient import eventually

from .clusters import ADMIN_PASSWORD, PRESET, USER_PASSWORD, USERS, Place, hub_on_cluster
from .hubs import running_hub

pytestmark = pytest.mark.asyncio(loop_scope="module")

CONFIG = """
c.JhawsSpawner.nodegroups = {"jhusers": {"node_labels": {"pool": "users"}, "memory_gib": 16}}
# Longer than a test may take: no failure here is one that was waited for.
c.KubeSpawner.start_timeout = 600
c.Spawner.consecutive_failure_limit = 3
c.Spawner.poll_interval = 300
c.JupyterHub.tornado_settings = {"slow_spawn_timeout": 0}

def pre_spawn(spawner):
    name = spawner.user.name
    if name.startswith("huge"):
        spawner.mem_guarantee = "64G"
    if name.startswith("broken"):
        raise RuntimeError("a hook of the operator that fails")
    if name.startswith("crash"):
        spawner.cmd = ["sh", "-c", "echo no module named lab >&2; exit 3"]

c.Spawner.pre_spawn_hook = pre_spawn
"""


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def place(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Place]:
    """A hub that ends after three starts in a row that failed for no known reason, and polls every five minutes."""
    async with hub_on_cluster(tmp_path_factory.mktemp("starts"), CONFIG) as running:
        yield running


async def fail_to_start(place: Place, name: str) -> str:
    """Start a server that cannot start, wait for that, and return what its user is told."""
    await place.add_user(name)
    status, answer = await place.hub.api("POST", f"users/{name}/server", {})
    if status >= 400:
        return str(answer["message"])

    async def told() -> str:
        # While JupyterHub cleans up after a failed start, it answers as if there were none.
        async for event in place.progress(name):
            if event.get("failed"):
                return str(event["message"])
        assert await place.server(name) is None, f"{name}'s server started"
        return ""

    return str(await eventually(told, what=f"the failure of {name}'s start"))


async def test_ten_known_reasons_and_one_unknown_do_not_end_the_hub(place: Place) -> None:
    """Capacity and user errors never count towards the hub's failure limit, and do not add to one that does."""
    for number in range(5):
        assert "larger than any machine here" in await fail_to_start(place, f"huge-{number}")
    await fail_to_start(place, "broken-1")
    for number in range(5, 10):
        assert "larger than any machine here" in await fail_to_start(place, f"huge-{number}")
    await asyncio.sleep(3)  # a hub that aborts does so after two seconds
    status, _ = await place.hub.api("GET", "info")

    assert status == 200
    assert "Aborting due to" not in place.hub.log()


async def test_a_server_that_crashes_tells_its_user_at_once_and_its_admin_the_last_lines(place: Place) -> None:
    """The user has a sentence, the log has the exit status and the last words, and the pod is gone."""
    told = await fail_to_start(place, "crash-1")

    assert "ended with an error" in told
    assert "no module named lab" in place.hub.log()
    assert "no module named lab" not in told
    assert place.pod("crash-1") is None


async def test_the_hub_knows_of_a_dead_pod_without_polling(place: Place) -> None:
    """A server whose pod is deleted by another hand loses its route at once, and its user's next page says why."""
    await place.add_user("ada")
    await place.start_server("ada")
    session = await place.hub.login("ada", USER_PASSWORD)
    pod = place.pod("ada")
    assert pod is not None
    place.cluster.storage.delete(PODS, "default", pod["metadata"]["name"], grace_period_seconds=0)
    await eventually(lambda: place.is_gone("ada"), within=10, what="the hub noticing")
    _, page = await session.get("hub/user/ada/lab")

    assert "Your server was stopped from outside" in page
    assert place.hub.log().count("User ada server stopped, with exit code") == 1


async def test_a_normal_stop_is_told_once(place: Place) -> None:
    """Stopping a server is no end by itself: nobody is told of one."""
    await place.add_user("bob")
    await place.start_server("bob")
    await place.stop_server("bob")
    await asyncio.sleep(1)

    assert "User bob server stopped, with exit code" not in place.hub.log()
    assert "The server of bob ended" not in place.hub.log()
    session = await place.hub.login("bob", USER_PASSWORD)
    _, page = await session.get("hub/user/bob/lab")
    assert "not running" in page


async def test_no_token_is_in_the_log(place: Place) -> None:
    """Whatever failed above, no server's token and no manifest came into the hub's log."""
    assert "JUPYTERHUB_API_TOKEN" not in place.hub.log()
    assert ADMIN_PASSWORD not in place.hub.log()


async def test_unknown_reasons_still_end_the_hub_at_its_limit(place: Place) -> None:
    """A hub that may itself be ill is still ended by Kubernetes' means: three unknown failures in a row."""
    for number in range(2, 5):
        await fail_to_start(place, f"broken-{number}")

    assert await place.hub.exit_status(within=20) == 1
    assert "Aborting due to 3 consecutive spawn failures" in place.hub.log()
    await place.hub.start()


@pytest.mark.timeout(240)
async def test_an_outage_of_the_api_server_loses_nothing(tmp_path: Path) -> None:
    """Servers run on while the API server is away; then the hub knows what happened, and starts and stops work."""
    settings = LocalSettings(state_dir=tmp_path / "cluster", nodegroups=(USERS,))
    relayed = tmp_path / "relayed"
    async with LocalCluster(settings) as cluster, relay(str(cluster.kubeconfig), relayed) as between:
        environment = {"KUBECONFIG": str(relayed)}
        async with running_hub(tmp_path, CONFIG, preset=PRESET, environment=environment) as hub:
            place = Place(hub, cluster, tmp_path)
            for name in ("ada", "bob"):
                await place.add_user(name)
                await place.start_server(name)
            between.refuse()
            pod = place.pod("bob")
            assert pod is not None
            cluster.storage.delete(PODS, "default", pod["metadata"]["name"], grace_period_seconds=0)
            await asyncio.sleep(10)
            assert (await place.contents("ada"))[0] == 200
            assert await place.server("bob") is not None  # nobody can know yet
            await between.open()
            await eventually(lambda: place.is_gone("bob"), within=20, what="the hub noticing")
            await place.stop_server("ada")
            await place.start_server("ada")
            log = hub.log()

            assert log.count("cannot be watched for pods") == 1
            assert log.count("The watch of pods works again") == 1
