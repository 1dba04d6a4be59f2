"""One container of a pod: image, folders, process, hooks, probes, restarts.

A `Runner` goes through the states of one container and tells its pod after each; `podworker` decides when it begins
and when it has to end. What exactly is run, and where, is prepared in `launching`.
"""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import uuid
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from jhaws.local.api.events import now
from jhaws.local.kubelet.containers import START_ERROR, Launch, Process, StartError, read_tail, start_process
from jhaws.local.kubelet.environment import MissingValueError
from jhaws.local.kubelet.folders import OutsideError
from jhaws.local.kubelet.images import ImageError
from jhaws.local.kubelet.launching import Launcher, Pod, Tools
from jhaws.local.kubelet.podstatus import ContainerState
from jhaws.local.kubelet.probes import Target, probe_loop, run_handler
from jhaws.local.kubelet.volumes import MountError

Obj = dict[str, Any]
log = logging.getLogger(__name__)

# Source: kubelet's limits for a termination message, docs "Determine the Reason for Pod Failure".
MESSAGE_BYTES = 4096
MESSAGE_LOG_BYTES = 2048
MESSAGE_LOG_LINES = 80
MAX_BACKOFF_SECONDS = 300.0


class Backoff:
    """Waiting times that double: 10, 20, 40 … 300 s."""

    def __init__(self, first_seconds: float) -> None:
        self._next = first_seconds

    def take(self) -> float:
        """Give the next waiting time in seconds."""
        current = self._next
        self._next = min(max(self._next * 2, 0.001), MAX_BACKOFF_SECONDS)
        return current


class Runner:
    """Runs one container until it is done.

    Args:
        tools: What all pods share.
        pod: Its pod.
        state: Where it writes what happens.
        field: `containers` or `initContainers`, for events.
        restart_policy: `Always`, `OnFailure` or `Never`.
    """

    def __init__(self, tools: Tools, pod: Pod, *, state: ContainerState, field: str, restart_policy: str) -> None:
        self._tools = tools
        self._pod = pod
        self.state = state
        self._field_path = f"spec.{field}{{{state.name}}}"
        self._restart_policy = restart_policy
        self._process: Process | None = None
        self._launcher = Launcher(tools, pod, state.container)
        self._started_at = ""
        self._hook_target: Target | None = None
        self.is_running = asyncio.Event()

    @property
    def container(self) -> Obj:
        """Its part of the spec."""
        return self.state.container

    # The life of a container

    async def run(self) -> None:
        """Run until it ended and is not to be started again."""
        backoff: Backoff | None = None
        while True:
            await self._attempt()
            if self._pod.is_stopping or not self._should_restart():
                self.state.done = True
                self._pod.publish()
                return
            self._pod.publish()
            if backoff is None:
                # The first restart is at once, as with the real kubelet.
                backoff = Backoff(self._tools.backoff_seconds)
            else:
                await self._wait_for_restart(backoff.take())
            self.state.restarts += 1

    def _should_restart(self) -> bool:
        if self._restart_policy == "OnFailure":
            return self.state.exit_code != 0
        return self._restart_policy == "Always"

    async def _wait_for_restart(self, seconds: float) -> None:
        meta = self._pod.manifest["metadata"]
        where = f"{self.state.name} pod={meta['name']}_{meta['namespace']}({meta['uid']})"
        self.state.wait("CrashLoopBackOff", f"back-off {seconds:g}s restarting failed container={where}")
        self._say("BackOff", f"Back-off restarting failed container {where.replace('pod=', 'in pod ')}", warning=True)
        self._pod.publish()
        await asyncio.sleep(seconds)

    async def _attempt(self) -> None:
        await self._pull()
        launch = await self._prepare()
        if self._pod.is_stopping:
            return
        try:
            self._start(launch)
        except StartError as exc:
            self._say("Failed", f"Error: failed to start container: {exc}", warning=True)
            self._end(START_ERROR, reason="StartError", message=str(exc))
            return
        process = self._process
        if process is None or not await self._post_start(process):
            return
        probes = self._start_probes() if process.is_running else []
        try:
            self._end(await process.wait())
        finally:
            self.is_running.clear()
            for probe in probes:
                probe.cancel()

    async def _pull(self) -> None:
        """Get the image, trying again as long as it takes."""
        image, node = self.container.get("image") or "", self._pod.manifest["spec"]["nodeName"]
        images, backoff = self._tools.images, Backoff(self._tools.backoff_seconds)
        while True:
            try:
                images.check_name(image)
                present = images.is_present(node, image)
                policy = self.container.get("imagePullPolicy") or "IfNotPresent"
                if policy == "Never" and not present:
                    message = f'Container image "{image}" is not present with pull policy of Never'
                    raise ImageError("ErrImageNeverPull", message, event="ErrImageNeverPull")
                if present and policy != "Always":
                    self._say("Pulled", f'Container image "{image}" already present on machine')
                    return
                self._say("Pulling", f'Pulling image "{image}"')
                begin = asyncio.get_running_loop().time()
                await images.pull(node, image)
                took = asyncio.get_running_loop().time() - begin
                self._say("Pulled", f'Successfully pulled image "{image}" in {took:.3f}s')
                return
            except ImageError as exc:
                await self._wait_for_image(image, exc, backoff.take())

    async def _wait_for_image(self, image: str, problem: ImageError, seconds: float) -> None:
        text = f'Failed to pull image "{image}": {problem}' if problem.reason == "ErrImagePull" else str(problem)
        self._say(problem.event, text, warning=True)
        self._say("Failed", f"Error: {problem.reason}", warning=True)
        self.state.wait(problem.reason, str(problem))
        self._pod.publish()
        if problem.reason == "ErrImagePull":
            await asyncio.sleep(min(seconds, 1.0))
            message = f'Back-off pulling image "{image}": {problem.reason}: {problem}'
            self._say("BackOff", f'Back-off pulling image "{image}"')
            self._say("Failed", "Error: ImagePullBackOff", warning=True)
            self.state.wait("ImagePullBackOff", message)
            self._pod.publish()
        await asyncio.sleep(seconds)

    async def _prepare(self) -> Launch:
        backoff = Backoff(self._tools.backoff_seconds)
        while True:
            try:
                prepared = self._launcher.prepare()
            except (MissingValueError, MountError, OutsideError) as exc:
                self.state.wait("CreateContainerConfigError", str(exc))
                self._say("Failed", f"Error: {exc}", warning=True)
                self._pod.publish()
                await self._tools.wait_change(backoff.take())
            else:
                self._hook_target = prepared.target
                return prepared.launch

    # The process

    def _start(self, launch: Launch) -> None:
        with suppress(FileNotFoundError):
            os.replace(self._launcher.log, self._launcher.log.with_suffix(".previous.log"))
        self._launcher.message_file.unlink(missing_ok=True)
        self._process = start_process(launch)
        self._started_at = now()
        self.state.container_id = f"process://{uuid.uuid4().hex}"
        self._say("Created", f"Container created: {self.state.name}")
        self._say("Started", f"Container started: {self.state.name}")

    async def _post_start(self, process: Process) -> bool:
        """Run the hook, then call the container running; give whether the container may go on."""
        hook = (self.container.get("lifecycle") or {}).get("postStart")
        if hook and self._hook_target is not None:
            good, why = await run_handler(hook, self._hook_target)
            if not good:
                self._say("FailedPostStartHook", f"PostStartHook failed: {why}", warning=True)
                self._say("Killing", f"FailedPostStartHook: container {self.state.name} will be killed")
                await self._end_gently(process)
                self._end(await process.wait(), message=f"PostStartHook failed: {why}"[:MESSAGE_BYTES])
                return False
        if "terminated" in self.state.state:
            self.state.last = self.state.state
        self.state.state = {"running": {"startedAt": self._started_at}}
        self.state.started = not self.container.get("startupProbe")
        self.state.ready = self.state.started and not self.container.get("readinessProbe")
        self.is_running.set()
        self._pod.publish()
        return True

    # Probes

    def _start_probes(self) -> list[asyncio.Task[None]]:
        if self._hook_target is None or not any(
            self.container.get(kind) for kind in ("startupProbe", "readinessProbe", "livenessProbe")
        ):
            return []
        return [asyncio.create_task(self._probe(self._hook_target), name=f"probes {self.state.name}")]

    async def _probe(self, target: Target) -> None:
        startup = self.container.get("startupProbe")
        if startup:
            await probe_loop(startup, target, on_verdict=self._on_startup, stop_at_success=True)
        async with asyncio.TaskGroup() as group:
            for kind, on_verdict in (("readinessProbe", self._on_readiness), ("livenessProbe", self._on_liveness)):
                probe = self.container.get(kind)
                if probe:
                    group.create_task(probe_loop(probe, target, on_verdict=on_verdict, stop_at_success=False))

    async def _on_startup(self, good: bool, why: str) -> None:
        if not good:
            await self._kill_unhealthy("Startup", why)
            return
        self.state.started = True
        self.state.ready = not self.container.get("readinessProbe")
        self._pod.publish()

    async def _on_readiness(self, good: bool, why: str) -> None:
        if not good:
            self._say("Unhealthy", f"Readiness probe failed: {why}", warning=True)
        if self.state.ready != good:
            self.state.ready = good
            self._pod.publish()

    async def _on_liveness(self, good: bool, why: str) -> None:
        if not good:
            await self._kill_unhealthy("Liveness", why)

    async def _kill_unhealthy(self, kind: str, why: str) -> None:
        self._say("Unhealthy", f"{kind} probe failed: {why}", warning=True)
        message = f"Container {self.state.name} failed {kind.lower()} probe, will be restarted"
        self._say("Killing", message)
        if self._process is not None:
            # Not awaited as a part of the probe, which ends with the process.
            await self._end_gently(self._process)

    # The end

    async def stop(self) -> None:
        """End the process: preStop hook, SIGTERM, and wait. `kill` shortens it."""
        process = self._process
        if process is None or not process.is_running:
            return
        self._say("Killing", f"Stopping container {self.state.name}")
        hook = (self.container.get("lifecycle") or {}).get("preStop")
        if hook and self._hook_target is not None and self.is_running.is_set():
            hooked = asyncio.create_task(run_handler(hook, self._hook_target), name="preStop")
            ended = asyncio.create_task(process.wait(), name="wait")
            await asyncio.wait({hooked, ended}, return_when=asyncio.FIRST_COMPLETED)
            if hooked.done():
                good, why = hooked.result()
                if not good:
                    self._say("FailedPreStopHook", f"PreStopHook failed: {why}", warning=True)
            hooked.cancel()
            ended.cancel()
        process.signal(signal.SIGTERM)
        self._end(await process.wait())

    def remove_links(self) -> None:
        """Take away the links in lasting volumes that would lead nowhere."""
        self._launcher.remove_links()

    def kill(self) -> None:
        """End the process now."""
        if self._process is not None:
            self._process.signal(signal.SIGKILL)

    async def _end_gently(self, process: Process) -> None:
        grace = self._pod.manifest["spec"].get("terminationGracePeriodSeconds")
        process.signal(signal.SIGTERM)
        try:
            async with asyncio.timeout(30 if grace is None else grace):
                await process.wait()
        except TimeoutError:
            process.signal(signal.SIGKILL)

    def _end(self, code: int, *, reason: str = "", message: str = "") -> None:
        """Write the end into the state; a second call for the same process changes nothing."""
        if "terminated" in self.state.state and self._process is None:
            return
        self._process = None
        self.state.ready = self.state.started = False
        ended = {
            "exitCode": code,
            "reason": reason or ("Error" if code else "Completed"),
            "startedAt": self._started_at or now(),
            "finishedAt": now(),
            "containerID": self.state.container_id,
        }
        text = message or self._read_message(code)
        if text:
            ended["message"] = text
        if "terminated" in self.state.state:
            self.state.last = self.state.state
        self.state.state = {"terminated": ended}
        # An init container that went well counts as ready.
        self.state.ready = code == 0 and self._field_path.startswith("spec.initContainers")

    def _read_message(self, code: int) -> str:
        data = read_tail(self._launcher.message_file, max_bytes=MESSAGE_BYTES)
        if not data and code and self.container.get("terminationMessagePolicy") == "FallbackToLogsOnError":
            data = read_tail(self._launcher.log, lines=MESSAGE_LOG_LINES, max_bytes=MESSAGE_LOG_BYTES)
        return data.decode(errors="replace")

    def _say(self, reason: str, message: str, *, warning: bool = False) -> None:
        manifest: Mapping[str, Any] = self._pod.manifest
        self._tools.events.record(
            dict(manifest),
            reason,
            message,
            warning=warning,
            field_path=self._field_path,
            host=manifest["spec"]["nodeName"],
        )
