"""A hub and its pods that have parted ways come together again, and what is not the hub's is never touched."""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import pytest_asyncio

from jhaws.local.api.resources import PODS
from jhaws.names import DATABASE_LABEL, HUB_LABEL, hub_id
from tests.hubclient import eventually

from .clusters import PRESET, Place, hub_on_cluster

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(240)]

CONFIG = """
import asyncio

async def slow_for_early(spawner, pod):
    if spawner.user.name == "early":
        await asyncio.sleep(60)
    return pod

def image_of_its_own(spawner):
    if spawner.user.name == "pulling":
        spawner.image = "test/big:1"

c.KubeSpawner.modify_pod_hook = slow_for_early
c.Spawner.pre_spawn_hook = image_of_its_own
c.JhawsSpawner.nfs_server = "drive"
c.JhawsSpawner.reconcile_interval = 1
"""
DELETE = 'c.JhawsSpawner.unknown_pods = "delete"\n'
ADOPT = 'c.JhawsSpawner.unknown_pods = "adopt"\n'
DEAF = """
from jhaws.spawner import JhawsSpawner

class DeafSpawner(JhawsSpawner):
    def _on_change(self):
        pass

c.JupyterHub.spawner_class = DeafSpawner
c.Spawner.poll_interval = 3600
"""


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def place(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Place]:
    """One cluster and one hub for all tests of this module; each begins with a hub of its own policy."""
    async with hub_on_cluster(tmp_path_factory.mktemp("reconcile"), CONFIG, pull_seconds=4.0) as running:
        yield running


async def restart(place: Place, policy: str = "") -> None:
    """Kill the hub and start it with another policy."""
    await place.hub.kill()
    place.hub.write_config(CONFIG + policy, preset=PRESET)
    await place.hub.start()
    await eventually(lambda: has_id(place), what="the first round of a new database")


def has_id(place: Place) -> bool:
    """Say whether the database has its id, as it has at the latest when the hub has looked at its pods once."""
    with contextlib.closing(sqlite3.connect(place.state / "jupyterhub.sqlite")) as database:
        return bool(database.execute("SELECT 1 FROM sqlite_master WHERE name = 'jhaws_hub'").fetchall()) and bool(
            database.execute("SELECT 1 FROM jhaws_hub").fetchall()
        )


def change_database(place: Place, *statements: str) -> None:
    """Change the database of a hub that does not run."""
    with contextlib.closing(sqlite3.connect(place.state / "jupyterhub.sqlite")) as database, database:
        for statement in statements:
            database.execute(statement)


def has_server_row(place: Place, name: str) -> bool:
    with contextlib.closing(sqlite3.connect(place.state / "jupyterhub.sqlite")) as database:
        rows = database.execute(
            "SELECT 1 FROM spawners JOIN users ON users.id = user_id WHERE users.name = ? AND server_id IS NOT NULL",
            (name,),
        ).fetchall()
    return bool(rows)


def hub_labels(place: Place) -> dict[str, str]:
    """Return the labels of this hub's own pods."""
    with contextlib.closing(sqlite3.connect(place.state / "jupyterhub.sqlite")) as database:
        ((database_id,),) = database.execute("SELECT database_id FROM jhaws_hub").fetchall()
    return {HUB_LABEL: hub_id("default", "/"), DATABASE_LABEL: database_id}


@contextlib.contextmanager
def long_ago(place: Place) -> Iterator[None]:
    """Let what is made be old enough to be no start that is under way."""
    storage = place.cluster.storage
    now, storage.now = storage.now, lambda: datetime.now(UTC) - timedelta(hours=1)
    try:
        yield
    finally:
        storage.now = now


def make_pod(place: Place, name: str, labels: dict[str, str], *, command: str = "sleep", component: str = "") -> str:
    """Make an old pod as a server of nobody, and return its name."""
    labels = {"component": component or "singleuser-server", **labels}
    metadata = {"name": name, "labels": labels, "annotations": {"hub.jupyter.org/username": "nobody"}}
    container = {"name": "notebook", "image": "test/image:1", "command": [command, "600"]}
    spec = {"containers": [container], "restartPolicy": "Never", "terminationGracePeriodSeconds": 1}
    with long_ago(place):
        place.cluster.storage.create(PODS, {"metadata": metadata, "spec": spec}, namespace="default")
    return name


def evict(place: Place, name: str) -> None:
    """Mark a pod as kubelet does when its node runs out of memory."""
    evicted = {"phase": "Failed", "reason": "Evicted", "message": "The node was low on resource: memory."}
    place.cluster.storage.modify(PODS, "default", name, lambda pod: pod.update(status=evicted))


def phase_of(place: Place, name: str) -> str:
    pod = place.cluster.storage.find(PODS, "default", name)
    return pod["status"]["phase"] if pod else ""


def make_strangers(place: Place) -> list[str]:
    """Make one pod of each kind that no hub but its own may touch."""
    ours = hub_labels(place)
    return [
        make_pod(place, "unlabelled", {}),
        make_pod(place, "unlabelled-failed", {}, command="false"),
        make_pod(place, "of-another-hub", {**ours, HUB_LABEL: "0123456789abcdef"}),
        make_pod(place, "of-another-hub-failed", {**ours, HUB_LABEL: "0123456789abcdef"}, command="false"),
        make_pod(place, "of-another-database", {**ours, DATABASE_LABEL: "0123456789abcdef"}),
        make_pod(place, "of-no-database", {HUB_LABEL: ours[HUB_LABEL]}),
        make_pod(place, "placeholder", ours, component="user-placeholder"),
    ]


def remove_pods(place: Place, names: list[str]) -> None:
    for name in names:
        if place.cluster.storage.find(PODS, "default", name):
            place.cluster.storage.delete(PODS, "default", name, grace_period_seconds=0)


def uid_of(pod: dict[str, Any] | None) -> str:
    return pod["metadata"]["uid"] if pod else ""


def log_since(place: Place, mark: int) -> str:
    return place.hub.log()[mark:]


@pytest.mark.parametrize("policy", ["", DELETE, ADOPT], ids=["report", "delete", "adopt"])
async def test_pods_of_others_are_never_touched(place: Place, policy: str) -> None:
    """Whatever the policy: not without both labels of this hub, not with another component, running or not.

    This hub's own are reported, deleted where the policy is that, and in any case deleted when they have ended.
    """
    mark = len(place.hub.log())
    await restart(place, policy)
    strangers = make_strangers(place)
    orphan, failed, evicted = (
        make_pod(place, name, hub_labels(place), command=command)
        for name, command in (("orphan", "sleep"), ("failed", "false"), ("evicted", "sleep"))
    )
    await eventually(lambda: all(phase_of(place, name) == "Running" for name in (orphan, evicted)), what="pods")
    evict(place, evicted)
    await eventually(lambda: not phase_of(place, failed) and not phase_of(place, evicted), what="end of ended pods")
    words = {
        "": "stays: the hub does not know it; JhawsSpawner.unknown_pods = 'delete' would delete it",
        DELETE: "is deleted: the hub does not know it",
        ADOPT: "cannot be adopted: the hub has no user of that name",
    }[policy]
    await eventually(lambda: f"The pod default/{orphan} of nobody" in log_since(place, mark), what="the decision")
    if policy is DELETE:
        await eventually(lambda: not phase_of(place, orphan), what="end of the orphan")
    there = [name for name in [orphan, *strangers] if phase_of(place, name)]
    log = log_since(place, mark)

    assert there == ([] if policy is DELETE else [orphan]) + strangers
    assert words in log
    assert "it has ended (Evicted) and no server needs it" in log
    assert "so their tokens are lost (2): default/of-another-database, default/of-no-database." in log
    assert not [name for name in ("unlabelled", "of-another-hub", "placeholder") if name in log]
    remove_pods(place, there)


async def test_what_is_reported_is_reported_once(place: Place) -> None:
    """A dry run does not fill the log: one line per pod, however many rounds find it."""
    mark = len(place.hub.log())
    await restart(place)
    make_pod(place, "orphan", hub_labels(place))
    await eventually(lambda: "orphan" in log_since(place, mark), what="the report")
    make_pod(place, "later", hub_labels(place))
    await eventually(lambda: "later" in log_since(place, mark), what="the report of two rounds later")

    assert log_since(place, mark).count("default/orphan") == 1
    remove_pods(place, ["orphan", "later"])


async def test_a_server_whose_pod_is_gone_is_told_to_the_hub(place: Place) -> None:
    """Also when nothing else noticed: here the watch's news and JupyterHub's polls are off."""
    await restart(place, DEAF)
    await place.add_user("gone")
    await place.start_server("gone")
    place.cluster.storage.delete(PODS, "default", place.pod("gone")["metadata"]["name"], grace_period_seconds=0)
    await eventually(lambda: place.is_gone("gone"), what="end of the server")

    assert "The server of gone is looked at: its pod is gone and the hub has not noticed." in place.hub.log()


async def test_a_hub_that_lost_its_database_replaces_pods_at_their_users_next_start(place: Place) -> None:
    """The old pod is left alone, although the policy is delete, until its user comes: a new one, the same home."""
    await restart(place, DELETE)
    await place.add_user("ada")
    with long_ago(place):
        await place.start_server("ada")
    (place.home("ada") / "note.txt").write_text("kept")
    old = uid_of(place.pod("ada"))
    await place.hub.kill()
    (place.state / "jupyterhub.sqlite").unlink()
    mark = len(place.hub.log())
    await place.hub.start()
    words = "so their tokens are lost (1): default/jupyter-ada. They are left alone"
    await eventually(lambda: words in log_since(place, mark), what="the report")
    assert uid_of(place.pod("ada")) == old
    await place.add_user("ada")
    await place.start_server("ada")
    status, note = await place.contents("ada", "note.txt")

    assert uid_of(place.pod("ada")) != old
    assert (status, note["content"]) == (200, "kept")
    assert place.pod("ada")["metadata"]["labels"].items() >= hub_labels(place).items()
    await place.stop_server("ada")


async def orphaned(place: Place, name: str) -> str:
    """Start a user's server and let the hub forget it, as one does that could not ask Kubernetes; return its uid."""
    await place.add_user(name)
    with long_ago(place):
        await place.start_server(name)
    await place.hub.kill()
    change_database(
        place,
        f"DELETE FROM servers WHERE base_url = '/user/{name}/'",
        f"UPDATE spawners SET server_id = NULL, state = '{{}}' WHERE user_id = "
        f"(SELECT id FROM users WHERE name = '{name}')",
    )
    return uid_of(place.pod(name))


async def test_a_forgotten_server_is_adopted(place: Place) -> None:
    """With the policy adopt it is its user's server again: reached by the proxy, stopped by the hub, still its own."""
    await restart(place, ADOPT)
    uid = await orphaned(place, "bea")
    await place.hub.start()
    await eventually(lambda: place.is_ready("bea"), what="the adopted server")
    status, _ = await place.contents("bea")
    session = await place.hub.login("bea", "shared-by-the-class")
    page_status, page = await session.get("user/bea/lab")

    assert uid_of(place.pod("bea")) == uid
    assert status == 200
    assert (page_status, "JupyterLab" in page) == (200, True)
    assert "The pod default/jupyter-bea is adopted: it is the server of bea again." in place.hub.log()
    environment = place.pod("bea")["spec"]["containers"][0]["env"]
    (token,) = [each["value"] for each in environment if each["name"] == "JUPYTERHUB_API_TOKEN"]
    assert token not in place.hub.log()
    assert has_server_row(place, "bea")
    place.cluster.storage.delete(PODS, "default", "jupyter-bea", grace_period_seconds=0)
    await eventually(lambda: place.is_gone("bea"), what="end of the adopted server")


async def test_a_server_whose_token_is_lost_is_not_adopted(place: Place) -> None:
    """It could let nobody in; it is left and said so, and the user's next start replaces it."""
    await restart(place, ADOPT)
    uid = await orphaned(place, "cleo")
    change_database(place, "DELETE FROM api_tokens WHERE note LIKE 'Server at /user/cleo/%'")
    await place.hub.start()
    words = "cannot be adopted: its token is not in the hub's database, so it can let nobody in."
    await eventually(lambda: words in place.hub.log(), what="the refusal")
    assert uid_of(place.pod("cleo")) == uid
    await place.start_server("cleo")

    assert uid_of(place.pod("cleo")) != uid
    assert (await place.contents("cleo"))[0] == 200
    await place.stop_server("cleo")


async def begin_start(place: Place, name: str) -> asyncio.Task[Any]:
    await place.add_user(name)

    async def start() -> None:
        with contextlib.suppress(Exception):  # the hub is killed while it answers
            await place.hub.api("POST", f"users/{name}/server", {})

    return asyncio.create_task(start())


async def test_a_hub_killed_before_the_pod_is_made_forgets_the_start(place: Place) -> None:
    """The database has the server already; the next hub finds no pod and calls it not running."""
    await restart(place)
    task = await begin_start(place, "early")
    await eventually(lambda: has_server_row(place, "early"), what="the server in the database")
    await restart(place)
    await task
    await eventually(lambda: place.is_gone("early"), what="clean state")

    assert not has_server_row(place, "early")


@pytest.mark.parametrize(("name", "phase"), [("pulling", "Pending"), ("booting", "Running")])
async def test_a_hub_killed_in_the_middle_of_a_start_goes_on_with_it(place: Place, name: str, phase: str) -> None:
    """A pod that waits for its image, or whose server does not answer yet, becomes its user's working server."""
    await restart(place)
    task = await begin_start(place, name)
    await eventually(lambda: phase_of(place, f"jupyter-{name}") == phase, what=f"phase {phase}")
    uid = uid_of(place.pod(name))
    assert not await place.is_ready(name)
    await restart(place)
    await task
    await eventually(lambda: place.is_ready(name), what="the server")

    assert uid_of(place.pod(name)) == uid
    assert (await place.contents(name))[0] == 200
    await place.stop_server(name)
