"""Each row of the table of failures, on an API server: what kubelet and scheduler write ends a real start.

The pods and events are those of the unit tests; here an API server takes them, the watches bring them, and the
spawner has to find the same reason in them.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from typing import Any

import pytest

from jhaws.starts.failures import Surroundings
from tests.api.cluster import Cluster, eventually
from tests.api.starting import Kubelet, spawners
from tests.unit.starts.test_failures import FAILS

# A pod that is being deleted is deleted, not written; and an API server always knows an exit status.
CASES = [case for case in FAILS if "deletionTimestamp" not in case[2]["metadata"] and case[1] != "status not known"]


@pytest.fixture
async def make(cluster: Cluster) -> AsyncIterator[Any]:
    """Make spawners in the test's namespace."""
    async with spawners(cluster) as function:
        yield function


def live(event: dict[str, Any]) -> dict[str, Any]:
    """Return the fields of an event that are the kubelet's or scheduler's own."""
    kept = ("type", "reason", "message", "count", "firstTimestamp", "lastTimestamp", "eventTime", "source")
    found = {name: event[name] for name in kept if event.get(name) is not None}
    if reporter := event.get("reportingComponent"):
        found |= {"reportingComponent": reporter, "reportingInstance": f"{reporter}-1", "action": "Doing"}
    return found


@pytest.mark.parametrize(("reason", "case", "pod", "events", "around"), CASES, ids=lambda value: str(value)[:40])
async def test_a_real_start_finds_the_reason(
    make: Any,
    caplog: pytest.LogCaptureFixture,
    reason: str,
    case: str,
    pod: dict[str, Any],
    events: list[dict[str, Any]],
    around: Surroundings,
) -> None:
    """What an API server says of this pod ends its start with this reason, and without a pod."""
    caplog.set_level(logging.INFO)
    spawner, kubelet = make(start_timeout=300)
    start = spawner.start()
    await kubelet.created()
    await eventually(lambda: has_created(spawner))
    spawner.attempt.created_at -= around.waited_seconds
    await write(kubelet, pod, events)
    async with asyncio.timeout(20):
        await asyncio.wait([start])
    assert start.exception() is not None
    told = [record.getMessage() for record in caplog.records if "cannot start" in record.getMessage()]

    assert [f"({reason})" in each for each in told] == [True], told
    assert await kubelet.is_gone()


async def test_an_event_that_comes_after_the_status_still_counts(make: Any, caplog: pytest.LogCaptureFixture) -> None:
    """A hook that failed is told as that, also when the kubelet's event of it comes a moment after the status."""
    pod, events = next((pod, events) for reason, case, pod, events, _ in CASES if case == "killed by it")
    spawner, kubelet = make(start_timeout=300)
    start = spawner.start()
    await kubelet.created()
    await write(kubelet, pod, [])
    await asyncio.sleep(0.1)
    for event in events:
        await kubelet.write_event(live(event), (event.get("involvedObject") or {}).get("fieldPath", ""))
    async with asyncio.timeout(20):
        await asyncio.wait([start])
    assert start.exception() is not None

    assert "(hook_failed)" in next(record.getMessage() for record in caplog.records if "cannot start" in record.msg)


async def has_created(spawner: Any) -> bool:
    """Say whether the spawner knows that its pod is created."""
    return bool(spawner.attempt.uid)


async def write(kubelet: Kubelet, pod: dict[str, Any], events: list[dict[str, Any]]) -> None:
    """Write a pod's node, events and status, in this order: the status is what counts most."""
    if pod["spec"].get("nodeName"):
        await kubelet.bind(pod["spec"]["nodeName"])
    for event in events:
        path = (event.get("involvedObject") or {}).get("fieldPath", "")
        await kubelet.write_event(live(event), path)
    await kubelet.status(**{name: value for name, value in pod["status"].items() if name != "qosClass"})  # is immutable
