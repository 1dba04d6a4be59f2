"""What a user reads while a server starts and after it has ended by itself, and what Prometheus reads of it."""

import asyncio
import json
import math
import os
import re
import signal
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest
import pytest_asyncio

from jhaws.local.scheduling.nodes import LocalNodegroup
from tests.hubclient import eventually

from .browsers import log_in, needs_browser, picture, running_chromium
from .clusters import USER_PASSWORD, Place, hub_on_cluster
from .test_servers import container_pid

pytestmark = pytest.mark.asyncio(loop_scope="module")

CONFIG = """
c.JupyterHub.load_roles.append({"name": "metrics", "services": ["test-admin"], "scopes": ["read:metrics"]})
c.JupyterHub.tornado_settings = {"slow_spawn_timeout": 0}
c.JhawsSpawner.nfs_server = "drive"
c.JhawsSpawner.nodegroups = {"jhusers": {"node_labels": {"pool": "users"}}}
c.KubeSpawner.extra_pod_config = {"restartPolicy": "Never"}

def choose_image(spawner):
    if spawner.user.name.startswith("other"):
        spawner.image = f"test/{spawner.user.name}:1"
    if spawner.user.name == "quiet":
        spawner.events_enabled = False
    if spawner.user.name == "missing":
        spawner.image = "test/missing:1"

c.Spawner.pre_spawn_hook = choose_image
"""
# None is there at the start, so the first server waits for one.
NODES = LocalNodegroup(name="jhusers", nodes=0, max_nodes=1, cpu_cores=64, memory_gib=256, labels={"pool": "users"})
JARGON = re.compile(r"\b(pods?|nodes?|kubelet|volume|container|assigned|default/)\b", re.IGNORECASE)
STAGES = ("queue", "schedule", "volume", "pull", "init", "start", "http", "proxy", "total")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def place(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Place]:
    """A hub whose first node is still to be ordered, and where a new image takes seconds to pull."""
    state = tmp_path_factory.mktemp("waiting")
    settings = {"pull_seconds": 3.0, "node_start_seconds": 2.0, "missing_images": ("test/missing*",)}
    async with hub_on_cluster(state, CONFIG, nodegroups=(NODES,), **settings) as running:
        yield running


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def chromium() -> AsyncIterator[Any]:
    """A running browser; each test opens contexts, which share nothing."""
    async with running_chromium() as browser:
        yield browser


async def events_of(place: Place, name: str, *, token: str = "") -> AsyncIterator[dict[str, Any]]:
    """Give the events of a start as the waiting page gets them, until the hub ends the stream."""
    url = f"{place.hub.url}hub/api/users/{name}/server/progress"
    headers = {"Authorization": f"token {token or place.hub.admin_token}", "Accept": "text/event-stream"}
    async with aiohttp.ClientSession(headers=headers) as http, http.get(url) as response:
        assert response.status == 200
        async for line in response.content:
            if line.startswith(b"data:"):
                yield json.loads(line.removeprefix(b"data:"))


async def begin(place: Place, name: str) -> None:
    await place.add_user(name)
    status, answer = await place.hub.api("POST", f"users/{name}/server", {})
    assert status in (201, 202), answer  # 201 after a start that failed, although this one is under way


async def started(place: Place, name: str) -> list[dict[str, Any]]:
    """Start a server and return all events of its start."""
    await begin(place, name)
    return [event async for event in events_of(place, name)]


def messages(events: list[dict[str, Any]]) -> list[str]:
    """Return the words of a start, without those of the hub itself at its begin and its end."""
    return [event["message"] for event in events[1:-1] if "message" in event]


def first_sentences(events: list[dict[str, Any]]) -> list[str]:
    return [message.split(". ")[0].rstrip(".") for message in messages(events)]


async def read_metrics(place: Place) -> dict[str, float]:
    """Return the samples of /hub/metrics, each by its name and labels as they are written there."""
    async with aiohttp.ClientSession(headers={"Authorization": f"token {place.hub.admin_token}"}) as http:
        async with http.get(f"{place.hub.url}hub/metrics") as response:
            assert response.status == 200
            lines = (await response.text()).splitlines()
    return {line.rsplit(" ", 1)[0]: float(line.rsplit(" ", 1)[1]) for line in lines if not line.startswith("#")}


async def test_a_start_tells_in_plain_words_what_it_waits_for(place: Place) -> None:
    """From the queue to Jupyter's answer, each stage in its turn, and the bar never runs backwards."""
    events = await started(place, "ada")
    order = [
        "Your server is next in line",
        "Waiting for a free place",
        "A new machine is being started for you; this takes a few minutes",
        "Connecting your files",
        "Fetching the software (image); the first time on a machine this takes a few minutes",
        "Preparing your home folder",
        "Starting your server",
        "Waiting for Jupyter to answer",
    ]
    told = [words for words in order if words in first_sentences(events)]
    bar = [event["progress"] for event in events]

    assert [words for words in dict.fromkeys(first_sentences(events)) if words in order] == told
    assert {order[2], order[4], order[7]} <= set(told)
    assert bar == sorted(bar)
    assert len(set(bar)) > 10
    assert events[-1]["ready"] is True
    assert not [message for message in messages(events) if JARGON.search(message)]
    assert not [event for event in events if event.get("raw_event")]


async def test_two_readers_and_one_with_a_token_of_its_own_are_told_the_same(place: Place) -> None:
    """Each tab and each client of the API gets all words, and none keeps the other from them."""
    await begin(place, "otherone")
    token = await place.token("otherone")
    streams = [events_of(place, "otherone"), events_of(place, "otherone", token=token)]
    one, two = await asyncio.gather(*[_collect(stream) for stream in streams])

    for events in (one, two):
        assert "Waiting for Jupyter to answer" in first_sentences(events)
    assert one[-1]["ready"] is two[-1]["ready"] is True


async def _collect(stream: AsyncIterator[dict[str, Any]]) -> list[dict[str, Any]]:
    return [event async for event in stream]


async def test_without_kubernetes_events_the_pod_alone_tells_how_far_it_is(place: Place) -> None:
    """With `events_enabled` off KubeSpawner says nothing at all; what the pod shows is told all the same."""
    events = await started(place, "quiet")

    assert "Waiting for Jupyter to answer" in first_sentences(events)
    assert events[-1]["ready"] is True


async def test_after_three_starts_the_page_tells_how_long_it_takes(place: Place) -> None:
    """The hub's own past starts are the estimate; the one that waited for a new node is not among them."""
    for name in ("ben", "bea", "bo", "bob"):
        if len(await _history_of(place, new_node=False)) < 3:
            await started(place, name)
    sentence = re.compile(r"A start usually takes \d+ seconds?[.;]")
    events = await started(place, "cy")

    assert [message for message in messages(events) if sentence.search(message)]
    assert len(await _history_of(place, new_node=True)) == 1


async def _history_of(place: Place, *, new_node: bool) -> list[Any]:
    import sqlite3

    connection = sqlite3.connect(f"file:{place.state}/jupyterhub.sqlite?mode=ro", uri=True)
    try:
        query = "SELECT profile, nodegroup, seconds FROM jhaws_start WHERE new_node = ?"
        return connection.execute(query, (new_node,)).fetchall()
    finally:
        connection.close()


async def test_metrics_have_all_stages_of_a_start_and_the_state_of_the_watches(place: Place) -> None:
    """Prometheus finds the stages, which add up to the total, the watches and the event loop's lag."""
    await started(place, "gus")
    found = await read_metrics(place)
    labels = 'nodegroup="jhusers",outcome="ready",profile=""'
    counts = [found[f'jhaws_start_stage_seconds_count{{{labels},stage="{stage}"}}'] for stage in STAGES]
    seconds = [found[f'jhaws_start_stage_seconds_sum{{{labels},stage="{stage}"}}'] for stage in STAGES]

    assert len(set(counts)) == 1
    assert counts[0] >= 1
    assert sum(seconds[:-1]) == pytest.approx(seconds[-1], abs=0.01)
    assert seconds[STAGES.index("pull")] > 2
    assert seconds[STAGES.index("http")] > 0.2
    watch = '{namespace="default",watch="pods"}'
    assert math.isfinite(found[f"jhaws_watch_stale_seconds{watch}"])
    assert found[f"jhaws_watch_pods{watch}"] >= 1
    assert found[f"jhaws_watch_lists_total{watch}"] == 1
    assert found[f"jhaws_watch_troubles_total{watch}"] == 0
    assert found["jhaws_event_loop_lag_seconds_count"] > 1


async def test_a_start_that_fails_is_in_the_metrics_by_its_reason(place: Place) -> None:
    """The page's last event says why, and the reason is a label."""
    events = await started(place, "missing")
    found = await read_metrics(place)
    failures = [name for name in found if name.startswith("jhaws_start_failures_total")]

    assert events[-1]["failed"] is True
    assert "image" in events[-1]["message"]
    assert len(failures) == 1
    assert 'nodegroup="jhusers"' in failures[0]
    assert not await _has(place, "missing")


async def _has(place: Place, name: str) -> bool:
    return await place.server(name) is not None


@needs_browser
async def test_the_waiting_page_shows_it_all_and_survives_a_reload(chromium: Any, place: Place) -> None:
    """In the browser: the words under the bar, which a reload brings back where it was, and then JupyterLab."""
    await place.add_user("othertwo")
    page = await log_in(chromium, place.hub, "othertwo", USER_PASSWORD)
    message = page.locator("#progress-message")
    await page.get_by_text("Fetching the software").first.wait_for()
    before = int(await page.locator("#progress-bar").get_attribute("aria-valuenow") or 0)
    await picture(page, "waiting")
    await page.reload()
    await page.get_by_text("Fetching the software").first.wait_for()
    after = int(await page.locator("#progress-bar").get_attribute("aria-valuenow") or 0)
    await page.locator("#progress-details summary").click()
    await page.get_by_text("Waiting for Jupyter to answer").first.wait_for()
    log = await page.locator("#progress-log").inner_text()
    await picture(page, "waiting-log")
    words = await message.inner_text()
    await page.wait_for_url("**/user/othertwo/lab**")

    assert after >= before > 0
    assert "A start usually takes" in words
    assert "A start usually takes" not in log


@needs_browser
async def test_a_server_that_was_killed_for_its_memory_has_a_page_that_says_so(chromium: Any, place: Place) -> None:
    """Whoever comes back reads that the server has stopped, why, and how to go on; not that a start failed."""
    await place.add_user("dee")
    page = await log_in(chromium, place.hub, "dee", USER_PASSWORD)
    await page.wait_for_url("**/user/dee/lab**")
    os.kill(container_pid("dee"), signal.SIGKILL)
    await eventually(lambda: _is_gone(place, "dee"), what="the hub noticing")
    await page.goto(place.hub.url + "user/dee/lab")
    await page.get_by_role("heading", name="Your server has stopped").wait_for()
    text = await page.locator("body").inner_text()
    await picture(page, "ended")

    assert "most likely because it ran out of memory" in text
    assert "Start it again" in text
    assert "failed" not in text.lower()
    assert await page.locator("#start").count() == 1


async def _is_gone(place: Place, name: str) -> bool:
    return not await _has(place, name)


@needs_browser
async def test_a_start_that_failed_keeps_jupyterhubs_page(chromium: Any, place: Place) -> None:
    """Its heading says that the start failed; the sentence is ours."""
    await place.add_user("missing")
    page = await log_in(chromium, place.hub, "missing", USER_PASSWORD)
    await page.get_by_text("Spawn failed").first.wait_for()
    await picture(page, "failing")
    await page.reload()
    await page.get_by_role("heading", name="Spawn failed").wait_for()
    await picture(page, "failed")

    assert "image" in await page.locator("body").inner_text()
