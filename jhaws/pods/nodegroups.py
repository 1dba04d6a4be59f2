"""Nodegroups: which nodes a server may run on, and which taints it puts up with.

A profile or the option `nodegroup` names a nodegroup; what is known of it (labels, taints, size, price) is written
once, in `nodegroups`. From that one record come the required affinity and the tolerations of a server, and those of
the placeholder pods that keep a seat warm there.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ..errors import ConfigError
from .records import Reader, describe, suggest

# EKS puts this label on every node of a managed nodegroup; other clusters name theirs in `node_labels`.
EKS_NODEGROUP_LABEL = "eks.amazonaws.com/nodegroup"
TAINT_EFFECTS = ("NoSchedule", "PreferNoSchedule", "NoExecute")
TAINT_TEXT = re.compile(r"(?P<key>[^=:\s]+)(=(?P<value>[^:\s]*))?:(?P<effect>\w+)")


@dataclass(frozen=True)
class Taint:
    """A taint that the nodes of a nodegroup carry; `effect` as Kubernetes writes it, "NoSchedule"."""

    key: str
    value: str
    effect: str


@dataclass(frozen=True)
class Nodegroup:
    """What is known of the nodes of one nodegroup.

    Attributes:
        name: As in the cluster and in profiles.
        node_labels: Labels that every node of the group has and no node outside it.
        taints: Taints of the nodes.
        cpu_cores: Cores of one node, None where not said.
        memory_gib: Memory of one node in GiB, None where not said.
        usd_per_hour: Price of one node in US dollars per hour, None where not said.
    """

    name: str
    node_labels: Mapping[str, str]
    taints: tuple[Taint, ...]
    cpu_cores: float | None = None
    memory_gib: float | None = None
    usd_per_hour: float | None = None


def read_nodegroups(option: str, value: Any) -> dict[str, Nodegroup]:
    """Return the nodegroups that an operator wrote as `{name: {node_labels, taints, …}}`.

    Raises:
        ConfigError: A field is unknown or of the wrong type, or a taint cannot be read.
    """
    if not isinstance(value, Mapping):
        raise ConfigError(f"{option} must map names of nodegroups to what they are, got {describe(value)}.")
    return {name: _read_nodegroup(f"{option}.{name}", name, entry) for name, entry in value.items()}


def _read_nodegroup(place: str, name: Any, entry: Any) -> Nodegroup:
    if not isinstance(name, str) or not re.fullmatch(r"[A-Za-z0-9]([A-Za-z0-9._-]{0,61}[A-Za-z0-9])?", name):
        raise ConfigError(
            f"{place}: a nodegroup's name has 1 to 63 letters, digits, dots, dashes or underscores, "
            f"got {describe(name)}."
        )
    known = ("node_labels", "taints", "cpu_cores", "memory_gib", "usd_per_hour")
    reader = Reader(place, {} if entry is None else entry, known)
    return Nodegroup(
        name=name,
        node_labels=reader.labels("node_labels") or {EKS_NODEGROUP_LABEL: name},
        taints=_read_taints(f"{place}.taints", reader.entry.get("taints") or []),
        cpu_cores=reader.number("cpu_cores"),
        memory_gib=reader.number("memory_gib"),
        usd_per_hour=reader.number("usd_per_hour"),
    )


def _read_taints(place: str, value: Any) -> tuple[Taint, ...]:
    if not isinstance(value, list | tuple):
        raise ConfigError(
            f"{place} must be a list such as [hub.jupyter.org/dedicated=user:NoSchedule], got {describe(value)}."
        )
    return tuple(_read_taint(f"{place}[{index}]", each) for index, each in enumerate(value))


def _read_taint(place: str, value: Any) -> Taint:
    if isinstance(value, str) and (match := TAINT_TEXT.fullmatch(value)):
        taint = Taint(match["key"], match["value"] or "", match["effect"])
    elif isinstance(value, Mapping):
        reader = Reader(place, value, ("key", "value", "effect"))
        taint = Taint(reader.text("key"), reader.text("value", ""), reader.text("effect", "NoSchedule"))
    else:
        raise ConfigError(
            f"{place} must be key=value:effect or a mapping of key, value, effect, got {describe(value)}."
        )
    if taint.effect not in TAINT_EFFECTS:
        raise ConfigError(f"{place}: the effect is one of {', '.join(TAINT_EFFECTS)}, got {taint.effect!r}.")
    return taint


def choose(nodegroups: Mapping[str, Nodegroup], name: str) -> Nodegroup | None:
    """Return the nodegroup `name`, or the first one configured where no name is given, or None where none is.

    Raises:
        ConfigError: There is no nodegroup of that name.
    """
    if not name:
        return next(iter(nodegroups.values()), None)
    if name not in nodegroups:
        raise ConfigError(
            f"No nodegroup {name!r} is configured. {suggest(name, nodegroups)} "
            "Correct the profile's nodegroup or add it to JhawsSpawner.nodegroups."
        )
    return nodegroups[name]


def find_misfit(group: Nodegroup, *, cpu_cores: float | None, memory_gib: float | None) -> str:
    """Return why a server can never run on a node of `group`, "" where it can or where nobody knows.

    Args:
        group: Its `cpu_cores` and `memory_gib` are those of a node, of which Kubernetes keeps some for itself.
        cpu_cores: What the server is guaranteed, None for nothing.
        memory_gib: Likewise.
    """
    if group.cpu_cores and (cpu_cores or 0) > group.cpu_cores:
        return f"it wants {cpu_cores:g} CPU cores and a node of nodegroup {group.name!r} has {group.cpu_cores:g}"
    if group.memory_gib and (memory_gib or 0) > group.memory_gib:
        return f"it wants {memory_gib:g} GiB of memory and a node of nodegroup {group.name!r} has {group.memory_gib:g}"
    return ""


def make_node_requirements(group: Nodegroup) -> list[dict[str, Any]]:
    """Build the node selector requirements that only nodes of `group` meet, v1 NodeSelectorRequirement."""
    return [{"key": key, "operator": "In", "values": [value]} for key, value in sorted(group.node_labels.items())]


def make_tolerations(group: Nodegroup) -> list[dict[str, Any]]:
    """Build the tolerations for the taints of `group`, v1 Toleration."""
    return [
        {"key": taint.key, "operator": "Equal", "value": taint.value, "effect": taint.effect} for taint in group.taints
    ]
