"""One attempt to start a server: how far it is, and when it got there.

The spawner writes it; the waiting page, the metrics and the history read it.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from secrets import token_hex

from .failures import Failure
from .stages import Stage

READY = "ready"  # the outcome of a start that came to a good end


class StartError(Exception):
    """A server that cannot start, and why.

    Attributes:
        failure: What the user and the admin are told.
        counts: Whether it counts towards the hub's `consecutive_failure_limit`: only what nobody knows the reason of.
    """

    def __init__(self, failure: Failure, *, counts: bool = False) -> None:
        super().__init__(failure.detail or failure.message)
        self.failure = failure
        self.counts = counts


@dataclass
class Attempt:
    """A start that is under way, or was.

    Attributes:
        began: When it began, on the event loop's clock, in seconds.
        deadline: When it gives up by itself, a little before the hub would, on the same clock.
        profile: Slug of the chosen profile, "" where there are none.
        nodegroup: Name of the nodegroup, "" where there are none.
        uid: Of the pod, "" until it is created.
        mark: In an annotation of its pod, by which it knows the pod as its own.
        secrets: Values of the server's environment that must never be shown.
        doubt: What the API server's last answer meant, where it may still change its mind.
        created_at: When the pod was created, on the event loop's clock, 0 until then.
        stage: Where it is now.
        words: What the waiting user reads about that.
        reached: When each stage was reached first, on the event loop's clock.
        visits: Each stage that it came to, also again, and when, on the same clock.
        ended_at: When it ended, on the event loop's clock, 0 until then.
        outcome: `READY`, the reason of its failure, or "error"; "" until it ended.
        resources: What must be given back when it ends.
        woken: Set at each change of the pod or its events; the start itself clears it.
        followers: Set at each change of where it is; who waits for that clears its own.
    """

    began: float
    deadline: float
    profile: str = ""
    nodegroup: str = ""
    uid: str = ""
    mark: str = field(default_factory=lambda: token_hex(8))
    secrets: tuple[str, ...] = ()
    doubt: Failure | None = None
    created_at: float = 0.0
    stage: Stage = Stage.QUEUE
    words: str = ""
    reached: dict[Stage, float] = field(default_factory=dict)
    visits: list[tuple[Stage, float]] = field(default_factory=list)
    ended_at: float = 0.0
    outcome: str = ""
    resources: contextlib.ExitStack = field(default_factory=contextlib.ExitStack)
    woken: asyncio.Event = field(default_factory=asyncio.Event)
    followers: list[asyncio.Event] = field(default_factory=list)

    def note(self, stage: Stage, words: str, *, now: float) -> None:
        """Write down where the start is; the first time a stage is reached counts."""
        self.reached.setdefault(stage, now)
        if not self.visits or self.visits[-1][0] is not stage:
            self.visits.append((stage, now))
        changed = (stage, words) != (self.stage, self.words)
        self.stage, self.words = stage, words
        if changed:
            self._wake_followers()

    def end(self, outcome: str, *, now: float) -> None:
        """Write down how it ended, and give back what it held.

        Args:
            outcome: `READY`, or the reason of its failure.
            now: On the event loop's clock.
        """
        self.outcome, self.ended_at = outcome, now
        self.resources.close()
        self._wake_followers()

    def _wake_followers(self) -> None:
        for each in self.followers:
            each.set()

    @contextlib.contextmanager
    def following(self, woken: asyncio.Event) -> Iterator[None]:
        """Set `woken` at each change of where the start is, until the block ends."""
        self.followers.append(woken)
        try:
            yield
        finally:
            self.followers.remove(woken)

    def seconds_by_stage(self) -> dict[Stage, float]:
        """Return how long the attempt was in each stage that it reached, in the order in which it reached them.

        A pod may seem to be made before the event comes that tells of a pull; so a stage that comes again counts again.
        """
        ends = [at for _, at in self.visits[1:]] + [self.ended_at]
        seconds = dict.fromkeys(self.reached, 0.0)
        for (stage, at), end in zip(self.visits, ends, strict=False):
            seconds[stage] += max(0.0, end - at)
        return seconds
