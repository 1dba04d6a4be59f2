"""Addresses of Kubernetes Services: each gets one of its own, and nothing listens there.

Nothing routes to these addresses on one machine; whoever needs the process behind a Kubernetes Service asks the
embedded cluster for it. They exist because clients, manifests and NFS volumes name them.
"""

from __future__ import annotations

import ipaddress
import secrets
from typing import TYPE_CHECKING, Any

from jhaws.local.api.statuses import FieldError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from jhaws.local.api.encoding import Obj

# The range kubeadm uses; .0 to .255 of its first addresses are left for those who want a fixed one.
NETWORK = ipaddress.IPv4Network("10.96.0.0/16")
_FIRST = 256


def taken_addresses(services: Iterable[Obj]) -> frozenset[str]:
    """Collect the addresses of existing Kubernetes Services."""
    return frozenset(service["spec"].get("clusterIP", "") for service in services)


def allocate(spec: dict[str, Any], *, taken: frozenset[str]) -> list[FieldError]:
    """Set `clusterIP` and `clusterIPs` of a new Kubernetes Service.

    Args:
        spec: Its spec; changed.
        taken: Addresses in use.

    Returns:
        What is wrong with the address it wants; empty if nothing.
    """
    if spec.get("type") == "ExternalName":
        return []
    wanted = spec.get("clusterIP") or ""
    error = _find_problem(wanted, taken) if wanted and wanted != "None" else None
    if error:
        return [error]
    spec["clusterIP"] = wanted or _choose(taken)
    spec["clusterIPs"] = [spec["clusterIP"]]
    return []


def _find_problem(wanted: str, taken: frozenset[str]) -> FieldError | None:
    try:
        inside = ipaddress.IPv4Address(wanted) in NETWORK
    except ValueError:
        why = "must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)"
        return FieldError.invalid("spec.clusterIPs[0]", wanted, why)
    if inside and wanted not in taken:
        return None
    why = "provided IP is already allocated" if inside else "the provided network does not match the current range"
    return FieldError.invalid("spec.clusterIPs", [wanted], f"failed to allocate IP {wanted}: {why}")


def _choose(taken: frozenset[str]) -> str:
    while True:
        offset = _FIRST + secrets.randbelow(NETWORK.num_addresses - _FIRST - 1)
        address = str(NETWORK[offset])
        if address not in taken:
            return address
