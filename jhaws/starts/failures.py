"""Whether a start can still come to a good end: pod and events → one failure, or None as long as waiting may help.

The tables are the specification: `placing` (no node), `mounting` (volumes), `containers` (images, settings, crashes),
`stopped` (what took the pod away), `refusals` (what the API server did not take), and below what only took too long.
Each row says how it is recognised, what the user reads and what the admin does; the docs page is made from `TABLE`.

What is final is told at once. What may pass waits, and is told when the hub's time is over (`too_long`). A failure of
these tables is a matter of capacity, of the cluster or of the user's choice; the hub itself is well, so it must not
count towards `consecutive_failure_limit`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from . import containers, mounting, placing, refusals, stopped
from .refusals import find_refusal
from .signs import Failure, Row, Signs, Surroundings, first_failure, read_signs
from .stages import Stage, stage_by
from .stopped import explain_end

__all__ = ["TABLE", "Failure", "Row", "Surroundings", "explain_end", "find_failure", "find_refusal", "too_long"]

AGAIN = "Try again; it may be quicker then."


def find_failure(pod: Mapping[str, Any], events: Sequence[Mapping[str, Any]], around: Surroundings) -> Failure | None:
    """Say why a server that starts will not come up; None means to go on waiting.

    Args:
        pod: v1 Pod as the API server sends it, trimmed or whole.
        events: Its core/v1 Events, oldest first.
        around: What the hub knows besides.
    """
    return first_failure(STARTING, read_signs(pod, events, around), running=around.servers_running)


def too_long(
    pod: Mapping[str, Any] | None, events: Sequence[Mapping[str, Any]], around: Surroundings
) -> Failure | None:
    """Say what kept a start from its end when the hub's time for it is over; None where nothing is known.

    What would have waited for another try is told now.

    Args:
        pod: v1 Pod as the API server sends it, None where it was never seen.
        events: Its core/v1 Events, oldest first.
        around: What the hub knows besides.
    """
    if pod is None:
        return None
    signs = read_signs(pod, events, around).without_time()
    return first_failure((*STARTING, *SLOW), signs, running=around.servers_running)


def _stays_in(stage: Stage) -> Callable[[Signs], str | None]:
    """Make what a row sees: a start that is in this stage, for too long."""

    def sees(signs: Signs) -> str | None:
        if stage_by(signs) is not stage:
            return None
        last = f" Its last event: {signs.events[0].reason}: {signs.events[0].message}" if signs.events else ""
        return f"Pod {signs.name} was in stage {stage} when its time was over ({_seconds(signs)}).{last}"

    return sees


def _seconds(signs: Signs) -> str:
    return f"{signs.around.waited_seconds:.0f} s"


def _waits_for_preemption(signs: Signs) -> str | None:
    return _stays_in(Stage.SCHEDULE)(signs) if signs.nominated else None


def _is_unhealthy(signs: Signs) -> str | None:
    told = signs.told("Unhealthy")
    return f"Pod {signs.name}: {told[0].message}" if told and stage_by(signs) is Stage.CONTAINER else None


SLOW: tuple[Row[Signs], ...] = (
    Row(
        reason="node_too_slow",
        title="The new node did not come in time",
        message="A new machine for your server did not come in time. Try again in a few minutes; it may be there then.",
        mended_by="Look at the autoscaler and at EC2 (capacity, service quotas, bootstrap), raise "
        "KubeSpawner.start_timeout, or keep placeholders warm.",
        sees=_stays_in(Stage.NODE),
    ),
    Row(
        reason="place_too_slow",
        title="Preempted pods did not go in time",
        message="A place for your server was not free in time. Try again in a few minutes.",
        mended_by="Look at pods that are being deleted on the nominated node, and at their grace period.",
        sees=_waits_for_preemption,
    ),
    Row(
        reason="volume_too_slow",
        title="The volumes were not mounted in time",
        message=mounting.HOME_UNREACHABLE,
        mended_by="Look at the VolumeAttachment and at the CSI driver's pods on that node.",
        sees=_stays_in(Stage.VOLUME),
    ),
    Row(
        reason="image_too_slow",
        title="The image was not pulled in time",
        message="The software (image) for this server is large and was not there in time. Try again in a few "
        "minutes; its machine may have it then.",
        mended_by="Make the image smaller, pull it beforehand (z2jh: prePuller), or raise KubeSpawner.start_timeout.",
        sees=_stays_in(Stage.PULL),
    ),
    Row(
        reason="init_too_slow",
        title="An init container did not end in time",
        message=f"Preparing your server took too long. {AGAIN}",
        mended_by="Look at the init container that runs; an NFS server that hangs makes it wait for ever.",
        sees=_stays_in(Stage.INIT),
    ),
    Row(
        reason="not_answering",
        title="A probe of the container never succeeded",
        message=f"Your server started but did not answer in time. {AGAIN}",
        mended_by="Look at the readiness probe in KubeSpawner.extra_container_config.",
        sees=_is_unhealthy,
    ),
)

STARTING: tuple[Row[Signs], ...] = (
    *stopped.TAKEN,
    stopped.DELETED,
    *placing.ROWS,
    *mounting.ROWS,
    *containers.ROWS,
)

# For the docs page: every row there is, once; some are in two of the tables.
ALL: tuple[Row[Any], ...] = (*refusals.ROWS, *STARTING, *SLOW, *stopped.ROWS, stopped.UNKNOWN_END)
TABLE: tuple[Row[Any], ...] = tuple(dict.fromkeys(ALL))
