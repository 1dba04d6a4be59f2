"""Whether a server's pod has ended, from its status."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from ..pods.ends import status_of_server

# How long a pod may take to go after its time is over; its node is lost when it takes longer.
OVERDUE = timedelta(seconds=60)


def has_ended(pod: Mapping[str, Any] | None, *, now: datetime) -> bool:
    """Say whether the server in a pod is over for good: Kubernetes will not start it again.

    Args:
        pod: v1 Pod, None where there is none.
        now: Aware time.
    """
    if pod is None:
        return True
    status = pod.get("status") or {}
    if status.get("phase") in ("Failed", "Succeeded"):
        return True
    if (until := pod["metadata"].get("deletionTimestamp")) and now - datetime.fromisoformat(until) > OVERDUE:
        return True
    ended = terminated_state(pod)
    policy = (pod.get("spec") or {}).get("restartPolicy")
    return bool(ended) and (policy == "Never" or (policy == "OnFailure" and ended.get("exitCode") == 0))


def terminated_state(pod: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return how the server's container ended, {} while it has not."""
    return (status_of_server(pod).get("state") or {}).get("terminated") or {}


def exit_status(pod: Mapping[str, Any] | None) -> int:
    """Return the exit status of a server that has ended, 1 where nobody knows."""
    code = terminated_state(pod).get("exitCode") if pod else None
    return code if isinstance(code, int) else 1


def aware_now() -> datetime:
    """Return the time, aware, UTC."""
    return datetime.now(UTC)
