"""From a container's manifest to a process of this machine: folders, links, environment, command.

A `Launcher` makes for one container the root folder with a link per mount, and the `Launch` of its process and of
its hooks. What is written where is decided in `environment` and `volumes`; `runners` starts the result.
"""

from __future__ import annotations

import uuid
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from jhaws.local.api.events import EventRecorder
from jhaws.local.api.storage import Storage
from jhaws.local.kubelet import environment
from jhaws.local.kubelet.containers import CLUSTER_VARIABLE, POD_VARIABLE, Launch, Warden
from jhaws.local.kubelet.folders import ensure_inside, link_inside, path_parts
from jhaws.local.kubelet.images import Images
from jhaws.local.kubelet.probes import Target
from jhaws.local.kubelet.volumes import Mount, Volumes, expand

Obj = dict[str, Any]


@dataclass(frozen=True)
class Tools:
    """What all pods share.

    Attributes:
        storage: The objects.
        volumes: Finds folders.
        images: Pulls.
        events: The kubelet's voice.
        warden: The marker of this run.
        home: The mount path that is a user's home.
        image_command: What an image runs by itself.
        backoff_seconds: The first wait between tries; doubles up to five minutes.
        wait_change: Returns when a Secret, ConfigMap or claim changed, or after so many seconds.
    """

    storage: Storage
    volumes: Volumes
    images: Images
    events: EventRecorder
    warden: Warden
    home: str
    image_command: Sequence[str]
    backoff_seconds: float
    wait_change: Callable[[float], Awaitable[None]]


class Pod(Protocol):
    """What a runner needs of its pod."""

    manifest: Obj
    pod_ip: str
    folders: dict[str, Path]
    is_stopping: bool

    def publish(self) -> None:
        """Write the status."""


@dataclass(frozen=True)
class Prepared:
    """What it takes to run a container.

    Attributes:
        launch: Its process.
        target: Where its hooks and probes work.
    """

    launch: Launch
    target: Target


class Launcher:
    """Prepares one container.

    Args:
        tools: What all pods share.
        pod: Its pod.
        container: Its part of the spec.

    Attributes:
        log: Where its output goes.
        message_file: What it may write its last words to.
    """

    def __init__(self, tools: Tools, pod: Pod, container: Obj) -> None:
        self._tools = tools
        self._pod = pod
        self._container = container
        self._name = str(container["name"])
        self._dir = tools.volumes.pod_dir(pod.manifest["metadata"]["uid"])
        self.log = self._dir / f"{self._name}.log"
        self.message_file = self._dir / f"{self._name}.termination"
        self._links: list[Path] = []

    def prepare(self) -> Prepared:
        """Make the folders and links, and build the launch.

        Raises:
            MissingValueError: A variable refers to something that is not there.
            MountError: A subPath cannot be had.
            OutsideError: A path leads out.
        """
        manifest, tools = self._pod.manifest, self._tools
        env = environment.make_pod_environment(
            self._container,
            namespace=manifest["metadata"]["namespace"],
            fields=environment.make_fields(manifest, pod_ip=self._pod.pod_ip),
            storage=tools.storage,
        )
        rootfs = self._dir / "rootfs" / self._name
        temp_dir = self._dir / "tmp"
        for folder in (rootfs, temp_dir):
            folder.mkdir(parents=True, exist_ok=True)
        mounts = tools.volumes.ensure_mounts(self._container, self._pod.folders, env=env)
        home = next((m.folder for m in mounts if m.path == tools.home), None)
        if home is None:
            home = ensure_inside(rootfs, path_parts(tools.home, what="home"), what="home")
            mounts.append(Mount(tools.home, home))
        self._make_links(rootfs, mounts)
        message_path = self._container.get("terminationMessagePath") or "/dev/termination-log"
        rewrite = environment.make_rewriter([*mounts, Mount(message_path, self.message_file)], pod_ip=self._pod.pod_ip)
        rewritten = environment.rewrite_environment(env, rewrite, pod_ip=self._pod.pod_ip)
        full_env = {
            **environment.make_base_environment(home=home, temp_dir=temp_dir),
            **rewritten,
            CLUSTER_VARIABLE: tools.warden.run_id,
            POD_VARIABLE: manifest["metadata"]["uid"],
        }
        cwd = self._make_cwd(rootfs, home, mounts)
        target_ports = {p["name"]: p["containerPort"] for p in self._container.get("ports") or () if p.get("name")}

        def hook(command: list[str]) -> Launch:
            argv = [rewrite(part) for part in command]
            return Launch(argv, full_env, cwd, self._dir / f"{self._name}.{uuid.uuid4().hex[:8]}.hook")

        target = Target(self._pod.pod_ip, target_ports, hook)
        command = environment.choose_command(self._container, image_command=tools.image_command)
        launch = Launch([rewrite(expand(part, env)) for part in command], full_env, cwd, self.log)
        return Prepared(launch, target)

    def _make_cwd(self, rootfs: Path, home: Path, mounts: Sequence[Mount]) -> Path:
        wanted = self._container.get("workingDir")
        if not wanted:
            return home
        path = "/" + "/".join(path_parts(wanted, what="workingDir"))
        inside = [m for m in mounts if path == m.path or path.startswith(m.path + "/")]
        best = max(inside, key=lambda m: len(m.path), default=Mount("", rootfs))
        return ensure_inside(best.folder, path_parts(path[len(best.path) :], what="workingDir"), what="workingDir")

    def _make_links(self, rootfs: Path, mounts: Sequence[Mount]) -> None:
        """Show every mount where the container expects it: below its root folder, or in the mount around it."""
        for mount in sorted(mounts, key=lambda m: len(m.path)):
            around = [m for m in mounts if mount.path.startswith(m.path + "/") and m.folder.is_dir()]
            outer = max(around, key=lambda m: len(m.path), default=Mount("", rootfs))
            parts = path_parts(mount.path[len(outer.path) :], what="mountPath")
            if not parts or mount.folder == outer.folder.joinpath(*parts):
                continue
            link = link_inside(outer.folder, parts, mount.folder)
            if link is not None and outer.path and mount.folder.is_relative_to(self._dir.resolve()):
                # It is in a volume that stays, and leads to a folder that goes with the pod.
                self._links.append(link)

    def remove_links(self) -> None:
        """Take away the links in lasting volumes that would lead nowhere."""
        for link in self._links:
            with suppress(OSError):
                if link.is_symlink() and link.readlink().is_relative_to(self._dir.resolve()):
                    link.unlink()
