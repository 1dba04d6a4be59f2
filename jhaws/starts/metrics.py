"""What Prometheus reads of starts, watches and the event loop, on the hub's own /hub/metrics.

Starts are counted when they end; watches are looked at when somebody reads. The names of profiles are the operator's,
but a callable may make them up for each user, so only the first few have a label of their own.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from prometheus_client import REGISTRY, Counter, Histogram
from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from .attempt import READY, Attempt
from .eventwatch import EventWatch
from .podwatch import PodWatch
from .stages import Stage
from .watchers import WatchingSpawner

CANCELLED, FAILED, ERROR = "cancelled", "failed", "error"  # outcomes besides READY
TOTAL, HTTP, PROXY = "total", "http", "proxy"
# The label of each stage; a new node is part of the wait for a place.
STAGES = {
    Stage.QUEUE: "queue",
    Stage.SCHEDULE: "schedule",
    Stage.NODE: "schedule",
    Stage.VOLUME: "volume",
    Stage.PULL: "pull",
    Stage.INIT: "init",
    Stage.CONTAINER: "start",
    Stage.READY: HTTP,
}
START_BUCKETS = (0.1, 0.25, 0.5, 1, 2, 5, 10, 20, 40, 90, 180, 300, 600, 1200)  # seconds
LAG_BUCKETS = (0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)  # seconds
LAG_EVERY_SECONDS = 0.25
MOST_NAMES, OTHER = 40, "other"  # values of one label; whatever comes after them is "other"

_Metric = TypeVar("_Metric", bound=Collector)


def registered(metric: _Metric, name: str) -> _Metric:
    """Register a metric for /hub/metrics; where one of its name is there already, return that one.

    So a module that is imported twice does not end the hub.
    """
    try:
        REGISTRY.register(metric)
    except ValueError:
        there: Any = REGISTRY._names_to_collectors[name]
        return there  # type: ignore[no-any-return]  # of the same kind, made by another import of this module
    return metric


start_seconds = registered(
    Histogram(
        "jhaws_start_stage_seconds",
        "Seconds that a start of a server spent in a stage; stage=total is from the click to the end.",
        ("stage", "profile", "nodegroup", "outcome"),
        buckets=START_BUCKETS,
        registry=None,
    ),
    "jhaws_start_stage_seconds",
)
start_failures = registered(
    Counter(
        "jhaws_start_failures",
        "Starts of servers that did not come to a good end, by the reason.",
        ("reason", "profile", "nodegroup"),
        registry=None,
    ),
    "jhaws_start_failures",
)
loop_lag_seconds = registered(
    Histogram(
        "jhaws_event_loop_lag_seconds",
        "Seconds by which the hub's event loop was late with a timer, looked at four times a second.",
        buckets=LAG_BUCKETS,
        registry=None,
    ),
    "jhaws_event_loop_lag_seconds",
)


@dataclass(frozen=True)
class Ended:
    """A start that has ended.

    Attributes:
        attempt: The start.
        outcome: `READY`, `FAILED`, `CANCELLED` or `ERROR`.
        reason: Why it came to no good end; "" where it did.
        asked_at: When it was asked for, on the event loop's clock.
        ended_at: When the hub was done with it, on the same clock.
    """

    attempt: Attempt
    outcome: str
    reason: str
    asked_at: float
    ended_at: float

    @property
    def total(self) -> float:
        """Seconds from the click to the end."""
        return max(0.0, self.ended_at - self.asked_at)


class Names:
    """The values that a label may have: those that came first."""

    def __init__(self, most: int = MOST_NAMES) -> None:
        self._most = most
        self._known: set[str] = set()

    def label(self, name: str) -> str:
        """Return the label's value for a name: itself, or "other" when there are too many."""
        if name not in self._known and len(self._known) >= self._most:
            return OTHER
        self._known.add(name)
        return name


_profiles, _nodegroups = Names(), Names()


def count_start(ended: Ended) -> None:
    """Put a start that has ended into the metrics."""
    profile, nodegroup = _profiles.label(ended.attempt.profile), _nodegroups.label(ended.attempt.nodegroup)
    for stage, seconds in stage_seconds(ended).items():
        start_seconds.labels(stage, profile, nodegroup, ended.outcome).observe(seconds)
    if ended.reason:
        start_failures.labels(ended.reason, profile, nodegroup).inc()


def stage_seconds(ended: Ended) -> dict[str, float]:
    """Return how long a start was in each stage, in seconds by the label `stage`.

    One that came to a good end has all stages, those that it skipped with 0, so that their averages add up to the
    total. Another one has those that it reached.
    """
    attempt, seconds = ended.attempt, defaultdict[str, float](float)
    if ended.outcome == READY:
        seconds.update(dict.fromkeys((*STAGES.values(), PROXY), 0.0))
    for stage, spent in attempt.seconds_by_stage().items():
        seconds[STAGES[stage]] += spent
    seconds[STAGES[Stage.QUEUE]] += max(0.0, attempt.began - ended.asked_at)
    if attempt.outcome == READY:
        seconds[PROXY] = max(0.0, ended.ended_at - attempt.ended_at)
    seconds[TOTAL] = ended.total
    return dict(seconds)


class WatchCollector(Collector):
    """Looks at the watches when somebody reads the metrics; several for one namespace count as one."""

    def __init__(self, watches: Mapping[Any, Any]) -> None:
        self._watches = watches

    def collect(self) -> Iterable[Metric]:
        """Return freshness, lists, troubles and pods of all watches there are."""
        labels = ("watch", "namespace")
        stale = GaugeMetricFamily(
            "jhaws_watch_stale_seconds",
            "Seconds since the API server last proved that the hub knows everything; +Inf before the first list.",
            labels=labels,
        )
        lists = CounterMetricFamily(
            "jhaws_watch_lists", "How often a watch listed everything; once is its beginning.", labels=labels
        )
        troubles = CounterMetricFamily(
            "jhaws_watch_troubles", "How often a try to reach the API server failed.", labels=labels
        )
        pods = GaugeMetricFamily("jhaws_watch_pods", "Pods that the hub knows.", labels=labels)
        for key, watches in self._by_labels().items():
            if fresh := [_stale_seconds(each) for each in watches if _is_watching(each)]:
                stale.add_metric(key, max(fresh))
            lists.add_metric(key, sum(each.watch.lists for each in watches))
            troubles.add_metric(key, sum(each.watch.troubles for each in watches))
            if held := [len(each.pods) for each in watches if isinstance(each, PodWatch)]:
                pods.add_metric(key, sum(held))
        return stale, lists, troubles, pods

    def _by_labels(self) -> dict[tuple[str, str], list[PodWatch | EventWatch]]:
        found = defaultdict[tuple[str, str], list[PodWatch | EventWatch]](list)
        for (kind, namespace, *_), watch in self._watches.items():
            found[kind, namespace or ""].append(watch)
        return found


def _is_watching(watch: PodWatch | EventWatch) -> bool:
    """Say whether a watch should be fresh: that of events is off while no server starts."""
    return isinstance(watch, PodWatch) or watch.watch.loaded.is_set()


def _stale_seconds(watch: PodWatch | EventWatch) -> float:
    return watch.watch.stale_seconds


registered(WatchCollector(WatchingSpawner.reflectors), "jhaws_watch_stale_seconds")

_lag_task: asyncio.Task[None] | None = None  # one for each process; of the event loop that runs


def watch_event_loop() -> None:
    """Begin to measure how late the event loop is, once for each process."""
    global _lag_task
    loop = asyncio.get_running_loop()
    if _lag_task is None or _lag_task.done() or _lag_task.get_loop() is not loop:
        _lag_task = loop.create_task(_measure_lag(), name="jhaws event loop lag")


async def _measure_lag() -> None:
    loop = asyncio.get_running_loop()
    while True:
        due = loop.time() + LAG_EVERY_SECONDS
        await asyncio.sleep(LAG_EVERY_SECONDS)
        loop_lag_seconds.observe(max(0.0, loop.time() - due))
