"""What can be seen of a start: its pod, the pod's events and what the hub knows beside them, read without surprises.

The API server sends nested mappings in which anything may be missing: a pod that was just made has no status, one
that was trimmed has half a spec. Everything here reads such input into small frozen records and never raises. The
rows of the failure tables look at `Signs` and nothing else; nothing here decides.

Events are read newest first, only those of this very pod (by uid: a pod of the same name may have just been deleted).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, Generic, TypeVar

from ..pods.ends import SERVER_CONTAINER

DETAIL_CHARACTERS = 3000  # of Kubernetes' own words; a termination message has up to 4096 bytes
BEING_MADE = frozenset({"", "ContainerCreating", "PodInitializing"})  # what a container waits with before its turn
CONTAINER_EVENTS = frozenset(
    {"Pulling", "Pulled", "Created", "Started", "BackOff", "Failed"}
)  # kubelet's, after mounts
COMBINED = re.compile(r"^\(combined from similar events\): ?")  # client-go puts it before the tenth similar message
URL_SECRETS = re.compile(r"(?<=://)[^/\s@\"']+@|(?<=[^\s\"'])\?[^\s\"']*=[^\s\"']*")  # user:password@ and ?signature=…


@dataclass(frozen=True)
class Failure:
    """Why a server did not start, or why it ended.

    Attributes:
        reason: Label for metrics and log, snake_case, "image_not_found".
        message: For the user: what happened and what to do, in plain words.
        detail: For the admin: Kubernetes' own words and what to look at. The caller scrubs tokens.
    """

    reason: str
    message: str
    detail: str


@dataclass(frozen=True)
class Surroundings:
    """What the hub knows beside the pod and its events.

    Attributes:
        waited_seconds: Since this pod was created.
        servers_running: Servers of this hub that run now.
        patience_seconds: How long a pod may be without a node and without a word from an autoscaler.
        scaler_seen: Whether an autoscaler lately worked for another pod. Then a pod may silently wait for a node that
            is coming already: cluster-autoscaler says nothing about pods that will fit on it.
        pvc_name: The user's PVC, "" for none.
        service_account: The pod's ServiceAccount, "" for the default one.
        nfs_server: Where the home is, "" where it is in no NFS.
    """

    waited_seconds: float = 0.0
    servers_running: int = 0
    patience_seconds: float = 45.0
    scaler_seen: bool = False
    pvc_name: str = ""
    service_account: str = ""
    nfs_server: str = ""


Seen = TypeVar("Seen")


@dataclass(frozen=True)
class Row(Generic[Seen]):
    """One row of a table of failures: how it is recognised, what the user reads, what the admin does.

    Attributes:
        reason: As in `Failure`.
        title: For the docs page, a few words.
        message: As in `Failure`; `{running}` becomes "; 37 are running".
        mended_by: What the admin does.
        sees: Returns the detail if this is the failure, None if it is not, or not yet.
    """

    reason: str
    title: str
    message: str
    mended_by: str
    sees: Callable[[Seen], str | None]

    def judge(self, seen: Seen, *, running: int = 0) -> Failure | None:
        """Return the failure of this row, None where the row does not apply."""
        detail = self.sees(seen)
        if detail is None:
            return None
        count = f"; {running} {'is' if running == 1 else 'are'} running" if running > 0 else ""
        message = self.message.replace("{running}", count)
        return Failure(self.reason, message, f"{clean(detail)} {self.mended_by}")


def first_failure(rows: Sequence[Row[Seen]], seen: Seen, *, running: int = 0) -> Failure | None:
    """Return the failure of the first row that applies, None where none does."""
    found = (row.judge(seen, running=running) for row in rows)
    return next((failure for failure in found if failure is not None), None)


@dataclass(frozen=True)
class Event:
    """One event of the pod; `container` is "" for the pod as a whole, `at` and `first` are seconds of the epoch."""

    reason: str
    message: str
    container: str
    count: int
    first: float
    at: float


@dataclass(frozen=True)
class End:
    """How a container ended; `code` is None where Kubernetes does not know."""

    code: int | None
    reason: str
    message: str

    @property
    def bad(self) -> bool:
        """Whether it did not end with status 0."""
        return self.code != 0


@dataclass(frozen=True)
class Container:
    """One container of the pod; `waiting` is the reason it waits with, `last` how it ended before its restart."""

    name: str
    image: str
    init: bool
    started: bool
    restarts: int
    waits: bool
    waiting: str
    message: str
    running: bool
    ended: End | None
    last: End | None

    @property
    def end(self) -> End | None:
        """How it ended the last time."""
        return self.ended or self.last

    @property
    def failures(self) -> int:
        """How often it ended badly.

        Kubernetes counts restarts, so the end that is not followed by one yet comes on top.
        """
        if self.end is None or not self.end.bad:
            return 0
        return self.restarts + (0 if self.running else 1)


@dataclass(frozen=True)
class Signs:
    """All signs of one start. `events` are newest first; `out_of_time` says that nobody waits any longer."""

    around: Surroundings
    name: str
    phase: str
    reason: str
    message: str
    has_node: bool
    nominated: bool
    deleted: bool
    containers: tuple[Container, ...]
    conditions: Mapping[str, tuple[str, str, str]]
    events: tuple[Event, ...]
    born: float
    out_of_time: bool = False

    def condition(self, kind: str) -> tuple[str, str, str]:
        """Return status ("True", "False", "Unknown", "" where it is not set), reason and message of a condition."""
        return self.conditions.get(kind, ("", "", ""))

    @property
    def over(self) -> bool:
        """Whether this pod will never run again: it is being deleted, ended, or lost with its node."""
        return self.deleted or self.phase in {"Failed", "Succeeded", "Unknown"} or self.reason == "NodeLost"

    @property
    def ready(self) -> bool:
        """Whether the server's pod is up."""
        return not self.over and self.condition("Ready")[0] == "True"

    @property
    def unplaced(self) -> bool:
        """Whether the pod has no node yet."""
        return not self.over and not self.has_node and self.condition("PodScheduled")[0] != "True"

    @property
    def preparing(self) -> bool:
        """Whether the node still mounts volumes or sets up the network: no container had its turn."""
        if self.over or self.unplaced or self.condition("PodReadyToStartContainers")[0] == "True":
            return False
        touched = (not each.waits or each.waiting not in BEING_MADE for each in self.containers)
        return not any(touched) and not any(event.reason in CONTAINER_EVENTS for event in self.events)

    @property
    def server(self) -> Container | None:
        """The container in which Jupyter runs, None until the node speaks of it."""
        return next((each for each in self.containers if each.name == SERVER_CONTAINER and not each.init), None)

    def patience_over(self, seconds: float) -> bool:
        """Say whether a state that may pass has lasted long enough since the pod was made."""
        return self.out_of_time or self.around.waited_seconds >= seconds

    def tried(self, events: Sequence[Event], times: int) -> bool:
        """Say whether these events tell of at least that many tries; one is enough when nobody waits any longer."""
        return sum(event.count for event in events) >= (1 if self.out_of_time else times)

    def seconds_since(self, at: float) -> float:
        """Return how long ago something happened, by the clock of the API server."""
        return max(0.0, self.born + self.around.waited_seconds - at)

    def told(self, reasons: str, *, container: str = "") -> list[Event]:
        """Return the events with one of these reasons ("Failed|BackOff"), newest first, of one container or of all."""
        return [
            event
            for event in self.events
            if event.reason in reasons.split("|") and (not container or event.container in ("", container))
        ]

    def without_time(self) -> Signs:
        """Return the same signs for a hub that cannot wait any longer."""
        return replace(self, out_of_time=True)


def read_signs(pod: Mapping[str, Any] | None, events: Sequence[Any] | None, around: Surroundings) -> Signs:
    """Read a pod and its events; whatever is missing or of another type than it should be reads as empty.

    Args:
        pod: v1 Pod as the API server sends it, trimmed or whole; None is a pod that is not there.
        events: core/v1 Events of this pod, oldest first.
        around: What the hub knows besides.
    """
    meta, status = dig(pod, "metadata"), dig(pod, "status")
    found = _read_events(events, uid=text(meta, "uid"))
    transitions = [moment(dig(each, "lastTransitionTime")) for each in listed(status, "conditions")]
    known = [at for at in (moment(dig(status, "startTime")), *transitions) if at] + [e.first for e in found if e.first]
    return Signs(
        around=around,
        name=f"{text(meta, 'namespace')}/{text(meta, 'name')}" if meta else "of this server",
        phase=text(status, "phase"),
        reason=text(status, "reason"),
        message=text(status, "message"),
        has_node=bool(text(pod, "spec", "nodeName")),
        nominated=bool(text(status, "nominatedNodeName")),
        deleted=bool(dig(meta, "deletionTimestamp")),
        containers=_read_containers(pod),
        conditions={
            text(each, "type"): (text(each, "status"), text(each, "reason"), text(each, "message"))
            for each in listed(status, "conditions")
        },
        events=tuple(reversed(found)),
        born=moment(dig(meta, "creationTimestamp")) or min(known, default=0.0),
    )


def _read_containers(pod: Mapping[str, Any] | None) -> tuple[Container, ...]:
    lists = ((True, "initContainerStatuses", "initContainers"), (False, "containerStatuses", "containers"))
    found = []
    for init, statuses, specs in lists:
        images = {text(each, "name"): text(each, "image") for each in listed(pod, "spec", specs)}
        for status in listed(pod, "status", statuses):
            found.append(_read_container(status, init=init, image=images.get(text(status, "name"), "")))
    return tuple(found)


def _read_container(status: Mapping[str, Any], *, init: bool, image: str) -> Container:
    waiting = dig(status, "state", "waiting")
    return Container(
        name=text(status, "name"),
        image=image or text(status, "image"),
        init=init,
        started=dig(status, "started") is True,
        restarts=number(status, "restartCount"),
        waits=isinstance(waiting, Mapping) or not dig(status, "state"),
        waiting=text(waiting, "reason"),
        message=text(waiting, "message"),
        running=isinstance(dig(status, "state", "running"), Mapping),
        ended=_read_end(dig(status, "state", "terminated")),
        last=_read_end(dig(status, "lastState", "terminated")),
    )


def _read_end(ended: Any) -> End | None:
    if not isinstance(ended, Mapping):
        return None
    code = dig(ended, "exitCode")
    return End(code if isinstance(code, int) else None, text(ended, "reason"), text(ended, "message"))


def _read_events(events: Sequence[Any] | None, *, uid: str) -> list[Event]:
    found: list[Event] = []
    for raw in listed(events):
        about = text(raw, "involvedObject", "uid")
        if uid and about and uid != about:
            continue
        stamps = [dig(raw, "firstTimestamp"), dig(raw, "eventTime"), dig(raw, "lastTimestamp")]
        times = [at for at in (moment(each) for each in (*stamps, dig(raw, "series", "lastObservedTime"))) if at]
        field = re.search(r"\{(.+)\}", text(raw, "involvedObject", "fieldPath"))
        event = Event(
            reason=text(raw, "reason"),
            message=COMBINED.sub("", text(raw, "message")),
            container=field[1] if field else "",
            count=max(1, number(raw, "count"), number(raw, "series", "count")),
            first=min(times, default=0.0),
            # One without a time keeps its place in the list.
            at=max(times, default=found[-1].at if found else 0.0),
        )
        found.append(event)
    # Whole seconds: some sources cut them off, so within one second the given order is the better one.
    return sorted(found, key=lambda event: int(event.at))


def dig(value: Any, *path: str) -> Any:
    """Return what lies at `path` in nested mappings, None where the path ends before."""
    for key in path:
        if not isinstance(value, Mapping):
            return None
        value = value.get(key)
    return value


def text(value: Any, *path: str) -> str:
    """Return the text at `path`, "" where there is none."""
    found = dig(value, *path)
    return found if isinstance(found, str) else ""


def number(value: Any, *path: str) -> int:
    """Return the whole number at `path`, 0 where there is none."""
    found = dig(value, *path)
    return found if isinstance(found, int) else 0


def listed(value: Any, *path: str) -> list[Mapping[str, Any]]:
    """Return the mappings in the list at `path`."""
    found = dig(value, *path)
    return [each for each in found if isinstance(each, Mapping)] if isinstance(found, list | tuple) else []


def moment(value: Any) -> float | None:
    """Return a Kubernetes timestamp in seconds of the epoch, None for anything else."""
    return _parse(value) if isinstance(value, str) else None


@lru_cache(maxsize=4096)  # the same few times are read at each look at a start
def _parse(value: str) -> float | None:
    try:
        when = datetime.fromisoformat(value)
    except ValueError:
        return None
    return (when if when.tzinfo else when.replace(tzinfo=UTC)).timestamp()


def clean(words: str) -> str:
    """Return words for the log: one line, without what a URL may carry, and the end of them where they are long."""
    lines = (" ".join(line.split()) for line in URL_SECRETS.sub("", words).splitlines())
    line = " | ".join(each for each in lines if each)
    return line if len(line) <= DETAIL_CHARACTERS else "… " + line[-DETAIL_CHARACTERS:]
