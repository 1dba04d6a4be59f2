"""Why a pod has no node, and whether it will ever get one.

Three may speak of it: the scheduler (in the pod's condition PodScheduled, which is always its latest word, and in
events), cluster-autoscaler and Karpenter (in events only). What an autoscaler says last counts; where none speaks,
the scheduler's word counts after some patience. A pod that the scheduler makes room for by preemption waits.

Source:
    Kubernetes 1.35: pkg/scheduler/framework/types.go (FitError), framework/preemption/preemption.go,
    framework/plugins/{noderesources/fit,tainttoleration,nodeaffinity,volumebinding,volumezone}.
    cluster-autoscaler: processors/status/eventing_scale_up_processor.go, core/scaleup/orchestrator/skippedreasons.go.
    Karpenter: pkg/controllers/provisioning/scheduling/{events,nodeclaim,scheduler,volumetopology}.go.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from enum import StrEnum

from .signs import Event, Row, Signs

NODE_COMES = frozenset({"TriggeredScaleUp", "Nominated"})  # cluster-autoscaler's word, and Karpenter's
KARPENTER = "Failed to schedule pod, "
CLAIM_PATIENCE_SECONDS = 10.0  # a PVC is made just before its pod, and the scheduler hears of both by watches


class Kind(StrEnum):
    """What kind of thing a pod without a node lacks."""

    ROOM = "room"
    FIT = "fit"
    ZONE = "zone"
    CLAIM = "claim"
    CLAIM_UNBOUND = "claim unbound"
    CLAIM_IN_USE = "claim in use"
    UNKNOWN = "unknown"


# The first pattern that is found counts. A volume's trouble comes first: it is the same on every node.
CLAIM_PATTERNS = (
    (Kind.CLAIM, r"persistentvolumeclaims? \"[^\"]*\" (not found|is being deleted|bound to non-existent)"),
    (Kind.CLAIM_UNBOUND, r"unbound immediate|ephemeral volume controller|binding volumes|validate pvc|unbound pvc"),
    (Kind.CLAIM_IN_USE, r"ReadWriteOncePod"),
)
# Nodes that are cordoned, just come or just lost: they may take the pod later. Some schedulers do not name the taint.
AWAY = r"were unschedulable|node\.(kubernetes|cloudprovider\.kubernetes)\.io/|no nodes available"
SCHEDULER_PATTERNS = (
    *CLAIM_PATTERNS,
    (Kind.ROOM, rf"Insufficient |Too many pods|exceed max volume count|{AWAY}"),
    (Kind.ZONE, r"volume node affinity conflict|PersistentVolume's node affinity|no available volume zone"),
    (Kind.FIT, r"\b0/\d+ nodes are available: \S"),
)
AUTOSCALER_PATTERNS = (
    *CLAIM_PATTERNS,
    (Kind.ROOM, r"max node group size|max total nodes|max cluster .* limit|in backoff|not ready for scale-up"),
    (Kind.ZONE, r"volume node affinity conflict|PersistentVolume's node affinity|no available volume zone"),
    (Kind.FIT, r"scale-up: ?\d+ \S|wouldn't fit"),
)
KARPENTER_PATTERNS = (
    *CLAIM_PATTERNS,
    (Kind.ROOM, r"limits have been exhausted|exceeds? limit"),
    (Kind.ZONE, r"incompatible volume requirements"),
    (
        Kind.FIT,
        r"incompatible requirements|did not tolerate|known values|no instance type (met|satisfied|ha[sd] enough)",
    ),
    (Kind.FIT, r"offering had the required resources|no dynamic nodepools"),
    (Kind.ROOM, r"offering|filtered out all"),
)


def is_node_coming(signs: Signs) -> bool:
    """Say whether an autoscaler's latest word is that it starts a node for this pod."""
    said = _autoscaler_said(signs)
    return signs.unplaced and said is not None and said.reason in NODE_COMES


def why_unplaced(signs: Signs) -> tuple[Kind, str] | None:
    """Return what the pod lacks for a node and who says so, None where waiting may help or nothing is known."""
    if not signs.unplaced or is_node_coming(signs) or signs.nominated:
        return None
    said = _autoscaler_said(signs)
    if said is not None:
        kind = _kind_by_autoscaler(said)
        if kind in (Kind.ROOM, Kind.FIT, Kind.ZONE):
            return kind, f"the autoscaler says: {said.message}"
    words = scheduler_words(signs)
    kind = kind_by_scheduler(words)
    patience = CLAIM_PATIENCE_SECONDS if kind is Kind.CLAIM else signs.around.patience_seconds
    may_come = kind in (Kind.ROOM, Kind.FIT, Kind.ZONE) and signs.around.scaler_seen
    if not signs.patience_over(patience) or (may_come and not signs.out_of_time):
        return None
    return kind, f"the scheduler says: {words}"


def scheduler_words(signs: Signs) -> str:
    """Return the scheduler's latest word on a pod without a node, "" where it said nothing."""
    _, reason, message = signs.condition("PodScheduled")
    if reason == "SchedulingGated":
        return ""
    if message:
        return message
    events = (event for event in signs.told("FailedScheduling") if not event.message.startswith(KARPENTER))
    return next((event.message for event in events), "")


def kind_by_scheduler(words: str) -> Kind:
    """Return what the scheduler's words say the pod lacks.

    Nodes that are merely full are told from nodes that are too small by what the scheduler thinks of preemption: it
    finds no victims on the former, and says that preemption is no help on the latter. A scheduler that does not tell
    them apart says the former, and then a node that is too small reads as full.
    """
    filtered, _, preemption = words.partition("preemption:")
    kind = _first_kind(SCHEDULER_PATTERNS, filtered)
    total = re.search(r"0/(\d+) nodes are available: (\d+) Preemption is not helpful", preemption)
    no_use = total is not None and total[1] == total[2] and not re.search(AWAY, filtered)
    return Kind.FIT if kind is Kind.ROOM and no_use else kind


def _kind_by_autoscaler(said: Event) -> Kind:
    if said.reason == "NotTriggerScaleUp":
        return _first_kind(AUTOSCALER_PATTERNS, said.message)
    # Karpenter gives one reason for each nodepool: one that is merely full beats those that do not fit.
    kinds = {_first_kind(KARPENTER_PATTERNS, part) for part in said.message.split("; ")}
    order = (Kind.CLAIM, Kind.CLAIM_UNBOUND, Kind.ROOM, Kind.ZONE, Kind.FIT)
    return next((kind for kind in order if kind in kinds), Kind.UNKNOWN)


def _autoscaler_said(signs: Signs) -> Event | None:
    words = (
        event
        for event in signs.told("TriggeredScaleUp|Nominated|NotTriggerScaleUp|FailedScheduling")
        if event.reason != "FailedScheduling" or event.message.startswith(KARPENTER)
    )
    return next(words, None)


def _first_kind(patterns: tuple[tuple[Kind, str], ...], words: str) -> Kind:
    return next((kind for kind, pattern in patterns if re.search(pattern, words)), Kind.UNKNOWN)


def _lacks(wanted: Kind) -> Callable[[Signs], str | None]:
    """Make what a row sees: a pod that lacks `wanted`."""

    def sees(signs: Signs) -> str | None:
        found = why_unplaced(signs)
        claim = f" (PVC {signs.around.pvc_name})" if signs.around.pvc_name else ""
        return f"Pod {signs.name}{claim} has no node: {found[1]}" if found and found[0] is wanted else None

    return sees


def _lacks_bound_claim(signs: Signs) -> str | None:
    """See a volume that is not made: kept waiting for as long as anybody waits, for a first volume takes its time."""
    return _lacks(Kind.CLAIM_UNBOUND)(signs) if signs.out_of_time else None


ROWS: tuple[Row[Signs], ...] = (
    Row(
        reason="no_room",
        title="No room on any node now, and none is added",
        message="There is no room for another server now{running}. "
        "Try again in a few minutes, or choose a smaller profile.",
        mended_by="Raise the maximum size of the nodegroup or the limits of the NodePool, or let idle servers be "
        "culled sooner.",
        sees=_lacks(Kind.ROOM),
    ),
    Row(
        reason="no_node_fits",
        title="No node can ever hold this server",
        message="No machine of this hub fits what was chosen. "
        "Choose another profile, or tell the people who run this hub.",
        mended_by="Compare the profile's CPU, memory, node selector and tolerations with labels, taints and size of "
        "the nodegroups (JhawsSpawner.nodegroups).",
        sees=_lacks(Kind.FIT),
    ),
    Row(
        reason="volume_in_other_zone",
        title="The home's volume lies in a zone without room",
        message="Your home folder is in another part of the data centre than the free machines. "
        "Please tell the people who run this hub.",
        mended_by="Give the volume's availability zone a nodegroup of its own that can grow; an EBS volume never "
        "leaves its zone.",
        sees=_lacks(Kind.ZONE),
    ),
    Row(
        reason="pvc_missing",
        title="The PVC of the home does not exist or is being deleted",
        message="The storage of your home folder was not found. Please tell the people who run this hub.",
        mended_by="Look at `kubectl get pvc,pv` in the pod's namespace; a PVC that is being deleted goes when its "
        "last pod is gone.",
        sees=_lacks(Kind.CLAIM),
    ),
    Row(
        reason="volume_in_use",
        title="The home's volume is in use by another pod",
        message="Your home folder is still in use by another of your servers. "
        "Stop that server, wait a minute and try again.",
        mended_by="Find the other pod of this PVC; named servers of one user need ReadWriteMany or NFS homes.",
        sees=_lacks(Kind.CLAIM_IN_USE),
    ),
    Row(
        reason="volume_not_made",
        title="The home's volume was not made in time",
        message="The storage for your home folder is not ready. "
        "Try again in a few minutes; if it stays so, tell the people who run this hub.",
        mended_by="Look at the events of the PVC (`kubectl describe pvc`): StorageClass, the CSI driver and its IAM "
        "rights.",
        sees=_lacks_bound_claim,
    ),
)
