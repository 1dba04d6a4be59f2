"""How far a start is, and what the waiting user reads."""

import re
from typing import Any

import pytest

from jhaws.starts.stages import WORDS, Stage, stage_of, words_of

from .pods import (
    ATTACH,
    CREATING,
    FULL_NOW,
    HOME_DONE,
    INITIALIZING,
    KARPENTER,
    NOT_FOUND,
    RUNNING,
    changed,
    condition,
    container,
    ended,
    event,
    make_pod,
    mounting,
    nfs,
    placed,
    pull,
    pulling,
    ready_pod,
    series_event,
    starting,
    unplaced,
    waiting,
)

PULLING = event("Pulling", "Pulling image", container="notebook", at=5)
PULLED = event("Pulled", "Successfully pulled image", container="notebook", at=9)
HOME_PULLING = event("Pulling", "Pulling image", container="jhaws-home", at=2)
HOME_WAITS = waiting("PodInitializing", name="jhaws-home")
HOME_RUNS = container(RUNNING, name="jhaws-home")
SIDECAR = container(RUNNING, name="mesh", started=True)

NO_TIME = {"reason": "TriggeredScaleUp", "message": "pod triggered scale-up: [...]"}

STAGES = [
    (Stage.QUEUE, None, []),
    (Stage.SCHEDULE, make_pod(node=""), []),
    (Stage.SCHEDULE, {}, []),
    (Stage.SCHEDULE, unplaced(FULL_NOW), [series_event("FailedScheduling", FULL_NOW)]),
    (Stage.NODE, unplaced(FULL_NOW), [event("TriggeredScaleUp", "pod triggered scale-up: [...]")]),
    (Stage.NODE, unplaced(FULL_NOW), [event("Nominated", "Pod should schedule on: nodeclaim/user-x7")]),
    (
        Stage.SCHEDULE,
        unplaced(FULL_NOW),
        [event("TriggeredScaleUp", at=2), event("NotTriggerScaleUp", "in backoff", at=9)],
    ),
    (Stage.SCHEDULE, unplaced(), [event("Nominated", at=2), event("FailedScheduling", KARPENTER + "x", at=9)]),
    (Stage.VOLUME, make_pod(condition("PodScheduled", True)), [event("TriggeredScaleUp")]),
    (Stage.VOLUME, mounting(), []),
    (Stage.VOLUME, mounting(), [nfs("Connection refused")]),
    (Stage.PULL, placed(INITIALIZING, inits=(HOME_WAITS,)), [HOME_PULLING]),
    (Stage.INIT, placed(INITIALIZING, inits=(HOME_RUNS,)), [HOME_PULLING]),
    (Stage.INIT, placed(INITIALIZING, inits=(container(ended(1), name="jhaws-home"),)), []),
    (Stage.PULL, starting(CREATING), [HOME_PULLING, PULLING]),
    (Stage.PULL, pulling(NOT_FOUND), [pull(NOT_FOUND, 1)]),
    (Stage.CONTAINER, starting(CREATING), [PULLING, PULLED]),
    (Stage.CONTAINER, starting(CREATING), []),
    (Stage.CONTAINER, placed(CREATING, inits=(HOME_DONE, SIDECAR)), []),
    (Stage.CONTAINER, starting(container(RUNNING), phase="Running"), [PULLING]),
    (Stage.READY, ready_pod(), [PULLING]),
    # A kubelet that sets no PodReadyToStartContainers, and a hub without events.
    (Stage.CONTAINER, make_pod(condition("PodScheduled", True), containerStatuses=[container(RUNNING)]), []),
    (Stage.CONTAINER, make_pod(condition("PodScheduled", True), containerStatuses=[waiting("CrashLoopBackOff")]), []),
    (Stage.PULL, make_pod(condition("PodScheduled", True), containerStatuses=[waiting("ErrImagePull")]), []),
    (Stage.VOLUME, make_pod(condition("PodScheduled", True), containerStatuses=[CREATING]), []),
    (Stage.VOLUME, make_pod(), [NO_TIME]),  # a node without a condition
    # Events without a time keep their place, and within one second the given order counts.
    (Stage.NODE, unplaced(FULL_NOW), [event("NotTriggerScaleUp", at=5), NO_TIME]),
    (Stage.SCHEDULE, unplaced(FULL_NOW), [NO_TIME, event("NotTriggerScaleUp", at=5)]),
    (Stage.NODE, unplaced(), [series_event("FailedScheduling", KARPENTER, at=5), event("Nominated", at=5)]),
    (Stage.NODE, unplaced(), [event("Nominated", at=9), event("FailedScheduling", KARPENTER, at=5)]),
]


@pytest.mark.parametrize(("stage", "pod", "events"), STAGES, ids=lambda value: str(value)[:30])
def test_a_start_is_in_the_stage_that_its_pod_shows(stage: Stage, pod: Any, events: Any) -> None:
    """The pod's own status decides; events only tell a new node from a full cluster, and a pull from a start."""
    assert stage_of(pod, events) is stage


def test_a_pod_that_is_being_deleted_is_not_ready() -> None:
    """A pod that goes is no server any more, although Kubernetes still calls it ready."""
    assert stage_of(changed(ready_pod(), deletionTimestamp="2026-11-20T11:00:00Z"), []) is not Stage.READY


@pytest.mark.parametrize(
    ("words", "pod", "events"),
    [
        ("Your server is next in line", None, []),
        ("Waiting for a free place", unplaced(FULL_NOW), []),
        ("A place is being made free for you", unplaced(FULL_NOW, nominatedNodeName="ip-10-0-1-7"), []),
        ("A new machine is being started for you; this takes", unplaced(FULL_NOW), [event("TriggeredScaleUp")]),
        ("Connecting your files", mounting(), []),
        ("Your files cannot be reached yet; trying again", mounting(), [nfs("Connection refused")]),
        ("Waiting until another machine lets go of your", mounting(), [event("FailedAttachVolume", ATTACH)]),
        ("Fetching the software (image)", starting(CREATING), [PULLING]),
        ("The software (image) could not be fetched; trying again", pulling(NOT_FOUND), [pull(NOT_FOUND, 1)]),
        ("Preparing your home folder", placed(INITIALIZING, inits=(HOME_RUNS,)), []),
        ("Starting your server", starting(container(RUNNING)), []),
        ("Waiting for Jupyter to answer", ready_pod(), []),
    ],
    ids=lambda value: str(value)[:30],
)
def test_the_waiting_user_reads_what_happens_now(words: str, pod: Any, events: Any) -> None:
    """Each stage has a plain sentence, and another one where something is tried again or given up by others."""
    assert words_of(stage_of(pod, events), pod, events).startswith(words)


def test_every_stage_has_words_without_kubernetes_in_them() -> None:
    """No stage is silent, and none speaks of pods, nodes or volumes."""
    assert set(WORDS) == set(Stage)
    assert not [words for words in WORDS.values() if re.search(r"\b(pod|node|volume|container)", words)]
