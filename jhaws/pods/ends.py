"""How a server's container ended, from the status of its pod.

KubeSpawner's pods are restarted by Kubernetes when their process fails, so a killed server comes back by itself and
nobody is told that its kernels are gone. What is read here is said in the hub's log.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

SERVER_CONTAINER = "notebook"  # KubeSpawner's name for it


def restarts_of(pod: Mapping[str, Any]) -> tuple[int, str]:
    """Return how often the server's container was restarted, and how it ended the last time.

    Args:
        pod: v1 Pod as the API server sends it.

    Returns:
        A count and words such as "exit status 137, OOMKilled"; (0, "") where nothing was restarted or known.
    """
    server = status_of_server(pod)
    if not server.get("restartCount"):
        return 0, ""
    ended = (server.get("lastState") or {}).get("terminated") or {}
    words = [f"exit status {ended.get('exitCode', 'unknown')}", ended.get("reason") or ""]
    return server["restartCount"], ", ".join(filter(None, words))


def status_of_server(pod: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the v1 ContainerStatus of the server's container, {} where it has none yet."""
    for container in (pod.get("status") or {}).get("containerStatuses") or []:
        if container.get("name") == SERVER_CONTAINER:
            found: Mapping[str, Any] = container
            return found
    return {}
