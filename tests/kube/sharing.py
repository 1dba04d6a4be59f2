"""One control plane for all processes of a test run: whoever needs it first starts it, and it ends with the last.

Each user holds a shared lock on one file until its process ends, however that ends; so the kernel counts them. The
control plane runs in a process of its own (`python -m tests.kube.sharing FOLDER`), which waits until it gets that lock
for itself. A user that comes at that very moment waits for the lock too, and starts the next one.
"""

from __future__ import annotations

import asyncio
import fcntl
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import IO

from tests.kube.controlplane import ControlPlane
from tests.kube.programs import KubeError

REPOSITORY = Path(__file__).parents[2]

# What this process uses until its end.
_held: list[IO[str] | subprocess.Popen[str]] = []


def share_control_plane(folder: Path) -> Path:
    """Give the admin's kubeconfig of the control plane that all users of `folder` share.

    It stays at least as long as this process.

    Raises:
        KubeError: It did not start.
    """
    folder.mkdir(exist_ok=True)
    with (folder / "starting.lock").open("w") as starting:
        fcntl.flock(starting, fcntl.LOCK_EX)
        _held.append(lock(folder, fcntl.LOCK_SH))
        found = folder / "kubeconfig"
        if not found.exists():
            _start(folder)
        return Path(found.read_text())


def lock(folder: Path, kind: int) -> IO[str]:
    """Wait for the lock that all users of a folder share; it is held until the file is closed."""
    file = (folder / "users.lock").open("w")
    fcntl.flock(file, kind)
    return file


def _start(folder: Path) -> None:
    log = folder / "sharing.log"
    with log.open("w") as errors:
        process = subprocess.Popen(
            [sys.executable, "-m", "tests.kube.sharing", str(folder)],
            cwd=REPOSITORY,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
            # Whoever started it may end before the others.
            start_new_session=True,
        )
    _held.append(process)
    if not process.stdout.readline():
        raise KubeError(f"The shared control plane did not start: {log.read_text()}")


async def serve(folder: Path) -> None:
    """Run a control plane until nobody uses the folder any more."""
    own = Path(tempfile.mkdtemp(prefix="controlplane-", dir=folder))
    found = folder / "kubeconfig"
    async with ControlPlane(own) as plane:
        found.write_text(str(plane.kubeconfig))
        print("ready", flush=True)
        with await asyncio.to_thread(lock, folder, fcntl.LOCK_EX):
            found.unlink()
            await plane.stop()
            # The logs stay, as long as pytest keeps the folder.
            shutil.rmtree(own / "etcd")


if __name__ == "__main__":
    try:
        asyncio.run(serve(Path(sys.argv[1])))
    except KubeError as error:
        sys.exit(str(error))
