"""What `kubectl get pods` says of a pod: how many containers are ready, one word for its state, its restarts.

The word is the most telling reason among phase, deletion and containers, as kube-apiserver 1.35 chooses it. A part
of `printing`, and as pure.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from jhaws.local.api.encoding import Obj

_MINUTE, _HOUR, _DAY = 60, 3600, 86400
_YEAR = 365 * _DAY


def format_duration(seconds: int) -> str:
    """Write a number of seconds in one or two units, as kubectl does.

    Source: what kubectl 1.35 shows; two units only as long as the second one tells something.
    """
    if seconds < -1:
        return "<invalid>"
    # Up to a limit: the units, and whether the smaller one is shown too.
    for limit, unit, name, rest_unit, rest_name in (
        (2 * _MINUTE, 1, "s", 0, ""),
        (10 * _MINUTE, _MINUTE, "m", 1, "s"),
        (3 * _HOUR, _MINUTE, "m", 0, ""),
        (8 * _HOUR, _HOUR, "h", _MINUTE, "m"),
        (2 * _DAY, _HOUR, "h", 0, ""),
        (8 * _DAY, _DAY, "d", _HOUR, "h"),
        (2 * _YEAR, _DAY, "d", 0, ""),
        (8 * _YEAR, _YEAR, "y", _DAY, "d"),
    ):
        if seconds < limit:
            whole, left = divmod(max(seconds, 0), unit)
            rest = left // rest_unit if rest_unit else 0
            return f"{whole}{name}" + (f"{rest}{rest_name}" if rest else "")
    return f"{seconds // _YEAR}y"


def format_since(time: str | None, now: datetime) -> str:
    """Write how long ago a time of the API was; a client may have written anything there."""
    try:
        since = now - datetime.fromisoformat(time or "")
    except (ValueError, TypeError):
        return "<unknown>"
    return format_duration(int(since.total_seconds()))


def show_ready(pod: Obj, _now: datetime) -> str:
    """Give ready and all containers: `1/2`."""
    statuses = [*_main_statuses(pod), *(s for s in _init_statuses(pod) if s.get("name") in _sidecars(pod))]
    ready = sum(1 for status in statuses if status.get("ready") and "running" in _state(status))
    return f"{ready}/{len(pod['spec']['containers']) + len(_sidecars(pod))}"


def show_status(pod: Obj, _now: datetime) -> str:
    """Give the word for a pod's state: `Running`, `CrashLoopBackOff`, `Init:0/1`, `Terminating`."""
    status = pod.get("status") or {}
    phase = str(status.get("phase", ""))
    if "deletionTimestamp" in pod["metadata"] and phase not in ("Succeeded", "Failed"):
        return "Unknown" if status.get("reason") == "NodeLost" else "Terminating"
    initializing = _describe_init(pod)
    if initializing and not _has_condition(status, "Initialized"):
        return initializing
    word = str(status.get("reason") or phase)
    if any(c.get("reason") == "SchedulingGated" for c in status.get("conditions") or ()):
        word = "SchedulingGated"
    word = initializing or word
    # The first container that has something to say is heard.
    for entry in reversed(_main_statuses(pod)):
        word = _describe_container(_state(entry)) or word
    running = any(entry.get("ready") and "running" in _state(entry) for entry in _main_statuses(pod))
    if word == "Completed" and running:
        return "Running" if _has_condition(status, "Ready") else "NotReady"
    return word


def show_restarts(pod: Obj, now: datetime) -> str:
    """Give how often containers were started again, and when the last time: `2 (5m ago)`."""
    statuses = [*_main_statuses(pod), *(s for s in _init_statuses(pod) if s.get("name") in _sidecars(pod))]
    if _describe_init(pod) and not _has_condition(pod.get("status") or {}, "Initialized"):
        statuses = _init_statuses(pod)
    count = sum(int(status.get("restartCount") or 0) for status in statuses)
    ends = [((status.get("lastState") or {}).get("terminated") or {}).get("finishedAt") for status in statuses]
    last = max((end for end in ends if end), default=None)
    if not count or last is None:
        return str(count)
    return f"{count} ({format_since(last, now)} ago)"


def show_gates(pod: Obj, _now: datetime) -> str:
    """Give how many of the readiness gates are passed."""
    gates = [gate["conditionType"] for gate in pod["spec"].get("readinessGates") or ()]
    if not gates:
        return "<none>"
    return f"{sum(1 for gate in gates if _has_condition(pod.get('status') or {}, gate))}/{len(gates)}"


def _main_statuses(pod: Obj) -> list[Obj]:
    return (pod.get("status") or {}).get("containerStatuses") or []


def _init_statuses(pod: Obj) -> list[Obj]:
    return (pod.get("status") or {}).get("initContainerStatuses") or []


def _sidecars(pod: Obj) -> set[str]:
    """Name the init containers that go on beside the others."""
    inits = pod["spec"].get("initContainers") or ()
    return {container["name"] for container in inits if container.get("restartPolicy") == "Always"}


def _state(status: Obj) -> dict[str, Any]:
    return status.get("state") or {}


def _has_condition(status: Obj, kind: str) -> bool:
    return any(c.get("type") == kind and c.get("status") == "True" for c in status.get("conditions") or ())


def _describe_container(state: dict[str, Any]) -> str:
    if reason := (state.get("waiting") or {}).get("reason"):
        return str(reason)
    return _describe_end(state["terminated"]) if "terminated" in state else ""


def _describe_end(ended: Obj) -> str:
    if ended.get("reason"):
        return str(ended["reason"])
    if ended.get("signal"):
        return f"Signal:{ended['signal']}"
    return f"ExitCode:{ended.get('exitCode', 0)}"


def _describe_init(pod: Obj) -> str:
    """Give the word for the init container that is not through, empty if all are."""
    sidecars = _sidecars(pod)
    for index, status in enumerate(_init_statuses(pod)):
        state = _state(status)
        ended = state.get("terminated")
        if (ended and not ended.get("exitCode")) or (status.get("name") in sidecars and status.get("started")):
            continue
        if ended:
            return f"Init:{_describe_end(ended)}"
        reason = (state.get("waiting") or {}).get("reason")
        if reason and reason != "PodInitializing":
            return f"Init:{reason}"
        return f"Init:{index}/{len(pod['spec'].get('initContainers') or ())}"
    return ""
