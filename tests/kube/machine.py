"""A machine inside this one, with a network, processes and mounts of its own: `machine.sh` makes it and says how.

It ends with this process, however that ends, and then nothing of it is left.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import subprocess
from pathlib import Path
from typing import IO

from tests.kube.programs import LOG_TAIL, PATH, KubeError

SCRIPT = Path(__file__).parent / "machine.sh"

# What the script runs, by the Debian packages that bring it.
TOOLS = {"ip": "iproute2", "nsenter": "util-linux", "unshare": "util-linux"}


class Machine:
    """A machine, once it has been started.

    Args:
        folder: The only one where it writes on a disk; what is in its `disk` ends with it.

    Attributes:
        address: Where this machine reaches it.
        gateway: Where it reaches this machine.
        cgroup: Its cgroup, below the root of each hierarchy.
        enter: A command that runs the command behind it in there.
        enter_network: The same, only with the machine's network.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._process: asyncio.subprocess.Process | None = None
        self._root = Path()
        self.address = self.gateway = self.cgroup = ""
        self.enter: tuple[str, ...] = ()
        self.enter_network: tuple[str, ...] = ()

    @property
    def disk(self) -> Path:
        """For what is big; on both machines it has the same path."""
        return self._folder / "disk"

    async def start(self) -> None:
        """Make it.

        Raises:
            KubeError: It cannot be made here.
        """
        log = self._folder / "machine.log"
        with log.open("wb") as errors:
            self._process = await asyncio.create_subprocess_exec(
                SCRIPT,
                self._folder,
                env={"PATH": PATH},
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=errors,
                # Ctrl-C is for us, and the script cleans up when we have ended.
                start_new_session=True,
            )
        words = (await self._process.stdout.readline()).decode().split()
        if not words:
            await self.stop()
            raise KubeError(f"The machine for the node could not be made: {log.read_text()[-LOG_TAIL:]}")
        pid, self.address, self.gateway, self.cgroup = words
        self.enter_network = ("nsenter", "--target", pid, "--net")
        self.enter = (*self.enter_network, "--mount", "--uts", "--ipc", "--pid")
        self._root = Path(f"/proc/{pid}/root")

    async def stop(self) -> None:
        """End it with all that runs in it. Safe to call twice."""
        if self._process:
            self._process.stdin.close()
            await self._process.wait()

    def see(self, path: str) -> Path:
        """Give the path from here to a file in there."""
        return self._root / path.lstrip("/")

    async def run(self, *command: str | Path, stdin: IO[bytes] | int = subprocess.DEVNULL) -> str:
        """Run a command in there to its end, and give what it printed.

        Raises:
            KubeError: It failed.
        """
        pipe, together = asyncio.subprocess.PIPE, asyncio.subprocess.STDOUT
        process = await asyncio.create_subprocess_exec(
            *self.enter, *command, env={"PATH": PATH}, stdin=stdin, stdout=pipe, stderr=together
        )
        output = (await process.communicate())[0].decode(errors="replace")
        if process.returncode:
            raise KubeError(f"`{command[0]}` failed in the node's machine: {output[-LOG_TAIL:]}")
        return output


def find_obstacle() -> str:
    """Say in a sentence why no machine can be made here; empty where one can."""
    if os.geteuid() != 0:
        return "A node needs namespaces and mounts of its own, which only root can make: run this as root."
    if sentence := find_packages(TOOLS):
        return sentence
    attempt = ["unshare", "--net", "--mount", "--uts", "--ipc", "--pid", "--fork", "true"]
    done = subprocess.run(attempt, capture_output=True, text=True, check=False)
    if done.returncode:
        return (
            f"A node needs namespaces of its own, and this root may make none ({done.stderr.strip()}): use a machine."
        )
    return ""


def find_packages(tools: dict[str, str]) -> str:
    """Say in a sentence which Debian packages bring what is missing of these programs; empty where none is."""
    missing = dict.fromkeys(package for tool, package in tools.items() if not shutil.which(tool, path=PATH))
    return f"A node needs more programs: run `apt-get install {' '.join(missing)}`." if missing else ""
