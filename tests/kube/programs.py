"""The programs that `make kube` builds, as processes that never outlive the one that started them."""

from __future__ import annotations

import asyncio
import ctypes
import os
import random
import shutil
import signal
import socket
from collections.abc import Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path

BIN = Path(__file__).parent / "bin"

# Below 32768, where Linux begins to give out ports by itself, so a port is still free when its server starts again;
# and below those of the hubs in tests/hub.
PORTS = range(15000, 18000)

# How much of a log an error shows.
LOG_TAIL = 2000

_PR_SET_PDEATHSIG = 1
_LIBC = ctypes.CDLL(None)


class KubeError(Exception):
    """The control plane cannot be run; the sentence says why, and what to do."""


class Program:
    """A program in the background, with its output in a file.

    It ends when this process ends, also when that is killed. Linux looks at the thread which started the program, so
    that must be one that lives as long: the main thread.

    Args:
        name: Its file in `bin`.
        folder: Where its log goes, and where it runs.
        niceness: Above 0, others get the CPU first.
    """

    def __init__(self, name: str, folder: Path, *, niceness: int = 0) -> None:
        self.name = name
        self.log = folder / f"{name}.log"
        self._folder = folder
        self._niceness = niceness
        self._process: asyncio.subprocess.Process | None = None

    @property
    def pid(self) -> int:
        """The process, while it runs; 0 else."""
        return self._process.pid if self._process and self._process.returncode is None else 0

    async def start(self, arguments: Sequence[str]) -> None:
        """Start it; nothing of this process's environment reaches it."""
        with self.log.open("ab") as log:
            self._process = await asyncio.create_subprocess_exec(
                BIN / self.name,
                *arguments,
                cwd=self._folder,
                env={"PATH": os.defpath, "HOME": str(self._folder)},
                stdin=asyncio.subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                # Ctrl-C is for us.
                start_new_session=True,
                preexec_fn=partial(_prepare, os.getpid(), self._niceness),
            )

    def signal(self, number: signal.Signals) -> None:
        """Send a signal, if it runs."""
        if self.pid:
            with suppress(ProcessLookupError):
                os.kill(self.pid, number)

    def freeze(self) -> None:
        """Stop all its threads, and wait until they have stopped: a busy machine lets them go on for a while."""
        if self.pid:
            self.signal(signal.SIGSTOP)
            with suppress(ChildProcessError):
                os.waitid(os.P_PID, self.pid, os.WSTOPPED)

    async def kill(self) -> None:
        """End it at once, and wait until it has ended."""
        self.signal(signal.SIGKILL)
        await self.wait()

    async def wait(self) -> None:
        """Wait until it ends."""
        if self._process:
            await self._process.wait()

    def make_error(self, what: str) -> KubeError:
        """Build an error with the end of the log."""
        tail = self.log.read_text(errors="replace")[-LOG_TAIL:]
        return KubeError(f"{self.name} {what}. The end of its log, {self.log}:\n{tail}")


def find_missing(names: Sequence[str]) -> str:
    """Say in a sentence which programs are not built; empty where all are."""
    missing = [name for name in names if not os.access(BIN / name, os.X_OK)]
    return f"There is no {', no '.join(missing)} in tests/kube/bin: run `make kube`." if missing else ""


def find_kubectl() -> str | None:
    """Find kubectl: ours, or another on the PATH."""
    return shutil.which("kubectl", path=f"{BIN}{os.pathsep}{os.environ.get('PATH', os.defpath)}")


def find_ports(count: int) -> list[int]:
    """Find TCP ports of loopback that are free."""
    found: list[int] = []
    for port in random.sample(PORTS, len(PORTS)):
        with socket.socket() as probe, suppress(OSError):
            probe.bind(("127.0.0.1", port))
            found.append(port)
        if len(found) == count:
            return found
    raise KubeError(f"There are no {count} free TCP ports from {PORTS.start} to {PORTS.stop - 1}: end what uses them.")


def _prepare(parent: int, niceness: int) -> None:
    """Run in the new process: be nice, and have the kernel kill it when the parent's thread ends."""
    os.nice(niceness)
    _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        # It ended before the kernel knew.
        os._exit(1)
