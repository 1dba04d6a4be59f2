"""The status of a pod, built from what its containers do.

Pure: `podworker` keeps a `ContainerState` per container and asks for the whole status after each change. Reasons,
messages and the order of the conditions are the real kubelet's, because people and KubeSpawner read them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from jhaws.local.scheduling.scheduler import set_condition

Obj = dict[str, Any]

HOST_IP = "127.0.0.1"


@dataclass
class ContainerState:
    """What is known of one container.

    Attributes:
        container: Its part of the pod's spec.
        state: As in the API: `waiting`, `running` or `terminated`.
        last: The state before the last restart.
        restarts: How often it was started again.
        ready: Whether it passes its readiness probe.
        started: Whether its postStart hook and its startup probe are through.
        done: Whether it ended and will not be started again.
        container_id: Changes with each start.
    """

    container: Obj
    state: Obj = field(default_factory=dict)
    last: Obj = field(default_factory=dict)
    restarts: int = 0
    ready: bool = False
    started: bool = False
    done: bool = False
    container_id: str = ""

    @property
    def name(self) -> str:
        """The container's name."""
        return str(self.container["name"])

    @property
    def exit_code(self) -> int | None:
        """The exit code, or `None` if it has not ended."""
        ended = self.state.get("terminated")
        return None if ended is None else int(ended["exitCode"])

    @property
    def has_started(self) -> bool:
        """Whether it ever ran."""
        return "running" in self.state or "terminated" in self.state or bool(self.last)

    def wait(self, reason: str, message: str = "") -> None:
        """Set the state to waiting; an end becomes the last state."""
        if "terminated" in self.state:
            self.last = self.state
        self.state = {"waiting": {"reason": reason, **({"message": message} if message else {})}}
        self.ready = self.started = False

    def make_status(self) -> Obj:
        """Build the entry of `containerStatuses`."""
        return {
            "name": self.name,
            "image": self.container.get("image", ""),
            "imageID": self.container.get("image", "") if self.has_started else "",
            "containerID": self.container_id,
            "state": self.state,
            "lastState": self.last,
            "restartCount": self.restarts,
            "ready": self.ready,
            "started": self.started,
        }


@dataclass
class PodState:
    """What is known of a pod.

    Attributes:
        inits: Init containers and side-cars, in order.
        mains: The containers.
        pod_ip: Its loopback address; empty before there is one.
        start_time: When the kubelet saw it first.
        initialized: Whether the init containers are through.
        failure: Reason and message, if the kubelet ended it.
        ending: Whether it is being ended; then nothing is ready.
    """

    inits: Sequence[ContainerState]
    mains: Sequence[ContainerState]
    start_time: str
    pod_ip: str = ""
    initialized: bool = False
    failure: tuple[str, str] | None = None
    ending: bool = False


def choose_phase(state: PodState) -> str:
    """Choose the phase from what the containers do."""
    every = [*state.inits, *state.mains]
    if state.failure is not None:
        return "Failed" if not any("running" in c.state for c in every) else "Running"
    if not state.initialized:
        failed = any(c.done and c.exit_code for c in state.inits)
        return "Failed" if failed else "Pending"
    if all(c.done for c in state.mains):
        return "Failed" if any(c.exit_code for c in state.mains) else "Succeeded"
    if any(not c.has_started for c in state.mains):
        return "Pending"
    return "Running"


def write_status(state: PodState, status: Obj) -> None:
    """Bring the status of a pod up to date, in place."""
    phase = choose_phase(state)
    status["phase"] = phase
    status["startTime"] = state.start_time
    status["hostIP"] = HOST_IP
    status["hostIPs"] = [{"ip": HOST_IP}]
    if state.pod_ip:
        status["podIP"] = state.pod_ip
        status["podIPs"] = [{"ip": state.pod_ip}]
    if state.failure is not None:
        status["reason"], status["message"] = state.failure
    if state.inits:
        status["initContainerStatuses"] = [c.make_status() for c in state.inits]
    status["containerStatuses"] = [c.make_status() for c in state.mains]
    _write_conditions(state, status, phase)


def _write_conditions(state: PodState, status: Obj, phase: str) -> None:
    over = {"Succeeded": "PodCompleted", "Failed": "PodFailed"}.get(phase, "")
    set_condition(status, "PodReadyToStartContainers", "True" if state.pod_ip and not over else "False")
    waiting = [c.name for c in state.inits if not c.ready]
    if state.initialized:
        set_condition(status, "Initialized", "True", reason="PodCompleted" if phase == "Succeeded" else "")
    else:
        names = " ".join(waiting)
        message = f"containers with incomplete status: [{names}]"
        set_condition(status, "Initialized", "False", reason="ContainersNotInitialized", message=message)
    unready = [c.name for c in state.mains if not c.ready]
    ready = not unready and not over and not state.failure
    reason = "" if ready else over or "ContainersNotReady"
    message = "" if ready or over else f"containers with unready status: [{' '.join(unready)}]"
    for kind in ("Ready", "ContainersReady"):
        set_condition(status, kind, "True" if ready else "False", reason=reason, message=message)
    if not any(c["type"] == "PodScheduled" for c in status["conditions"]):
        # Somebody wrote the node's name into the manifest.
        set_condition(status, "PodScheduled", "True")
