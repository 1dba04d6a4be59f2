"""Processes as containers: start, wait for the end, signal, and the warden that outlives the cluster.

A process runs in its own session as the user who started the cluster, with a clean environment and its output in
a file. Its end is heard through a pidfd, so a thousand containers need no thread and no polling.
What it runs is decided in `environment`, when, in `podworker`; strays are found in `sweeping`.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import secrets
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from jhaws.errors import LocalError
from jhaws.local.kubelet import sweeping

CLUSTER_VARIABLE = "JHAWS_CLUSTER"
POD_VARIABLE = "JHAWS_POD_UID"

# What a shell and the container runtimes report for "could not be started".
START_ERROR = 128


class StartError(LocalError):
    """A container's command cannot be run; the sentence becomes its termination message."""


@dataclass(frozen=True)
class Launch:
    """What to run.

    Attributes:
        argv: Program and arguments, paths of this machine.
        env: The whole environment.
        cwd: Working directory.
        log: Where the output is appended.
    """

    argv: Sequence[str]
    env: Mapping[str, str]
    cwd: Path
    log: Path


class Process:
    """A running container, or a hook in one."""

    def __init__(self, popen: subprocess.Popen[bytes]) -> None:
        self._popen = popen
        self.pid = popen.pid
        self._loop = asyncio.get_running_loop()
        self._ended: asyncio.Future[int] = self._loop.create_future()
        self._pidfd = os.pidfd_open(popen.pid)
        self._loop.add_reader(self._pidfd, self._on_end)

    def _on_end(self) -> None:
        self._loop.remove_reader(self._pidfd)
        os.close(self._pidfd)
        code = self._popen.wait()
        self._ended.set_result(code if code >= 0 else 128 - code)

    @property
    def is_running(self) -> bool:
        """Whether it has not ended."""
        return not self._ended.done()

    async def wait(self) -> int:
        """Wait for the end.

        Returns:
            The exit code; 128 + n after signal n, as in a shell.
        """
        return await asyncio.shield(self._ended)

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to the process group; nothing happens once the process ended."""
        if self.is_running:
            with suppress(ProcessLookupError):
                os.killpg(self.pid, number)


def start_process(launch: Launch) -> Process:
    """Start a process in its own session.

    Raises:
        StartError: The program is not there or cannot be run.
    """
    log = os.open(launch.log, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    try:
        popen = subprocess.Popen(
            list(launch.argv),
            env=dict(launch.env),
            cwd=launch.cwd,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    except FileNotFoundError as exc:
        what = str(launch.cwd) if exc.filename == str(launch.cwd) else launch.argv[0]
        raise StartError(f'exec: "{what}": executable file not found in $PATH') from exc
    except (OSError, ValueError) as exc:
        raise StartError(f'exec: "{launch.argv[0]}": {getattr(exc, "strerror", None) or exc}') from exc
    finally:
        os.close(log)
    return Process(popen)


def read_tail(path: Path, *, lines: int | None = None, max_bytes: int | None = None) -> bytes:
    """Read the end of a log.

    Args:
        path: The file; if it is missing the log is empty.
        lines: At most so many lines; `None` means all.
        max_bytes: At most so many bytes; `None` means all.
    """
    try:
        with path.open("rb") as file:
            if max_bytes is not None:
                file.seek(max(0, file.seek(0, os.SEEK_END) - max_bytes))
            data = file.read()
    except FileNotFoundError:
        return b""
    if lines is None:
        return data
    return b"".join(data.splitlines(keepends=True)[-lines:]) if lines > 0 else b""


class Warden:
    """The processes of one run of one cluster: their marker, and who kills them if the cluster cannot.

    Args:
        state_dir: The cluster's folder; the marker begins with its hash, so the next run finds what this one left.
    """

    def __init__(self, state_dir: Path) -> None:
        self._folder_id = hashlib.sha256(os.fsencode(state_dir.resolve())).hexdigest()[:16]
        self.run_id = f"{self._folder_id}.{secrets.token_hex(8)}"
        self._popen: subprocess.Popen[bytes] | None = None

    async def start(self) -> None:
        """Kill what an earlier run left, and start the process that watches over this one."""
        await asyncio.to_thread(sweeping.kill_processes, f"{CLUSTER_VARIABLE}={self._folder_id}.", prefix=True)
        script = Path(sweeping.__file__)
        self._popen = subprocess.Popen(  # noqa: ASYNC220 - our own script; starting it takes a millisecond
            [sys.executable, "-I", "-S", str(script), f"{CLUSTER_VARIABLE}={self.run_id}"],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env={},
            cwd="/",
            start_new_session=True,
        )

    async def find_pod(self, uid: str) -> dict[int, bytes]:
        """Find every process of a pod; the result is for `kill_pod`."""
        return await asyncio.to_thread(sweeping.find_processes, f"{POD_VARIABLE}={uid}")

    async def kill_pod(self, uid: str, *, known: Mapping[int, bytes]) -> None:
        """Kill every process of a pod, wherever it hides."""
        await asyncio.to_thread(sweeping.kill_processes, f"{POD_VARIABLE}={uid}", known=known)

    async def stop(self) -> None:
        """Kill every process of this run, and end the watching process."""
        await asyncio.to_thread(sweeping.kill_processes, f"{CLUSTER_VARIABLE}={self.run_id}")
        if self._popen is not None:
            popen, self._popen = self._popen, None
            if popen.stdin is not None:
                popen.stdin.close()
            # It has nothing left to kill and ends at once.
            await asyncio.to_thread(popen.wait)
