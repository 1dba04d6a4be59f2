"""The cache of pods: every server's pod, as fresh as the API server can make it.

It stands where KubeSpawner has its pod reflector, so everything that reads `pod_reflector.pods` goes on working. A pod
is kept as bytes, without the fields that nobody reads: ten thousand of them are 15 MB that the garbage collector never
looks at, and each read gives a dict of its own. Whoever waits for a pod listens here and is woken by its next change.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Iterator, Mapping
from typing import Any

import orjson

from .watching import ListCall, Object, Watch

METADATA = (
    "name",
    "namespace",
    "uid",
    "resourceVersion",
    "creationTimestamp",
    "deletionTimestamp",
    "deletionGracePeriodSeconds",
    "labels",
)
ANNOTATIONS = ("hub.jupyter.org/", "jhaws.io/")
CONTAINER = ("name", "image", "ports")
CONDITION = ("type", "status", "reason", "message", "lastTransitionTime")
CONTAINER_STATUS = ("name", "image", "state", "lastState", "ready", "started", "restartCount")
STATUS = ("phase", "reason", "message", "nominatedNodeName", "hostIP", "podIP", "podIPs", "startTime", "qosClass")


def pod_key(namespace: str, name: str) -> str:
    """Return the key that KubeSpawner's reflectors use for a pod."""
    return f"{namespace}/{name}"


def key_of(pod: Mapping[str, Any]) -> str:
    """Return the key of a pod."""
    return pod_key(pod["metadata"]["namespace"], pod["metadata"]["name"])


def trim_pod(pod: Mapping[str, Any]) -> Object:
    """Return what of a pod is ever read by JupyterHub, KubeSpawner and jhaws.

    Args:
        pod: v1 Pod as the API server sends it.

    Returns:
        v1 Pod with metadata, the names, images and ports of its containers, and its status; a field that the pod lacks
        is not there.
    """
    metadata, spec, status = pod["metadata"], pod.get("spec") or {}, pod.get("status") or {}
    kept = _pick(metadata, METADATA)
    annotations = metadata.get("annotations") or {}
    kept["annotations"] = {name: value for name, value in annotations.items() if name.startswith(ANNOTATIONS)}
    trimmed = _pick(status, STATUS)
    for name, fields in (
        ("conditions", CONDITION),
        ("containerStatuses", CONTAINER_STATUS),
        ("initContainerStatuses", CONTAINER_STATUS),
    ):
        if status.get(name) is not None:
            trimmed[name] = [_pick(item, fields) for item in status[name]]
    containers = {
        name: [_pick(item, CONTAINER) for item in spec[name]]
        for name in ("containers", "initContainers")
        if spec.get(name)
    }
    return {"metadata": kept, "spec": {**_pick(spec, ("nodeName", "restartPolicy")), **containers}, "status": trimmed}


def _pick(mapping: Mapping[str, Any], names: tuple[str, ...]) -> Object:
    return {name: mapping[name] for name in names if name in mapping}


class Pods(Mapping[str, Object]):
    """The pods by `namespace/name`; reading one gives a new dict."""

    def __init__(self) -> None:
        self.kept: dict[str, bytes] = {}

    def __getitem__(self, key: str) -> Object:
        found: Object = orjson.loads(self.kept[key])
        return found

    def __iter__(self) -> Iterator[str]:
        return iter(self.kept)

    def __len__(self) -> int:
        return len(self.kept)

    def __contains__(self, key: object) -> bool:
        return key in self.kept


class PodWatch:
    """Keeps the pods of one namespace, or of all, and wakes who listens for one of them."""

    def __init__(
        self,
        list_call: ListCall,
        *,
        is_ours: Callable[[Mapping[str, Any]], bool] = lambda pod: True,
        whole: bool = False,
        log: Any = None,
        reread_credentials: Callable[[], Awaitable[None]] | None = None,
    ) -> None:
        """Make the cache; `start` begins to fill it.

        Args:
            list_call: Lists or watches the pods that are wanted, and hands out the raw answer.
            is_ours: Tells a pod of this hub from one of another hub in the same namespace, which is not kept.
            whole: Keep pods as they come, because a hook of the operator reads them.
            log: Logger for what an operator should know.
            reread_credentials: Called when the API server no longer accepts ours.
        """
        self.pods = Pods()
        self.whole = whole
        self.first_load_future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.watch = Watch("pods", list_call, self, log=log, reread_credentials=reread_credentials)
        self._is_ours = is_ours
        self._fresh: dict[str, bytes] | None = None
        self._whole_keys: set[str] = set()
        self._listeners: dict[str, list[Callable[[], None]]] = {}

    @property
    def resources(self) -> Pods:
        """The pods, by the name that KubeSpawner's reflectors have for all that they keep."""
        return self.pods

    def count_running(self) -> int:
        """Return how many of the pods run; it looks at the bytes, to be quick with ten thousand."""
        return sum(b'"phase":"Running"' in pod for pod in self.pods.kept.values())

    def start(self) -> None:
        """Begin to watch."""
        self.watch.start()

    async def stop(self) -> None:
        """End the watch."""
        await self.watch.stop()

    async def restart(self) -> None:
        """List everything again, as for a watch that has shown not to know a pod."""
        await self.watch.restart()

    async def load(self) -> None:
        """Wait until everything has been listed once."""
        await self.watch.loaded.wait()

    @contextlib.contextmanager
    def listening(self, key: str, wake: Callable[[], None]) -> Iterator[None]:
        """Call `wake` at every change of the pod `key`, until the block ends."""
        self.listen(key, wake)
        try:
            yield
        finally:
            self.unlisten(key, wake)

    def listen(self, key: str, wake: Callable[[], None]) -> None:
        """Call `wake` at every change of the pod `key`, on the event loop; it must return at once."""
        self._listeners.setdefault(key, []).append(wake)

    def unlisten(self, key: str, wake: Callable[[], None]) -> None:
        """Take back one `listen`; one that is not there is no error."""
        there = self._listeners.get(key, [])
        if wake in there:
            there.remove(wake)
        if not there:
            self._listeners.pop(key, None)

    @contextlib.contextmanager
    def keeping_whole(self, key: str) -> Iterator[None]:
        """Keep the pod `key` with all its fields until the block ends, because a hook is going to read it."""
        self._whole_keys.add(key)
        try:
            yield
        finally:
            self._whole_keys.discard(key)
            if key in self.pods and not self.whole:
                self.pods.kept[key] = orjson.dumps(trim_pod(self.pods[key]))

    def begin(self) -> None:
        """Begin to collect a list; until it is complete the old pods stay."""
        self._fresh = {}

    def put(self, kind: str, item: Object) -> None:
        """Keep a pod that came or changed, forget one that went, and wake who listens for it."""
        key = key_of(item)
        into = self.pods.kept if self._fresh is None else self._fresh
        if kind == "DELETED" or not self._is_ours(item):
            into.pop(key, None)
        else:
            into[key] = orjson.dumps(item if self.whole or key in self._whole_keys else trim_pod(item))
        if self._fresh is None:
            self._wake(key)

    def complete(self) -> None:
        """Put the list that was collected in the place of the old one, and wake who listens for a pod that differs."""
        if self._fresh is None:
            return
        old, self.pods.kept, self._fresh = self.pods.kept, self._fresh, None
        if not self.first_load_future.done():
            self.first_load_future.set_result(None)
        for key in list(self._listeners):
            if old.get(key) != self.pods.kept.get(key):
                self._wake(key)

    def _wake(self, key: str) -> None:
        for wake in list(self._listeners.get(key, ())):
            wake()
