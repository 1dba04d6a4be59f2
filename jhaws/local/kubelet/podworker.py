"""The life of one pod on its node, from the binding to the last word.

Volumes, then init containers one by one, then the containers side by side; its status is written after each change.
It ends by itself, by its deadline, or because somebody deleted it: preStop hooks, SIGTERM, and SIGKILL when the
grace is over; then every stray process with the pod's marker goes, its folder, and at last the object.
`kubelet` makes one `PodWorker` per pod; a container is a `Runner` of `runners`.
"""

from __future__ import annotations

import asyncio
import logging
import shutil
from pathlib import Path
from typing import Any

from jhaws.local.api.events import now
from jhaws.local.api.resources import PODS
from jhaws.local.kubelet import environment
from jhaws.local.kubelet.launching import Tools
from jhaws.local.kubelet.podstatus import ContainerState, PodState, choose_phase, write_status
from jhaws.local.kubelet.runners import Backoff, Runner
from jhaws.local.kubelet.volumes import MountError

Obj = dict[str, Any]
log = logging.getLogger(__name__)


class PodWorker:
    """Runs one pod.

    Args:
        tools: What all pods share.
        manifest: The pod, bound to a node.
        pod_ip: Its loopback address.
    """

    def __init__(self, tools: Tools, manifest: Obj, *, pod_ip: str) -> None:
        self._tools = tools
        self.manifest = manifest
        self.pod_ip = pod_ip
        self.folders: dict[str, Path] = {}
        self.is_stopping = False
        spec = manifest["spec"]
        self._policy = spec.get("restartPolicy") or "Always"
        self.state = PodState(
            inits=[ContainerState(c) for c in spec.get("initContainers") or ()],
            mains=[ContainerState(c) for c in spec["containers"]],
            start_time=now(),
        )
        self._runners: list[Runner] = []
        self._tasks: list[asyncio.Task[None]] = []
        self._sidecars: list[Runner] = []
        self._known: dict[int, bytes] = {}
        self._stop_asked = asyncio.Event()
        self._delete_asked = asyncio.Event()
        self._timers: list[asyncio.TimerHandle] = []

    @property
    def uid(self) -> str:
        """The pod's uid."""
        return str(self.manifest["metadata"]["uid"])

    # What others ask

    def delete(self, grace_seconds: float) -> None:
        """End the pod, for good; may be called again with a shorter grace."""
        self.is_stopping = True
        self._stop_asked.set()
        self._delete_asked.set()
        self._kill_in(grace_seconds)

    def fail(self, reason: str, message: str, *, grace_seconds: float) -> None:
        """End the pod as failed; the object stays."""
        if self.is_stopping or self.state.failure is not None:
            return
        self.state.failure = (reason, message)
        self.is_stopping = True
        self._tools.events.record(self.manifest, reason, message, host=self.manifest["spec"]["nodeName"])
        self._stop_asked.set()
        self._kill_in(grace_seconds)

    def _kill_in(self, seconds: float) -> None:
        loop = asyncio.get_running_loop()
        self._timers.append(loop.call_later(max(0.0, seconds), self._kill_now))

    def _kill_now(self) -> None:
        for runner in self._runners:
            runner.kill()

    # The life

    async def run(self) -> None:
        """Live, end, and leave nothing behind."""
        life = asyncio.create_task(self._live(), name=f"pod {self.manifest['metadata']['name']}")
        asked = asyncio.create_task(self._stop_asked.wait(), name="stop asked")
        try:
            await asyncio.wait({life, asked}, return_when=asyncio.FIRST_COMPLETED)
            if asked.done():
                await self._end_containers()
            elif life.exception() is not None:
                log.error("pod %s", self.manifest["metadata"]["name"], exc_info=life.exception())
                self.state.failure = ("InternalError", f"{type(life.exception()).__name__}: {life.exception()}")
            await self._cancel([life, asked, *self._tasks])
            await self._sweep()
            self.publish()
            await self._delete_asked.wait()
            self.publish()
            await self._clean_up()
        finally:
            for timer in self._timers:
                timer.cancel()
            # The processes are left to whoever cancelled this: it knows them better while they have their parents.
            for task in (life, asked, *self._tasks):
                task.cancel()

    async def _live(self) -> None:
        for init in self.state.inits:
            init.wait("PodInitializing")
        for main in self.state.mains:
            main.wait("PodInitializing" if self.state.inits else "ContainerCreating")
        self._set_deadline()
        self.publish()
        await self._mount()
        self.state.pod_ip = self.pod_ip
        if not await self._run_inits():
            await self._end_sidecars()
            return
        self.state.initialized = True
        for main in self.state.mains:
            main.wait("ContainerCreating")
        tasks = [
            self._start(Runner(self._tools, self, state=main, field="containers", restart_policy=self._policy))
            for main in self.state.mains
        ]
        await asyncio.gather(*tasks)
        await self._end_sidecars()

    def _set_deadline(self) -> None:
        seconds = self.manifest["spec"].get("activeDeadlineSeconds")
        if seconds:
            message = "Pod was active on the node longer than the specified deadline"
            self._timers.append(
                asyncio.get_running_loop().call_later(
                    seconds, lambda: self.fail("DeadlineExceeded", message, grace_seconds=self._grace_seconds)
                )
            )

    @property
    def _grace_seconds(self) -> float:
        grace = self.manifest["spec"].get("terminationGracePeriodSeconds")
        return 30.0 if grace is None else float(grace)

    async def _mount(self) -> None:
        """Make the volumes; a missing Secret or claim is waited for."""
        backoff = Backoff(self._tools.backoff_seconds)
        fields = environment.make_fields(self.manifest, pod_ip=self.pod_ip)
        self._tools.volumes.pod_dir(self.uid).mkdir(parents=True, exist_ok=True, mode=0o700)
        while True:
            try:
                self.folders = self._tools.volumes.ensure_volumes(self.manifest, env=fields)
                for container in self.state.mains:
                    self._tools.volumes.check_mounts(container.container, self.folders)
            except MountError as exc:
                host = self.manifest["spec"]["nodeName"]
                self._tools.events.record(self.manifest, "FailedMount", str(exc), warning=True, host=host)
                await self._tools.wait_change(backoff.take())
            else:
                return

    async def _run_inits(self) -> bool:
        """Run the init containers in order; give whether all went well."""
        for state in self.state.inits:
            sidecar = state.container.get("restartPolicy") == "Always"
            # A pod that is always running still tries an init container only until it went well.
            policy = "Always" if sidecar else "Never" if self._policy == "Never" else "OnFailure"
            runner = Runner(self._tools, self, state=state, field="initContainers", restart_policy=policy)
            task = self._start(runner)
            if sidecar:
                self._sidecars.append(runner)
                await runner.is_running.wait()
                continue
            await task
            if state.exit_code != 0:
                return False
        return True

    def _start(self, runner: Runner) -> asyncio.Task[None]:
        self._runners.append(runner)
        task = asyncio.create_task(runner.run(), name=f"container {runner.state.name}")
        self._tasks.append(task)
        return task

    # The end

    async def _end_sidecars(self) -> None:
        if self._sidecars:
            self.is_stopping = True
            timer = asyncio.get_running_loop().call_later(self._grace_seconds, self._kill_now)
            await asyncio.gather(*(runner.stop() for runner in self._sidecars))
            timer.cancel()

    async def _end_containers(self) -> None:
        if self._runners:
            # While their parents live, the ones without a marker can be found too.
            self._known = await self._tools.warden.find_pod(self.uid)
        # Those that serve the others end after them.
        await asyncio.gather(*(r.stop() for r in self._runners if r not in self._sidecars))
        await asyncio.gather(*(r.stop() for r in self._sidecars))

    @staticmethod
    async def _cancel(tasks: list[asyncio.Task[Any]]) -> None:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _sweep(self) -> None:
        """Kill what the containers left: daemons, kernels in sessions of their own."""
        if self._runners:
            await self._tools.warden.kill_pod(self.uid, known=self._known)

    async def _clean_up(self) -> None:
        for runner in self._runners:
            runner.remove_links()
        folder = self._tools.volumes.pod_dir(self.uid)
        await asyncio.to_thread(shutil.rmtree, folder, ignore_errors=True)
        meta = self.manifest["metadata"]
        self._tools.storage.remove(PODS, meta["namespace"], meta["name"], uid=self.uid)

    def publish(self) -> None:
        """Write the status into the object, if it is still there."""
        meta = self.manifest["metadata"]
        found = self._tools.storage.find(PODS, meta["namespace"], meta["name"])
        if found is None or found["metadata"]["uid"] != self.uid:
            return
        self._tools.storage.modify(
            PODS,
            meta["namespace"],
            meta["name"],
            lambda pod: write_status(self.state, pod.setdefault("status", {})),
        )

    @property
    def phase(self) -> str:
        """The phase it would write now."""
        return choose_phase(self.state)
