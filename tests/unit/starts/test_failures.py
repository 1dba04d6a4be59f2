"""Each row of the table of starts: what fails at once."""

import re
from typing import Any

import pytest

from jhaws.starts.failures import STARTING, Surroundings, find_failure

from .pods import (
    ATTACH,
    CLAIM_GOES,
    DENIED,
    EARLY,
    EXHAUSTED,
    FULL_NOW,
    KARPENTER,
    LATE,
    LIMITED,
    NO_CLAIM,
    NO_OFFERING,
    NO_TYPE,
    NOT_FOUND,
    ONE_POD_ONLY,
    OTHER_ZONE,
    OTHER_ZONE_NOW,
    RUNNING,
    SETUP,
    TAINTED,
    TOO_SMALL,
    changed,
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
    row_of,
    sandbox,
    series_event,
    starting,
    unplaced,
    waiting,
)

FAILS = [
    # --- no node
    ("no_room", "full for 45 s and nothing scales", unplaced(FULL_NOW), [], LATE),
    ("no_room", "scheduler's event alone", unplaced(), [series_event("FailedScheduling", FULL_NOW)], LATE),
    ("no_room", "no nodes at all", unplaced("no nodes available to schedule pods"), [], LATE),
    (
        "no_room",
        "nodegroup at its maximum",
        unplaced(FULL_NOW),
        [
            event(
                "NotTriggerScaleUp",
                "pod didn't trigger scale-up: 1 max node group size reached, 2 node(s) didn't match",
            )
        ],
        EARLY,
    ),
    (
        "no_room",
        "scale-up failed after it began",
        unplaced(FULL_NOW),
        [
            event("TriggeredScaleUp", "pod triggered scale-up: [{user 1->2 (max: 5)}]", at=5),
            event("NotTriggerScaleUp", "pod didn't trigger scale-up: 1 in backoff after failed scale-up", at=15),
        ],
        EARLY,
    ),
    ("no_room", "NodePool limit", unplaced(FULL_NOW), [event("FailedScheduling", KARPENTER + EXHAUSTED)], EARLY),
    ("no_room", "no EC2 capacity", unplaced(FULL_NOW), [event("FailedScheduling", KARPENTER + NO_OFFERING)], EARLY),
    (
        "no_room",
        "one NodePool does not fit, another is full",
        unplaced(FULL_NOW),
        [event("FailedScheduling", f"{KARPENTER}did not tolerate taint (taint=gpu:NoSchedule); {EXHAUSTED}")],
        EARLY,
    ),
    ("no_node_fits", "taints and affinity only", unplaced(TAINTED), [], LATE),
    ("no_node_fits", "larger than any node", unplaced(TOO_SMALL), [], LATE),
    (
        "no_node_fits",
        "autoscaler has nothing that fits",
        unplaced(FULL_NOW),
        [event("NotTriggerScaleUp", "pod didn't trigger scale-up: 2 Insufficient cpu, 1 node(s) didn't match Pod's")],
        EARLY,
    ),
    (
        "no_node_fits",
        "Karpenter finds no type",
        unplaced(TAINTED),
        [event("FailedScheduling", KARPENTER + NO_TYPE)],
        EARLY,
    ),
    ("volume_in_other_zone", "zone", unplaced(OTHER_ZONE), [], LATE),
    ("volume_in_other_zone", "zone, new words", unplaced(OTHER_ZONE_NOW), [], LATE),
    ("pvc_missing", "PVC missing", unplaced(NO_CLAIM), [], EARLY),
    ("pvc_missing", "PVC being deleted", unplaced(CLAIM_GOES), [], EARLY),
    ("volume_in_use", "ReadWriteOncePod", unplaced(ONE_POD_ONLY), [], LATE),
    # --- volumes
    ("nfs_refused", "denied twice", mounting(), [nfs("access denied by server while mounting drive:/", 2)], EARLY),
    (
        "nfs_no_export",
        "no such export",
        mounting(),
        [nfs("mounting drive:/x failed, reason given by server: No such file or directory", 2)],
        EARLY,
    ),
    (
        "nfs_no_client",
        "no mount.nfs on the node",
        mounting(),
        [nfs("bad option; for several filesystems (e.g. nfs, cifs) you might need a /sbin/mount.<type> helper", 2)],
        EARLY,
    ),
    ("nfs_unreachable", "timed out once, after 2 min", mounting(), [nfs("Connection timed out")], EARLY),
    ("nfs_unreachable", "refused four times", mounting(), [nfs("Connection refused", 4)], EARLY),
    (
        "nfs_unreachable",
        "name not known",
        mounting(),
        [nfs("Failed to resolve server drive: Name or service not known", 4)],
        EARLY,
    ),
    (
        "config_missing",
        "Secret",
        mounting(),
        [event("FailedMount", SETUP + 'secret "ada-certs" not found', count=3)],
        EARLY,
    ),
    (
        "service_account_missing",
        "token",
        mounting(),
        [event("FailedMount", SETUP + 'failed to fetch token: serviceaccounts "staff" not found', count=3)],
        EARLY,
    ),
    (
        "volume_in_other_zone",
        "node chosen by name",
        mounting(),
        [
            event(
                "FailedMount",
                'MountVolume.NodeAffinity check failed for volume "pvc-1" : no matching NodeSelectorTerms',
            )
        ],
        EARLY,
    ),
    (
        "volume_gone",
        "EBS volume deleted",
        mounting(),
        [
            event(
                "FailedAttachVolume",
                'AttachVolume.Attach failed for volume "pvc-1" : rpc error: InvalidVolume.NotFound: The volume vol-0a',
                count=3,
            )
        ],
        EARLY,
    ),
    (
        "volume_in_use",
        "attached elsewhere for long",
        mounting(),
        [event("FailedAttachVolume", ATTACH)],
        Surroundings(130),
    ),
    (
        "volume_failed",
        "who knows",
        mounting(),
        [event("FailedMount", SETUP + "rpc error: code = Internal", count=9)],
        LATE,
    ),
    # --- images
    ("image_name_wrong", "upper case", starting(waiting("InvalidImageName", "couldn't parse image name")), [], EARLY),
    ("image_not_present", "never pulled", starting(waiting("ErrImageNeverPull", "is not present")), [], EARLY),
    ("image_not_found", "second try", pulling(NOT_FOUND), [pull(NOT_FOUND)], EARLY),
    ("image_not_found", "second try, just now", pulling(NOT_FOUND, "ErrImagePull"), [pull(NOT_FOUND)], EARLY),
    (
        "image_not_found",
        "two events of one try each",
        pulling(NOT_FOUND),
        [pull(NOT_FOUND, 1), pull("x", 1, at=9)],
        EARLY,
    ),
    ("image_not_found", "no events to count", pulling(NOT_FOUND), [], Surroundings(61)),
    ("image_refused", "private", pulling(DENIED), [pull(DENIED)], EARLY),
    ("image_not_pulled", "odd", pulling("invalid tar header"), [pull("invalid tar header")], EARLY),
    ("registry_unreachable", "limited thrice", pulling(LIMITED), [pull(LIMITED, 3)], EARLY),
    ("node_disk_full", "disk", pulling("no space left on device"), [pull("no space left on device")], EARLY),
    # --- settings
    (
        "config_missing",
        "ConfigMap",
        starting(waiting("CreateContainerConfigError", 'configmap "course" not found')),
        [],
        EARLY,
    ),
    (
        "config_missing",
        "key",
        starting(waiting("CreateContainerConfigError", "couldn't find key TOKEN in Secret hub/course")),
        [],
        EARLY,
    ),
    (
        "root_not_allowed",
        "root",
        starting(waiting("CreateContainerConfigError", "container has runAsNonRoot and image will run as root")),
        [],
        EARLY,
    ),
    (
        "folder_refused",
        "root_squash",
        *not_made("CreateContainerConfigError", 'failed to create subPath directory for volumeMount "jhaws-nfs"', 3),
        EARLY,
    ),
    ("container_not_made", "thrice", *not_made("CreateContainerError", "context deadline exceeded", 3), EARLY),
    # --- commands, hooks, crashes
    (
        "command_not_found",
        "not in the image",
        starting(
            waiting(
                "CrashLoopBackOff",
                "back-off 10s",
                last=ended(128, "StartError", 'exec: "jupyterhub-singleuser": executable file not found in $PATH'),
            )
        ),
        [],
        EARLY,
    ),
    (
        "command_not_found",
        "other CPU",
        starting(container(ended(128, "StartError", "exec /usr/bin/tini: exec format error"))),
        [],
        EARLY,
    ),
    ("command_not_found", "no command", starting(waiting("CreateContainerError", "no command specified")), [], EARLY),
    ("hook_failed", "waits", starting(waiting("PostStartHookError", "command 'sh' exited with 1")), [], EARLY),
    (
        "hook_failed",
        "killed by it",
        starting(container(ended(137))),
        [event("FailedPostStartHook", "PostStartHook failed", container="notebook")],
        EARLY,
    ),
    ("out_of_memory", "OOMKilled", starting(container(ended(137, "OOMKilled"))), [], EARLY),
    ("out_of_memory", "exit 137", starting(container(RUNNING, restarts=1, last=ended(137))), [], EARLY),
    (
        "not_answering",
        "liveness",
        starting(container(RUNNING, restarts=1, last=ended(137))),
        [event("Killing", "Container notebook failed liveness probe, will be restarted", container="notebook")],
        EARLY,
    ),
    ("home_not_made", "second failure", home(restarts=1), [], EARLY),
    ("home_not_made", "no restart", home(restarts=0, phase="Failed"), [], EARLY),
    ("init_failed", "back-off after the second", other_init(restarts=1), [], EARLY),
    ("container_crashed", "first crash", starting(container(ended(1, message="ImportError: jupyterhub"))), [], EARLY),
    ("container_crashed", "restarted already", starting(container(RUNNING, restarts=1, last=ended(1))), [], EARLY),
    ("container_crashed", "status not known", starting(container(ended(None))), [], EARLY),
    ("ended_at_once", "status 0", starting(container(ended(0, "Completed")), phase="Succeeded"), [], EARLY),
    (
        "extra_crashed",
        "sidecar, third time",
        starting(container(RUNNING), container(ended(2), name="proxy", restarts=2)),
        [],
        EARLY,
    ),
    ("no_addresses", "subnet is full", mounting(), sandbox("failed to assign an IP address to container", 5), EARLY),
    ("network_failed", "CNI", mounting(), sandbox("connection refused", 5), EARLY),
    # --- taken away
    ("deleted", "by somebody", changed(mounting(), deletionTimestamp="2026-11-20T10:00:30Z"), [], EARLY),
    (
        "preempted",
        "by the scheduler",
        changed(
            make_pod(condition("DisruptionTarget", True, "PreemptionByScheduler", "default-scheduler: preempting")),
            deletionTimestamp="2026-11-20T10:00:30Z",
        ),
        [],
        EARLY,
    ),
    (
        "evicted_memory",
        "memory",
        make_pod(phase="Failed", reason="Evicted", message="The node was low on resource: memory. Threshold quantity"),
        [],
        EARLY,
    ),
    (
        "evicted_disk",
        "disk",
        make_pod(phase="Failed", reason="Evicted", message="The node was low on resource: ephemeral-storage. "),
        [],
        EARLY,
    ),
    (
        "evicted",
        "pids",
        make_pod(phase="Failed", reason="Evicted", message="The node was low on resource: pids."),
        [],
        EARLY,
    ),
    (
        "node_drained",
        "drain",
        changed(
            make_pod(condition("DisruptionTarget", True, "EvictionByEvictionAPI", "Eviction API: evicting")),
            deletionTimestamp="2026-11-20T10:00:30Z",
        ),
        [],
        EARLY,
    ),
    ("node_lost", "NodeLost", make_pod(reason="NodeLost", message="Node ip-10-0-1-7 is unresponsive"), [], EARLY),
    (
        "node_shutdown",
        "spot",
        make_pod(
            phase="Failed", reason="Terminated", message="Pod was terminated in response to imminent node shutdown."
        ),
        [],
        EARLY,
    ),
    (
        "place_taken",
        "kubelet is full",
        make_pod(phase="Failed", reason="OutOfcpu", message="Node didn't have"),
        [],
        EARLY,
    ),
    ("time_over", "deadline", make_pod(phase="Failed", reason="DeadlineExceeded", message="Pod was active"), [], EARLY),
    (
        "node_refused",
        "label gone",
        make_pod(phase="Failed", reason="NodeAffinity", message="Predicate failed"),
        [],
        EARLY,
    ),
]


@pytest.mark.parametrize(("reason", "case", "pod", "events", "around"), FAILS, ids=lambda value: str(value)[:30])
def test_what_is_final_fails_at_once(reason: str, case: str, pod: Any, events: Any, around: Surroundings) -> None:
    """A start that cannot succeed any more fails with its row's reason, and the admin reads Kubernetes' own words."""
    failure = find_failure(pod, events, around)

    assert failure is not None, case
    assert failure.reason == reason
    assert "hub/jupyter-ada" in failure.detail
    assert not re.search("ip-10|jupyter-ada", failure.message)


def test_every_row_of_the_table_has_a_case() -> None:
    """No row of the table is without a case that it recognises; one row appears only when time is over."""
    seen = {row_of(find_failure(pod, events, around)) for _, _, pod, events, around in FAILS}

    assert {row.title for row in STARTING} - seen == {"The home's volume was not made in time"}
