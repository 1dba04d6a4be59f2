"""Pods and events in which something is missing, or is not what it should be."""

import random
from typing import Any

import pytest

from jhaws.starts.failures import explain_end, find_failure, too_long
from jhaws.starts.stages import stage_of, words_of

from .pods import LATE
from .test_failures import FAILS
from .test_failures_waiting import WAITS

WHOLE = [pod for _, _, pod, _, _ in FAILS] + [pod for _, pod, _, _ in WAITS]
EVENTS = [each for _, _, _, events, _ in FAILS for each in events]
JUNK: list[Any] = [None, "", "x", 0, -1, 137, 1.5, True, [], {}, [None], {"a": None}, [[]], "2026-11-20T10:00:00", "::"]


def spoil(value: Any, chance: random.Random) -> Any:
    """Return a copy in which some parts are missing or are something else."""
    if chance.random() < 0.04:
        return chance.choice(JUNK)
    if isinstance(value, dict):
        return {key: spoil(each, chance) for key, each in value.items() if chance.random() > 0.04}
    if isinstance(value, list):
        return [spoil(each, chance) for each in value if chance.random() > 0.04]
    return value


@pytest.mark.parametrize("seed", range(20))
def test_nothing_that_is_missing_or_odd_in_a_pod_raises(seed: int) -> None:
    """Whatever is missing, null or of another type in a pod and its events, each function gives an answer."""
    chance = random.Random(seed)
    for pod in WHOLE:
        odd, events = spoil(pod, chance), spoil(chance.choices(EVENTS, k=4), chance)
        find_failure(odd, events, LATE)
        too_long(odd, events, LATE)
        assert explain_end(odd).reason
        assert words_of(stage_of(odd, events), odd, events)


def test_odd_pods_are_really_odd() -> None:
    """The generator of odd pods changes most pods, and leaves many of them recognisable."""
    chance = random.Random(1)
    odd = [(spoil(pod, chance), pod) for pod in WHOLE for _ in range(10)]
    found = sum(find_failure(each, [], LATE) is not None for each, _ in odd)

    assert sum(each != pod for each, pod in odd) > len(odd) / 2
    assert found > len(odd) / 10
