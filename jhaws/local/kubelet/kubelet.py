"""The kubelet of all nodes: starts a worker for each bound pod, and passes on that it has to go.

Owns the pods' loopback addresses, the pulled images and the places of logs. It hears of pods, nodes, and of the
objects that a waiting pod may need through watches. What happens inside a pod is in `podworker`.
"""

from __future__ import annotations

import asyncio
import ipaddress
import logging
import secrets
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from jhaws.local.api.events import EventRecorder, follow
from jhaws.local.api.resources import CONFIGMAPS, NODES, PODS, PVCS, SECRETS
from jhaws.local.api.storage import Storage
from jhaws.local.kubelet.containers import Warden
from jhaws.local.kubelet.images import Images
from jhaws.local.kubelet.launching import Tools
from jhaws.local.kubelet.podworker import PodWorker
from jhaws.local.kubelet.volumes import Volumes
from jhaws.local.scheduling.placement import is_finished

Obj = dict[str, Any]
log = logging.getLogger(__name__)

BACKOFF_SECONDS = 10.0
# The pods' addresses: 127.16.0.1 and up; what is below, others on this machine may use.
FIRST_ADDRESS = int(ipaddress.IPv4Address("127.16.0.1"))
LAST_ADDRESS = int(ipaddress.IPv4Address("127.254.255.254"))


class Addresses:
    """Loopback addresses, each given to one live pod at a time.

    Begins at a random place, so that two clusters of one machine do not use the same ones.
    """

    def __init__(self) -> None:
        self._next = FIRST_ADDRESS + secrets.randbelow(LAST_ADDRESS - FIRST_ADDRESS)
        self._used: set[str] = set()

    def take(self) -> str:
        """Give an address nobody has."""
        while True:
            number = self._next
            self._next = FIRST_ADDRESS if number >= LAST_ADDRESS else number + 1
            address = str(ipaddress.IPv4Address(number))
            if number % 256 not in (0, 255) and address not in self._used:
                self._used.add(address)
                return address

    def give_back(self, address: str) -> None:
        """Let an address be used again."""
        self._used.discard(address)


class Kubelet:
    """Runs the pods of all nodes.

    Args:
        storage: The objects.
        state_dir: The cluster's folder.
        warden: The processes' marker and their last resort.
        home: The mount path that is a user's home.
        image_command: What an image runs by itself.
        pull_seconds: First pull of an image on a node.
        missing_images: Patterns of images that cannot be pulled.
        backoff_seconds: First wait before a crashed container or a failed pull is tried again.
    """

    def __init__(
        self,
        storage: Storage,
        state_dir: Path,
        *,
        warden: Warden,
        home: str,
        image_command: Sequence[str],
        pull_seconds: float = 0.0,
        missing_images: Sequence[str] = (),
        backoff_seconds: float = BACKOFF_SECONDS,
    ) -> None:
        self._storage = storage
        self._addresses = Addresses()
        self._images = Images(pull_seconds=pull_seconds, missing=missing_images)
        self._volumes = Volumes(storage, state_dir)
        self._workers: dict[str, PodWorker] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._changed = asyncio.Event()
        self._tools = Tools(
            storage=storage,
            volumes=self._volumes,
            images=self._images,
            events=EventRecorder(storage, "kubelet"),
            warden=warden,
            home=home.rstrip("/"),
            image_command=tuple(image_command),
            backoff_seconds=backoff_seconds,
            wait_change=self._wait_change,
        )

    async def run(self) -> None:
        """Run pods until cancelled; then all their containers are killed."""
        try:
            async with asyncio.TaskGroup() as group:
                for resource, on_change in (
                    (SECRETS, self._on_other),
                    (CONFIGMAPS, self._on_other),
                    (PVCS, self._on_other),
                    (NODES, self._on_node),
                    (PODS, self._on_pod),
                ):
                    follower = follow(self._storage, resource, on_change)
                    group.create_task(follower, name=f"kubelet-{resource.plural}")
        finally:
            tasks = list(self._tasks.values())
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    def _on_pod(self, kind: str, pod: Obj) -> None:
        meta = pod["metadata"]
        worker = self._workers.get(meta["uid"])
        if worker is not None:
            worker.manifest = pod
            if kind == "DELETED":
                worker.delete(0)
            elif "deletionTimestamp" in meta:
                worker.delete(meta.get("deletionGracePeriodSeconds") or 0)
            return
        if kind == "DELETED" or not pod["spec"].get("nodeName"):
            return
        if is_finished(pod) or self._storage.find(NODES, "", pod["spec"]["nodeName"]) is None:
            # Nobody else would ever end it.
            if "deletionTimestamp" in meta:
                self._storage.remove(PODS, meta["namespace"], meta["name"], uid=meta["uid"])
            return
        self._begin(pod)

    def _begin(self, pod: Obj) -> None:
        uid = pod["metadata"]["uid"]
        address = self._addresses.take()
        worker = self._workers[uid] = PodWorker(self._tools, pod, pod_ip=address)
        if "deletionTimestamp" in pod["metadata"]:
            worker.delete(0)
        task = asyncio.create_task(worker.run(), name=f"worker {pod['metadata']['name']}")
        self._tasks[uid] = task

        def on_end(ended: asyncio.Task[None]) -> None:
            self._workers.pop(uid, None)
            self._tasks.pop(uid, None)
            self._addresses.give_back(address)
            if not ended.cancelled() and ended.exception() is not None:
                log.error("pod %s", pod["metadata"]["name"], exc_info=ended.exception())

        task.add_done_callback(on_end)

    def _on_node(self, kind: str, node: Obj) -> None:
        name = node["metadata"]["name"]
        if kind == "DELETED":
            self._images.forget_node(name)
            for worker in list(self._workers.values()):
                if worker.manifest["spec"]["nodeName"] == name:
                    worker.fail("NodeLost", f"node {name} is gone", grace_seconds=0)
                    worker.delete(0)
        elif kind == "ADDED":
            for pod in self._storage.list(PODS):
                if pod["spec"].get("nodeName") == name:
                    self._on_pod("MODIFIED", pod)

    def _on_other(self, _kind: str, _obj: Obj) -> None:
        self._changed.set()
        self._changed = asyncio.Event()

    async def _wait_change(self, seconds: float) -> None:
        """Wait until an object that a pod may need changed, at most so long."""
        try:
            async with asyncio.timeout(seconds):
                await self._changed.wait()
        except TimeoutError:
            return

    def find_log(self, uid: str, container: str, previous: bool) -> Path:
        """Give the file that a container writes its log to; there is none before it starts.

        Args:
            uid: The pod's uid.
            container: The container's name.
            previous: Whether the log of the run before the newest is wanted.
        """
        return self._volumes.pod_dir(uid) / f"{container}{'.previous' if previous else ''}.log"
