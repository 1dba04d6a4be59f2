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

RELOAD_SECONDS = 0.05  # between two looks at whether a list that is wanted has come

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
        self.running: set[str] = set()

    def keep(self, key: str, pod: Mapping[str, Any]) -> None:
        """Keep a pod, in the place of the one that is kept under its key."""
        self.kept[key] = orjson.dumps(pod)
        runs = (pod.get("status") or {}).get("phase") == "Running"
        (self.running.add if runs else self.running.discard)(key)

    def drop(self, key: str) -> None:
        """Forget a pod; one that is not there is no error."""
        self.kept.pop(key, None)
        self.running.discard(key)

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
        self._fresh: Pods | None = None
        self._whole_keys: set[str] = set()
        self._listeners: dict[str, list[Callable[[], None]]] = {}

    @property
    def resources(self) -> Pods:
        """The pods, by the name that KubeSpawner's reflectors have for all that they keep."""
        return self.pods

    def count_running(self) -> int:
        """Return how many of the pods run."""
        return len(self.pods.running)

    def start(self) -> None:
        """Begin to watch."""
        self.watch.start()

    async def stop(self) -> None:
        """End the watch."""
        await self.watch.stop()

    def restart(self) -> None:
        """List everything again, as for a watch that has shown not to know a pod; the old list stays until then."""
        self.watch.restart()

    async def load(self) -> None:
        """Wait until everything has been listed once."""
        await self.watch.loaded.wait()

    async def reload(self) -> None:
        """List everything again and wait for that."""
        lists = self.watch.lists
        self.restart()
        while self.watch.lists == lists:  # noqa: ASYNC110  # rare, and nobody else wants to know
            await asyncio.sleep(RELOAD_SECONDS)

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
                self.pods.keep(key, trim_pod(self.pods[key]))

    def begin(self) -> None:
        """Begin to collect a list; until it is complete the old pods stay."""
        self._fresh = Pods()

    def learn(self, kind: str, item: Object) -> None:
        """Put a change that was read elsewhere, as `put` does; also while a list is loaded, whatever that will show."""
        fresh, self._fresh = self._fresh, None
        self.put(kind, item)
        self._fresh = fresh
        if fresh is not None:
            self.put(kind, item)

    def put(self, kind: str, item: Object) -> None:
        """Keep a pod that came or changed, forget one that went, and wake who listens for it."""
        key = key_of(item)
        into = self.pods if self._fresh is None else self._fresh
        if kind == "DELETED" or not self._is_ours(item):
            into.drop(key)
        else:
            into.keep(key, item if self.whole or key in self._whole_keys else trim_pod(item))
        if self._fresh is None:
            self._wake(key)

    def complete(self) -> None:
        """Put the list that was collected in the place of the old one, and wake who listens for a pod that differs."""
        if self._fresh is None:
            return
        old, fresh, self._fresh = self.pods.kept, self._fresh, None
        self.pods.kept, self.pods.running = fresh.kept, fresh.running
        if not self.first_load_future.done():
            self.first_load_future.set_result(None)
        for key in list(self._listeners):
            if old.get(key) != self.pods.kept.get(key):
                self._wake(key)

    def _wake(self, key: str) -> None:
        for wake in list(self._listeners.get(key, ())):
            wake()
