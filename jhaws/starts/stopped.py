"""Why a server is no more: what took its pod, or how its process ended by itself.

What took the pod (`TAKEN`) may come while the server starts, too; how a process ends after it ran (`ROWS`) is told in
other words than a crash at the start.

Source:
    Kubernetes 1.35: pkg/kubelet/{eviction/helpers,preemption/preemption,nodeshutdown/nodeshutdown_manager,
    lifecycle/predicate}.go, pkg/scheduler/framework/preemption, pkg/controller/podgc/gc_controller.go and
    pkg/controller/tainteviction (condition DisruptionTarget).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from .containers import container_detail, was_killed, was_out_of_memory
from .signs import Container, Failure, Row, Signs, Surroundings, first_failure, read_signs

AGAIN = "Start it again; what you saved in your home folder is still there."
DISRUPTION = "DisruptionTarget"


def taken_words(signs: Signs) -> str:
    """Return what Kubernetes says of a pod that it took away, "" of one that goes on."""
    if not signs.over:
        return ""
    status, why, words = signs.condition(DISRUPTION)
    taken = f"{why}: {words}" if status == "True" else ""
    ended = f"{signs.reason}: {signs.message}" if signs.reason else ""
    lost = "phase Unknown" if signs.phase == "Unknown" else ""
    return "; ".join(each for each in (ended, taken, lost) if each)


def _taken(pattern: str) -> Callable[[Signs], str | None]:
    """Make what a row sees: a pod that Kubernetes took away with such words."""

    def sees(signs: Signs) -> str | None:
        words = taken_words(signs)
        return f"Pod {signs.name}: {words}" if words and re.search(pattern, words) else None

    return sees


def _deleted(signs: Signs) -> str | None:
    return f"Pod {signs.name} is being deleted." if signs.deleted else None


TAKEN: tuple[Row[Signs], ...] = (
    Row(
        reason="evicted_disk",
        title="Evicted: too much written to the node's disk",
        message="Your server was stopped because the disk of its machine was full. Start it again, and keep large "
        "files in your home folder and not in /tmp.",
        mended_by="Give the nodes larger disks, or set a limit for ephemeral-storage in the profile.",
        sees=_taken(r"Evicted: .*(ephemeral|storage|[Dd]isk|inodes|EmptyDir)"),
    ),
    Row(
        reason="evicted_memory",
        title="Evicted: the node ran out of memory",
        message="Your server was stopped because its machine ran out of memory. Start it again; if it happens again, "
        "choose a larger profile.",
        mended_by="Set mem_guarantee nearer to mem_limit, so that fewer servers share a node.",
        sees=_taken(r"Evicted: .*[Mm]emory"),
    ),
    Row(
        reason="preempted",
        title="Preempted by a pod of higher priority",
        message="Your server had to make room for something more important. Start it again in a few minutes.",
        mended_by="Give servers a higher priority class (KubeSpawner.priority_class_name) than what pushed it out; "
        "placeholders have the lowest.",
        sees=_taken(r"PreemptionByScheduler|Preempting"),
    ),
    Row(
        reason="node_lost",
        title="The node is lost",
        message=f"The machine of your server was lost. {AGAIN}",
        mended_by="Look whether the EC2 instance was terminated (spot, or scaled in) or its kubelet died.",
        sees=_taken(r"NodeLost|DeletionByTaintManager|DeletionByPodGC|phase Unknown"),
    ),
    Row(
        reason="node_shutdown",
        title="The node is shut down",
        message=f"The machine of your server was shut down. {AGAIN}",
        mended_by="Keep nodes with servers from being scaled in or replaced while people work.",
        sees=_taken(r"shutdown|shutting down"),
    ),
    Row(
        reason="node_drained",
        title="Evicted: the node is drained",
        message=f"The machine of your server is taken out of service. {AGAIN}",
        mended_by="A drain, the autoscaler or Karpenter removed the pod. Annotate servers with "
        "cluster-autoscaler.kubernetes.io/safe-to-evict: 'false' and karpenter.sh/do-not-disrupt: 'true'.",
        sees=_taken(r"EvictionByEvictionAPI"),
    ),
    Row(
        reason="evicted",
        title="Evicted: the node was overloaded",
        message=f"Your server was stopped because its machine was overloaded. {AGAIN}",
        mended_by="Look at kubelet's reason; a server may have started too many processes (podPidsLimit).",
        sees=_taken(r"Evicted"),
    ),
    Row(
        reason="place_taken",
        title="The node was full when the pod came",
        message="The place for your server was taken by another a moment earlier. Start it again.",
        mended_by="It passes. If it does not, another scheduler or a DaemonSet uses these nodes.",
        sees=_taken(r"OutOf[a-z]|UnexpectedAdmissionError|VolumeAttachmentLimitExceeded"),
    ),
    Row(
        reason="time_over",
        title="The pod's active deadline is over",
        message="Your server was stopped because its time was over. Start it again if you still need it.",
        mended_by="Raise activeDeadlineSeconds in KubeSpawner.extra_pod_config.",
        sees=_taken(r"DeadlineExceeded"),
    ),
    Row(
        reason="node_refused",
        title="The node refused the pod or ended it",
        message="The machine for your server did not take it. Start it again; if it happens again, tell the people "
        "who run this hub.",
        mended_by="Look at kubelet's reason; labels or taints of the node may have changed.",
        sees=_taken(r""),
    ),
)

# While a server starts, its process cannot have ended because of the deletion: nobody else could tell more.
DELETED: Row[Signs] = Row(
    reason="deleted",
    title="Somebody deleted the pod",
    message=f"Your server was stopped from outside. {AGAIN}",
    mended_by="Look in the audit log of the API server for who deleted the pod: an admin, a script, another hub.",
    sees=_deleted,
)


def _ends(check: Callable[[Container], bool]) -> Callable[[Signs], str | None]:
    """Make what a row sees: the server's process ended so."""

    def sees(signs: Signs) -> str | None:
        server = signs.server
        ended = server is not None and server.end is not None and check(server)
        return container_detail(signs, server) if server is not None and ended else None

    return sees


ROWS: tuple[Row[Signs], ...] = (
    Row(
        reason="out_of_memory",
        title="A server that ran is out of memory",
        message="Your server was stopped because it ran out of memory. Start it again; work with less data at once, "
        "or choose a larger profile.",
        mended_by="Raise KubeSpawner.mem_limit in this profile.",
        sees=_ends(was_out_of_memory),
    ),
    *TAKEN,
    DELETED,
    Row(
        reason="ended_by_itself",
        title="A server that ran ended with status 0",
        message="Your server was shut down from inside, as by Jupyter's menu. Start it again when you need it.",
        mended_by="Nothing is wrong; jupyterhub-singleuser also ends so when it culls itself.",
        sees=_ends(lambda server: not (server.end and server.end.bad)),
    ),
    Row(
        reason="out_of_memory",
        title="A server that ran was killed, most likely for memory",
        message="Your server was stopped, most likely because it ran out of memory. Start it again; work with less "
        "data at once, or choose a larger profile.",
        mended_by="Raise KubeSpawner.mem_limit in this profile, and look for the kernel's OOM lines on the node.",
        sees=_ends(was_killed),
    ),
    Row(
        reason="container_crashed",
        title="A server that ran ended with an error",
        message="Your server ended with an error. Start it again; if it happens again, tell the people who run this "
        "hub.",
        mended_by="Read its last words; a package installed into the home may be the reason.",
        sees=_ends(lambda server: True),
    ),
)

UNKNOWN_END: Row[Signs] = Row(
    reason="gone",
    title="The pod is gone, and nobody says why",
    message=f"Your server was stopped from outside. {AGAIN}",
    mended_by="Look in the audit log of the API server for who deleted the pod, and whether its node is still there.",
    sees=lambda signs: f"Pod {signs.name} is gone.",
)


def explain_end(pod: Mapping[str, Any] | None) -> Failure:
    """Say why a server that ran is no more, for the user's next page and the admin's log.

    Args:
        pod: v1 Pod as the watch saw it last, trimmed or whole; None where there is none.
    """
    signs = read_signs(pod, (), Surroundings())
    found = first_failure((*ROWS, UNKNOWN_END), signs)
    assert found is not None  # noqa: S101  # the last row sees everything
    return found
