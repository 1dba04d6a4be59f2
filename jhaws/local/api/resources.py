"""The kinds of object the embedded cluster knows, and how they are called in paths.

A `Resource` is the key of everything in `storage`; `apiserver` makes its routes and discovery from `RESOURCES`.
This module only names things: how objects look and behave is in `defaults`, `validation` and `strategies`.
"""

from __future__ import annotations

from dataclasses import dataclass

READ_WRITE = ("create", "delete", "deletecollection", "get", "list", "patch", "update", "watch")


@dataclass(frozen=True)
class Resource:
    """One kind of object, for example pods.

    Attributes:
        group: API group, empty for the core group.
        version: API version, for example `v1`.
        plural: The word in paths, for example `pods`.
        kind: The word in objects, for example `Pod`.
        namespaced: Whether objects live in a namespace.
        singular: The word kubectl takes beside the plural.
        short_names: Abbreviations kubectl takes.
        has_status: Whether there is a `/status` path, so that a plain write leaves the status alone.
        returns_deleted: Whether a delete answers with the object, as it does for pods, or with a Status.
        verbs: What discovery says can be done.
    """

    group: str
    version: str
    plural: str
    kind: str
    namespaced: bool
    singular: str = ""
    short_names: tuple[str, ...] = ()
    has_status: bool = False
    returns_deleted: bool = False
    verbs: tuple[str, ...] = READ_WRITE

    @property
    def api_version(self) -> str:
        """The value of `apiVersion` in objects: `v1`, `scheduling.k8s.io/v1`."""
        return f"{self.group}/{self.version}" if self.group else self.version

    @property
    def qualified(self) -> str:
        """The name in error messages: `pods`, `priorityclasses.scheduling.k8s.io`."""
        return f"{self.plural}.{self.group}" if self.group else self.plural

    @property
    def base_path(self) -> str:
        """Where the API of its group begins: `/api/v1`, `/apis/scheduling.k8s.io/v1`."""
        return f"/apis/{self.group}/{self.version}" if self.group else f"/api/{self.version}"


NAMESPACES = Resource(
    "",
    "v1",
    "namespaces",
    "Namespace",
    namespaced=False,
    singular="namespace",
    short_names=("ns",),
    has_status=True,
    # As in Kubernetes: nobody deletes all namespaces in one call.
    verbs=tuple(verb for verb in READ_WRITE if verb != "deletecollection"),
)
NODES = Resource("", "v1", "nodes", "Node", namespaced=False, singular="node", short_names=("no",), has_status=True)
PODS = Resource(
    "",
    "v1",
    "pods",
    "Pod",
    namespaced=True,
    singular="pod",
    short_names=("po",),
    has_status=True,
    returns_deleted=True,
)
EVENTS = Resource("", "v1", "events", "Event", namespaced=True, singular="event", short_names=("ev",))
SERVICES = Resource(
    "",
    "v1",
    "services",
    "Service",
    namespaced=True,
    singular="service",
    short_names=("svc",),
    has_status=True,
    returns_deleted=True,
)
PVCS = Resource(
    "",
    "v1",
    "persistentvolumeclaims",
    "PersistentVolumeClaim",
    namespaced=True,
    singular="persistentvolumeclaim",
    short_names=("pvc",),
    has_status=True,
    returns_deleted=True,
)
PVS = Resource(
    "",
    "v1",
    "persistentvolumes",
    "PersistentVolume",
    namespaced=False,
    singular="persistentvolume",
    short_names=("pv",),
    has_status=True,
    returns_deleted=True,
)
SECRETS = Resource("", "v1", "secrets", "Secret", namespaced=True, singular="secret")
CONFIGMAPS = Resource("", "v1", "configmaps", "ConfigMap", namespaced=True, singular="configmap", short_names=("cm",))
SERVICEACCOUNTS = Resource(
    "",
    "v1",
    "serviceaccounts",
    "ServiceAccount",
    namespaced=True,
    singular="serviceaccount",
    short_names=("sa",),
    returns_deleted=True,
)
PRIORITYCLASSES = Resource(
    "scheduling.k8s.io",
    "v1",
    "priorityclasses",
    "PriorityClass",
    namespaced=False,
    singular="priorityclass",
    short_names=("pc",),
)
STORAGECLASSES = Resource(
    "storage.k8s.io",
    "v1",
    "storageclasses",
    "StorageClass",
    namespaced=False,
    singular="storageclass",
    short_names=("sc",),
    returns_deleted=True,
)
LEASES = Resource("coordination.k8s.io", "v1", "leases", "Lease", namespaced=True, singular="lease")

RESOURCES: tuple[Resource, ...] = (
    NAMESPACES,
    NODES,
    PODS,
    EVENTS,
    SERVICES,
    PVCS,
    PVS,
    SECRETS,
    CONFIGMAPS,
    SERVICEACCOUNTS,
    PRIORITYCLASSES,
    STORAGECLASSES,
    LEASES,
)
