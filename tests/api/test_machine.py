"""The machine that a real node lives in: it touches nothing of the one it runs on, and leaves nothing behind."""

from __future__ import annotations

import asyncio
import os
import secrets
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.api.cluster import eventually
from tests.kube import machine
from tests.kube.machine import Machine
from tests.kube.programs import KubeError
from tests.kube.sharing import REPOSITORY

OBSTACLE = machine.find_obstacle()

needs_root = pytest.mark.skipif(bool(OBSTACLE), reason=OBSTACLE)

# Makes a machine with a process in it and something on its disk, and says what it is called.
HOLDER = """
import asyncio, sys
from pathlib import Path
from tests.kube.machine import Machine

async def hold():
    machine = Machine(Path(sys.argv[1]))
    await machine.start()
    (machine.disk / "big").touch()
    print(machine.cgroup, flush=True)
    await machine.run("sleep", "1000")

asyncio.run(hold())
"""


def find_cgroups(name: str) -> list[Path]:
    """Find the cgroups with a name, in any hierarchy."""
    return [*Path("/sys/fs/cgroup").glob(name), *Path("/sys/fs/cgroup").glob(f"*/{name}")]


def find_hierarchies() -> Iterator[Path]:
    """Find where cgroups can be made."""
    for folder in (Path("/sys/fs/cgroup"), *Path("/sys/fs/cgroup").iterdir()):
        if (folder / "cgroup.procs").exists() and not folder.is_symlink():
            yield folder
            if folder.name == "cgroup":
                return


def find_processes(folder: Path) -> list[str]:
    """Find the processes that have something mounted from a folder."""
    found = []
    for mounts in Path("/proc").glob("[0-9]*/mountinfo"):
        try:
            if str(folder) in mounts.read_text():
                found.append(mounts.parent.name)
        except OSError:
            continue
    return found


@needs_root
async def test_machine_has_its_own_and_sees_the_rest(tmp_path: Path) -> None:
    """Processes, network, mounts, host name and settings are its own; what it writes is nowhere but in its folder."""
    elsewhere = Path("/etc") / f"jhaws-{secrets.token_hex(4)}"
    inside = Machine(tmp_path)
    await inside.start()
    try:
        assert (await inside.run("hostname")).strip() == "node"
        # The first one, and those that look.
        assert len((await inside.run("sh", "-c", "ls -d /proc/[0-9]*")).split()) <= 3
        assert f"{inside.address}/30" in await inside.run("ip", "-brief", "address", "show", "eth0")
        await inside.run("touch", elsewhere, tmp_path / "mine")

        assert (elsewhere.exists(), (tmp_path / "mine").exists()) == (False, True)
        # What Kubernetes would set for both.
        assert await inside.run("findmnt", "--noheadings", "--output", "FSTYPE", "/proc/sys/kernel/panic") == "tmpfs\n"
        assert os.uname().nodename != "node"
        assert inside.see(str(elsewhere)).exists()
    finally:
        await inside.stop()


@needs_root
async def test_both_machines_reach_each_other(tmp_path: Path) -> None:
    """What listens on this machine is reached from inside at the gateway, and comes from the machine's address."""
    peers = []

    async def answer(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        peers.append(writer.get_extra_info("peername")[0])
        writer.close()

    inside = Machine(tmp_path)
    await inside.start()
    try:
        async with await asyncio.start_server(answer, inside.gateway, 0) as server:
            port = server.sockets[0].getsockname()[1]
            await inside.run("bash", "-c", f"exec 3<>/dev/tcp/{inside.gateway}/{port}")
            await eventually(lambda: asyncio.sleep(0, bool(peers)))
            assert peers == [inside.address]
    finally:
        await inside.stop()


@needs_root
async def test_nothing_is_left_when_the_holder_is_killed(tmp_path: Path) -> None:
    """The machine's processes, mounts, cable, cgroups and disk end with the process that holds it."""
    holder = await asyncio.create_subprocess_exec(
        sys.executable, "-c", HOLDER, tmp_path, cwd=REPOSITORY, stdout=asyncio.subprocess.PIPE
    )
    name = (await holder.stdout.readline()).decode().strip()
    cable = Path("/sys/class/net") / name
    assert (cable.exists(), bool(find_cgroups(name)), bool(find_processes(tmp_path))) == (True, True, True)
    holder.send_signal(signal.SIGKILL)
    await holder.wait()

    async def check() -> bool:
        left = [*find_cgroups(name), *find_processes(tmp_path), *(tmp_path.glob("*/"))]
        return not left and not cable.exists()

    await eventually(check)
    assert [path.name for path in tmp_path.iterdir()] == ["machine.log"]


@needs_root
async def test_cgroups_left_over_are_removed(tmp_path: Path) -> None:
    """A cgroup of a machine that is gone is removed when the next one starts; that of a living one stays."""
    (tmp_path / "one").mkdir()
    (tmp_path / "two").mkdir()
    first, second = Machine(tmp_path / "one"), Machine(tmp_path / "two")
    for hierarchy in find_hierarchies():
        (hierarchy / "jhaws-0" / "pod").mkdir(parents=True, exist_ok=True)
    await first.start()
    try:
        assert (find_cgroups("jhaws-0"), bool(find_cgroups(first.cgroup))) == ([], True)
        await second.start()
        assert find_cgroups(first.cgroup)
    finally:
        await first.stop()
        await second.stop()
    assert find_cgroups(first.cgroup) + find_cgroups(second.cgroup) == []


@needs_root
async def test_machine_that_cannot_be_made_is_a_sentence(tmp_path: Path) -> None:
    """The end of the log says why, and nothing is left."""
    (tmp_path / "machine").touch()
    with pytest.raises(KubeError, match="(?s)The machine for the node could not be made: .*File exists"):
        await Machine(tmp_path).start()

    assert find_processes(tmp_path) == []


@needs_root
async def test_failed_command_is_a_sentence(tmp_path: Path) -> None:
    """A command that fails in there is named, with what it complained about."""
    inside = Machine(tmp_path)
    await inside.start()
    try:
        with pytest.raises(KubeError, match="(?s)`ls` failed in the node's machine: .*No such file"):
            await inside.run("ls", "/nowhere")
    finally:
        await inside.stop()


@pytest.mark.skipif(os.geteuid() != 0, reason="Whoever is not root hears about that first.")
def test_missing_packages_are_a_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The Debian packages that are missing are named once each."""
    monkeypatch.setattr(machine, "PATH", str(tmp_path))

    assert machine.find_obstacle() == "A node needs more programs: run `apt-get install iproute2 util-linux`."


def test_only_root_can_make_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever is not root is told so."""
    monkeypatch.setattr(os, "geteuid", lambda: 1000)

    assert machine.find_obstacle().endswith("which only root can make: run this as root.")
