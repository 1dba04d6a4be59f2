"""ReportingSpawner: tells the waiting user how far the start is, and remembers how long it took.

JupyterHub asks `progress` once for each tab that shows the waiting page, also when a page is loaded again in the
middle. All of them see the same bar, and each reads the words of now first. When the hub is done with a start, its
figures go into the metrics, and those of a good one into the history; if either fails, the server runs all the same.
"""

from __future__ import annotations

import asyncio
import textwrap
from collections.abc import AsyncGenerator, Iterator
from dataclasses import dataclass, field
from datetime import UTC
from html import escape
from typing import Any

from sqlalchemy.exc import SQLAlchemyError

from ..store import StartKind
from . import history, metrics
from .attempt import READY, Attempt
from .ends import aware_now
from .history import Past
from .metrics import Ended
from .podwatch import PodWatch
from .progress import Bar, move, tell_stage, tell_time
from .requests import woken_within
from .spawning import WatchedSpawner
from .stages import WORDS, Stage

TICK_SECONDS = 1.0  # between two looks at the bar when nothing else happens
BEGIN_SECONDS = 0.2  # between two looks at whether the hub has begun a start that it promised
MOST_HOOK_SECONDS = 600.0  # that the hub's hooks may have taken before a start; more is a clock that was set


@dataclass
class Report:
    """What is told of one start.

    Attributes:
        of: The hub's future of the whole start, None where somebody else starts the server.
        asked_at: When it was asked for, on the event loop's clock.
        bar: How far its bar is.
        chosen: Whether profile and nodegroup are known.
        past: How long such starts took, None until it was read.
    """

    of: Any
    asked_at: float
    bar: Bar = field(default_factory=Bar)
    chosen: bool = False
    past: Past | None = None


class ReportingSpawner(WatchedSpawner):
    """Tells how far a start is, and keeps figures of it."""

    _report: Report | None = None

    async def _start(self) -> Any:
        """Start the server, as `WatchedSpawner` does, and report of it."""
        self._report = Report(of=self._spawn_future, asked_at=self._asked_at())
        return await super()._start()

    def _asked_at(self) -> float:
        """Return when the start was asked for, on the event loop's clock: before the hub ran its hooks."""
        now = asyncio.get_running_loop().time()
        if self._spawn_future is None or self.orm_spawner.started is None:
            return now
        waited: float = (aware_now() - self.orm_spawner.started.replace(tzinfo=UTC)).total_seconds()
        return now - min(max(waited, 0.0), MOST_HOOK_SECONDS)

    async def _start_watching_pods(self, replace: bool = False) -> PodWatch:
        """Return the shared watch of pods; the first one also begins to measure the event loop."""
        metrics.watch_event_loop()
        return await super()._start_watching_pods(replace)

    async def load_user_options(self) -> None:
        """Apply the chosen profile, as KubeSpawner does, and note which it is."""
        await super().load_user_options()
        if self._report and self.attempt and not self.attempt.outcome:
            self.attempt.nodegroup = self.nodegroup_name()
            self._report.chosen = True

    def _load_profile(self, slug: Any, profile_list: Any) -> None:
        super()._load_profile(slug, profile_list)
        if self.attempt and not self.attempt.outcome:
            self.attempt.profile = str(self._get_profile(slug, profile_list)["slug"])

    def nodegroup_name(self) -> str:
        """Return the name of the nodegroup that this server is for, "" where there are none."""
        return ""

    async def progress(self) -> AsyncGenerator[dict[str, Any], None]:
        """Say how far the start is until it is over, in words for its user.

        Yields:
            `progress`, whole percent, and, when the words are new, `message` and the same as `html_message`.
        """
        teller = Teller()
        while (report := self._current_report()) is None:
            for event in teller.news(0, f"{WORDS[Stage.QUEUE]}.", ""):
                yield event
            await asyncio.sleep(BEGIN_SECONDS)
        attempt, woken = self.attempt, asyncio.Event()
        assert attempt is not None  # noqa: S101  # it begins with its report
        with attempt.following(woken):
            while not attempt.outcome or self._spawn_pending:
                woken.clear()
                for event in teller.news(*self._look(attempt, report)):
                    yield event
                await woken_within(woken, TICK_SECONDS)

    def _current_report(self) -> Report | None:
        """Return the report of the start that the hub is about, None where that has not begun yet."""
        return self._report if self._report and self._report.of is self._spawn_future else None

    def _look(self, attempt: Attempt, report: Report) -> tuple[int, str, str]:
        """Return how far the bar is now, what happens, and what is to say of the time."""
        elapsed = asyncio.get_running_loop().time() - report.asked_at
        past = self._past(attempt, report)
        estimate = past.new_node if Stage.NODE in attempt.reached else past.usual
        report.bar = move(report.bar, attempt.stage, elapsed=elapsed, estimate=estimate)
        late = elapsed > estimate.p90 if estimate else True
        time = tell_time(attempt.words, elapsed=elapsed, estimate=estimate)
        time = " ".join(filter(None, (time, self._patience(elapsed, late=late))))
        return report.bar.shown, tell_stage(attempt.words, elapsed=elapsed, estimate=estimate), time

    def _past(self, attempt: Attempt, report: Report) -> Past:
        """Return how long such starts took before; read once for each start."""
        if report.past is None and report.chosen:
            report.past = Past()
            try:
                report.past = history.read_past(self.user.db, attempt.profile, attempt.nodegroup)
            except SQLAlchemyError as error:
                self.user.db.rollback()
                self.log.warning("The history of starts cannot be read, so none is estimated: %s", error)
        return report.past or Past()

    def _patience(self, elapsed: float, *, late: bool) -> str:
        """Return KubeSpawner's `slow_spawn_message` where it is due, "" where not.

        Where it was left at its default it waits until a start has taken longer than usual: it says so.
        """
        threshold = getattr(self, "slow_spawn_message_threshold", 0)  # KubeSpawner 7.0 has none
        if not 0 < threshold <= elapsed or not (late or _is_set(self, "slow_spawn_message_threshold")):
            return ""
        seconds = int(elapsed - (elapsed - threshold) % max(self.slow_spawn_message_frequency, 1))
        return str(textwrap.dedent(self.slow_spawn_message).format(seconds=seconds))

    def _end_attempt(self, attempt: Attempt, outcome: str) -> None:
        """Write down how the server's own part of a start ended; its figures count when the hub is done with it."""
        super()._end_attempt(attempt, outcome)
        report, future = self._report, self._spawn_future
        assert report is not None  # noqa: S101  # a start begins with it
        if future is None or future.done():
            self._count(attempt, report, None)
        else:
            future.add_done_callback(lambda done: self._count(attempt, report, done))

    def _count(self, attempt: Attempt, report: Report, future: Any) -> None:
        """Put a start that is over into metrics and history; nothing that fails here reaches its user."""
        try:
            ended = self._sum_up(attempt, report, future)
            metrics.count_start(ended)
            if ended.outcome == READY:
                kind = StartKind(attempt.profile, attempt.nodegroup, Stage.NODE in attempt.reached)
                history.add_start(self.user.db, kind, seconds=ended.total, ended_at=aware_now())
        except SQLAlchemyError as error:
            self.user.db.rollback()
            self.log.warning("A start of %s is not in the history of starts: %s", self._log_name, error)
        except Exception:
            self.log.exception("A start of %s is not in the metrics.", self._log_name)

    def _sum_up(self, attempt: Attempt, report: Report, future: Any) -> Ended:
        """Say how a start ended, when the hub is done with it."""
        outcome, reason = _outcome(attempt, future)
        if outcome == READY and future is not None and not self.ready:
            outcome, reason = metrics.ERROR, metrics.PROXY  # the hub has stopped it again
        now = asyncio.get_running_loop().time()
        return Ended(attempt, outcome, reason, asked_at=report.asked_at, ended_at=now)


class Teller:
    """Tells one page what is new to it."""

    def __init__(self) -> None:
        self._progress = -1
        self._told = ("", "")

    def news(self, progress: int, words: str, time: str) -> Iterator[dict[str, Any]]:
        """Give an event for JupyterHub, none if nothing is new.

        The page lists each message. There our template leaves out the time, unless that alone is new.

        Args:
            progress: How far the bar is.
            words: What happens now, text.
            time: What is to say of the time, text.
        """
        event: dict[str, Any] = {"progress": progress}
        if (words, time) != self._told:
            mark = ' class="jhaws-time"' if words != self._told[0] else ""
            event["message"] = f"{words} {time}".strip()
            event["html_message"] = f"{escape(words)} <span{mark}>{escape(time)}</span>"
        if event != {"progress": self._progress}:
            yield event
        self._progress, self._told = progress, (words, time)


def _is_set(spawner: Any, option: str) -> bool:
    """Say whether an operator gave an option another value than its default."""
    return bool(getattr(spawner, option) != spawner.traits()[option].default_value)


def _outcome(attempt: Attempt, future: Any) -> tuple[str, str]:
    """Return the outcome of a start and the reason of a bad one.

    Args:
        attempt: The server's own part of it.
        future: The hub's future of the whole start, None where there is none.
    """
    if future is not None and future.cancelled():
        return metrics.CANCELLED, metrics.CANCELLED
    if attempt.outcome == READY:
        failed = future is not None and future.exception() is not None
        return (metrics.ERROR, "hub") if failed else (READY, "")
    return (metrics.ERROR if attempt.outcome == metrics.ERROR else metrics.FAILED), attempt.outcome
