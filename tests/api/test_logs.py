"""Logs of containers. The kubelet is a few lines of this file here, so these are about the embedded server alone."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from jhaws.local.api.apiserver import ApiServer
from jhaws.local.api.podlogs import find_tail, open_log
from jhaws.local.api.resources import PODS
from jhaws.local.api.storage import Storage
from tests.api.cluster import PATIENCE, trust

RUNNING = {"running": {"startedAt": "2020-01-01T00:00:00Z"}}
ENDED = {"terminated": {"exitCode": 0, "reason": "Completed"}}
WAITING = {"waiting": {"reason": "ContainerCreating"}}


@dataclass(frozen=True)
class Place:
    """A server with one bound pod, and the folder of its logs."""

    server: ApiServer
    session: aiohttp.ClientSession
    folder: Path

    @property
    def log(self) -> Path:
        """The log of the container."""
        return self.folder / "a"

    def set_state(self, state: dict[str, Any], *, run: str = "1", last: dict[str, Any] | None = None) -> None:
        """Write what the kubelet would write."""
        entry = {"name": "a", "containerID": f"process://{run}", "state": state, "lastState": last or {}}

        def change(pod: dict[str, Any]) -> None:
            pod["status"]["containerStatuses"] = [entry]

        self.server.storage.modify(PODS, "default", "one", change)

    def get(self, **query: str) -> Any:
        """Ask for the log."""
        url = f"{self.server.url}/api/v1/namespaces/default/pods/one/log"
        headers = {"Authorization": f"Bearer {self.server.token}"}
        timeout = aiohttp.ClientTimeout(total=PATIENCE)
        return self.session.get(url, headers=headers, params=query, timeout=timeout)

    async def read(self, **query: str) -> tuple[int, str]:
        """Ask for the log, and give status and text, of an error its message."""
        async with self.get(**query) as response:
            if response.status >= 400:
                return response.status, (await response.json())["message"]
            return response.status, await response.text()


@pytest.fixture
async def place(tmp_path: Path) -> AsyncIterator[Place]:
    """A server whose pod `one` runs; nothing is written yet."""
    server = ApiServer(Storage())
    await server.start()

    def find(uid: str, container: str, previous: bool) -> Path:
        assert uid == server.storage.get(PODS, "default", "one")["metadata"]["uid"]
        return tmp_path / (f"{container}.previous" if previous else container)

    server.log_finder = find
    spec = {"nodeName": "n", "containers": [{"name": "a", "image": "x"}]}
    server.storage.create(PODS, {"metadata": {"name": "one"}, "spec": spec})
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=trust(server))) as session:
        place = Place(server, session, tmp_path)
        place.set_state(RUNNING)
        yield place
    await server.stop()


@pytest.mark.parametrize(
    ("query", "text"),
    [
        ({}, "one\ntwo\nthree"),
        ({"tailLines": "1"}, "three"),
        ({"tailLines": "2"}, "two\nthree"),
        ({"tailLines": "9"}, "one\ntwo\nthree"),
        ({"tailLines": "0"}, ""),
        ({"limitBytes": "5"}, "one\nt"),
        ({"limitBytes": "500"}, "one\ntwo\nthree"),
        ({"tailLines": "2", "limitBytes": "3"}, "two"),
        ({"container": "a"}, "one\ntwo\nthree"),
    ],
)
async def test_log_so_far(place: Place, query: dict[str, str], text: str) -> None:
    """A log is what was written up to now, or its last lines, or its first bytes."""
    place.log.write_text("one\ntwo\nthree")

    assert await place.read(**query) == (200, text)


async def test_container_that_wrote_nothing(place: Place) -> None:
    """A running container without a log has an empty one."""
    assert await place.read() == (200, "")


async def test_log_of_a_container_that_waits(place: Place) -> None:
    """The answer tells why there is no log, in the words people know; followed or not."""
    place.set_state(WAITING)
    text = 'container "a" in pod "one" is waiting to start: ContainerCreating'

    assert await place.read() == (400, text)
    assert await place.read(follow="true") == (400, text)


async def test_log_of_the_run_before(place: Place) -> None:
    """`--previous` is the run before; while a crashed container waits, that is the newest log."""
    none = (400, 'previous terminated container "a" in pod "one" not found')
    place.log.write_text("new\n")
    assert await place.read(previous="true") == none
    (place.folder / "a.previous").write_text("old\n")
    place.set_state(RUNNING, run="2", last=ENDED)
    assert await place.read(previous="true") == (200, "old\n")
    assert await place.read() == (200, "new\n")
    place.set_state({"waiting": {"reason": "CrashLoopBackOff"}}, last=ENDED)
    assert await place.read(previous="true") == (200, "new\n")
    assert await place.read() == (200, "new\n")


async def test_followed_log_grows_and_ends(place: Place) -> None:
    """A followed log gives each line as it comes, and ends with the container, with its last words."""
    place.log.write_text("zero\none\n")
    async with place.get(follow="true", tailLines="1") as response:
        assert await response.content.readline() == b"one\n"
        with place.log.open("a") as file:
            file.write("two\n")
            file.flush()
            assert await response.content.readline() == b"two\n"
            file.write("end")
        place.set_state(ENDED)
        assert await response.read() == b"end"


async def test_followed_log_ends_with_its_run(place: Place) -> None:
    """A container that was started again writes a new log; who follows the old one is told its end."""
    place.log.write_text("first\n")
    async with place.get(follow="true") as response:
        assert await response.content.readline() == b"first\n"
        place.log.rename(place.folder / "a.previous")
        place.log.write_text("second\n")
        place.set_state(RUNNING, run="2", last=ENDED)
        assert await response.read() == b""


async def test_followed_log_ends_with_its_pod(place: Place) -> None:
    """The log of a pod that is gone ends, also if another pod has its name now."""
    place.log.write_text("first\n")
    async with place.get(follow="true") as response:
        assert await response.content.readline() == b"first\n"
        old = place.server.storage.get(PODS, "default", "one")
        place.server.storage.remove(PODS, "default", "one", uid=old["metadata"]["uid"])
        place.server.storage.create(PODS, {"metadata": {"name": "one"}, "spec": old["spec"]})
        place.set_state(RUNNING)
        assert await response.read() == b""


async def test_followed_log_of_an_ended_container(place: Place) -> None:
    """Following what has ended already gives all there is, and ends."""
    place.log.write_text("all\n")
    place.set_state(ENDED)

    assert await place.read(follow="true") == (200, "all\n")


async def test_followed_log_has_a_limit(place: Place) -> None:
    """A limit of bytes ends a followed log."""
    place.log.write_text("0123456789")

    assert await place.read(follow="true", limitBytes="4") == (200, "0123")


async def test_stop_ends_followed_logs(place: Place) -> None:
    """Stopping the server ends followed logs as whole answers, not in the middle."""
    place.log.write_text("first\n")
    async with place.get(follow="true") as response:
        assert await response.content.readline() == b"first\n"
        async with asyncio.timeout(PATIENCE):
            await place.server.stop()
            assert await response.read() == b""


async def test_followed_log_is_read_once(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was sent is not read again, however long somebody follows."""
    place.log.write_bytes(b"x" * 1_000_000 + b"\n")
    counted = []

    def count(path: Path) -> Any:
        file = open_log(path)
        assert file is not None
        counted.append(file)
        return file

    monkeypatch.setattr("jhaws.local.api.podlogs.open_log", count)
    async with place.get(follow="true") as response:
        assert len(await response.content.readexactly(1_000_001)) == 1_000_001
        for number in range(3):
            with place.log.open("ab") as file:
                file.write(b"%d\n" % number)
            assert await response.content.readline() == b"%d\n" % number
        assert counted[0].tell() == 1_000_007
        place.set_state(ENDED)
        assert await response.read() == b""
    assert len(counted) == 1
    assert counted[0].closed


async def test_large_log_is_whole(place: Place) -> None:
    """A log of many pieces arrives byte by byte as it is."""
    data = os.urandom(3_000_000)
    place.log.write_bytes(data)
    async with place.get() as response:
        assert await response.read() == data


def test_no_foreign_file_is_a_log(tmp_path: Path) -> None:
    """A container may put a link, a pipe or a folder where its log was; none of them is opened or waited for."""
    (tmp_path / "real").write_text("secret")
    (tmp_path / "link").symlink_to(tmp_path / "real")
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "folder").mkdir()

    for name in ("link", "pipe", "folder", "none"):
        assert open_log(tmp_path / name) is None
    file = open_log(tmp_path / "real")
    assert file is not None
    assert file.read() == b"secret"
    file.close()


@pytest.mark.parametrize("piece", [1, 2, 3, 5, 64])
@pytest.mark.parametrize(
    "text", ["", "a", "\n", "\n\n", "a\n", "a\nbb\nccc\n", "a\nbb\nccc", "\n\na\n\n", "aaaaaaaa\n\nb"]
)
def test_tail_is_the_last_lines(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str, piece: int) -> None:
    """The last lines are found wherever the pieces that are read begin."""
    monkeypatch.setattr("jhaws.local.api.podlogs._PIECE", piece)
    (tmp_path / "log").write_text(text)
    file = open_log(tmp_path / "log")
    assert file is not None
    with file:
        for lines in range(6):
            wanted = "".join(text.splitlines(keepends=True)[-lines:]) if lines else ""
            assert text[find_tail(file, lines) :] == wanted
