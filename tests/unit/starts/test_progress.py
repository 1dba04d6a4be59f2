"""The bar of the waiting page, and what it says of the time."""

import itertools
from collections.abc import Iterator, Sequence

import pytest

from jhaws.starts.history import Estimate
from jhaws.starts.progress import FULL, Bar, move, tell_stage, tell_time
from jhaws.starts.stages import PULL_AGAIN, VOLUME_AGAIN, VOLUME_HELD, WORDS, Stage

SHORT, LONG = Estimate(12.0, 40.0), Estimate(200.0, 400.0)
# A start by its stages: what comes and at which second, with what is known of the past from then on.
Step = tuple[float, Stage, Estimate | None]
PLAIN = ((0, Stage.QUEUE), (0.2, Stage.SCHEDULE), (0.5, Stage.PULL), (5, Stage.CONTAINER), (10, Stage.READY))
STARTS: dict[str, tuple[float, Sequence[Step]]] = {
    "nothing known": (12, [(at, stage, None) for at, stage in PLAIN]),
    "as usual": (12, [(at, stage, SHORT) for at, stage in PLAIN]),
    "five times as long as nine of ten": (200, [(0, Stage.QUEUE, SHORT), (1, Stage.PULL, SHORT)]),
    "a pull of ten minutes, nothing known": (600, [(0, Stage.QUEUE, None), (1, Stage.PULL, None)]),
    "a new node": (230, [(0, Stage.QUEUE, SHORT), (5, Stage.NODE, LONG), (180, Stage.PULL, LONG)]),
    "a new node, nothing known of those": (230, [(0, Stage.QUEUE, SHORT), (8, Stage.NODE, None)]),
    "a stage that comes again": (
        30,
        [(0, Stage.QUEUE, None), (1, Stage.PULL, None), (4, Stage.INIT, None), (6, Stage.PULL, None)],
    ),
    "known late": (20, [(0, Stage.QUEUE, None), (0.1, Stage.SCHEDULE, SHORT), (3, Stage.CONTAINER, SHORT)]),
}


def run(until: float, steps: Sequence[Step]) -> Iterator[tuple[float, int]]:
    """Go through a start with a clock of four ticks a second, and give the bar at each."""
    bar = Bar()
    for tick in range(int(until * 4) + 1):
        now = tick / 4
        _, stage, estimate = [step for step in steps if step[0] <= now][-1]
        bar = move(bar, stage, elapsed=now, estimate=estimate)
        yield now, bar.shown


@pytest.mark.parametrize("name", STARTS)
def test_the_bar_never_runs_backwards_and_leaves_the_end_to_the_hub(name: str) -> None:
    """Whatever comes, and whatever is learned of the past meanwhile, the bar only grows, to 95 at most."""
    shown = [value for _, value in run(*STARTS[name])]

    assert shown == sorted(shown)
    assert 0 <= shown[0] <= 5
    assert 20 < shown[-1] <= FULL


@pytest.mark.parametrize("name", STARTS)
def test_the_bar_never_stands_still_for_long(name: str) -> None:
    """It moves every five seconds, and in a long start at least in each third of what one has waited."""
    until, steps = STARTS[name]
    shown = list(run(until, steps))
    moves = [now for (_, before), (now, value) in itertools.pairwise(shown) if value != before]

    assert [at for before, at in itertools.pairwise([0.0, *moves, until]) if at - before > max(5.0, at / 3)] == []


def test_a_start_as_usual_fills_most_of_the_bar_in_its_usual_time() -> None:
    """At the median the bar is well beyond its middle, and after nine of ten starts' time near its end."""
    bar = dict(run(50, [(0, Stage.QUEUE, SHORT), (0.2, Stage.CONTAINER, SHORT)]))

    assert 65 <= bar[12.0] <= 85
    assert 85 <= bar[40.0] <= 92


def test_a_page_that_is_opened_late_begins_where_the_others_are() -> None:
    """Who opens the page after the usual time sees a bar near its end, not one that begins."""
    assert move(Bar(), Stage.SCHEDULE, elapsed=12, estimate=SHORT).shown > 60
    assert move(Bar(), Stage.READY, elapsed=2, estimate=None).shown >= 60


def test_each_stage_of_a_start_without_history_brings_the_bar_forward() -> None:
    """Where nothing is known of the past, stages alone move the bar, in their order."""
    bars = [move(Bar(), stage, elapsed=0, estimate=None).shown for stage in Stage]

    assert bars == sorted(set(bars))


@pytest.mark.parametrize(
    ("estimate", "elapsed", "expected"),
    [
        (None, 500.0, ""),
        (Estimate(12.4, 36.0), 1.0, "A start usually takes 12 seconds; 9 of 10 take less than 40 seconds."),
        (Estimate(7.0, 7.0), 1.0, "A start usually takes 7 seconds."),
        (Estimate(0.2, 0.7), 0.1, "A start usually takes 1 second."),
        (Estimate(63.0, 98.0), 1.0, "A start usually takes 65 seconds; 9 of 10 take less than 100 seconds."),
        (Estimate(185.0, 301.0), 9.0, "A start usually takes 3 minutes; 9 of 10 take less than 6 minutes."),
        (Estimate(61.0, 130.0), 9.0, "A start usually takes 60 seconds; 9 of 10 take less than 3 minutes."),
        (Estimate(12.0, 40.0), 40.0, "A start usually takes 12 seconds; 9 of 10 take less than 40 seconds."),
        (Estimate(12.0, 40.0), 40.1, "It takes longer than usual this time; 9 of 10 starts take less than 40 seconds."),
    ],
)
def test_the_waiting_user_reads_how_long_it_takes(estimate: Estimate | None, elapsed: float, expected: str) -> None:
    """In round numbers, in minutes where it is long, and that it takes longer when it does."""
    assert tell_time("Waiting", elapsed=elapsed, estimate=estimate) == expected


@pytest.mark.parametrize("words", [PULL_AGAIN, VOLUME_AGAIN, VOLUME_HELD])
def test_where_something_is_tried_again_nobody_says_how_long_it_takes(words: str) -> None:
    """What usually takes seconds tells nothing of a start that met trouble."""
    assert tell_time(words, elapsed=1.0, estimate=SHORT) == tell_time(words, elapsed=99.0, estimate=SHORT) == ""


@pytest.mark.parametrize(
    ("estimate", "elapsed", "expected"),
    [
        (None, 1.0, "Fetching the software (image); the first time on a machine this takes a few minutes."),
        (SHORT, 1.0, "Fetching the software (image)."),
        (SHORT, 41.0, "Fetching the software (image); the first time on a machine this takes a few minutes."),
    ],
)
def test_a_few_minutes_are_not_promised_to_who_reads_of_seconds(
    estimate: Estimate | None, elapsed: float, expected: str
) -> None:
    """The words of a stage do not contradict the hub's own figures; when it takes longer, they say why."""
    assert tell_stage(WORDS[Stage.PULL], elapsed=elapsed, estimate=estimate) == expected


def test_words_that_say_nothing_of_time_are_told_in_full() -> None:
    """Only "a few minutes" gives way."""
    for words in (PULL_AGAIN, WORDS[Stage.INIT], "One thing; another thing"):
        assert tell_stage(words, elapsed=1.0, estimate=SHORT) == f"{words}."
