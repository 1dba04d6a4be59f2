"""The cache of pods, on a good API server and on one that fails in every way."""

from __future__ import annotations

import asyncio
import logging
import time
from typing import Any

import pytest

from jhaws.starts import watching
from jhaws.starts.podwatch import PodWatch, pod_key
from tests.api.cluster import Cluster, eventually
from tests.api.relay import (
    Fault,
    Relay,
    answers,
    cuts_a_line,
    ends_at_once,
    hangs,
    hangs_before_its_head,
    resets,
    sends,
    sends_error,
    sends_html,
    shows,
    watched,
)

MERGE = "application/merge-patch+json"


@pytest.fixture(autouse=True)
def quick_watches(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make each request for changes short, so that tests see many of them."""
    monkeypatch.setattr(watching, "WATCH_SECONDS", 1)
    monkeypatch.setattr(watching, "SILENT_SECONDS", 2.5)
    monkeypatch.setattr(watching, "OPEN_SECONDS", 1.5)
    monkeypatch.setattr(watching, "PAGE_SECONDS", 2.5)


async def start(watch: PodWatch) -> None:
    """Start a watch and wait until it has loaded."""
    watch.start()
    async with asyncio.timeout(30):
        await watch.load()


async def set_status(cluster: Cluster, name: str, **status: Any) -> None:
    """Change a pod's status, as a kubelet does."""
    code, answer = await cluster.call("PATCH", f"{cluster.pods}/{name}/status", {"status": status}, kind=MERGE)
    assert code == 200, answer


async def test_pods_come_change_and_go(cluster: Cluster) -> None:
    """The cache shows what was there before, and every change since, over many requests, from a single list."""
    await cluster.create_pod("before")
    async with watched(cluster) as (relay, watch):
        await start(watch)
        await shows(watch, "before")
        await cluster.create_pod("after")
        await shows(watch, "before", "after")
        await set_status(cluster, "after", phase="Running", podIP="10.1.2.3")

        async def runs() -> bool:
            return watch.pods[pod_key(cluster.namespace, "after")]["status"].get("podIP") == "10.1.2.3"

        await eventually(runs)
        await cluster.call("DELETE", f"{cluster.pods}/before?gracePeriodSeconds=0")
        await shows(watch, "after")
        await asyncio.sleep(2.5)  # two more requests for changes
        await cluster.create_pod("late")
        await shows(watch, "after", "late")

        assert relay.lists == 1
        assert watch.watch.lists == 1


async def test_whoever_listens_is_woken_by_its_own_pod_only(cluster: Cluster) -> None:
    """A listener hears of every change of its pod and of no other's, until it stops listening."""
    heard: list[str] = []
    async with watched(cluster) as (_, watch):
        await start(watch)
        key = pod_key(cluster.namespace, "mine")
        with watch.listening(key, lambda: heard.append("mine")):
            await cluster.create_pod("other")
            await cluster.create_pod("mine")
            await shows(watch, "mine", "other")
            assert heard == ["mine"]
        await set_status(cluster, "mine", phase="Failed")
        await cluster.create_pod("last")
        await shows(watch, "mine", "other", "last")

        assert heard == ["mine"]


async def test_a_pod_made_again_at_once_under_its_name_is_another_pod(cluster: Cluster) -> None:
    """Deletion and creation within the same moment end with the new pod, whose uid tells it apart."""
    first = await cluster.create_pod("same")
    async with watched(cluster) as (_, watch):
        await start(watch)
        await cluster.call("DELETE", f"{cluster.pods}/same?gracePeriodSeconds=0")
        second = await cluster.create_pod("same")

        async def is_second() -> bool:
            pod = watch.pods.get(pod_key(cluster.namespace, "same"))
            return pod is not None and pod["metadata"]["uid"] == second["metadata"]["uid"]

        await eventually(is_second)
        assert first["metadata"]["uid"] != second["metadata"]["uid"]


async def test_a_pod_as_large_as_kubernetes_allows_comes_through(cluster: Cluster) -> None:
    """A line of more than a megabyte is no harder than a short one, and what nobody reads of it is not kept."""
    note = "x" * 250_000
    async with watched(cluster) as (_, watch):
        await start(watch)
        labels = {"component": "singleuser-server"}
        spec = {
            "containers": [{"name": "notebook", "image": "a:1", "env": [{"name": f"V{n}", "value": note}]} for n in [0]]
        }
        await cluster.create_pod("large", annotations={"note": note}, labels=labels, spec=spec)
        await shows(watch, "large")
        pod = watch.pods[pod_key(cluster.namespace, "large")]

        assert pod["metadata"]["labels"] == labels
        assert pod["spec"]["containers"] == [{"name": "notebook", "image": "a:1"}]
        assert len(watch.pods.kept[pod_key(cluster.namespace, "large")]) < 5000


async def test_a_hook_gets_the_whole_pod(cluster: Cluster) -> None:
    """A pod that an operator's hook reads is kept with all its fields, until the hook has run."""
    async with watched(cluster) as (_, watch):
        await start(watch)
        key = pod_key(cluster.namespace, "hooked")
        with watch.keeping_whole(key):
            await cluster.create_pod("hooked", annotations={"any": "thing"})
            await shows(watch, "hooked")
            assert watch.pods[key]["metadata"]["annotations"] == {"any": "thing"}
            assert watch.pods[key]["spec"]["schedulerName"] == "nobody"
        assert "schedulerName" not in watch.pods[key]["spec"]


async def test_another_hubs_pods_are_not_kept(cluster: Cluster) -> None:
    """Of two hubs in one namespace each sees its own pods, and those that bear no hub's mark."""

    def is_ours(pod: Any) -> bool:
        return (pod["metadata"].get("labels") or {}).get("hub", "one") == "one"

    await cluster.create_pod("theirs", labels={"hub": "two"})
    async with watched(cluster, is_ours=is_ours) as (_, watch):
        await start(watch)
        await cluster.create_pod("ours", labels={"hub": "one"})
        await cluster.create_pod("theirs-too", labels={"hub": "two"})
        await cluster.create_pod("unmarked")

        await shows(watch, "ours", "unmarked")


BAD_ANSWERS: dict[str, Fault] = {
    "a line cut in half": cuts_a_line,
    "HTML instead of JSON": sends_html,
    "401": answers(401),
    "403": answers(403),
    "404": answers(404),
    "410": answers(410, message="too old resource version"),
    "410 within the watch": sends_error(410),
    "429": answers(429, headers={"Retry-After": "1"}),
    "500": answers(500),
    "500 within the watch": sends_error(500),
    "503": answers(503),
    "a connection reset": resets,
    "a hung connection": hangs,
    "a connection hung before its answer": hangs_before_its_head,
    "a watch that ends at once": ends_at_once,
    "JSON that is no event": sends(b'{"hello": 1}\n'),
    "JSON that is no object": sends(b"[1, 2]\n"),
    "a list that is none": sends(b'{"items": []}'),
    "an event without an object": sends(b'{"type": "ADDED"}\n'),
    "bytes that are no text": sends(b"\xff\xfe\x00\n"),
    "a version from the future": answers(504, message="Too large resource version: 9, current: 1"),
}


@pytest.mark.parametrize("fault", BAD_ANSWERS.values(), ids=BAD_ANSWERS.keys())
async def test_nothing_is_lost_by_a_bad_answer(
    cluster: Cluster, fault: Fault, caplog: pytest.LogCaptureFixture
) -> None:
    """Whatever a request for changes meets, the pods made, changed and deleted meanwhile are right soon after."""
    caplog.set_level(logging.INFO, logger="jhaws.test")
    await cluster.create_pod("goes")
    async with watched(cluster) as (relay, watch):
        await start(watch)
        relay.faults.append(fault)

        async def is_spoilt() -> bool:
            return not relay.faults

        await eventually(is_spoilt)
        await cluster.create_pod("comes")
        await cluster.call("DELETE", f"{cluster.pods}/goes?gracePeriodSeconds=0")
        await shows(watch, "comes")
        records = [record for record in caplog.records if record.name == "jhaws.test"]
        sentences = [record.getMessage() for record in records]

        assert len([each for each in sentences if "cannot be watched" in each or "listed again" in each]) <= 1
        assert not [record for record in records if record.exc_info]


@pytest.mark.parametrize("fault", BAD_ANSWERS.values(), ids=BAD_ANSWERS.keys())
async def test_a_bad_first_answer_only_delays(cluster: Cluster, fault: Fault) -> None:
    """A hub that starts while the API server is unwell has its pods as soon as that is well."""
    await cluster.create_pod("there")
    async with watched(cluster) as (relay, watch):
        relay.faults += [fault, fault]
        await start(watch)

        await shows(watch, "there")


async def test_a_server_that_does_not_stream_its_list_is_asked_for_pages(cluster: Cluster) -> None:
    """Without `sendInitialEvents` everything comes in pages, and a page token that has expired begins anew."""
    names = [f"pod-{number}" for number in range(2 * watching.PAGE_SIZE + 1)]
    await asyncio.gather(*(cluster.create_pod(name) for name in names))
    refuses = answers(422, message='ListOptions.meta.k8s.io "" is invalid: sendInitialEvents: Forbidden: not enabled')
    async with watched(cluster) as (relay, watch):
        relay.faults.append(refuses)

        async def expires(relay: Relay, request: Any) -> Any:
            return await answers(410, message="The provided continue parameter is too old")(relay, request)

        async def passes(relay: Relay, request: Any) -> Any:
            return await relay.pass_on(request)

        relay.faults += [passes, expires]
        await start(watch)
        await shows(watch, *names)
        await cluster.create_pod("more")
        await shows(watch, *names, "more")

        assert [("continue" in query, "sendInitialEvents" in query) for query in relay.asked[:6]] == [
            (False, True),
            (False, False),
            (True, False),
            (False, False),
            (True, False),
            (True, False),
        ]


async def test_expired_credentials_are_read_again(cluster: Cluster) -> None:
    """401 makes the watch read the token anew, at once and each time."""
    async with watched(cluster) as (relay, watch):
        relay.faults += [answers(401), answers(401)]
        await start(watch)

        assert relay.tokens_read == 2


async def test_credentials_that_cannot_be_read_do_not_end_the_watch(cluster: Cluster) -> None:
    """A kubeconfig that is half-written when it is read again costs a sentence, not the watch."""

    async def breaks() -> None:
        raise ValueError("while scanning a token: it-must-not-be-shown")

    async with watched(cluster) as (relay, watch):
        watch.watch._reread_credentials = breaks
        relay.faults += [answers(401), answers(401)]
        await start(watch)

        await cluster.create_pod("seen")
        await shows(watch, "seen")


async def test_a_server_that_asks_for_patience_gets_it(cluster: Cluster) -> None:
    """After 429 with Retry-After the next request comes no earlier than that."""
    async with watched(cluster) as (relay, watch):
        relay.faults.append(answers(429, headers={"Retry-After": "2"}))
        await start(watch)

        assert relay.asked_at[1] - relay.asked_at[0] >= 2


async def test_an_outage_is_one_sentence_and_its_end_another(
    cluster: Cluster, caplog: pytest.LogCaptureFixture
) -> None:
    """While connections are refused the cache stays readable; afterwards it is right, and the log was not flooded."""
    caplog.set_level(logging.INFO, logger="jhaws.test")
    await cluster.create_pod("goes")
    async with watched(cluster) as (relay, watch):
        await start(watch)
        await relay.shut()
        await cluster.create_pod("comes")
        await cluster.call("DELETE", f"{cluster.pods}/goes?gracePeriodSeconds=0")
        await asyncio.sleep(5)
        assert [key.split("/")[1] for key in watch.pods] == ["goes"]
        assert watch.watch.trouble
        tries = watch.watch.troubles
        await relay.open()
        await shows(watch, "comes")
        sentences = [record.getMessage() for record in caplog.records if record.name == "jhaws.test"]

        assert tries >= 3
        assert len(sentences) == 2, sentences
        assert sentences[0].startswith("The Kubernetes API server cannot be watched for pods: ")
        assert sentences[1].startswith("The watch of pods works again after ")
        assert relay.lists == 1


async def test_who_listens_learns_of_what_happened_while_nothing_was_seen(cluster: Cluster) -> None:
    """A pod that went while the list had to be loaded again wakes its listener all the same."""
    await cluster.create_pod("goes")
    await cluster.create_pod("stays")
    heard: list[str] = []
    async with watched(cluster) as (relay, watch):
        await start(watch)
        watch.listen(pod_key(cluster.namespace, "goes"), lambda: heard.append("goes"))
        watch.listen(pod_key(cluster.namespace, "stays"), lambda: heard.append("stays"))
        await relay.shut()
        await cluster.call("DELETE", f"{cluster.pods}/goes?gracePeriodSeconds=0")
        relay.faults.append(answers(410))
        await relay.open()
        await shows(watch, "stays")

        assert heard == ["goes"]
        assert relay.lists == 2


async def test_the_old_pods_stay_readable_while_the_list_is_loaded_again(cluster: Cluster) -> None:
    """Beginning anew never shows an empty or half-filled cache."""
    await cluster.create_pod("there")
    async with watched(cluster) as (relay, watch):
        await start(watch)
        relay.faults.append(hangs_before_its_head)
        watch.restart()
        assert list(watch.pods) == [pod_key(cluster.namespace, "there")]
        await watch.load()  # it has been loaded once, which is enough for a poll

        async def is_listed() -> bool:
            return watch.watch.lists == 2

        await eventually(is_listed)

        await shows(watch, "there")


async def test_a_clock_that_jumps_changes_nothing(cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    """The watch measures by the monotonic clock: hours forth and back neither end it nor let it sleep."""
    async with watched(cluster) as (_, watch):
        await start(watch)
        real = time.time
        for shift in (86_400, -86_400):
            monkeypatch.setattr(time, "time", lambda shift=shift: real() + shift)
            await cluster.create_pod(f"pod-{'later' if shift > 0 else 'earlier'}")
            await asyncio.sleep(1.2)
        await shows(watch, "pod-later", "pod-earlier")

        assert watch.watch.troubles == 0
