"""ResumingSpawner: a hub that was ended in the middle of a start goes on with it when it begins again.

JupyterHub writes a server into its database before it has an address, and asks for the address again at its next
start. The pod may still be waiting for a node or an image then. Stock KubeSpawner says that it runs, JupyterHub looks
for it at an address that never was, and half a minute later the pod is deleted under its user's eyes.
"""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlparse

from .ends import aware_now, has_ended
from .probing import port_of
from .requests import woken_within
from .spawning import LOOK_AGAIN_SECONDS, WatchedSpawner, runs


class ResumingSpawner(WatchedSpawner):
    """Knows where a server is that began to start before the hub did."""

    async def get_url(self) -> Any:
        """Return where the server is, as soon as its pod runs; JupyterHub asks at its start and then probes there.

        Nothing is raised: one server that cannot be found must not keep the hub from starting.
        """
        try:
            if pod := await self._wait_for_old_start():
                url = urlparse(self._get_pod_url(pod))
                self.server.proto, self.server.ip = url.scheme, url.hostname
                self.server.port = port_of(url)
        except Exception as error:  # noqa: BLE001  # an operator's hook may raise anything
            self.log.error("Where the server of %s is cannot be told: %s", self._log_name, error)
        return self.server.url

    async def _wait_for_old_start(self) -> Any:
        """Return the pod once it runs; None when it will not, or its time to start is over."""
        watch = await self._start_watching_pods()
        woken = asyncio.Event()
        with watch.listening(self._pod_key, woken.set):
            while not has_ended(pod := self._cached_pod(), now=aware_now()):
                if runs(self.is_pod_running, pod):
                    return pod
                gives_up = datetime.fromisoformat(pod["metadata"]["creationTimestamp"]) + timedelta(
                    seconds=self.start_timeout
                )
                if aware_now() > gives_up:
                    return None
                await woken_within(woken, LOOK_AGAIN_SECONDS)
        return None
