"""The real control plane that the tests run on: it has outages when told to, and leaves nothing behind."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import aiohttp
import pytest
import pytest_asyncio
from kubernetes_asyncio import client, config

from tests.api.cluster import PATIENCE, eventually
from tests.kube import programs
from tests.kube.controlplane import PROGRAMS, ControlPlane
from tests.kube.programs import KubeError, find_missing
from tests.kube.sharing import REPOSITORY

# Takes a share of the folder's control plane, says where it is, and keeps it until the input ends.
USER = "import sys; from pathlib import Path; from tests.kube.sharing import share_control_plane as share; " + (
    "print(share(Path(sys.argv[1])), flush=True); sys.stdin.read()"
)

pytestmark = pytest.mark.skipif(bool(find_missing(PROGRAMS)), reason=find_missing(PROGRAMS))

in_module = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def plane(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[ControlPlane]:
    """A control plane that the tests of this module may hurt; it is whole again after each."""
    async with ControlPlane(tmp_path_factory.mktemp("plane")) as plane:
        yield plane


@asynccontextmanager
async def connect(kubeconfig: Path) -> AsyncIterator[client.CoreV1Api]:
    """Make a client with connections of its own."""
    settings = client.Configuration()
    await config.load_kube_config(config_file=str(kubeconfig), client_configuration=settings)
    async with client.ApiClient(settings) as api:
        yield client.CoreV1Api(api)


@dataclass(frozen=True)
class Command:
    """A Python process that runs or uses a control plane."""

    process: asyncio.subprocess.Process

    async def line(self) -> str:
        """Wait for a line of its output."""
        async with asyncio.timeout(PATIENCE):
            return (await self.process.stdout.readline()).decode().strip()

    async def end(self) -> tuple[int, str]:
        """Wait for its end, and give the exit code and what it complained about."""
        async with asyncio.timeout(PATIENCE):
            _, errors = await self.process.communicate()
        return self.process.returncode, errors.decode()


@asynccontextmanager
async def running(*words: str) -> AsyncIterator[Command]:
    """Run Python with these words."""
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(
        sys.executable, *words, cwd=REPOSITORY, stdin=pipe, stdout=pipe, stderr=pipe
    )
    try:
        yield Command(process)
    finally:
        with suppress(ProcessLookupError):
            process.kill()
        await process.communicate()


def find_programs(folder: Path) -> Iterator[tuple[str, int]]:
    """Find the control plane's programs that run in a folder, by what Linux says."""
    for entry in Path("/proc").iterdir():
        with suppress(OSError, ValueError):
            number = int(entry.name)
            if (entry / "exe").readlink().parent == programs.BIN and (entry / "cwd").readlink().is_relative_to(folder):
                yield (entry / "exe").readlink().name, number


async def all_ended(folder: Path) -> None:
    """Wait until no program runs in a folder."""

    async def check() -> bool:
        return not list(find_programs(folder))

    await eventually(check)


@in_module
async def test_killed_server_refuses_and_comes_back_with_what_it_had(plane: ControlPlane) -> None:
    """An outage of the API server is refused connections at its port, and then the same objects there."""
    async with connect(plane.kubeconfig) as core:
        made = await core.create_namespaced_config_map("default", {"metadata": {"name": "one"}})
        before = plane.pids
        await plane.stop_apiserver()
        with pytest.raises(aiohttp.ClientConnectorError):
            await core.read_namespaced_config_map("one", "default")
        await plane.start_apiserver()

        assert await core.read_namespaced_config_map("one", "default") == made
    changed = {name for name, pid in plane.pids.items() if before[name] != pid}
    assert (set(plane.pids), changed) == (set(PROGRAMS), {"kube-apiserver"})


@in_module
async def test_frozen_server_is_silent_and_then_goes_on(plane: ControlPlane) -> None:
    """A frozen API server takes requests without an answer; thawed, it answers those too."""
    async with connect(plane.kubeconfig) as core:
        await core.list_namespace()
        plane.freeze_apiserver()
        with pytest.raises(TimeoutError):
            await core.list_namespace(_request_timeout=0.5)
        waiting = asyncio.create_task(core.list_namespace())
        await asyncio.wait([waiting], timeout=0.1)
        assert not waiting.done()
        plane.thaw_apiserver()

        async with asyncio.timeout(PATIENCE):
            assert "default" in [namespace.metadata.name for namespace in (await waiting).items]


async def test_server_that_does_not_start_is_a_sentence(tmp_path: Path) -> None:
    """A program that ends while it starts is named with the end of its log, and the others are ended."""
    with pytest.raises(KubeError, match="(?s)kube-apiserver ended while it started.*unknown flag: --nonsense"):
        await ControlPlane(tmp_path, apiserver_flags=["--nonsense"]).start()

    assert list(find_programs(tmp_path)) == []


async def test_folder_in_use_is_a_sentence(tmp_path: Path) -> None:
    """Nothing is written into a folder that has something in it."""
    (tmp_path / "mine").touch()
    with pytest.raises(KubeError, match="is not empty: name a new one"):
        await ControlPlane(tmp_path).start()

    assert [entry.name for entry in tmp_path.iterdir()] == ["mine"]


async def test_programs_that_are_not_built_are_a_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever has not built the programs is told how."""
    monkeypatch.setattr(programs, "BIN", tmp_path)
    (tmp_path / "etcd").touch(mode=0o755)
    with pytest.raises(KubeError, match=r"There is no kube-apiserver, no .* in tests/kube/bin: run `make kube`."):
        await ControlPlane(tmp_path / "plane").start()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
async def test_command_takes_everything_along(tmp_path: Path, number: signal.Signals) -> None:
    """The command says what to export, and whether it ends by Ctrl-C or is killed, nothing that it started stays."""
    async with running("-m", "tests.kube.controlplane", str(tmp_path)) as command:
        assert await command.line() == f"export KUBECONFIG={tmp_path}/admin.kubeconfig"
        assert {name for name, _ in find_programs(tmp_path)} == set(PROGRAMS)
        command.process.send_signal(number)

        assert await command.end() == (0 if number == signal.SIGINT else -number, "")
    await all_ended(tmp_path)


async def test_command_tells_of_a_program_that_ended(tmp_path: Path) -> None:
    """When one of the programs ends by itself the command ends too, and names it."""
    async with running("-m", "tests.kube.controlplane", str(tmp_path)) as command:
        await command.line()
        os.kill(dict(find_programs(tmp_path))["etcd"], signal.SIGKILL)

        assert await command.end() == (1, f"etcd ended by itself; its log is in {tmp_path}.\n")
    await all_ended(tmp_path)


async def test_shared_control_plane_ends_with_its_last_user(tmp_path: Path) -> None:
    """Two processes get the same one; it outlives the one that started it, and ends when the other is killed too."""
    async with running("-c", USER, str(tmp_path)) as first, running("-c", USER, str(tmp_path)) as second:
        kubeconfig = Path(await first.line())
        assert await second.line() == str(kubeconfig)
        first.process.kill()
        await first.end()
        async with connect(kubeconfig) as core:
            await core.list_namespace()
        assert {name for name, _ in find_programs(tmp_path)} == set(PROGRAMS)
        second.process.kill()
        await second.end()
    await all_ended(tmp_path)

    async with running("-c", USER, str(tmp_path)) as third:
        assert Path(await third.line()) not in (kubeconfig, Path())
        third.process.stdin.close()
        assert await third.end() == (0, "")
    await all_ended(tmp_path)
