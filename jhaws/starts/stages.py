"""How far a start is, and what its user reads meanwhile.

Pure: a pod and its events go in, a stage and a sentence come out. A stage may come twice (an init container is
pulled and run, then the server's image is pulled); who draws a bar from it keeps the bar from running backwards.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import Any

from .containers import pull_words
from .mounting import volume_events
from .placing import is_node_coming
from .signs import BEING_MADE, Container, Signs, Surroundings, read_signs


class Stage(StrEnum):
    """What a start waits for, in the order in which it comes."""

    QUEUE = "queue"
    SCHEDULE = "schedule"
    NODE = "node"
    VOLUME = "volume"
    PULL = "pull"
    INIT = "init"
    CONTAINER = "container"
    READY = "ready"


WORDS = {
    Stage.QUEUE: "Your server is next in line",
    Stage.SCHEDULE: "Waiting for a free place",
    Stage.NODE: "A new machine is being started for you; this takes a few minutes",
    Stage.VOLUME: "Connecting your files",
    Stage.PULL: "Fetching the software (image); the first time on a machine this takes a few minutes",
    Stage.INIT: "Preparing your home folder",
    Stage.CONTAINER: "Starting your server",
    Stage.READY: "Waiting for Jupyter to answer",
}
PLACE_IS_MADE = "A place is being made free for you"
PULL_AGAIN = "The software (image) could not be fetched; trying again"
VOLUME_AGAIN = "Your files cannot be reached yet; trying again"
VOLUME_HELD = "Waiting until another machine lets go of your files"


def stage_of(pod: Mapping[str, Any] | None, events: Sequence[Mapping[str, Any]]) -> Stage:
    """Say how far a start is.

    Args:
        pod: v1 Pod, None where it is not created or not seen.
        events: Its core/v1 Events, oldest first.
    """
    return Stage.QUEUE if pod is None else stage_by(read_signs(pod, events, Surroundings()))


def words_of(stage: Stage, pod: Mapping[str, Any] | None, events: Sequence[Mapping[str, Any]]) -> str:
    """Return what the waiting user reads, a plain sentence without a full stop.

    Args:
        stage: From `stage_of`.
        pod: v1 Pod, None where it is not created or not seen.
        events: Its core/v1 Events, oldest first.
    """
    signs = read_signs(pod, events, Surroundings())
    if stage is Stage.SCHEDULE and signs.nominated:
        return PLACE_IS_MADE
    if stage is Stage.PULL and any(pull_words(signs, each) for each in signs.containers):
        return PULL_AGAIN
    if stage is Stage.VOLUME and (told := volume_events(signs)):
        return VOLUME_HELD if "Multi-Attach" in told[0].message else VOLUME_AGAIN
    return WORDS[stage]


def stage_by(signs: Signs) -> Stage:
    """Say how far a start is whose pod was seen."""
    if signs.ready:
        return Stage.READY
    if signs.unplaced:
        return Stage.NODE if is_node_coming(signs) else Stage.SCHEDULE
    if signs.preparing:
        return Stage.VOLUME
    if any(_is_pulling(signs, each) for each in signs.containers):
        return Stage.PULL
    if signs.condition("Initialized")[0] != "True" and any(_is_before_server(each) for each in signs.containers):
        return Stage.INIT
    return Stage.CONTAINER


def _is_pulling(signs: Signs, container: Container) -> bool:
    """Say whether the image of a container is being fetched: kubelet said so last, or it failed and tries again."""
    if pull_words(signs, container):
        return True
    told = [event for event in signs.told("Pulling|Pulled") if event.container == container.name]
    waits = container.waits and container.waiting in BEING_MADE
    return waits and bool(told) and told[0].reason == "Pulling"


def _is_before_server(container: Container) -> bool:
    """Say whether an init container still keeps the server waiting; one that runs beside it (a sidecar) does not."""
    done = container.ended is not None and not container.ended.bad
    return container.init and not done and not (container.running and container.started)
