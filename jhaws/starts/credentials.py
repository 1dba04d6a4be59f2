"""Reads again how the hub identifies itself to the Kubernetes API server.

A token in a pod expires after an hour, one that a kubeconfig's program gives after minutes. The client reads the first
kind once a minute and the second never; when the API server says 401, it is read at once.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from kubernetes_asyncio import client, config


def rereader(configuration: Any) -> Callable[[], Awaitable[None]]:
    """Return a function that puts fresh credentials into `configuration`, that of a Kubernetes client in use.

    The function raises whatever is wrong with the files it reads.
    """

    async def reread() -> None:
        fresh = client.Configuration()
        try:
            config.load_incluster_config(client_configuration=fresh)  # type: ignore[no-untyped-call]
        except config.ConfigException:
            await config.load_kube_config(client_configuration=fresh)
        # Only these: where the API server is may have been set by KubeSpawner's k8s_api_host.
        configuration.api_key.update(fresh.api_key)
        configuration.refresh_api_key_hook = fresh.refresh_api_key_hook

    return reread
