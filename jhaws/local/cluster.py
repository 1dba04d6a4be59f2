"""The embedded cluster: API server, scheduler, kubelet, claims and nodes in one process, on one folder.

`LocalCluster` owns the order of starting and stopping and the folder's lock; each part only knows the storage.
What is in memory (all objects) ends with the cluster; what is in `nfs/`, `hostpath/` and `pv/` stays. It is for
trying and testing: whoever reaches the API starts processes as you, so it listens on loopback only, with a token.
"""

from __future__ import annotations

import asyncio
import fcntl
import logging
import os
import shutil
import signal
import sys
from collections.abc import Coroutine
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from jhaws.errors import LocalError
from jhaws.local.api.apiserver import ApiServer, write_kubeconfig
from jhaws.local.api.storage import Storage
from jhaws.local.kubelet.claims import Claims
from jhaws.local.kubelet.containers import Warden
from jhaws.local.kubelet.kubelet import BACKOFF_SECONDS, Kubelet
from jhaws.local.scheduling.nodes import LocalNodegroup, NodeManager
from jhaws.local.scheduling.scheduler import Scheduler

log = logging.getLogger(__name__)

# What an image of z2jh for users runs by itself. Not `python -m`: that would import from the user's home first.
SINGLEUSER_COMMAND = ("jupyterhub-singleuser",)


@dataclass(frozen=True)
class LocalSettings:
    """What a local cluster is like.

    Attributes:
        state_dir: Its folder; made if need be, for one cluster at a time.
        nodegroups: Its nodes.
        port: Of the API on 127.0.0.1; 0 takes any free one.
        pull_seconds: First pull of an image on a node.
        node_start_seconds: From the order of a node to its being there.
        scale_down_seconds: How long a node above the minimum may be empty; `None` means for ever.
        home: The mount path that is a user's home; `HOME` is its folder.
        image_command: What a container without a command runs.
        missing_images: Patterns (`fnmatch`) of images that cannot be pulled.
        backoff_seconds: First wait before a crashed container or a failed pull is tried again; doubles to 300.
    """

    state_dir: Path
    nodegroups: tuple[LocalNodegroup, ...] = (LocalNodegroup("default"),)
    port: int = 0
    pull_seconds: float = 0.0
    node_start_seconds: float = 5.0
    scale_down_seconds: float | None = None
    home: str = "/home/jovyan"
    image_command: tuple[str, ...] = SINGLEUSER_COMMAND
    missing_images: tuple[str, ...] = ()
    backoff_seconds: float = BACKOFF_SECONDS


class LocalCluster:
    """A Kubernetes on this machine: `async with LocalCluster(settings) as cluster`.

    Args:
        settings: What it is like.

    Attributes:
        storage: The objects; there from the start on.
        kubeconfig: The file that `KUBECONFIG` has to name; readable by its owner only.
    """

    def __init__(self, settings: LocalSettings) -> None:
        self._settings = settings
        self._state_dir = settings.state_dir.absolute()
        self.kubeconfig = self._state_dir / "kubeconfig"
        self.storage = Storage()
        self._api = ApiServer(self.storage)
        self._warden: Warden | None = None
        self._tasks: list[asyncio.Task[None]] = []
        self._lock: int | None = None

    @property
    def url(self) -> str:
        """Where the API listens; empty before `start`."""
        return self._api.url

    @property
    def token(self) -> str:
        """What the API wants to see; also in the kubeconfig."""
        return self._api.token

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *_exc: object) -> None:
        await self.stop()

    async def start(self) -> None:
        """Start everything, and write the kubeconfig.

        Raises:
            LocalError: The folder has a cluster already, the port is taken, or this is no Linux.
        """
        if not sys.platform.startswith("linux"):
            raise LocalError(
                f"The embedded cluster needs Linux for its loopback addresses and /proc, this is {sys.platform}: "
                "use a Linux machine, a virtual one or WSL."
            )
        self._take_lock()
        try:
            await self._start_parts(self._settings)
        except BaseException:
            await self.stop()
            raise

    async def _start_parts(self, settings: LocalSettings) -> None:
        self._warden = Warden(self._state_dir)
        await self._warden.start()
        # Of an earlier run that was killed; the pods themselves are gone with it.
        await asyncio.to_thread(shutil.rmtree, self._state_dir / "pods", ignore_errors=True)
        kubelet = Kubelet(
            self.storage,
            self._state_dir,
            warden=self._warden,
            home=settings.home,
            image_command=settings.image_command,
            pull_seconds=settings.pull_seconds,
            missing_images=settings.missing_images,
            backoff_seconds=settings.backoff_seconds,
        )
        nodes = NodeManager(
            self.storage,
            settings.nodegroups,
            node_start_seconds=settings.node_start_seconds,
            scale_down_seconds=settings.scale_down_seconds,
        )
        claims = Claims(self.storage, self._state_dir)
        self._api.log_finder = kubelet.find_log
        await self._api.start(port=settings.port)
        claims.ensure_default_class()
        nodes.create_nodes()
        self._run(claims.run(), "claims")
        self._run(Scheduler(self.storage).run(), "scheduler")
        self._run(kubelet.run(), "kubelet")
        self._run(nodes.run(), "autoscaler")
        write_kubeconfig(self.kubeconfig, self._api.make_kubeconfig())

    async def stop(self) -> None:
        """Stop everything; kills every process of every pod and no other. Safe to call twice."""
        await self._api.stop()
        tasks, self._tasks = self._tasks, []
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        if self._warden is not None:
            warden, self._warden = self._warden, None
            await warden.stop()
            self.kubeconfig.unlink(missing_ok=True)
            await asyncio.to_thread(shutil.rmtree, self._state_dir / "pods", ignore_errors=True)
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def _run(self, part: Coroutine[Any, Any, None], name: str) -> None:
        task = asyncio.create_task(part, name=f"local-{name}")
        task.add_done_callback(_report_end)
        self._tasks.append(task)

    def _take_lock(self) -> None:
        try:
            self._state_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
            lock = os.open(self._state_dir / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as exc:
            raise LocalError(
                f"The local cluster cannot use the folder {self._state_dir} ({exc.strerror}): choose another one."
            ) from exc
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as exc:
            os.close(lock)
            raise LocalError(
                f"The folder {self._state_dir} already has a running local cluster, and it can have only one: "
                "stop that one, or choose another folder."
            ) from exc
        self._lock = lock


def _report_end(task: asyncio.Task[None]) -> None:
    """Say that a part of the cluster ended by itself, which it never should."""
    if not task.cancelled() and task.exception() is not None:
        log.error("%s ended", task.get_name(), exc_info=task.exception())


async def run_local(settings: LocalSettings) -> None:
    """Run a cluster until SIGINT or SIGTERM, and print where its kubeconfig is.

    Raises:
        LocalError: As `LocalCluster.start`.
    """
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    async with LocalCluster(settings) as cluster:
        sys.stdout.write(f"export KUBECONFIG={cluster.kubeconfig}\n")
        sys.stdout.flush()
        await stop.wait()
