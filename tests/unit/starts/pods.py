"""Pods, events and Kubernetes' own words as a real API server sends them, for the tests of failures and stages."""

from __future__ import annotations

import copy
from datetime import UTC, datetime, timedelta
from typing import Any

from jhaws.starts.failures import TABLE, Failure, Surroundings

Obj = dict[str, Any]

UID = "7c0f0b5e-58d0-4b52-9b0c-3f6a0c1d2e3f"
BORN = datetime(2026, 11, 20, 10, 0, 0, tzinfo=UTC)
IMAGE = "quay.io/org/course:1.2"
NFS_MOUNT = (
    'MountVolume.SetUp failed for volume "jhaws-nfs" : mount failed: exit status 32\n'
    "Mounting command: mount\n"
    f"Mounting arguments: -t nfs drive:/ /var/lib/kubelet/pods/{UID}/volumes/kubernetes.io~nfs/jhaws-nfs\n"
    "Output: mount.nfs: "
)


def stamp(seconds: float) -> str:
    """Return a time so many seconds after the pod was made, as Kubernetes writes it."""
    return (BORN + timedelta(seconds=seconds)).strftime("%Y-%m-%dT%H:%M:%SZ")


def event(reason: str, message: str = "", *, container: str = "", count: int = 1, at: float = 1.0) -> Obj:
    """Build a core/v1 Event of the pod, as client-go's recorder writes it."""
    about = {"kind": "Pod", "namespace": "hub", "name": "jupyter-ada", "uid": UID}
    if container:
        kind = "initContainers" if container == "jhaws-home" else "containers"
        about["fieldPath"] = f"spec.{kind}{{{container}}}"
    return {
        "type": "Warning" if reason.startswith(("Fail", "Back")) else "Normal",
        "reason": reason,
        "message": message,
        "count": count,
        "firstTimestamp": stamp(0),
        "lastTimestamp": stamp(at),
        "eventTime": None,
        "source": {"component": "kubelet"},
        "involvedObject": about,
    }


def series_event(reason: str, message: str, *, at: float = 1.0) -> Obj:
    """Build an event as the scheduler writes it, by way of events.k8s.io."""
    when = stamp(at).replace("Z", ".123456Z")
    return {
        **event(reason, message),
        "count": None,
        "firstTimestamp": None,
        "lastTimestamp": None,
        "eventTime": when,
        "source": {},
        "reportingComponent": "default-scheduler",
    }


def make_pod(*conditions: Obj, node: str = "ip-10-0-1-7", spec: Obj | None = None, **status: Any) -> Obj:
    """Build a v1 Pod as podwatch keeps it; what `status` has is merged into its status."""
    return {
        "metadata": {"namespace": "hub", "name": "jupyter-ada", "uid": UID, "creationTimestamp": stamp(0)},
        "spec": {
            **({"nodeName": node} if node else {}),
            "containers": [{"name": "notebook", "image": IMAGE}],
            "initContainers": [{"name": "jhaws-home", "image": "quay.io/org/tools:1"}],
            **(spec or {}),
        },
        "status": {"phase": "Pending", "qosClass": "Burstable", "conditions": list(conditions), **status},
    }


def condition(kind: str, status: bool, reason: str = "", message: str = "") -> Obj:
    """Build one condition of a pod."""
    return {
        "type": kind,
        "status": str(status),
        "lastTransitionTime": stamp(1),
        **{key: value for key, value in (("reason", reason), ("message", message)) if value},
    }


def unplaced(message: str = "", *, reason: str = "Unschedulable", **status: Any) -> Obj:
    """Build a pod that has no node, with the scheduler's word on it."""
    said = [condition("PodScheduled", False, reason, message)] if message else []
    return make_pod(*said, node="", **status)


def placed(*statuses: Obj, inits: tuple[Obj, ...] = (), sandbox: bool = True, **status: Any) -> Obj:
    """Build a pod on a node, with the statuses of its containers."""
    done = all((each["state"].get("terminated") or {}).get("exitCode") == 0 for each in inits)
    return make_pod(
        condition("PodScheduled", True),
        condition("PodReadyToStartContainers", sandbox),
        condition("Initialized", done),
        condition("Ready", False, "ContainersNotReady"),
        **{"containerStatuses": list(statuses), "initContainerStatuses": list(inits), **status},
    )


def container(state: Obj, *, name: str = "notebook", restarts: int = 0, last: Obj | None = None, **more: Any) -> Obj:
    """Build the status of one container."""
    return {
        "name": name,
        "image": "sha256:4f5a",
        "state": state,
        "lastState": last or {},
        "ready": False,
        "started": False,
        "restartCount": restarts,
        **more,
    }


def waiting(reason: str, message: str = "", **more: Any) -> Obj:
    """Build the status of a container that waits."""
    return container({"waiting": {"reason": reason, **({"message": message} if message else {})}}, **more)


def ended(code: int | None, reason: str = "Error", message: str = "") -> Obj:
    """Build the state of a container that ended."""
    return {
        "terminated": {
            "exitCode": code,
            "reason": reason,
            "message": message,
            "startedAt": stamp(5),
            "finishedAt": stamp(6),
        }
    }


RUNNING: Obj = {"running": {"startedAt": stamp(5)}}
HOME_DONE = container(ended(0, "Completed"), name="jhaws-home")
CREATING = waiting("ContainerCreating")
INITIALIZING = waiting("PodInitializing")


def mounting(**status: Any) -> Obj:
    """Build a pod on a node that still mounts its volumes."""
    return placed(INITIALIZING, inits=(waiting("PodInitializing", name="jhaws-home"),), sandbox=False, **status)


def starting(*statuses: Obj, **status: Any) -> Obj:
    """Build a pod whose home is prepared and whose containers have their turn."""
    return placed(*statuses, inits=(HOME_DONE,), **status)


def ready_pod() -> Obj:
    """Build a pod that is up."""
    pod = starting(container(RUNNING, ready=True, started=True), phase="Running", podIP="10.0.1.9")
    pod["status"]["conditions"][-1] = condition("Ready", True)
    return pod


def changed(pod: Obj, **metadata: Any) -> Obj:
    """Return a copy of a pod with other metadata."""
    other = copy.deepcopy(pod)
    other["metadata"].update(metadata)
    return other


# --- what Kubernetes says when a start goes wrong, and pods to which it happened

EARLY = Surroundings(waited_seconds=20, servers_running=37)
LATE = Surroundings(waited_seconds=50, servers_running=37)
NOT_FOUND = f'failed to pull and unpack image "{IMAGE}": failed to resolve reference "{IMAGE}": {IMAGE}: not found'
LIMITED = "unexpected status from HEAD request to https://registry-1.docker.io/v2/: 429 Too Many Requests"
DENIED = "pull access denied, insufficient_scope: authorization failed"
FULL = (
    "0/3 nodes are available: 1 node(s) had untolerated taint {hub.jupyter.org/dedicated: core}, "
    "2 Insufficient memory. "
)
FULL_NOW = FULL + (
    "preemption: 0/3 nodes are available: 1 Preemption is not helpful for scheduling, "
    "2 No preemption victims found for incoming pod."
)
TOO_SMALL = FULL + "preemption: 0/3 nodes are available: 3 Preemption is not helpful for scheduling."
TAINTED = (
    "0/3 nodes are available: 1 node(s) didn't match Pod's node affinity/selector, 2 node(s) had untolerated taint(s). "
    "preemption: 0/3 nodes are available: 3 Preemption is not helpful for scheduling."
)
OTHER_ZONE = (
    "0/2 nodes are available: 2 node(s) had volume node affinity conflict. "
    "preemption: 0/2 nodes are available: 2 Preemption is not helpful for scheduling."
)
OTHER_ZONE_NOW = OTHER_ZONE.replace(
    "had volume node affinity conflict", "didn't match PersistentVolume's node affinity"
)
NO_CLAIM = '0/3 nodes are available: persistentvolumeclaim "claim-ada" not found. preemption: not eligible.'
CLAIM_GOES = '0/3 nodes are available: persistentvolumeclaim "claim-ada" is being deleted.'
UNBOUND = (
    "0/3 nodes are available: pod has unbound immediate PersistentVolumeClaims. preemption: 0/3 nodes are available"
)
ONE_POD_ONLY = (
    "0/3 nodes are available: 3 node(s) unavailable due to PersistentVolumeClaim with ReadWriteOncePod access mode "
    "already in-use by another pod."
)
KARPENTER = "Failed to schedule pod, "
NO_TYPE = "no instance type met all requirements, requirements=karpenter.sh/nodepool In [user], resources={cpu: 64}"
NO_OFFERING = (
    "no instance type which met the scheduling requirements and had enough resources, had a required offering, "
    "requirements=karpenter.sh/nodepool In [user], resources={cpu: 2}"
)
EXHAUSTED = "all available instance types exceed limits for nodepool (NodePool=user)"
SETUP = 'MountVolume.SetUp failed for volume "certs" : '
ATTACH = 'Multi-Attach error for volume "pvc-1" Volume is already used by pod(s) jupyter-ada--lab'
BACK_OFF = f'Back-off pulling image "{IMAGE}": ErrImagePull: {NOT_FOUND}'


def pull(why: str, count: int = 2, **more: Any) -> dict[str, Any]:
    return event("Failed", f'Failed to pull image "{IMAGE}": {why}', container="notebook", count=count, **more)


def pulling(why: str, reason: str = "ImagePullBackOff") -> dict[str, Any]:
    return starting(waiting(reason, f'Back-off pulling image "{IMAGE}": ErrImagePull: {why}'))


def nfs(why: str, count: int = 1) -> dict[str, Any]:
    return event("FailedMount", NFS_MOUNT + why, count=count)


def not_made(reason: str, why: str, count: int) -> tuple[Any, list[Any]]:
    """A container that could not be made, so many times."""
    failed = event("Failed", f"Error: {why}", container="notebook", count=count)
    return starting(waiting(reason, why)), [failed]


def home(*, restarts: int, code: int = 1, **more: Any) -> dict[str, Any]:
    failed = container(ended(code, message="chown: Operation not permitted"), name="jhaws-home", restarts=restarts)
    return placed(INITIALIZING, inits=(failed,), **more)


def other_init(*, restarts: int) -> dict[str, Any]:
    backs_off = waiting("CrashLoopBackOff", "back-off 10s", name="mesh", restarts=restarts, last=ended(1))
    return placed(INITIALIZING, inits=(HOME_DONE, backs_off))


def sandbox(why: str, count: int) -> list[Any]:
    message = f'Failed to create pod sandbox: plugin type="aws-cni" name="aws-cni" failed (add): add cmd: {why}'
    return [event("FailedCreatePodSandBox", message, count=count)]


def row_of(failure: Failure | None) -> str:
    """Return the title of the row that a failure is from."""
    return next(
        row.title
        for row in TABLE
        if failure is not None
        and failure.reason == row.reason
        and failure.message.startswith(row.message.partition("{running}")[0])
        and failure.detail.endswith(row.mended_by)
    )
