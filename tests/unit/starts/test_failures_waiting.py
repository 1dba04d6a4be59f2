"""The nearest case to each row of the table of starts that must wait."""

from typing import Any

import pytest

from jhaws.starts.failures import Surroundings, find_failure

from .pods import (
    ATTACH,
    CREATING,
    EARLY,
    EXHAUSTED,
    FULL_NOW,
    KARPENTER,
    LATE,
    LIMITED,
    NO_CLAIM,
    NOT_FOUND,
    OTHER_ZONE,
    RUNNING,
    SETUP,
    TAINTED,
    UNBOUND,
    condition,
    container,
    ended,
    event,
    home,
    make_pod,
    mounting,
    nfs,
    not_made,
    other_init,
    pull,
    pulling,
    ready_pod,
    sandbox,
    series_event,
    starting,
    unplaced,
    waiting,
)

CRASHED = starting(container(RUNNING, restarts=1, last=ended(137, "ContainerStatusUnknown")))
WAITS = [
    ("just made", make_pod(node=""), [], LATE),
    ("full for 20 s", unplaced(FULL_NOW), [], EARLY),
    ("fits nowhere for 20 s", unplaced(TAINTED), [], EARLY),
    ("another zone for 20 s", unplaced(OTHER_ZONE), [], EARLY),
    ("scale-up under way", unplaced(FULL_NOW), [event("TriggeredScaleUp", "pod triggered scale-up: [...]")], LATE),
    (
        "scale-up after all",
        unplaced(FULL_NOW),
        [event("NotTriggerScaleUp", ": 1 max node group size reached", at=5), event("TriggeredScaleUp", at=15)],
        LATE,
    ),
    (
        "Karpenter nominates after a failure",
        unplaced(FULL_NOW),
        [
            event("FailedScheduling", KARPENTER + EXHAUSTED, at=5),
            event("Nominated", "Pod should schedule on: nodeclaim/user-x7", at=9),
            series_event("FailedScheduling", FULL_NOW, at=12),
        ],
        LATE,
    ),
    ("another's new node may do", unplaced(FULL_NOW), [], Surroundings(120, scaler_seen=True)),
    ("preemption under way", unplaced(FULL_NOW, nominatedNodeName="ip-10-0-1-7"), [], LATE),
    ("gated", unplaced("Scheduling is blocked due to non-empty scheduling gates", reason="SchedulingGated"), [], LATE),
    ("scheduler in trouble", unplaced("Operation cannot be fulfilled on pods", reason="SchedulerError"), [], LATE),
    ("PVC just made", unplaced(NO_CLAIM), [], Surroundings(3)),
    ("first volume being made", unplaced(UNBOUND), [], Surroundings(200)),
    (
        "autoscaler waits for the volume",
        unplaced(UNBOUND),
        [event("NotTriggerScaleUp", "pod didn't trigger scale-up: 1 pod has unbound immediate PersistentVolumeClaims")],
        EARLY,
    ),
    ("node found, stale event", mounting(), [series_event("FailedScheduling", FULL_NOW)], LATE),
    ("denied once", mounting(), [nfs("access denied by server while mounting drive:/")], EARLY),
    ("NFS restarts", mounting(), [nfs("Connection refused", 3)], EARLY),
    ("internal_ssl", mounting(), [event("FailedMount", SETUP + 'secret "ada-certs" not found', count=2)], EARLY),
    (
        "kubelet's cache",
        mounting(),
        [event("FailedMount", SETUP + "failed to sync secret cache: timed out waiting for the condition", count=20)],
        LATE,
    ),
    (
        "new node",
        mounting(),
        [
            event(
                "FailedMount",
                SETUP + "driver name ebs.csi.aws.com not found in the list of registered CSI drivers",
                count=20,
            )
        ],
        LATE,
    ),
    ("detaching", mounting(), [event("FailedAttachVolume", ATTACH)], LATE),
    ("odd but young", mounting(), [event("FailedMount", SETUP + "rpc error: code = Internal", count=8)], LATE),
    ("mounted, stale event", starting(CREATING), [nfs("Connection timed out", 9)], LATE),
    (
        "mounted, stale event, old kubelet",
        make_pod(condition("PodScheduled", True), containerStatuses=[CREATING]),
        [nfs("Connection timed out", 9), event("Pulling", "Pulling image", container="notebook", at=9)],
        LATE,
    ),
    ("first pull failed", pulling(NOT_FOUND, "ErrImagePull"), [pull(NOT_FOUND, 1)], LATE),
    ("back-off after the first", pulling(NOT_FOUND), [pull(NOT_FOUND, 1)], LATE),
    (
        "another container's pulls",
        pulling(NOT_FOUND),
        [{**pull(NOT_FOUND), **{"involvedObject": {"fieldPath": "spec.containers{x}"}}}],
        LATE,
    ),
    ("a former pod's pulls", pulling(NOT_FOUND), [{**pull(NOT_FOUND), **{"involvedObject": {"uid": "other"}}}], LATE),
    ("registry limited twice", pulling(LIMITED), [pull(LIMITED, 2)], LATE),
    ("pulled after all, stale events", starting(container(RUNNING)), [pull(NOT_FOUND, 2)], LATE),
    ("no events yet", pulling(NOT_FOUND), [], EARLY),
    (
        "kubelet has just begun",
        starting(waiting("CreateContainerConfigError", "services have not yet been read at least once")),
        [],
        LATE,
    ),
    ("containerd is busy", *not_made("CreateContainerError", "context deadline exceeded", 2), LATE),
    ("sandbox went", CRASHED, [], LATE),
    (
        "sandbox changed",
        starting(container(RUNNING, restarts=1, last=ended(137))),
        [event("SandboxChanged", "Pod sandbox changed, it will be killed and re-created.")],
        LATE,
    ),
    ("home made again", home(restarts=0), [], LATE),
    ("other init container once", other_init(restarts=0), [], LATE),
    ("sidecar twice", starting(container(RUNNING), container(ended(2), name="proxy", restarts=1)), [], LATE),
    ("network of a new node", mounting(), sandbox("connection refused", 4), LATE),
    ("network there", starting(CREATING), sandbox("connection refused", 9), LATE),
    ("running", starting(container(RUNNING), phase="Running"), [], LATE),
    ("ready", ready_pod(), [series_event("FailedScheduling", FULL_NOW), nfs("Connection refused", 9), pull("x")], LATE),
    ("disruption called off", make_pod(condition("DisruptionTarget", True, "PreemptionByScheduler")), [], EARLY),
    ("node is not ready for a moment", ready_pod(), [event("NodeNotReady", "Node is not ready")], LATE),
]


@pytest.mark.parametrize(("case", "pod", "events", "around"), WAITS, ids=lambda value: str(value)[:30])
def test_what_may_pass_waits(case: str, pod: Any, events: Any, around: Surroundings) -> None:
    """A start that may still succeed goes on, whatever an earlier event said."""
    assert find_failure(pod, events, around) is None, case
