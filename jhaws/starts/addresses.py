"""Where a Kubernetes Service is.

The nodes mount NFS, and their resolvers do not know the cluster's Services; the hub's does. So the hub looks a Service
up for each server that starts: one that was made again has another address. Other names stay as they are, since a node
may be told another address than the hub, as with EFS, which answers with the one of the node's own zone.
"""

from __future__ import annotations

import asyncio
import ipaddress
import logging
import os
import socket

LOOKUP_SECONDS = 5.0  # the cluster's DNS answers in milliseconds

log = logging.getLogger(__name__)


def names_service(host: str) -> bool:
    """Say whether a host is named as Services are: `drive`, `drive.hubs.svc` or `drive.hubs.svc.cluster.local`."""
    try:
        ipaddress.ip_address(host.strip("[]"))
    except ValueError:
        labels = host.rstrip(".").split(".")
        return len(labels) == 1 or labels[2:3] == ["svc"]
    return False


async def resolve_service(host: str) -> str:
    """Return the address of a Kubernetes Service, where the hub runs in a cluster.

    Args:
        host: Host name or address.

    Returns:
        The address; `host` itself where it is no Service's name, or no Service has it.
    """
    if "KUBERNETES_SERVICE_HOST" not in os.environ or not names_service(host):
        return host
    try:
        async with asyncio.timeout(LOOKUP_SECONDS):
            found = await asyncio.get_running_loop().getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except (OSError, TimeoutError) as error:
        # The nodes may know it from their own files. If not, the start fails and says so.
        log.warning("The cluster's DNS does not know the Service %r: %s", host, error or "no answer")
        return host
    return str(found[0][4][0])
