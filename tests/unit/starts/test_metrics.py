"""What Prometheus reads of starts and watches."""

import asyncio
import importlib
import math
from collections.abc import Mapping
from types import SimpleNamespace
from typing import Any

import pytest
from prometheus_client import REGISTRY

from jhaws.starts import metrics
from jhaws.starts.attempt import READY, Attempt
from jhaws.starts.eventwatch import EventWatch
from jhaws.starts.metrics import Ended, Names, WatchCollector, count_start, stage_seconds
from jhaws.starts.podwatch import PodWatch
from jhaws.starts.stages import Stage

PLAIN = {Stage.QUEUE: 100.0, Stage.SCHEDULE: 101.0, Stage.CONTAINER: 104.0, Stage.READY: 109.0}
NEW_NODE = {**PLAIN, Stage.NODE: 102.0, Stage.PULL: 103.0}


def make_ended(reached: Mapping[Stage, float], own_end: str = READY, **fields: Any) -> Ended:
    """Make a start that began at 100 and whose own part ended at 110."""
    attempt = Attempt(began=100.0, deadline=400.0, profile=fields.pop("profile", "small"), nodegroup="users")
    for stage, at in sorted(reached.items(), key=lambda item: item[1]):
        attempt.note(stage, "", now=at)
    attempt.end(own_end, now=110.0)
    known = {"outcome": READY, "reason": "", "asked_at": 98.0, "ended_at": 112.0}
    return Ended(attempt, **{**known, **fields})


def test_the_stages_of_a_good_start_add_up_to_its_total() -> None:
    """Each second between the click and the hub's last word is in one stage; what was skipped is there with 0."""
    seconds = stage_seconds(make_ended(PLAIN))

    assert seconds == {
        "queue": 3.0,
        "schedule": 3.0,
        "volume": 0.0,
        "pull": 0.0,
        "init": 0.0,
        "start": 5.0,
        "http": 1.0,
        "proxy": 2.0,
        "total": 14.0,
    }


def test_waiting_for_a_new_node_is_waiting_for_a_place() -> None:
    """The stage schedule has both, so that its figures tell what capacity costs."""
    seconds = stage_seconds(make_ended(NEW_NODE))

    assert (seconds["schedule"], seconds["pull"], seconds["total"]) == (2.0, 1.0, 14.0)


def test_a_stage_that_comes_again_counts_again() -> None:
    """A pod is being made, then an image is pulled for it, then it is being made: the pull is the pull alone."""
    ended = make_ended({})
    for at, stage in [(100, Stage.CONTAINER), (101, Stage.PULL), (104, Stage.CONTAINER), (106, Stage.READY)]:
        ended.attempt.note(stage, "", now=float(at))
    seconds = stage_seconds(ended)

    assert (seconds["start"], seconds["pull"], seconds["http"]) == (3.0, 3.0, 4.0)


def test_a_start_that_failed_has_only_the_stages_that_it_reached() -> None:
    """A failure in the queue says nothing of pulls, and there was no proxy to wait for."""
    ended = make_ended({Stage.QUEUE: 100.0, Stage.PULL: 101.0}, "image_missing", outcome="failed")

    assert stage_seconds(ended) == {"queue": 3.0, "pull": 9.0, "total": 14.0}


def value(name: str, **labels: str) -> float:
    return REGISTRY.get_sample_value(name, labels) or 0.0


def test_a_start_is_counted_with_its_labels_up_to_twenty_minutes() -> None:
    """Prometheus finds each stage by profile, nodegroup and outcome, and a start of nineteen minutes in a bucket."""
    labels = {"stage": "total", "profile": "t1", "nodegroup": "users", "outcome": "ready"}
    count_start(make_ended(PLAIN, profile="t1"))
    count_start(make_ended(PLAIN, profile="t1", ended_at=98.0 + 1140))

    assert value("jhaws_start_stage_seconds_count", **labels) == 2
    assert value("jhaws_start_stage_seconds_bucket", **labels, le="20.0") == 1
    assert value("jhaws_start_stage_seconds_bucket", **labels, le="600.0") == 1
    assert value("jhaws_start_stage_seconds_bucket", **labels, le="1200.0") == 2


def test_a_failed_start_is_counted_by_its_reason() -> None:
    """An alert can tell a full cluster from a mistyped image."""
    count_start(make_ended({Stage.QUEUE: 100.0}, "full", outcome="failed", reason="full", profile="t2"))

    assert value("jhaws_start_failures_total", reason="full", profile="t2", nodegroup="users") == 1
    labels = {"stage": "total", "profile": "t2", "nodegroup": "users", "outcome": "failed"}
    assert value("jhaws_start_stage_seconds_count", **labels) == 1


def test_profiles_that_are_made_up_for_each_user_do_not_blow_up_the_metrics() -> None:
    """The first names have labels of their own, for good; all later ones share "other"."""
    names = Names(most=2)

    assert [names.label(each) for each in ("a", "b", "c", "a", "d")] == ["a", "b", "other", "a", "other"]


def test_metrics_are_registered_once_however_often_they_are_imported() -> None:
    """A second import, as of a configuration that is read again, finds the metrics of the first and goes on."""
    first = metrics.start_seconds
    again = importlib.reload(metrics)

    assert again.start_seconds is first
    assert again.start_failures is metrics.REGISTRY._names_to_collectors["jhaws_start_failures"]


async def never(**options: Any) -> Any:
    await asyncio.Event().wait()


def samples_of(watches: Mapping[Any, Any]) -> dict[tuple[str, str, str], float]:
    return {
        (sample.name, sample.labels["watch"], sample.labels["namespace"]): sample.value
        for metric in WatchCollector(watches).collect()
        for sample in metric.samples
    }


async def test_watches_are_looked_at_when_somebody_reads() -> None:
    """Freshness, lists, troubles and pods are those of this moment; two watches of one namespace are one."""
    pods, others, events = PodWatch(never), PodWatch(never), EventWatch(never)
    for name in ("a", "b"):
        pods.put("ADDED", {"metadata": {"namespace": "hub", "name": name, "uid": name}})
    others.put("ADDED", {"metadata": {"namespace": "hub", "name": "c", "uid": "c"}})
    pods.watch.lists, others.watch.lists, pods.watch.troubles = 2, 1, 5
    pods.watch._succeeded()
    found = samples_of({("pods", "hub", "x"): pods, ("pods", "hub", "y"): others, ("events", "hub", "x"): events})

    assert found.pop(("jhaws_watch_stale_seconds", "pods", "hub")) == math.inf
    assert found == {
        ("jhaws_watch_lists_total", "pods", "hub"): 3,
        ("jhaws_watch_lists_total", "events", "hub"): 0,
        ("jhaws_watch_troubles_total", "pods", "hub"): 5,
        ("jhaws_watch_troubles_total", "events", "hub"): 0,
        ("jhaws_watch_pods", "pods", "hub"): 3,
    }


async def test_a_watch_of_all_namespaces_has_none_and_one_that_is_off_is_not_stale() -> None:
    """`enable_user_namespaces` is one watch without a namespace; that of events rests while nobody starts."""
    pods, events = PodWatch(never), EventWatch(never)
    pods.watch._succeeded()
    events.watch._succeeded()
    watches = {("pods", None, "x"): pods, ("events", None, "x"): events}
    resting = samples_of(watches)
    events.watch.loaded.set()

    assert ("jhaws_watch_stale_seconds", "events", "") not in resting
    assert 0 <= resting["jhaws_watch_stale_seconds", "pods", ""] < 60
    assert 0 <= samples_of(watches)["jhaws_watch_stale_seconds", "events", ""] < 60


async def test_one_task_measures_how_late_the_event_loop_is(monkeypatch: pytest.MonkeyPatch) -> None:
    """However many servers start, one timer is watched, and each of its looks is one observation."""
    seen: list[float] = []
    done = asyncio.Event()

    def observe(seconds: float) -> None:
        seen.append(seconds)
        done.set()

    monkeypatch.setattr(metrics, "LAG_EVERY_SECONDS", 0.001)
    monkeypatch.setattr(metrics, "loop_lag_seconds", SimpleNamespace(observe=observe))
    metrics.watch_event_loop()
    task = metrics._lag_task
    metrics.watch_event_loop()
    await done.wait()

    assert metrics._lag_task is task
    assert all(seconds >= 0 for seconds in seen)
    task.cancel()
