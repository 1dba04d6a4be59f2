"""The programs that `make kube` builds, as processes that never outlive the one that started them."""

from __future__ import annotations

import asyncio
import ctypes
import os
import random
import shutil
import signal
import socket
from collections.abc import Awaitable, Callable, Iterable, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path

BIN = Path(__file__).parent / "bin"

# Where a program finds others; the second half is root's.
PATH = f"{os.defpath}:/sbin:/usr/sbin"

# Below 32768, where Linux begins to give out ports by itself, so a port is still free when its server starts again;
# and below those of the hubs in tests/hub.
PORTS = range(15000, 18000)

# Seconds until a program has to answer; it takes six for a control plane, more on a busy machine.
START_SECONDS = 90

# How much of a log an error shows.
LOG_TAIL = 2000

_PR_SET_PDEATHSIG = 1
_LIBC = ctypes.CDLL(None)


class KubeError(Exception):
    """The cluster cannot be run; the sentence says why, and what to do."""


class Program:
    """A program in the background, with its output in a file.

    It ends when this process ends, also when that is killed. Linux looks at the thread which started the program, so
    that must be one that lives as long: the main thread.

    Args:
        name: Its file in `bin`.
        folder: Where its log goes, and where it runs.
        niceness: Above 0, others get the CPU first.
        command: What to run instead of that file.
    """

    def __init__(self, name: str, folder: Path, *, niceness: int = 0, command: Sequence[str | Path] = ()) -> None:
        self.name = name
        self.log = folder / f"{name}.log"
        self._folder = folder
        self._niceness = niceness
        self._command = command or (BIN / name,)
        self._process: asyncio.subprocess.Process | None = None

    @property
    def pid(self) -> int:
        """The process, while it runs; 0 else."""
        return self._process.pid if self._process and self._process.returncode is None else 0

    async def start(self, arguments: Sequence[str | Path]) -> None:
        """Start it; nothing of this process's environment reaches it."""
        with self.log.open("ab") as log:
            self._process = await asyncio.create_subprocess_exec(
                *self._command,
                *arguments,
                cwd=self._folder,
                env={"PATH": PATH, "HOME": str(self._folder)},
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

    async def wait(self) -> int:
        """Wait until it ends, and give its exit code; 0 if it was never started."""
        return await self._process.wait() if self._process else 0

    async def wait_until(self, check: Callable[[], Awaitable[bool]]) -> None:
        """Wait until it is ready.

        Raises:
            KubeError: It ended, or took too long.
        """
        try:
            async with asyncio.timeout(START_SECONDS):
                while not await check():
                    if not self.pid:
                        raise self.make_error("ended while it started")
                    await asyncio.sleep(0.1)
        except TimeoutError:
            raise self.make_error(f"was not ready within {START_SECONDS} s") from None

    def make_error(self, what: str) -> KubeError:
        """Build an error with the end of the log."""
        tail = self.log.read_text(errors="replace")[-LOG_TAIL:]
        return KubeError(f"{self.name} {what}. The end of its log, {self.log}:\n{tail}")


async def wait_for_end(programs: Iterable[Program]) -> Program:
    """Wait until one of the programs ends, and give that one."""
    tasks = {asyncio.create_task(program.wait()): program for program in programs}
    try:
        ended, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
    return tasks[ended.pop()]


def claim_folder(folder: Path) -> None:
    """Make a folder, unless it is there and empty.

    Raises:
        KubeError: There is something in it.
    """
    folder.mkdir(parents=True, exist_ok=True)
    if any(folder.iterdir()):
        raise KubeError(f"The folder {folder} is not empty: name a new one.")


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
