"""`jhaws demo` as a person uses it: the real command, from its first line to the last process it leaves."""

import contextlib
import os
import re
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import pytest_asyncio

from tests.hubclient import Session, eventually

from .hubs import RunningHub, descendants, kill_processes, process_stat

STOP_SECONDS = 30  # two to four on an idle machine
READY = "Ctrl-C stops it all."
COMMAND = [sys.executable, "-m", "jhaws", "demo"]


class Demo:
    """The command on one folder, to start and to end more than once."""

    def __init__(self, folder: Path) -> None:
        self.state = folder / "state"
        self.output = folder / "output"
        self.process: subprocess.Popen[bytes] | None = None
        self.started: list[tuple[int, str]] = []

    @property
    def text(self) -> str:
        """What the last start has printed so far, errors included."""
        return self.output.read_text()

    @property
    def port(self) -> int:
        """The hub's port, from the printed URL."""
        return int(re.findall(r"Open +http://127\.0\.0\.1:(\d+)\n", self.text)[0])

    @property
    def passwords(self) -> list[str]:
        """The printed passwords: the admin's, then everybody's."""
        return re.findall(r"Password +(\S+)\n", self.text)

    async def start(self) -> None:
        """Start it and return when it has said everything."""
        with self.output.open("wb") as output:
            command = [*COMMAND, "--state", str(self.state), "--port", "0"]
            self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=output, stderr=output)
        await eventually(self._is_ready, within=60, what="the demo's welcome")

    def _is_ready(self) -> bool:
        assert self.process is not None
        assert self.process.poll() is None, self.text
        return READY in self.text

    def is_running(self) -> bool:
        """Say whether the command runs."""
        return self.process is not None and self.process.poll() is None

    def remember(self) -> None:
        """Note every process below the command, so that it is known when its parent has gone."""
        assert self.process is not None
        self.started = descendants(self.process.pid)
        assert len(self.started) >= 5, "the hub, its proxy, two services and a pod"

    def left(self) -> list[str]:
        """Return what still runs of the noted processes, and whatever names the folder."""
        noted = [pid for pid, started in self.started if is_alive(pid, started)]
        others = [
            int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit() and self._is_named(entry)
        ]
        return [f"{pid} {read(Path(f'/proc/{pid}/cmdline'))}" for pid in sorted({*noted, *others})]

    def _is_named(self, entry: Path) -> bool:
        folder = str(self.state)
        with contextlib.suppress(OSError):
            if os.readlink(entry / "cwd").startswith(folder):
                return True
        return folder in read(entry / "environ") or folder in read(entry / "cmdline")

    def end(self) -> None:
        """Kill the command and all that it left."""
        if self.process is not None and self.process.poll() is None:
            self.started += descendants(self.process.pid)
            self.process.kill()
            self.process.wait()
        kill_processes(self.started)


def read(path: Path) -> str:
    try:
        return path.read_bytes().replace(b"\0", b" ").decode(errors="replace")
    except OSError:
        return ""


def is_alive(pid: int, started: str) -> bool:
    try:
        return process_stat(pid)[1] == started and " Z " not in Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return False


@pytest.fixture(scope="module")
def one_demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Demo]:
    """One folder for the whole module."""
    demo = Demo(tmp_path_factory.mktemp("demo"))
    yield demo
    demo.end()


@pytest_asyncio.fixture
async def demo(one_demo: Demo) -> Demo:
    """The running demo; started again where a test ended it."""
    if not one_demo.is_running():
        await one_demo.start()
    return one_demo


@contextlib.asynccontextmanager
async def logged_in(demo: Demo, name: str, password: str) -> AsyncIterator[Session]:
    """Log in as a browser does."""
    hub = RunningHub(demo.state, demo.port, 0, 0)
    try:
        yield await hub.login(name, password)
    finally:
        for session in hub.sessions:
            await session.close()


async def add_ada_with_a_server(demo: Demo) -> None:
    async with logged_in(demo, "admin", demo.passwords[0]) as admin:
        status, answer = await admin.api("POST", "users/ada")
        assert status in (201, 409), answer
        status, answer = await admin.api("POST", "users/ada/server", {"profile": "small"})
        assert status in (201, 202), answer

        async def is_ready() -> bool:
            _, user = await admin.api("GET", "users/ada")
            return bool(user["servers"].get("", {}).get("ready"))

        await eventually(is_ready, within=60, what="ada's server")


def refuse(*arguments: str) -> str:
    """Run a demo that must not start, and return what it said in one line."""
    done = subprocess.run([*COMMAND, *arguments], capture_output=True, text=True, timeout=30)
    assert done.returncode == 1, done.stdout + done.stderr
    assert done.stderr.startswith("jhaws: ")
    assert done.stderr.count("\n") == 1, "one sentence, no traceback"
    return done.stderr


async def test_the_printed_passwords_open_the_hub(demo: Demo) -> None:
    """The admin's password opens the admin's account; the one for everybody opens neither that nor a new one."""
    for_admin, for_all = demo.passwords

    async with logged_in(demo, "admin", for_admin) as session:
        assert session.ok
        assert (await session.api("GET", "user"))[1]["admin"] is True
    for name in ("admin", "stranger"):
        async with logged_in(demo, name, for_all) as session:
            assert not session.ok


async def test_only_its_user_may_look_into_the_folder(demo: Demo) -> None:
    """Passwords, tokens and homes are nobody else's on the machine."""
    assert demo.state.stat().st_mode & 0o077 == 0


async def test_a_used_port_is_refused_in_a_sentence(demo: Demo, tmp_path: Path) -> None:
    """It names the port and says how to choose another."""
    said = refuse("--state", str(tmp_path / "other"), "--port", str(demo.port))

    assert f"port {demo.port} " in said
    assert "--port" in said


@pytest.mark.parametrize("fresh", [(), ("--fresh",)], ids=["as it is", "fresh"])
async def test_a_second_demo_on_the_same_folder_is_refused(demo: Demo, fresh: tuple[str, ...]) -> None:
    """It would empty the folder or kill the hub of the first."""
    said = refuse("--state", str(demo.state), "--port", "0", *fresh)

    assert "already runs" in said
    async with logged_in(demo, "admin", demo.passwords[0]) as session:
        assert session.ok


def test_a_folder_of_somebody_else_is_left_alone(tmp_path: Path) -> None:
    """Not even `--fresh` touches what the demo did not make."""
    (tmp_path / "thesis.tex").touch()

    said = refuse("--state", str(tmp_path), "--fresh")

    assert "was not made by" in said
    assert [each.name for each in tmp_path.iterdir()] == ["thesis.tex"]


async def test_ctrl_c_ends_everything_and_the_next_start_is_the_same_hub(demo: Demo) -> None:
    """No process stays; users and passwords do."""
    await add_ada_with_a_server(demo)
    demo.remember()
    passwords = demo.passwords
    assert demo.process is not None

    demo.process.send_signal(signal.SIGINT)

    assert demo.process.wait(STOP_SECONDS) == 0, demo.text
    assert demo.left() == []
    assert "Traceback" not in demo.text
    await demo.start()
    assert demo.passwords == passwords
    async with logged_in(demo, "ada", passwords[1]) as session:
        assert session.ok


async def test_a_killed_hub_ends_the_demo_with_a_sentence(demo: Demo) -> None:
    """The person who started it reads why, and neither proxy nor servers stay."""
    demo.remember()
    assert demo.process is not None
    hub = next(pid for pid, _ in demo.started if "jupyterhub --config" in read(Path(f"/proc/{pid}/cmdline")))

    os.kill(hub, signal.SIGKILL)

    assert demo.process.wait(STOP_SECONDS) == 1
    assert "jhaws: JupyterHub was killed by SIGKILL" in demo.text
    await eventually(lambda: not demo.left(), what="the end of what the hub started")


async def test_a_killed_demo_leaves_nothing_and_starts_again(demo: Demo) -> None:
    """A killed demo cannot stop anything itself: its warden does, so port and folder are free."""
    demo.remember()
    assert demo.process is not None

    demo.process.kill()
    demo.process.wait()

    await eventually(lambda: not demo.left(), what="the end of what the demo started")
    await demo.start()
    async with logged_in(demo, "admin", demo.passwords[0]) as session:
        assert session.ok
