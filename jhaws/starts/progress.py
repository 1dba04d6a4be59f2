"""How far a start is: a bar that never runs backwards, and a sentence of how long it takes.

Pure. The bar knows the stage, the time and how long such starts took before. In each stage it runs from where it was
towards its end, fast while the start is in its usual time and slower and slower after that; so it neither jumps to the
end and waits there, nor stands still while somebody looks.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass

from .history import Estimate
from .stages import PULL_AGAIN, VOLUME_AGAIN, VOLUME_HELD, Stage

FULL = 95.0  # of 100; the rest is JupyterHub's, when the server is ready
AT_MEDIAN, AT_P90 = 0.65, 0.82  # how much of what is left the bar has run by then
LEAST_LEFT = 1.0  # seconds; a start in its last moments has at least these before it

# Where the bar is at least when a stage is reached.
FLOORS = {
    Stage.QUEUE: 1.0,
    Stage.SCHEDULE: 4.0,
    Stage.NODE: 6.0,
    Stage.VOLUME: 15.0,
    Stage.PULL: 20.0,
    Stage.INIT: 30.0,
    Stage.CONTAINER: 40.0,
    Stage.READY: 60.0,
}
# How long it takes from there to the end where this hub has no starts to learn from, in seconds; from EKS with images
# of some GB. The bar of a start that takes longer than all others runs on with these, too.
GUESSES = {
    Stage.QUEUE: Estimate(12, 60),
    Stage.SCHEDULE: Estimate(12, 60),
    Stage.NODE: Estimate(150, 300),
    Stage.VOLUME: Estimate(20, 120),
    Stage.PULL: Estimate(60, 240),
    Stage.INIT: Estimate(10, 60),
    Stage.CONTAINER: Estimate(6, 30),
    Stage.READY: Estimate(3, 15),
}
SECONDS_UP_TO = 100  # more are told in minutes
ROUND_FROM = 20  # seconds; from here on told in steps of five
A_FEW_MINUTES = re.compile("; .*takes a few minutes$")  # how the words of some stages end
TROUBLE = (PULL_AGAIN, VOLUME_AGAIN, VOLUME_HELD)


@dataclass(frozen=True)
class Bar:
    """A bar, as far as it is.

    Attributes:
        value: How far it is, 0 to `FULL`.
        stage: The stage that it runs through, None before the first.
        estimate: What it was told of how long such starts take.
        since: Seconds of the start at which it began to run through this stage.
        base: How far it was then.
    """

    value: float = 0.0
    stage: Stage | None = None
    estimate: Estimate | None = None
    since: float = 0.0
    base: float = 0.0

    @property
    def shown(self) -> int:
        """How far it is, in whole percent."""
        return int(self.value)


def move(bar: Bar, stage: Stage, *, elapsed: float, estimate: Estimate | None) -> Bar:
    """Return the bar as it is now, never less far than it was.

    Args:
        bar: As it was.
        stage: Where the start is; one that comes again does not count as new.
        elapsed: Seconds since the start began.
        estimate: How long such starts took, None where nothing is known.
    """
    if bar.stage is None or FLOORS[stage] > FLOORS[bar.stage] or estimate != bar.estimate:
        bar = _enter(bar, stage, elapsed=elapsed, estimate=estimate)
    assert bar.stage is not None  # noqa: S101  # entered
    left = _left(bar.stage, bar.since, bar.estimate)
    value = bar.base + (FULL - bar.base) * _run(elapsed - bar.since, left)
    return Bar(max(bar.value, value), bar.stage, bar.estimate, bar.since, bar.base)


def _enter(bar: Bar, stage: Stage, *, elapsed: float, estimate: Estimate | None) -> Bar:
    """Begin a stage; a page that is opened late finds the bar where the usual time has brought it."""
    reached = FULL * _run(elapsed, estimate) if estimate else 0.0
    base = max(bar.value, FLOORS[stage], reached)
    return Bar(base, stage, estimate, elapsed, base)


def _left(stage: Stage, since: float, estimate: Estimate | None) -> Estimate:
    """Return how long it takes from here to the end."""
    if estimate is None or since >= estimate.p90:
        return GUESSES[stage]
    return Estimate(max(estimate.median - since, LEAST_LEFT), max(estimate.p90 - since, LEAST_LEFT))


def _run(seconds: float, left: Estimate) -> float:
    """Return how much of the way is done, 0 to below 1, always growing."""
    median = max(left.median, LEAST_LEFT)
    p90 = max(left.p90, 1.2 * median)
    if seconds <= median:
        return AT_MEDIAN * seconds / median
    if seconds <= p90:
        return AT_MEDIAN + (AT_P90 - AT_MEDIAN) * (seconds - median) / (p90 - median)
    return 1 - (1 - AT_P90) * math.sqrt(p90 / seconds)


def tell_stage(words: str, *, elapsed: float, estimate: Estimate | None) -> str:
    """Return what happens now, a sentence; how long that may take is left out where the hub knows better.

    Args:
        words: Of the stage, without a full stop.
        elapsed: Seconds since the start began.
        estimate: How long such starts took, None where nothing is known.
    """
    if estimate is not None and elapsed <= estimate.p90:
        words = A_FEW_MINUTES.sub("", words)
    return f"{words}."


def tell_time(words: str, *, elapsed: float, estimate: Estimate | None) -> str:
    """Return how long a start takes, a sentence, or that this one takes longer; "" where nobody can say.

    Args:
        words: Of the stage; where something is tried again, the past tells nothing.
        elapsed: Seconds since the start began.
        estimate: How long such starts took, None where nothing is known.
    """
    if estimate is None or words in TROUBLE:
        return ""
    usual, most = _rounded(estimate.median), _rounded(estimate.p90, up=True)
    if elapsed > estimate.p90:
        return f"It takes longer than usual this time; 9 of 10 starts take less than {_spoken(most)}."
    if most <= usual:
        return f"A start usually takes {_spoken(usual)}."
    return f"A start usually takes {_spoken(usual)}; 9 of 10 take less than {_spoken(most)}."


def _rounded(seconds: float, *, up: bool = False) -> int:
    """Return seconds as exact as people want to know them: to one, to five, to whole minutes."""
    step = 1 if seconds < ROUND_FROM else 5 if seconds <= SECONDS_UP_TO else 60
    steps = math.ceil(seconds / step) if up else round(seconds / step)
    return max(steps, 1) * step


def _spoken(seconds: int) -> str:
    number, unit = (seconds // 60, "minute") if seconds > SECONDS_UP_TO else (seconds, "second")
    return f"{number} {unit}" if number == 1 else f"{number} {unit}s"
