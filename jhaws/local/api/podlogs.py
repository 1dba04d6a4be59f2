"""The path `pods/NAME/log`: what a container wrote, up to now or for as long as it runs.

A log is read from its file in pieces, forward from where the wanted part begins, so neither a large log nor one that
is followed for days costs memory or is read twice. Lines carry no times, so `sinceSeconds`, `sinceTime` and
`timestamps` have no effect. The kubelet writes the files and tells where they are.
"""

from __future__ import annotations

import asyncio
import os
import stat
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import suppress
from io import FileIO
from pathlib import Path
from typing import TYPE_CHECKING

from aiohttp import web

from jhaws.local.api.encoding import Obj
from jhaws.local.api.resources import PODS
from jhaws.local.api.statuses import BadRequest

if TYPE_CHECKING:
    from jhaws.local.api.paths import Target
    from jhaws.local.api.storage import Storage

# uid of the pod, container, whether the older one of two -> the file
LogFinder = Callable[[str, str, bool], Path]

# Seconds between two looks at the end of a log that is followed.
_FOLLOW_SECONDS = 0.25

# Bytes read at once; others get a turn after each.
_PIECE = 64 * 1024


class PodLogs:
    """Handler of the logs of pods.

    Args:
        storage: The objects.

    Attributes:
        log_finder: Tells where a container's log is; set by the kubelet, without it logs are empty.
    """

    def __init__(self, storage: Storage) -> None:
        self._storage = storage
        self._closing = asyncio.Event()
        self.log_finder: LogFinder | None = None

    def close(self) -> None:
        """End all logs that are followed."""
        self._closing.set()
        self._closing = asyncio.Event()

    async def log(self, request: web.Request, target: Target) -> web.StreamResponse:
        """Answer with what a container wrote, and with what it goes on to write if the client follows."""
        pod = self._storage.get(PODS, target.namespace, target.name)
        container = choose_container(pod, request.query.get("container", ""))
        tail, limit = (parse_count(request.query, key) for key in ("tailLines", "limitBytes"))
        if not pod["spec"].get("nodeName"):
            return web.Response(status=204)
        if self.log_finder is None:
            return web.Response(content_type="text/plain")
        previous = is_true(request.query, "previous")
        check_started(pod, container, previous=previous)
        # While it waits to be started again, its newest log is that of the run before.
        older = previous and "waiting" not in (_find_status(pod, container).get("state") or {})
        file = open_log(self.log_finder(pod["metadata"]["uid"], container, older))
        if file is None and previous:
            raise BadRequest(_make_no_previous(pod, container))
        response = web.StreamResponse(headers={"Content-Type": "text/plain"})
        await response.prepare(request)
        if file is not None:
            follow = is_true(request.query, "follow") and not previous
            with file:
                async for piece in self._read(file, pod, container, tail=tail, follow=follow):
                    await response.write(piece[:limit])
                    if limit is not None and (limit := limit - len(piece)) <= 0:
                        break
        return response

    async def _read(
        self, file: FileIO, pod: Obj, container: str, *, tail: int | None, follow: bool
    ) -> AsyncIterator[bytes]:
        run = _find_run(pod, container)
        end = os.fstat(file.fileno()).st_size
        start = 0 if tail is None else find_tail(file, tail)
        file.seek(start)
        if not follow:
            for piece in _read_pieces(file, end - start):
                yield piece
                await asyncio.sleep(0)
            return
        closing, is_over = self._closing, False
        while not is_over:
            # Asked before the last reading, so that it gets all that was written up to the end.
            is_over = closing.is_set() or not self._goes_on(pod, container, run)
            while piece := file.read(_PIECE):
                yield piece
                await asyncio.sleep(0)
            if not is_over:
                with suppress(TimeoutError):
                    await asyncio.wait_for(closing.wait(), _FOLLOW_SECONDS)

    def _goes_on(self, pod: Obj, container: str, run: str) -> bool:
        """Tell whether the same run of the container is still running."""
        meta = pod["metadata"]
        found = self._storage.find(PODS, meta["namespace"], meta["name"])
        if found is None or found["metadata"]["uid"] != meta["uid"]:
            return False
        return bool(run) and _find_run(found, container) == run


def open_log(path: Path) -> FileIO | None:
    """Open a log to read, `None` if there is none.

    The container can write to the folder of its log: what is not a plain file there is no log.
    """
    try:
        file = FileIO(os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK))
    except OSError:
        return None
    if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
        file.close()
        return None
    return file


def find_tail(file: FileIO, lines: int) -> int:
    """Find where the last lines of a file begin, in bytes from its start; reads no more than these lines."""
    position = size = file.seek(0, os.SEEK_END)
    if not lines:
        return size
    while position > 0:
        begin = max(0, position - _PIECE)
        file.seek(begin)
        block = file.read(position - begin)
        # The newline at the very end ends the last line, and begins none.
        at = len(block) - (position == size)
        while (at := block.rfind(b"\n", 0, at)) >= 0:
            lines -= 1
            if not lines:
                return begin + at + 1
        position = begin
    return 0


def _read_pieces(file: FileIO, count: int) -> Iterator[bytes]:
    while count > 0 and (piece := file.read(min(count, _PIECE))):
        count -= len(piece)
        yield piece


def _find_status(pod: Obj, container: str) -> Obj:
    status = pod.get("status") or {}
    for field in ("containerStatuses", "initContainerStatuses"):
        for entry in status.get(field) or ():
            if entry["name"] == container:
                return dict(entry)
    return {}


def _find_run(pod: Obj, container: str) -> str:
    """Give what tells one run of a container from the next; empty if it is not running."""
    status = _find_status(pod, container)
    return str(status.get("containerID", "")) if "running" in (status.get("state") or {}) else ""


def _make_no_previous(pod: Obj, container: str) -> str:
    return f'previous terminated container "{container}" in pod "{pod["metadata"]["name"]}" not found'


def check_started(pod: Obj, container: str, *, previous: bool) -> None:
    """Refuse the log of a container that never ran.

    Raises:
        BadRequest: It waits to be started, or there was no run before.
    """
    status = _find_status(pod, container)
    state, last = status.get("state") or {}, status.get("lastState") or {}
    if previous:
        if "terminated" not in last:
            raise BadRequest(_make_no_previous(pod, container))
        return
    if "running" in state or "terminated" in state or "terminated" in last:
        return
    name, reason = pod["metadata"]["name"], (state.get("waiting") or {}).get("reason", "ContainerCreating")
    raise BadRequest(f'container "{container}" in pod "{name}" is waiting to start: {reason}')


def choose_container(pod: Obj, wanted: str) -> str:
    """Give the container whose log is meant: the one named, or the only one.

    Raises:
        BadRequest: There is none of this name, or no name although there are several.
    """
    name, spec = pod["metadata"]["name"], pod["spec"]
    if wanted:
        if wanted not in [each["name"] for field in ("initContainers", "containers") for each in spec.get(field) or ()]:
            raise BadRequest(f"container {wanted} is not valid for pod {name}")
        return wanted
    names = [str(container["name"]) for container in spec["containers"]]
    if len(names) > 1:
        raise BadRequest(f"a container name must be specified for pod {name}, choose one of: [{' '.join(names)}]")
    return names[0]


def parse_count(query: Mapping[str, str], key: str) -> int | None:
    """Read a number from the query, `None` if it is not there.

    Raises:
        BadRequest: It is no number.
    """
    text = query.get(key)
    if not text:
        return None
    if not (text.isascii() and text.isdigit() and len(text) < 19):
        raise BadRequest(f'{key}: strconv.ParseInt: parsing "{text}": invalid syntax')
    return int(text)


def is_true(query: Mapping[str, str], key: str) -> bool:
    """Read a yes or no from the query."""
    return query.get(key, "") in ("true", "1")
