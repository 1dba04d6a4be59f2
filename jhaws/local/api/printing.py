"""The columns of `kubectl get`: Kubernetes has them computed by the server, so every client shows the same.

One table of columns per kind; a cell is computed from one object and the time. Headings, order and texts are those
of kube-apiserver 1.35, because people know them by heart. What kubectl does not ask a Table for never comes here;
who asks for one is `views`' business.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from jhaws.local.api import podprinting
from jhaws.local.api.encoding import Obj
from jhaws.local.api.resources import (
    CONFIGMAPS,
    EVENTS,
    LEASES,
    NAMESPACES,
    NODES,
    PODS,
    PRIORITYCLASSES,
    PVCS,
    PVS,
    SECRETS,
    SERVICES,
    STORAGECLASSES,
    Resource,
)

NONE = "<none>"
UNKNOWN = "<unknown>"
UNSET = "<unset>"

_ROLE_LABEL = "node-role.kubernetes.io/"
_MODES = {
    "ReadWriteOnce": "RWO",
    "ReadOnlyMany": "ROX",
    "ReadWriteMany": "RWX",
    "ReadWriteOncePod": "RWOP",
}

Cell = Callable[[Obj, datetime], Any]


@dataclass(frozen=True)
class Column:
    """One column.

    Attributes:
        name: Its heading; kubectl writes it in capitals.
        cell: Computes the value from the object and the current time.
        wide: Whether only `-o wide` shows it.
        type: `string`, `integer` or `boolean`.
        format: `name` for the object's name.
    """

    name: str
    cell: Cell
    wide: bool = False
    type: str = "string"
    format: str = ""

    def make_definition(self) -> dict[str, Any]:
        """Build the entry of `columnDefinitions`."""
        return {
            "name": self.name,
            "type": self.type,
            "format": self.format,
            "description": "",
            "priority": int(self.wide),
        }


def columns_of(resource: Resource) -> tuple[Column, ...]:
    """Give the columns of a kind; name and age of one that has no others."""
    return _COLUMNS.get(resource, (_NAME, _AGE))


def make_cells(resource: Resource, obj: Obj, now: datetime) -> list[Any]:
    """Compute one row."""
    return [column.cell(obj, now) for column in columns_of(resource)]


def dig(obj: Mapping[str, Any], path: str, default: Any = "") -> Any:
    """Read a value at a dotted path; `default` where it or a part of the way is missing or empty."""
    found: Any = obj
    for key in path.split("."):
        found = found.get(key) if isinstance(found, Mapping) else None
    return default if found is None or found == "" else found


def _at(path: str, default: str = "") -> Cell:
    return lambda obj, _now: dig(obj, path, default)


def _since(*paths: str) -> Cell:
    def cell(obj: Obj, now: datetime) -> str:
        return podprinting.format_since(next((found for path in paths if (found := dig(obj, path))), None), now)

    return cell


def _count(*fields: str) -> Cell:
    return lambda obj, _now: sum(len(obj.get(field) or ()) for field in fields)


def _modes(path: str) -> Cell:
    return lambda obj, _now: ",".join(_MODES.get(mode, mode) for mode in dig(obj, path, ()))


def _node_status(node: Obj, _now: datetime) -> str:
    ready = [c.get("status") for c in dig(node, "status.conditions", ()) if c.get("type") == "Ready"]
    word = "Unknown" if not ready else "Ready" if ready[0] == "True" else "NotReady"
    return f"{word},SchedulingDisabled" if dig(node, "spec.unschedulable") else word


def _node_roles(node: Obj, _now: datetime) -> str:
    labels = dig(node, "metadata.labels", {})
    roles = {key.removeprefix(_ROLE_LABEL) for key in labels if key.startswith(_ROLE_LABEL)}
    return ",".join(sorted(roles - {""})) or NONE


def _node_address(kind: str) -> Cell:
    def cell(node: Obj, _now: datetime) -> str:
        found = [a.get("address", "") for a in dig(node, "status.addresses", ()) if a.get("type") == kind]
        return found[0] if found else NONE

    return cell


def _event_object(event: Obj, _now: datetime) -> str:
    about = event.get("involvedObject") or {}
    kind, name = str(about.get("kind", "")).lower(), about.get("name", "")
    return f"{kind}/{name}" if name else kind


def _event_source(event: Obj, _now: datetime) -> str:
    component = dig(event, "source.component") or event.get("reportingComponent") or ""
    host = dig(event, "source.host") or event.get("reportingInstance") or ""
    return f"{component}, {host}" if component and host else component


def _event_count(event: Obj, _now: datetime) -> int:
    return int(dig(event, "series.count", 0) or event.get("count") or 1)


def _event_message(event: Obj, _now: datetime) -> str:
    return str(event.get("message") or "").strip()


def _bound(path: str) -> Cell:
    """Show a value of a claim only once it has a volume."""
    return lambda claim, now: _at(path)(claim, now) if dig(claim, "spec.volumeName") else ""


def _bound_modes(claim: Obj, now: datetime) -> str:
    return str(_modes("status.accessModes")(claim, now)) if dig(claim, "spec.volumeName") else ""


def _claim_status(obj: Obj, _now: datetime) -> str:
    return "Terminating" if "deletionTimestamp" in obj["metadata"] else str(dig(obj, "status.phase"))


def _volume_claim(volume: Obj, _now: datetime) -> str:
    claim = dig(volume, "spec.claimRef", {})
    return f"{claim.get('namespace', '')}/{claim.get('name', '')}" if claim else ""


def _service_ip(service: Obj, _now: datetime) -> str:
    return str(dig(service, "spec.clusterIP", NONE))


def _service_outside(service: Obj, _now: datetime) -> str:
    if dig(service, "spec.type") == "ExternalName":
        return str(dig(service, "spec.externalName"))
    listed = ",".join(dig(service, "spec.externalIPs", ()))
    return listed or ("<pending>" if dig(service, "spec.type") == "LoadBalancer" else NONE)


def _service_ports(service: Obj, _now: datetime) -> str:
    ports = []
    for port in dig(service, "spec.ports", ()):
        node_port = f":{port['nodePort']}" if port.get("nodePort") else ""
        ports.append(f"{port['port']}{node_port}/{port.get('protocol', 'TCP')}")
    return ",".join(ports) or NONE


def _selector(service: Obj, _now: datetime) -> str:
    return ",".join(f"{key}={value}" for key, value in sorted(dig(service, "spec.selector", {}).items())) or NONE


def _flag(field: str) -> Cell:
    return lambda obj, _now: bool(obj.get(field))


def _flag_text(field: str) -> Cell:
    return lambda obj, _now: str(bool(obj.get(field))).lower()


def _class_name(obj: Obj, _now: datetime) -> str:
    default = dig(obj, "metadata.annotations", {}).get("storageclass.kubernetes.io/is-default-class") == "true"
    return f"{obj['metadata']['name']} (default)" if default else str(obj["metadata"]["name"])


_NAME = Column("Name", _at("metadata.name"), format="name")
_AGE = Column("Age", _since("metadata.creationTimestamp"))
_MODE = Column("VolumeMode", _at("spec.volumeMode", UNSET), wide=True)

_COLUMNS: dict[Resource, tuple[Column, ...]] = {
    PODS: (
        _NAME,
        Column("Ready", podprinting.show_ready),
        Column("Status", podprinting.show_status),
        Column("Restarts", podprinting.show_restarts),
        _AGE,
        Column("IP", _at("status.podIP", NONE), wide=True),
        Column("Node", _at("spec.nodeName", NONE), wide=True),
        Column("Nominated Node", _at("status.nominatedNodeName", NONE), wide=True),
        Column("Readiness Gates", podprinting.show_gates, wide=True),
    ),
    NODES: (
        _NAME,
        Column("Status", _node_status),
        Column("Roles", _node_roles),
        _AGE,
        Column("Version", _at("status.nodeInfo.kubeletVersion")),
        Column("Internal-IP", _node_address("InternalIP"), wide=True),
        Column("External-IP", _node_address("ExternalIP"), wide=True),
        Column("OS-Image", _at("status.nodeInfo.osImage", UNKNOWN), wide=True),
        Column("Kernel-Version", _at("status.nodeInfo.kernelVersion", UNKNOWN), wide=True),
        Column("Container-Runtime", _at("status.nodeInfo.containerRuntimeVersion", UNKNOWN), wide=True),
    ),
    EVENTS: (
        Column("Last Seen", _since("series.lastObservedTime", "lastTimestamp", "eventTime")),
        Column("Type", _at("type")),
        Column("Reason", _at("reason")),
        Column("Object", _event_object),
        Column("Subobject", _at("involvedObject.fieldPath"), wide=True),
        Column("Source", _event_source, wide=True),
        Column("Message", _event_message),
        Column("First Seen", _since("firstTimestamp", "eventTime"), wide=True),
        Column("Count", _event_count, wide=True),
        Column("Name", _at("metadata.name"), wide=True, format="name"),
    ),
    PVCS: (
        _NAME,
        Column("Status", _claim_status),
        Column("Volume", _at("spec.volumeName")),
        Column("Capacity", _bound("status.capacity.storage")),
        Column("Access Modes", _bound_modes),
        Column("StorageClass", _at("spec.storageClassName")),
        Column("VolumeAttributesClass", _at("spec.volumeAttributesClassName", UNSET)),
        _AGE,
        _MODE,
    ),
    PVS: (
        _NAME,
        Column("Capacity", _at("spec.capacity.storage")),
        Column("Access Modes", _modes("spec.accessModes")),
        Column("Reclaim Policy", _at("spec.persistentVolumeReclaimPolicy")),
        Column("Status", _claim_status),
        Column("Claim", _volume_claim),
        Column("StorageClass", _at("spec.storageClassName")),
        Column("VolumeAttributesClass", _at("spec.volumeAttributesClassName", UNSET)),
        Column("Reason", _at("status.reason")),
        _AGE,
        _MODE,
    ),
    SERVICES: (
        _NAME,
        Column("Type", _at("spec.type")),
        Column("Cluster-IP", _service_ip),
        Column("External-IP", _service_outside),
        Column("Port(s)", _service_ports),
        _AGE,
        Column("Selector", _selector, wide=True),
    ),
    CONFIGMAPS: (_NAME, Column("Data", _count("data", "binaryData")), _AGE),
    SECRETS: (_NAME, Column("Type", _at("type")), Column("Data", _count("data")), _AGE),
    NAMESPACES: (_NAME, Column("Status", _at("status.phase")), _AGE),
    LEASES: (_NAME, Column("Holder", _at("spec.holderIdentity")), _AGE),
    PRIORITYCLASSES: (
        _NAME,
        Column("Value", lambda obj, _now: obj.get("value", 0), type="integer"),
        Column("Global-Default", _flag("globalDefault"), type="boolean"),
        _AGE,
        Column("PreemptionPolicy", _at("preemptionPolicy")),
    ),
    STORAGECLASSES: (
        Column("Name", _class_name, format="name"),
        Column("Provisioner", _at("provisioner")),
        Column("ReclaimPolicy", _at("reclaimPolicy", "Delete")),
        Column("VolumeBindingMode", _at("volumeBindingMode", "Immediate")),
        Column("AllowVolumeExpansion", _flag_text("allowVolumeExpansion")),
        _AGE,
    ),
}
