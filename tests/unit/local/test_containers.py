from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from jhaws.local.kubelet import sweeping
from jhaws.local.kubelet.containers import Launch, StartError, Warden, read_tail, start_process
from jhaws.local.kubelet.environment import (
    choose_command,
    make_base_environment,
    make_rewriter,
    replace_any_host,
    rewrite_environment,
)
from jhaws.local.kubelet.volumes import Mount
from tests.unit.local.pods_for_tests import until

IP = "127.16.0.9"


def make_launch(tmp_path: Path, *argv: str, **env: str) -> Launch:
    """Build a launch with the output in `log`."""
    return Launch(argv, {"PATH": os.environ["PATH"], **env}, tmp_path, tmp_path / "log")


@pytest.mark.parametrize(("script", "code"), [("exit 0", 0), ("exit 3", 3), ("kill -9 $$", 137), ("kill $$", 143)])
async def test_exit_code(tmp_path: Path, script: str, code: int) -> None:
    """The exit code is the process's own, or 128 plus the signal."""
    assert await start_process(make_launch(tmp_path, "sh", "-c", script)).wait() == code


async def test_output_is_appended(tmp_path: Path) -> None:
    """Both streams go to the end of the log."""
    (tmp_path / "log").write_text("before\n")
    await start_process(make_launch(tmp_path, "sh", "-c", "echo out; echo err >&2")).wait()
    assert (tmp_path / "log").read_text() == "before\nout\nerr\n"


async def test_log_that_is_a_link(tmp_path: Path) -> None:
    """A log that became a link is not written through."""
    (tmp_path / "victim").write_text("")
    (tmp_path / "log").symlink_to(tmp_path / "victim")
    with pytest.raises(OSError, match="symbolic"):
        start_process(make_launch(tmp_path, "echo", "x"))


@pytest.mark.parametrize("program", ["no-such-program", "/etc", "a\0b"])
async def test_cannot_start(tmp_path: Path, program: str) -> None:
    """A program that is not there, is no program, or has an impossible name is one kind of error."""
    with pytest.raises(StartError, match="exec"):
        start_process(make_launch(tmp_path, program))


async def test_signal_reaches_the_group(tmp_path: Path) -> None:
    """A signal goes to the whole group, and to nobody once the process ended."""
    process = start_process(make_launch(tmp_path, "sh", "-c", "sleep 1000 & wait"))
    process.signal(signal.SIGTERM)
    assert await process.wait() == 143
    process.signal(signal.SIGKILL)


async def test_waiting_can_be_cancelled(tmp_path: Path) -> None:
    """Who stops waiting does not take the end away from the others."""
    process = start_process(make_launch(tmp_path, "sleep", "1000"))
    waiting = asyncio.create_task(process.wait())
    await asyncio.sleep(0)
    waiting.cancel()
    process.signal(signal.SIGKILL)
    assert await process.wait() == 137


def test_tail(tmp_path: Path) -> None:
    """The end of a log by lines and by bytes; a missing log is empty."""
    (tmp_path / "log").write_text("1\n2\n3")
    assert read_tail(tmp_path / "log") == b"1\n2\n3"
    assert read_tail(tmp_path / "log", lines=2) == b"2\n3"
    assert read_tail(tmp_path / "log", lines=9) == b"1\n2\n3"
    assert read_tail(tmp_path / "log", max_bytes=3) == b"2\n3"
    assert read_tail(tmp_path / "none", lines=2) == b""


def test_sweep_takes_descendants_and_nobody_else() -> None:
    """A sweep kills who has the marker and their children, also without it, and no process with a similar one."""
    marker = f"JHAWS_POD_UID=test-{os.getpid()}"
    name, value = marker.split("=")
    script = "env -i sleep 1000 & sleep 1000"
    inside = subprocess.Popen(["sh", "-c", script], env={**os.environ, name: value}, start_new_session=True)
    outside = subprocess.Popen(["sleep", "1000"], env={**os.environ, name: f"{value}0"}, start_new_session=True)
    try:
        while len(sweeping.find_processes(marker)) < 3:
            assert inside.poll() is None
        found = sweeping.find_processes(marker)
        assert inside.pid in found
        assert sweeping.kill_processes(marker) >= 3
        assert inside.wait() == -signal.SIGKILL
        assert sweeping.find_processes(marker) == {}
        assert outside.poll() is None
        assert sweeping.kill_processes(marker, prefix=True) == 1
    finally:
        outside.kill()
        outside.wait()


def test_sweep_remembers_who_it_knew() -> None:
    """A process without marker whose parent is gone is killed if it was seen before, not if its pid is another's."""
    stray = subprocess.Popen(["sleep", "1000"], env={}, start_new_session=True)
    try:
        start = Path(f"/proc/{stray.pid}/stat").read_bytes().rpartition(b")")[2].split()[19]
        assert sweeping.kill_processes("JHAWS_POD_UID=none", known={stray.pid: start + b"0"}) == 0
        assert stray.poll() is None
        assert sweeping.kill_processes("JHAWS_POD_UID=none", known={stray.pid: start}) == 1
    finally:
        stray.kill()
        stray.wait()


def test_sweep_never_kills_its_own_line(monkeypatch: pytest.MonkeyPatch) -> None:
    """Who sweeps is not swept, even with the marker: the own process and its parents are left out."""
    script = f"""
import os, sys; sys.path.insert(0, {str(Path(sweeping.__file__).parent)!r})
import sweeping
assert sweeping.find_processes("JHAWS_CLUSTER=own") == {{}}
"""
    env = {**os.environ, "JHAWS_CLUSTER": "own"}
    assert subprocess.run([sys.executable, "-c", script], env=env, check=False).returncode == 0


async def test_warden_sweeps_an_earlier_run(tmp_path: Path) -> None:
    """What a killed run of the same folder left is killed at the next start, what another folder's has is not."""
    first = Warden(tmp_path)
    left = subprocess.Popen(["sleep", "1000"], env={"JHAWS_CLUSTER": first.run_id, "PATH": os.environ["PATH"]})
    other = Warden(tmp_path / "other")
    theirs = subprocess.Popen(["sleep", "1000"], env={"JHAWS_CLUSTER": other.run_id, "PATH": os.environ["PATH"]})
    second = Warden(tmp_path)
    try:
        await second.start()
        await until(lambda: left.poll() is not None)
        assert theirs.poll() is None
    finally:
        await second.stop()
        theirs.kill()
        theirs.wait()


def make_rewrite(*mounts: tuple[str, str]) -> object:
    """Build a rewriter of these mounts."""
    return make_rewriter([Mount(path, Path(folder)) for path, folder in mounts], pod_ip=IP)


@pytest.mark.parametrize(
    ("text", "rewritten"),
    [
        ("/home/jovyan", "/S/h"),
        ("/home/jovyan/x y", "/S/h/x y"),
        ("--dir=/home/jovyan", "--dir=/S/h"),
        ("cd /home/jovyan; ls '/home/jovyan'", "cd /S/h; ls '/S/h'"),
        ("/home/jovyan/data/f", "/S/d/f"),
        ("/home/jovyan:/data", "/S/h:/D"),
        ("a>/data/x", "a>/D/x"),
        ("/home/jovyanna", "/home/jovyanna"),
        ("/home/jovyan2", "/home/jovyan2"),
        ("/mnt/data", "/mnt/data"),
        ("$HOME/data", "$HOME/data"),
        ("${X}/data", "${X}/data"),
        ("~/data", "~/data"),
        ("./data", "./data"),
        ("../data", "../data"),
        ("http://host/data", "http://host/data"),
        ("/data.csv", "/data.csv"),
        ("/data-old", "/data-old"),
        ("", ""),
    ],
)
def test_paths(text: str, rewritten: str) -> None:
    """A mount path is translated where it stands as a path, the innermost mount first, and nowhere else."""
    rewrite = make_rewrite(("/home/jovyan", "/S/h"), ("/home/jovyan/data", "/S/d"), ("/data", "/D"))
    assert rewrite(text) == rewritten  # type: ignore[operator]


@pytest.mark.parametrize(
    ("text", "rewritten"),
    [
        ("http://0.0.0.0:8888/user/x/", f"http://{IP}:8888/user/x/"),
        ("0.0.0.0", IP),
        ("0.0.0.0:80", f"{IP}:80"),
        ("--ip=0.0.0.0", f"--ip={IP}"),
        ("http://0.0.0.0/", f"http://{IP}/"),
        ("http://[::]:8888/", f"http://{IP}:8888/"),
        ("::", IP),
        ("--ip=::", f"--ip={IP}"),
        ("10.0.0.0", "10.0.0.0"),
        ("0.0.0.0.1", "0.0.0.0.1"),
        ("0.0.0.0/0", "0.0.0.0/0"),
        ("::1", "::1"),
        ("a::b", "a::b"),
        ("x[::]", "x[::]"),
    ],
)
def test_any_host(text: str, rewritten: str) -> None:
    """The any-address becomes the pod's where it is a host."""
    assert replace_any_host(text, IP) == rewritten


def test_url_variables_keep_their_paths() -> None:
    """In a URL or a prefix only the host is translated, although its path may look like a mount."""
    rewrite = make_rewrite(("/data", "/D"))
    env = {
        "JUPYTERHUB_BASE_URL": "/data/",
        "JUPYTERHUB_SERVICE_PREFIX": "/data/u/",
        "X": "/data",
        "BAD=": "x",
        "N": "\0",
    }
    assert rewrite_environment(env, rewrite, pod_ip=IP) == {  # type: ignore[arg-type]
        "JUPYTERHUB_BASE_URL": "/data/",
        "JUPYTERHUB_SERVICE_PREFIX": "/data/u/",
        "X": "/D",
    }


@pytest.mark.parametrize(
    ("container", "command"),
    [
        ({}, ["image", "cmd"]),
        ({"args": ["--debug"]}, ["image", "cmd", "--debug"]),
        ({"args": ["prog", "x"]}, ["prog", "x"]),
        ({"command": ["a"], "args": ["b"]}, ["a", "b"]),
        ({"image": "registry.k8s.io/pause:3.10"}, ["sleep", "infinity"]),
        ({"image": "pause"}, ["sleep", "infinity"]),
        ({"image": "my/pauseless:1"}, ["image", "cmd"]),
    ],
)
def test_command(container: dict, command: list[str]) -> None:
    """A container without a command runs its image's, and a pause image pauses."""
    assert choose_command(container, image_command=("image", "cmd")) == command


def test_base_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The base environment begins with this Python and holds nothing else of the outer one."""
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "x")
    env = make_base_environment(home=tmp_path, temp_dir=tmp_path)
    assert env["PATH"].split(":")[0] == str(Path(sys.executable).parent)
    assert set(env) <= {"PATH", "LANG", "TZ", "TMPDIR", "HOME"}
