"""Finds and kills the processes of a cluster, also those that left their process group.

Every process of a pod inherits two variables, `JHAWS_CLUSTER` and `JHAWS_POD_UID`; /proc tells who has them, and who
descends from whom. So a kernel in a session of its own is found, and nothing else is ever killed.
Run as a script this is the warden: it waits at a pipe until the cluster is gone, even by SIGKILL, and then sweeps.
Standard library only, because the warden runs without site-packages and costs little that way.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

# A sweep looks again until it finds nobody, since a process may fork while it is being looked at.
PASSES = 50
PAUSE_SECONDS = 0.02


def find_processes(marker: str, *, prefix: bool = False, known: Mapping[int, bytes] | None = None) -> dict[int, bytes]:
    """Find live processes with a variable in their environment, and all their descendants.

    Args:
        marker: `NAME=value` as it is in the environment.
        prefix: Whether the value only has to begin like that.
        known: What an earlier call found; counts as well if it still is the same process, for programs that
            cleared their environment and whose parent is gone by now.

    Returns:
        Start time, as /proc has it, by pid: together they name a process for ever.
    """
    has_marker = _make_matcher(marker.encode(), prefix=prefix)
    known = known or {}
    starts: dict[int, bytes] = {}
    children: dict[int, list[int]] = {}
    parents: dict[int, int] = {}
    found: list[int] = []
    for entry in os.scandir("/proc"):
        if not entry.name.isdigit():
            continue
        pid = int(entry.name)
        try:
            stat = Path(entry.path, "stat").read_bytes().rpartition(b")")[2].split()
            if stat[0] in (b"Z", b"X"):
                continue
            parents[pid] = int(stat[1])
            children.setdefault(int(stat[1]), []).append(pid)
            starts[pid] = stat[19]
            if known.get(pid) == stat[19] or has_marker(Path(entry.path, "environ").read_bytes()):
                found.append(pid)
        except OSError:
            # It ended meanwhile, or belongs to somebody else.
            continue
    every = _descendants(found, children) - _ancestors(os.getpid(), parents)
    return {pid: starts[pid] for pid in sorted(every & starts.keys())}


def _make_matcher(marker: bytes, *, prefix: bool) -> Callable[[bytes], bool]:
    if prefix:
        return lambda environ: environ.startswith(marker) or b"\0" + marker in environ
    return lambda environ: marker in environ.split(b"\0")


def _descendants(roots: Iterable[int], children: dict[int, list[int]]) -> set[int]:
    seen: set[int] = set()
    todo = list(roots)
    while todo:
        pid = todo.pop()
        if pid not in seen:
            seen.add(pid)
            todo.extend(children.get(pid, ()))
    return seen


def _ancestors(pid: int, parents: dict[int, int]) -> set[int]:
    line = {pid}
    while (pid := parents.get(pid, 0)) and pid not in line:
        line.add(pid)
    return line


def kill_processes(marker: str, *, prefix: bool = False, known: Mapping[int, bytes] | None = None) -> int:
    """Kill what `find_processes` finds until nobody is left.

    Blocks for as long as that takes, about 10 ms; call it in a thread.

    Returns:
        How many processes were killed.
    """
    killed: set[int] = set()
    for _ in range(PASSES):
        found = find_processes(marker, prefix=prefix, known=known)
        if not found:
            break
        for pid in found:
            try:
                os.kill(pid, signal.SIGKILL)
            except OSError:
                continue
            killed.add(pid)
        time.sleep(PAUSE_SECONDS)
    return len(killed)


def main() -> None:
    """Wait until standard input ends, then kill everybody with the marker in the first argument."""
    for name in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(name, signal.SIG_IGN)
    while os.read(0, 4096):
        pass
    kill_processes(sys.argv[1])


if __name__ == "__main__":
    main()
