"""WatchingSpawner: a KubeSpawner whose reflectors are our watches.

One `PodWatch` and one `EventWatch` per namespace (or for all, with `enable_user_namespaces`) and component label are
shared by all servers. Their registry is our own: KubeSpawner's is an attribute of its class, and both may be in use.
"""

from __future__ import annotations

import asyncio
import functools
import logging
from collections.abc import Callable
from typing import Any, ClassVar, Self

import aiohttp
import orjson
from kubespawner import KubeSpawner
from kubespawner.clients import load_config, shared_client

from .attempt import Attempt
from .credentials import rereader
from .eventwatch import EventWatch
from .podwatch import PodWatch, pod_key

# At its level DEBUG the Kubernetes client logs every answer, and with it the token of every server.
logging.getLogger("kubernetes_asyncio.client.rest").setLevel(logging.INFO)

READ_SECONDS = 5.0  # for reading one pod


class WatchingSpawner(KubeSpawner):  # type: ignore[misc]  # KubeSpawner has no types
    """Keeps pods and their events by watches that never give up."""

    reflectors: ClassVar[dict[Any, Any]] = {}

    attempt: Attempt | None = None  # the latest start

    @classmethod
    def stand_in(cls, config: Any) -> Self:
        """Return a spawner of no user, for whoever needs its options, the shared watches and the Kubernetes client.

        KubeSpawner's own constructor wants a user, and a hub need not have one.
        """
        spawner = cls.__new__(cls)
        spawner.config = config
        # With the same arguments as KubeSpawner gives, because it is done once for each set of them.
        load_config(
            host=spawner.k8s_api_host,
            ssl_ca_cert=spawner.k8s_api_ssl_ca_cert,
            verify_ssl=spawner.k8s_api_verify_ssl,
        )
        spawner.api = shared_client("CoreV1Api")
        return spawner

    def _get_reflector_key(self, kind: str) -> tuple[Any, ...]:
        return (*super()._get_reflector_key(kind), self.component_label)

    def _lister(self, kind: str, **selectors: str) -> Callable[..., Any]:
        if self.enable_user_namespaces:
            return functools.partial(getattr(self.api, f"list_{kind}_for_all_namespaces"), **selectors)
        return functools.partial(getattr(self.api, f"list_namespaced_{kind}"), self.namespace, **selectors)

    async def _start_watching_pods(self, replace: bool = False) -> PodWatch:
        """Return the shared watch of pods once it has loaded; `replace` makes it begin to load anew."""
        key = self._get_reflector_key("pods")
        watch: PodWatch | None = self.reflectors.get(key)
        if watch is None:
            watch = self.reflectors[key] = PodWatch(
                self._lister("pod", label_selector=f"component={self.component_label}"),
                is_ours=self.is_ours,
                whole=bool(self.get_pod_url),
                log=self.log,
                reread_credentials=rereader(self.api.api_client.configuration),
            )
        elif self.get_pod_url and not watch.whole:
            watch.whole = True
            await watch.reload()
        elif replace:
            watch.restart()
        watch.start()  # begins it, and begins it again should it ever have ended
        await watch.load()
        return watch

    async def _start_watching_events(self, replace: bool = False) -> EventWatch:
        """Return the shared watch of events; it runs while a server starts."""
        key = self._get_reflector_key("events")
        watch: EventWatch | None = self.reflectors.get(key)
        if watch is None:
            watch = self.reflectors[key] = EventWatch(
                self._lister("event", field_selector="involvedObject.kind=Pod"),
                log=self.log,
                reread_credentials=rereader(self.api.api_client.configuration),
            )
        return watch

    @classmethod
    def is_ours(cls, pod: Any) -> bool:
        """Say whether a pod may be of this hub; another one in the namespace marks its own."""
        return True

    @property
    def _pod_key(self) -> str:
        return pod_key(self.namespace, self.pod_name)

    def _cached_pod(self) -> Any:
        return self.pod_reflector.pods.get(self._pod_key)

    async def _fetch_pod(self) -> Any:
        """Read this server's pod from the API server.

        Returns:
            v1 Pod, {} where there is none, None where the API server gives no answer.
        """
        call = functools.partial(self.api.read_namespaced_pod, self.pod_name, self.namespace, _preload_content=False)
        try:
            async with asyncio.timeout(READ_SECONDS), await call() as response:
                if response.status == 404:
                    return {}
                return orjson.loads(await response.read()) if response.status == 200 else None
        except (TimeoutError, aiohttp.ClientError, OSError, orjson.JSONDecodeError):
            return None
