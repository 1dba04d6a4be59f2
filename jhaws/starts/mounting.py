"""Why a volume of a pod cannot be mounted on its node: NFS, EBS, ConfigMap, Secret, token.

kubelet says so in events alone and tries again after 0.5 s, 1 s, 2 s and so on up to 2 min. How many tries are enough
depends on what is wrong: what the server refuses stays refused, a server that is down may come back, and the Secret
of `internal_ssl` is made a moment after its pod. These events count only while the node still mounts.

Source:
    Kubernetes 1.35: pkg/volume/util/operationexecutor/operation_generator.go, pkg/util/goroutinemap/exponentialbackoff,
    pkg/controller/volume/attachdetach/reconciler/reconciler.go, pkg/kubelet/util/manager, mount-utils/mount_linux.go;
    nfs-utils: utils/mount/error.c.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from .signs import Event, Row, Signs

OFTEN = 9  # tries, two minutes: for what is not known to be final
MULTI_ATTACH_SECONDS = 120.0  # the other pod ends and the volume is detached; a lost node takes 6 min
# What goes away by itself on a node that has just come.
PASSING = re.compile(
    r"not registered$|failed to sync \w+ cache|registered CSI drivers|does not contain driver"
    r"|volume attachment is being deleted|has no NodeID|PVC is not bound|Multi-Attach"
)
SUMMARY = re.compile(r"^Unable to attach or mount volumes")  # kubelet's, beside the event that says why
NFS = re.compile(r"\bnfs|\befs|fs-[0-9a-f]{8,}", re.IGNORECASE)


def volume_events(signs: Signs) -> list[Event]:
    """Return what was said of volumes that are not mounted yet, newest first; only the latest when time is over."""
    if not signs.preparing:
        return []
    told = signs.told("FailedMount|FailedAttachVolume|FailedMapVolume")
    found = [event for event in told if not SUMMARY.search(event.message)] or told
    return found[:1] if signs.out_of_time else found


def _events_that_count(signs: Signs) -> list[Event]:
    return [event for event in volume_events(signs) if signs.out_of_time or not PASSING.search(event.message)]


def _fails(pattern: str, *, tries: int, nfs: bool = False) -> Callable[[Signs], str | None]:
    """Make what a row sees: a mount that failed with such words, so many times."""
    wanted = re.compile(pattern)

    def sees(signs: Signs) -> str | None:
        found = [event for event in _events_that_count(signs) if wanted.search(event.message)]
        if nfs:
            found = [event for event in found if NFS.search(event.message)]
        return describe(signs, found[0]) if signs.tried(found, tries) else None

    return sees


def describe(signs: Signs, event: Event) -> str:
    """Return what the admin reads of a volume's event."""
    around = signs.around
    known = (
        around.pvc_name and f"PVC {around.pvc_name}",
        around.service_account and f"ServiceAccount {around.service_account}",
        around.nfs_server and f"home on NFS server {around.nfs_server}",
    )
    listed = ", ".join(each for each in known if each)
    return f"Pod {signs.name}{f' ({listed})' if listed else ''}: {event.reason}, tries {event.count}: {event.message}"


def _is_unreachable(signs: Signs) -> str | None:
    """See an NFS server that does not answer; a mount that timed out has tried for two minutes already."""
    slow = _fails(r"timed out|DeadlineExceeded", tries=1, nfs=True)
    quick = _fails(
        r"Connection refused|No route to host|[Uu]nreachable|Host is down|[Ff]ailed to resolve|[Nn]o such host"
        r"|Name or service not known|name resolution",
        tries=4,
        nfs=True,
    )
    return slow(signs) or quick(signs)


def _is_attached_elsewhere(signs: Signs) -> str | None:
    """See a ReadWriteOnce volume that another node does not give back. It is said only once, so time counts."""
    found = [event for event in volume_events(signs) if "Multi-Attach" in event.message]
    if not found or not (signs.out_of_time or signs.seconds_since(found[-1].first) >= MULTI_ATTACH_SECONDS):
        return None
    return describe(signs, found[0])


def _fails_otherwise(signs: Signs) -> str | None:
    """See a mount that went wrong often, for a reason that is not in the table."""
    found = _events_that_count(signs)
    return describe(signs, found[0]) if signs.tried(found, OFTEN) else None


HOME_UNREACHABLE = (
    "Your home folder cannot be reached now. "
    "Try again in a few minutes; if it stays so, tell the people who run this hub."
)
HOME_REFUSED = "Your home folder could not be opened. Please tell the people who run this hub."

ROWS: tuple[Row[Signs], ...] = (
    Row(
        reason="nfs_refused",
        title="The NFS server refuses the mount",
        message=HOME_REFUSED,
        mended_by="Let the nodes' addresses into the export (/etc/exports, or the EFS file system policy and security "
        "group).",
        sees=_fails(r"access denied|Permission denied|Operation not permitted|AccessDenied", tries=2, nfs=True),
    ),
    Row(
        reason="nfs_no_export",
        title="The NFS server does not export this folder",
        message=HOME_REFUSED,
        mended_by="Compare JhawsSpawner.nfs_path with what the server exports (`showmount -e`, or NFSv4's root).",
        sees=_fails(r"No such file or directory|Stale file handle|file system .* does not exist", tries=2, nfs=True),
    ),
    Row(
        reason="nfs_no_client",
        title="The node cannot mount NFS",
        message=HOME_REFUSED,
        mended_by="Install the NFS client on the nodes (nfs-utils or nfs-common; the node image of EKS has it).",
        sees=_fails(
            r"bad option; for several filesystems|helper program|unknown filesystem type|wrong fs type|No such device"
            r"|Protocol not supported|requested NFS version",
            tries=2,
            nfs=True,
        ),
    ),
    Row(
        reason="nfs_unreachable",
        title="The NFS server does not answer",
        message=HOME_UNREACHABLE,
        mended_by="Look whether the NFS server runs, whether the nodes resolve its name (they do not know Kubernetes "
        "Services by name) and whether its port 2049 is open to them.",
        sees=_is_unreachable,
    ),
    Row(
        reason="config_missing",
        title="A ConfigMap or Secret to be mounted does not exist",
        message="Your server cannot start: a part of its settings is missing. Please tell the people who run this hub.",
        mended_by="Make the ConfigMap or Secret that the pod's volumes name, or take it out of KubeSpawner.volumes.",
        sees=_fails(r"(secrets?|configmaps?) \"[^\"]+\" not found|references non-existent", tries=3),
    ),
    Row(
        reason="service_account_missing",
        title="The token of the ServiceAccount cannot be made",
        message="The rights that your server needs are not set up. Please tell the people who run this hub.",
        mended_by="Make the ServiceAccount that JhawsSpawner.iam_roles or KubeSpawner.service_account names.",
        sees=_fails(r"failed to fetch token: .*(not found|forbidden)", tries=3),
    ),
    Row(
        reason="volume_in_other_zone",
        title="The node is in another zone than the volume",
        message="Your home folder is in another part of the data centre than your server's machine. "
        "Please tell the people who run this hub.",
        mended_by="Use a StorageClass with volumeBindingMode WaitForFirstConsumer, and no nodeName in the pod.",
        sees=_fails(r"NodeAffinity check failed", tries=1),
    ),
    Row(
        reason="volume_gone",
        title="The volume does not exist any more",
        message="The storage of your home folder was not found. Please tell the people who run this hub.",
        mended_by="Look for the volume at AWS and for its PersistentVolume; restore it from a snapshot or delete the "
        "PVC.",
        sees=_fails(
            r"InvalidVolume\.NotFound|volume \S+ does not exist|persistentvolume(claim)?s? \"[^\"]+\" not found",
            tries=3,
        ),
    ),
    Row(
        reason="volume_in_use",
        title="The volume is attached to another node",
        message="Your home folder is still in use by another of your servers, or its last machine has not let go of "
        "it. Stop your other servers and try again in a few minutes.",
        mended_by="Find the other pod of this PVC and the VolumeAttachment; a lost node gives up its volumes after "
        "6 minutes, or when its EC2 instance is terminated.",
        sees=_is_attached_elsewhere,
    ),
    Row(
        reason="volume_failed",
        title="A volume cannot be mounted, for another reason",
        message=HOME_UNREACHABLE,
        mended_by="Look at the CSI driver's pods on that node and at `kubectl describe pod`.",
        sees=_fails_otherwise,
    ),
)
