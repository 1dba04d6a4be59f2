"""A start whose time is over."""

from typing import Any

import pytest

from jhaws.starts.failures import SLOW, Surroundings, find_failure, too_long

from .pods import (
    ATTACH,
    CREATING,
    FULL_NOW,
    INITIALIZING,
    NOT_FOUND,
    RUNNING,
    SETUP,
    UNBOUND,
    container,
    event,
    home,
    make_pod,
    mounting,
    nfs,
    placed,
    pull,
    pulling,
    ready_pod,
    row_of,
    starting,
    unplaced,
)

OUT_OF_TIME = [
    ("node_too_slow", unplaced(FULL_NOW), [event("TriggeredScaleUp", "pod triggered scale-up: [...]")]),
    ("place_too_slow", unplaced("", nominatedNodeName="ip-10-0-1-7"), []),
    ("place_too_slow", unplaced(FULL_NOW, nominatedNodeName="ip-10-0-1-7"), []),
    ("no_room", unplaced(FULL_NOW), []),
    ("volume_not_made", unplaced(UNBOUND), []),
    ("volume_too_slow", mounting(), []),
    ("volume_in_use", mounting(), [event("FailedAttachVolume", ATTACH)]),
    ("nfs_unreachable", mounting(), [nfs("Connection refused")]),
    (
        "volume_failed",
        mounting(),
        [event("FailedMount", "Unable to attach or mount volumes: unmounted volumes=[home]")],
    ),
    (  # what failed last counts
        "config_missing",
        mounting(),
        [
            event("FailedMount", SETUP + 'secret "ada-certs" not found', at=2),
            nfs("Connection refused"),
            event("FailedMount", "Unable to attach or mount volumes: unmounted volumes=[home]", at=1),
        ],
    ),
    ("image_not_found", pulling(NOT_FOUND), [pull(NOT_FOUND, 1)]),
    ("image_too_slow", starting(CREATING), [event("Pulling", "Pulling image", container="notebook")]),
    ("init_too_slow", placed(INITIALIZING, inits=(container(RUNNING, name="jhaws-home"),)), []),
    ("home_not_made", home(restarts=0), []),
    ("not_answering", starting(container(RUNNING)), [event("Unhealthy", "Readiness probe failed: connection refused")]),
]


@pytest.mark.parametrize(("reason", "pod", "events"), OUT_OF_TIME, ids=lambda value: str(value)[:30])
def test_when_time_is_over_what_was_waited_for_is_the_reason(reason: str, pod: Any, events: Any) -> None:
    """A start that ran out of time fails with what it was waiting for, although it would have waited on."""
    around = Surroundings(30, scaler_seen=True)

    assert find_failure(pod, events, around) is None
    failure = too_long(pod, events, around)

    assert failure is not None
    assert failure.reason == reason


def test_every_slow_row_has_a_case() -> None:
    """No row of what only took too long is without a case that it recognises."""
    around = Surroundings(30, scaler_seen=True)
    seen = {row_of(too_long(pod, events, around)) for _, pod, events in OUT_OF_TIME}

    assert {row.title for row in SLOW} <= seen


@pytest.mark.parametrize(
    "pod", [None, make_pod(node=""), starting(container(RUNNING), phase="Running"), ready_pod()], ids=str
)
def test_when_nothing_is_known_the_failure_is_a_real_one(pod: Any) -> None:
    """A start that ran out of time for no known reason has no row: it counts as the hub's own trouble."""
    assert too_long(pod, [], Surroundings(290)) is None


def test_time_of_a_multi_attach_is_counted_from_its_event() -> None:
    """A volume held by another machine has two minutes from when that is said, not from when the pod was made."""
    said = {**event("FailedAttachVolume", ATTACH, at=180), "firstTimestamp": "2026-11-20T10:03:00Z"}

    assert find_failure(mounting(), [said], Surroundings(290)) is None
    assert find_failure(mounting(), [said], Surroundings(310)) is not None


def test_the_age_of_a_pod_without_a_time_is_that_of_its_oldest_sign() -> None:
    """Where nobody says when a pod was made, its first event or condition tells; one without a zone is UTC."""
    pod = mounting()
    del pod["metadata"]["creationTimestamp"]
    said = {**event("FailedAttachVolume", ATTACH, at=180), "firstTimestamp": "2026-11-20T10:03:00"}

    assert find_failure(pod, [said], Surroundings(290)) is None
    assert find_failure(pod, [said], Surroundings(310)) is not None
