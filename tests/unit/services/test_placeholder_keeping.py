import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest
from aiohttp import web
from kubernetes_asyncio import client

from jhaws.pods.nodegroups import Nodegroup
from jhaws.services.placeholder.keeping import Goal, keep_once, main, make_goal
from jhaws.services.placeholder.kubeapi import PlaceholderPods
from jhaws.services.placeholder.settings import JhawsPlaceholder
from jhaws.services.running import TryAgainError

Answer = tuple[int, dict[str, Any]]


def refuse(status: int, message: str) -> Answer:
    """Build a Status as the API server sends it."""
    return status, {"kind": "Status", "status": "Failure", "message": message, "code": status}


@dataclass
class FakeApi:
    """The pods of one namespace, an API server's answers to refuse with, and what a watch sends."""

    pods: list[dict[str, Any]] = field(default_factory=list)
    on_create: Callable[[dict[str, Any]], Answer | None] = lambda pod: None
    on_list: Answer | None = None
    on_delete: Answer | None = None
    on_watch: Answer | None = None
    events: list[dict[str, Any]] = field(default_factory=list)
    # How a watch ends after its events: "end" as when its time is over, "cut" in the middle of a line.
    watch_ends: str = "end"
    selectors: set[str] = field(default_factory=set)
    watched_from: list[str] = field(default_factory=list)

    async def get(self, request: web.Request) -> web.StreamResponse:
        """List, or watch."""
        self.selectors.add(request.query["labelSelector"])
        if request.query.get("watch"):
            return await self._watch(request)
        status, body = self.on_list or (200, {"metadata": {"resourceVersion": "42"}, "items": self.pods})
        return web.json_response(body, status=status)

    async def _watch(self, request: web.Request) -> web.StreamResponse:
        self.watched_from.append(request.query["resourceVersion"])
        if self.on_watch:
            return web.json_response(self.on_watch[1], status=self.on_watch[0])
        response = web.StreamResponse()
        await response.prepare(request)
        for event in self.events:
            await response.write(json.dumps(event).encode() + b"\n")
        if self.watch_ends == "cut":
            await response.write(b'{"type": "ADD')
            assert request.transport is not None
            request.transport.close()
        return response

    async def post(self, request: web.Request) -> web.Response:
        """Create."""
        pod = await request.json()
        refused = self.on_create(pod)
        if refused:
            return web.json_response(refused[1], status=refused[0])
        pod["metadata"]["name"] = f"{pod['metadata']['generateName']}{len(self.pods)}"
        pod["metadata"]["uid"] = str(len(self.pods))
        self.pods.append(pod)
        return web.json_response(pod, status=201)

    async def delete(self, request: web.Request) -> web.Response:
        """Delete."""
        if self.on_delete:
            return web.json_response(self.on_delete[1], status=self.on_delete[0])
        (pod,) = (pod for pod in self.pods if pod["metadata"]["name"] == request.match_info["name"])
        assert (await request.json())["preconditions"] == {"uid": pod["metadata"]["uid"]}
        self.pods.remove(pod)
        return web.json_response({"kind": "Status", "status": "Success"})


@asynccontextmanager
async def fake_api(**answers: Any) -> AsyncIterator[tuple[FakeApi, PlaceholderPods]]:
    """Serve the API until the block ends."""
    fake = FakeApi(**answers)
    app = web.Application()
    path = "/api/v1/namespaces/jh/pods"
    app.add_routes([web.get(path, fake.get), web.post(path, fake.post), web.delete(path + "/{name}", fake.delete)])
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    configuration = client.Configuration(host=f"http://127.0.0.1:{runner.addresses[0][1]}")
    try:
        async with client.ApiClient(configuration) as api:
            yield fake, PlaceholderPods(api, "jh", selector="component=x", priority_class="low")
    finally:
        await runner.cleanup()


def want(**seats: int) -> Goal:
    """Build the goal of that many seats in nodegroups of these names."""
    nodegroups = {name: Nodegroup(name, {"group": name}, ()) for name in seats}
    settings = JhawsPlaceholder(seats=seats, priority_class="low")
    return make_goal(settings, nodegroups, hub_id="hub1", namespace="jh")[0]


async def test_rounds_reach_the_goal_and_then_do_nothing() -> None:
    """The first round makes what is missing, the second finds nothing to do."""
    async with fake_api() as (fake, pods):
        first, version = await keep_once(pods, want(a=2, b=1))
        second, _ = await keep_once(pods, want(a=2, b=1))

    assert version == "42"
    assert (len(first.to_create), len(first.to_delete)) == (3, 0)
    assert (len(second.to_create), len(second.to_delete)) == (0, 0)
    assert [pod["metadata"]["labels"]["jhaws.io/nodegroup"] for pod in fake.pods] == ["a", "a", "b"]
    assert fake.selectors == {"component=x"}


async def test_a_refusal_costs_only_its_nodegroup() -> None:
    """What the API server refuses for one nodegroup is made for the others, and then told."""

    def refuse_a(pod: dict[str, Any]) -> Answer | None:
        return refuse(422, "bad label") if pod["metadata"]["labels"]["jhaws.io/nodegroup"] == "a" else None

    async with fake_api(on_create=refuse_a) as (fake, pods):
        with pytest.raises(TryAgainError, match="bad label"):
            await keep_once(pods, want(a=2, b=2))

    assert [pod["metadata"]["labels"]["jhaws.io/nodegroup"] for pod in fake.pods] == ["b", "b"]


@pytest.mark.parametrize(("status", "is_fine"), [(404, True), (409, True), (403, False), (500, False)])
async def test_a_pod_that_is_gone_is_deleted(status: int, is_fine: bool) -> None:
    """A pod that another took away first counts as deleted; a refusal is told."""
    async with fake_api(on_delete=refuse(status, "no")) as (_, pods):
        await keep_once(pods, want(a=1))
        if is_fine:
            await keep_once(pods, want())
        else:
            with pytest.raises(TryAgainError, match="delete pods"):
                await keep_once(pods, want())


async def test_rights_that_are_missing_are_one_sentence() -> None:
    """A ServiceAccount that may not list pods is told as what an operator has to mend."""
    async with fake_api(on_list=refuse(403, "pods is forbidden")) as (_, pods):
        with pytest.raises(TryAgainError, match="may not list pods in namespace 'jh'") as caught:
            await keep_once(pods, want(a=1))

    assert caught.value.retry_seconds == 300


async def test_an_api_that_is_away_is_retried_by_the_backoff() -> None:
    """A refused connection mends itself."""
    async with client.ApiClient(client.Configuration(host="http://127.0.0.1:9")) as api:
        pods = PlaceholderPods(api, "jh", selector="component=x", priority_class="low")
        with pytest.raises(TryAgainError, match="does not answer when asked to list pods") as caught:
            await keep_once(pods, want(a=1))

    assert caught.value.retry_seconds is None


GONE = {"type": "DELETED", "object": {"metadata": {}}}
NEWS = {"type": "MODIFIED", "object": {"metadata": {}, "status": {"phase": "Running"}}}
TOO_OLD = {"type": "ERROR", "object": {"kind": "Status", "code": 410, "reason": "Expired"}}


@pytest.mark.parametrize(
    ("answers", "changed"),
    [
        ({"events": [NEWS, GONE]}, True),
        ({"events": [NEWS, NEWS]}, False),
        ({"events": []}, False),
        ({"events": [TOO_OLD]}, True),
        ({"on_watch": refuse(410, "too old resource version")}, True),
        ({"watch_ends": "cut"}, True),
    ],
    ids=["gone", "news", "silence", "410 event", "410", "cut"],
)
async def test_what_ends_a_wait(answers: dict[str, Any], changed: bool) -> None:
    """A pod that left, a version that is too old and a broken connection are reasons to look again."""
    async with fake_api(**answers) as (fake, pods):
        async with asyncio.timeout(20):
            assert await pods.wait_for_change("42", seconds=60) is changed

    assert fake.watched_from == ["42"]


async def test_a_watch_that_is_forbidden_is_told() -> None:
    """Without the right to watch the service says so, instead of looking again and again."""
    async with fake_api(on_watch=refuse(403, "pods is forbidden")) as (_, pods):
        with pytest.raises(TryAgainError, match="may not watch pods"):
            await pods.wait_for_change("42", seconds=60)


async def test_without_a_cluster_and_without_seats_nothing_is_said(caplog: pytest.LogCaptureFixture) -> None:
    """A hub outside Kubernetes that wants no placeholders gets one line, not a complaint."""
    caplog.set_level("INFO")
    keeping = asyncio.create_task(main({"JHAWS_HUB_ID": "hub1", "JHAWS_NAMESPACE": "jh"}))
    async with asyncio.timeout(20):
        while not caplog.records:
            await asyncio.sleep(0.01)
    keeping.cancel()

    assert [record.getMessage() for record in caplog.records] == [
        "No placeholders are kept, because JhawsPlaceholder.seats wants none."
    ]
