"""What a cluster has before anybody uses it: namespaces, ServiceAccounts, the system's PriorityClasses."""

from __future__ import annotations

from typing import TYPE_CHECKING

from jhaws.local.api.resources import NAMESPACES, PRIORITYCLASSES, SERVICEACCOUNTS

if TYPE_CHECKING:
    from jhaws.local.api.storage import Storage

# As in Kubernetes, these cannot be deleted.
PROTECTED_NAMESPACES = ("default", "kube-system", "kube-public")

# Source: Kubernetes docs, "Guaranteed Scheduling For Critical Add-On Pods".
SYSTEM_PRIORITIES = {"system-cluster-critical": 2000000000, "system-node-critical": 2000001000}


def fill(storage: Storage) -> None:
    """Put into an empty storage what every cluster has."""
    for name in (*PROTECTED_NAMESPACES, "kube-node-lease"):
        storage.create(NAMESPACES, {"metadata": {"name": name}})
    for name, value in SYSTEM_PRIORITIES.items():
        storage.create(
            PRIORITYCLASSES,
            {
                "metadata": {"name": name},
                "value": value,
                "description": "Used for system critical pods that must not be moved.",
            },
        )


def fill_namespace(storage: Storage, name: str) -> None:
    """Put into a new namespace what every namespace has."""
    storage.create(SERVICEACCOUNTS, {"metadata": {"name": "default"}}, namespace=name)
