"""What a user reads whose server ran and is no more."""

from typing import Any

import pytest

from jhaws.starts.failures import explain_end
from jhaws.starts.stopped import ROWS

from .pods import RUNNING, changed, condition, container, ended, make_pod, row_of, starting

GOES = {"deletionTimestamp": "2026-11-20T11:00:00Z"}


def disrupted(reason: str, message: str = "") -> dict[str, Any]:
    return changed(make_pod(condition("DisruptionTarget", True, reason, message), phase="Running"), **GOES)


def evicted(message: str) -> dict[str, Any]:
    return make_pod(phase="Failed", reason="Evicted", message=message)


ENDS = [
    ("out_of_memory", starting(container(ended(137, "OOMKilled")), phase="Failed")),
    ("out_of_memory", starting(container(RUNNING, restarts=1, last=ended(137, "OOMKilled")), phase="Running")),
    ("out_of_memory", changed(starting(container(ended(137, "OOMKilled"))), **GOES)),
    ("out_of_memory", starting(container(ended(137)), phase="Failed")),
    ("evicted_memory", evicted("The node was low on resource: memory. Threshold quantity: 100Mi, available: 90Mi. ")),
    ("evicted_disk", evicted("Pod ephemeral local storage usage exceeds the total limit of containers 10Gi. ")),
    ("evicted_disk", evicted('Usage of EmptyDir volume "scratch" exceeds the limit "1Gi". ')),
    ("evicted_disk", evicted("The node had condition: [DiskPressure]. ")),
    ("evicted", evicted("The node was low on resource: pids. ")),
    (
        "preempted",
        disrupted("PreemptionByScheduler", "default-scheduler: preempting to accommodate a pod"),
    ),
    ("preempted", make_pod(phase="Failed", reason="Preempting", message="Preempted in order to admit critical pod")),
    ("node_lost", disrupted("DeletionByTaintManager", "Taint manager: deleting due to NoExecute taint")),
    ("node_lost", disrupted("DeletionByPodGC", "PodGC: node no longer exists")),
    ("node_lost", make_pod(phase="Unknown")),
    ("node_shutdown", make_pod(phase="Failed", reason="Terminated", message="in response to imminent node shutdown.")),
    ("node_drained", disrupted("EvictionByEvictionAPI", "Eviction API: evicting")),
    ("place_taken", make_pod(phase="Failed", reason="OutOfmemory", message="Node didn't have enough resource")),
    ("place_taken", make_pod(phase="Failed", reason="UnexpectedAdmissionError", message="Allocate failed")),
    ("place_taken", make_pod(phase="Failed", reason="VolumeAttachmentLimitExceeded", message="unmounted volumes")),
    ("node_shutdown", make_pod(phase="Failed", reason="NodeShutdown", message="rejected as the node is shutting down")),
    ("time_over", make_pod(phase="Failed", reason="DeadlineExceeded", message="Pod was active on the node longer")),
    ("node_refused", make_pod(phase="Failed", reason="NodeAffinity", message="Predicate NodeAffinity failed")),
    ("deleted", changed(starting(container(RUNNING), phase="Running"), **GOES)),
    ("deleted", changed(starting(container(ended(143)), phase="Running"), **GOES)),
    ("ended_by_itself", starting(container(ended(0, "Completed")), phase="Succeeded")),
    ("container_crashed", starting(container(ended(1, message="Segmentation fault")), phase="Failed")),
    ("gone", None),
    ("gone", starting(container(RUNNING), phase="Running")),
]


@pytest.mark.parametrize(
    ("pod", "detail"), [(None, "Pod of this server is gone. "), (ENDS[-1][1], "Pod hub/jupyter-ada is gone. ")], ids=str
)
def test_a_pod_that_is_just_gone_is_named_where_it_was_seen(pod: Any, detail: str) -> None:
    """The admin reads the name of a pod that is gone, where the hub knows it."""
    assert explain_end(pod).detail.startswith(detail)


@pytest.mark.parametrize(("reason", "pod"), ENDS, ids=lambda value: str(value)[:30])
def test_the_end_of_a_server_is_explained(reason: str, pod: Any) -> None:
    """Whatever took or ended a server has its own reason and sentence; out of memory beats the deletion after it."""
    assert explain_end(pod).reason == reason


def test_every_row_of_ends_has_a_case() -> None:
    """No row of the table of ends is without a case that it recognises."""
    seen = {row_of(explain_end(pod)) for _, pod in ENDS}

    assert {row.title for row in ROWS} <= seen


def test_a_user_whose_server_ran_out_of_memory_reads_what_to_do() -> None:
    """The next page says what happened and how to go on; how the process ended is for the admin."""
    failure = explain_end(ENDS[0][1])

    assert failure.message == (
        "Your server was stopped because it ran out of memory. "
        "Start it again; work with less data at once, or choose a larger profile."
    )
    assert "container notebook (image quay.io/org/course:1.2): exit status 137, OOMKilled" in failure.detail
