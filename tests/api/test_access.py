"""Who may talk to the embedded API server. These are about ours alone; with KUBECONFIG they still run on it."""

from __future__ import annotations

import asyncio
import base64
import json
import os
import socket
import ssl
import stat
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest

from jhaws.errors import LocalError
from jhaws.local.api.apiserver import ApiServer, write_kubeconfig
from jhaws.local.api.resources import PODS
from jhaws.local.api.storage import Storage
from tests.api.cluster import trust

POD = {"metadata": {"name": "one"}, "spec": {"containers": [{"name": "a", "image": "x"}]}}


@pytest.fixture
async def server() -> AsyncIterator[ApiServer]:
    """A running embedded API server."""
    server = ApiServer(Storage(history=4), token="the-token")
    await server.start()
    yield server
    await server.stop()


@pytest.fixture
async def session(server: ApiServer) -> AsyncIterator[aiohttp.ClientSession]:
    """An HTTP client that trusts the server."""
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=trust(server))) as session:
        yield session


@pytest.mark.parametrize(
    "header",
    [
        None,
        "",
        "Bearer",
        "Bearer ",
        "Bearer wrong",
        "Bearer the-token-and-more",
        "Bearer the-toke",
        "Bearer the-tökén",
        "Basic the-token",
        "the-token",
    ],
)
@pytest.mark.parametrize("path", ["/api/v1/pods", "/version", "/api", "/apis", "/api/v1/nonsense", "/x"])
async def test_without_token_nothing_is_told(
    server: ApiServer, session: aiohttp.ClientSession, header: str | None, path: str
) -> None:
    """Any other user of the machine can connect, so every path wants the token."""
    headers = {} if header is None else {"Authorization": header}
    async with session.get(server.url + path, headers=headers) as response:
        status = await response.json()

    assert response.status == 401
    assert (status["kind"], status["reason"]) == ("Status", "Unauthorized")
    assert "the-token" not in json.dumps(status)


async def test_without_token_nothing_is_done(server: ApiServer, session: aiohttp.ClientSession) -> None:
    """A pod is a process, so a stranger must not make one."""
    url = f"{server.url}/api/v1/namespaces/default/pods"
    for headers in ({}, {"Authorization": "Bearer x"}):
        async with session.post(url, json=POD, headers=headers) as response:
            assert response.status == 401

    assert server.storage.list(PODS) == []


@pytest.mark.parametrize(
    ("host", "code"),
    [
        ("localhost", 200),
        ("127.0.0.1:1", 200),
        ("127.8.8.8", 200),
        ("[::1]:80", 200),
        ("evil.example", 403),
        ("evil.example:80", 403),
        ("127.0.0.1.evil.example", 403),
        ("localhost.evil.example", 403),
        ("evil@127.0.0.1.example", 403),
        ("0.0.0.0", 403),
        ("10.0.0.1", 403),
        ("", 403),
    ],
)
async def test_web_page_cannot_rebind_its_name(server: ApiServer, host: str, code: int) -> None:
    """A browser that a web page led to 127.0.0.1 sends the page's host, and is refused even with the token."""
    address = server.url.removeprefix("https://").split(":")
    reader, writer = await asyncio.open_connection(*address, ssl=trust(server))
    request = f"GET /api HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer the-token\r\nConnection: close\r\n\r\n"
    writer.write(request.encode())
    async with asyncio.timeout(10):
        answer = await reader.read()
    writer.close()

    assert int(answer.split()[1]) == code


@pytest.mark.parametrize("host", ["0.0.0.0", "10.0.0.1", "::", "", "example.org", "192.168.1.1"])
async def test_only_loopback_is_listened_on(host: str) -> None:
    """Any address that others can reach is refused before a socket is opened."""
    with pytest.raises(LocalError, match="listens on loopback only"):
        await ApiServer(Storage()).start(host)


async def test_used_port_is_a_sentence(server: ApiServer) -> None:
    """A port that is taken gives the port and what to do, no traceback."""
    port = int(server.url.rpartition(":")[2])
    with pytest.raises(LocalError, match=f"port {port} .*choose another"):
        await ApiServer(Storage()).start(port=port)


async def test_kubeconfig_is_for_its_owner_only(server: ApiServer, tmp_path: Path) -> None:
    """The file with the token has mode 0600, also when one with another mode was there."""
    path = tmp_path / "kubeconfig"
    path.write_text("{}")
    path.chmod(0o644)
    write_kubeconfig(path, server.make_kubeconfig(namespace="here"))

    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [entry.name for entry in tmp_path.iterdir()] == ["kubeconfig"]
    config = json.loads(path.read_text())
    assert config["users"][0]["user"] == {"token": "the-token"}
    assert config["clusters"][0]["cluster"]["server"] == server.url
    assert (
        "PRIVATE KEY"
        not in base64.b64decode(config["clusters"][0]["cluster"].pop("certificate-authority-data")).decode()
    )
    assert list(config["clusters"][0]["cluster"]) == ["server"]
    assert config["contexts"][0]["context"]["namespace"] == "here"


async def test_tokens_are_not_guessable() -> None:
    """Each server has a token of its own, with 256 bits."""
    tokens = {ApiServer(Storage()).token for _ in range(20)}

    assert len(tokens) == 20
    assert min(len(token) for token in tokens) >= 43


@pytest.mark.parametrize(
    "path",
    [
        "/api/v1/namespaces/default/pods/..%2f..%2fx",
        "/api/v1/namespaces/%00/pods",
        "/api/v1/namespaces/default/pods/" + "a" * 5000,
        "/apis/scheduling.k8s.io/v1/priorityclasses/%F0%9F%98%80",
        "/api//v1/pods",
        "/api/v1//pods",
        "/apis/scheduling.k8s.io//priorityclasses",
        "//api/v1/pods",
    ],
)
async def test_odd_paths_are_not_found(server: ApiServer, session: aiohttp.ClientSession, path: str) -> None:
    """No path leads to an error of the server."""
    from yarl import URL

    headers = {"Authorization": "Bearer the-token"}
    async with session.get(URL(server.url + path, encoded=True), headers=headers) as response:
        assert response.status in (200, 404)


@pytest.mark.parametrize(
    "body",
    [
        b'{"metadata":{"name":"a"},"spec":' + b'{"affinity":' * 3000 + b"1" + b"}" * 3000 + b"}",
        b"[" * 100_000,
        b'{"metadata":{"name":"a"},"spec":{"containers":[null]}}',
        b'{"metadata":{"name":"a"},"spec":{"containers":[{"resources":{"limits":{"cpu":null}}}]}}',
        b'{"metadata":{"name":"a"},"spec":{"containers":[{"resources":{"limits":{"cpu":"1e999999999"}}}]}}',
        b'{"metadata":{"name":"a"},"spec":{"containers":[{"resources":{"limits":{"cpu":1e400}}}]}}',
        b'{"metadata":{"name":"a"},"spec":{"containers":[{"resources":{"limits":{"cpu":NaN}}}]}}',
        b'{"metadata":{"name":"a","annotations":{"x":"\\ud800"}},"spec":{"containers":[{"name":"a","image":"x"}]}}',
        b'{"metadata":{"name":"\\ud800"},"spec":{"containers":[{"name":"a","image":"x"}]}}',
        b'{"metadata":{"name":"a"},"spec":{"tolerations":[null],"volumes":[null],"containers":[{"env":[null]}]}}',
        b'{"metadata":{"name":"a"},"spec":{"nodeSelector":{"a":null},"containers":[{"name":"a","image":"x"}]}}',
        b'{"metadata":null,"spec":null}',
        b'{"metadata":{"name":"a"},"spec":{"terminationGracePeriodSeconds":' + b"9" * 30 + b"}}",
        b'{"metadata":{"name":"a"},"spec":{"terminationGracePeriodSeconds":9007199254740993}}',
    ],
)
async def test_hostile_bodies_are_answered(server: ApiServer, session: aiohttp.ClientSession, body: bytes) -> None:
    """However odd a manifest is, the answer is never an error of the server, and lists go on working."""
    headers = {"Authorization": "Bearer the-token", "Content-Type": "application/json"}
    url = f"{server.url}/api/v1/namespaces/default/pods"
    async with session.post(url, data=body, headers=headers) as response:
        assert response.status in (201, 400, 422)
    async with session.get(url, headers=headers) as response:
        assert response.status == 200
        await response.json()


@pytest.mark.parametrize(
    "change",
    [
        {"containerStatuses": [{"restartCount": 1, "lastState": {"terminated": {"finishedAt": "x"}}}]},
        {"containerStatuses": [{}, None], "initContainerStatuses": [{}], "conditions": [{}]},
        {"containerStatuses": [{"state": {"terminated": {}}, "lastState": {}}], "podIP": 0},
        {"containerStatuses": [{"lastState": {"terminated": {"finishedAt": "2020-01-01"}}}]},
    ],
)
async def test_odd_status_does_not_break_the_table(
    server: ApiServer, session: aiohttp.ClientSession, change: dict[str, object]
) -> None:
    """Whatever a client writes as status, `kubectl get pods` goes on for all pods."""
    server.storage.create(PODS, POD)
    headers = {"Authorization": "Bearer the-token"}
    url = f"{server.url}/api/v1/namespaces/default"
    patch = {**headers, "Content-Type": "application/merge-patch+json"}
    async with session.patch(f"{url}/pods/one/status", json={"status": change}, headers=patch) as response:
        assert response.status in (200, 400, 422)
    table = {**headers, "Accept": "application/json;as=Table;v=v1;g=meta.k8s.io"}
    async with session.get(f"{url}/pods", headers=table) as response:
        assert len((await response.json())["rows"]) == 1


async def test_endless_grace_is_cut(server: ApiServer, session: aiohttp.ClientSession) -> None:
    """A grace period beyond the calendar does not break the delete."""
    spec = {**POD["spec"], "nodeName": "n", "terminationGracePeriodSeconds": 2**62}
    server.storage.create(PODS, {**POD, "spec": spec})
    headers = {"Authorization": "Bearer the-token"}
    url = f"{server.url}/api/v1/namespaces/default/pods/one"
    async with session.delete(url, headers=headers) as response:
        assert response.status == 200
        assert "deletionTimestamp" in (await response.json())["metadata"]


async def test_old_version_is_gone(server: ApiServer, session: aiohttp.ClientSession) -> None:
    """A watch, page or list of a version that is forgotten is told 410, so the client lists again."""
    headers = {"Authorization": "Bearer the-token"}
    url = f"{server.url}/api/v1/namespaces/default/pods"
    for name in ("a", "b"):
        server.storage.create(PODS, {**POD, "metadata": {"name": name}})
    old = str(server.storage.revision)
    async with session.get(url, headers=headers, params={"limit": "1"}) as response:
        token = (await response.json())["metadata"]["continue"]
    for index in range(20):
        server.storage.create(PODS, {**POD, "metadata": {"name": f"later-{index:02}"}})

    async with session.get(url, headers=headers, params={"watch": "1", "resourceVersion": old}) as response:
        event = json.loads(await response.text())
    assert response.status == 200
    assert (event["type"], event["object"]["code"], event["object"]["reason"]) == ("ERROR", 410, "Expired")
    async with session.get(url, headers=headers, params={"continue": token}) as response:
        status = await response.json()
    assert (response.status, status["reason"]) == (410, "Expired")
    # The answer holds a token to go on without consistency.
    params = {"continue": status["metadata"]["continue"]}
    async with session.get(url, headers=headers, params=params) as response:
        rest = await response.json()
    assert [item["metadata"]["name"] for item in rest["items"]][:2] == ["b", "later-00"]
    exact = {"resourceVersion": old, "resourceVersionMatch": "Exact"}
    async with session.get(url, headers=headers, params=exact) as response:
        assert response.status == 410


async def test_stop_ends_watches(server: ApiServer, session: aiohttp.ClientSession) -> None:
    """Stopping the server ends its watches at once, as ended answers."""
    headers = {"Authorization": "Bearer the-token"}
    url = f"{server.url}/api/v1/pods"
    async with session.get(url, headers=headers, params={"watch": "1"}) as response:
        async with asyncio.timeout(10):
            await server.stop()
            assert await response.read() == b""
    await server.stop()


async def test_left_watch_is_forgotten(server: ApiServer, session: aiohttp.ClientSession) -> None:
    """A watch whose client left is let go without waiting for a change."""
    headers = {"Authorization": "Bearer the-token"}
    async with session.get(f"{server.url}/api/v1/pods", headers=headers, params={"watch": "1"}):
        assert len(server._streamer._open) == 1

    async with asyncio.timeout(10):
        while server._streamer._open:
            await asyncio.sleep(0.01)


@pytest.mark.parametrize("name", ["127.0.0.1", "localhost"])
async def test_name_of_the_server_is_checked(server: ApiServer, name: str) -> None:
    """The certificate is for the names of loopback, so a client that checks names, as all do, is content."""
    port = int(server.url.rpartition(":")[2])
    _, writer = await asyncio.open_connection("127.0.0.1", port, ssl=trust(server), server_hostname=name)
    writer.close()


async def test_other_authorities_are_not_trusted(server: ApiServer) -> None:
    """A program that took the port of a stopped server cannot pass for it: each start has an authority of its own."""
    port = int(server.url.rpartition(":")[2])
    other = ApiServer(Storage())
    await other.start()
    with pytest.raises(ssl.SSLCertVerificationError):
        await asyncio.open_connection("127.0.0.1", port, ssl=trust(other))
    await other.stop()


async def test_plain_http_gets_nothing(server: ApiServer) -> None:
    """A token sent without TLS gets no answer of the API, and the server goes on."""
    address = server.url.removeprefix("https://").split(":")
    reader, writer = await asyncio.open_connection(*address)
    writer.write(b"GET /api HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer the-token\r\n\r\n")
    async with asyncio.timeout(10):
        try:
            answer = await reader.read()
        except ConnectionResetError:
            answer = b""
    writer.close()

    assert b"HTTP" not in answer
    _, writer = await asyncio.open_connection(*address, ssl=trust(server))
    writer.close()


async def test_silent_connections_do_not_hold_the_stop(server: ApiServer) -> None:
    """Somebody who connects and says nothing, before or after the handshake, does not keep the server from ending."""
    address = server.url.removeprefix("https://").split(":")
    with socket.create_connection((address[0], int(address[1]))) as silent:
        _, writer = await asyncio.open_connection(*address, ssl=trust(server))
        async with asyncio.timeout(10):
            await server.stop()
        assert silent.fileno() >= 0
    writer.close()
    with pytest.raises(OSError):  # noqa: PT011 - any refusal will do
        await asyncio.open_connection(*address)


async def test_no_key_in_any_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Starting leaves no file behind: neither where temporary files go nor where the program runs, nor an open one."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    server = ApiServer(Storage())
    await server.start()
    open_files = [os.readlink(entry) for entry in Path("/proc/self/fd").iterdir() if entry.is_symlink()]
    await server.stop()

    assert list(tmp_path.iterdir()) == []
    assert [name for name in open_files if "jhaws" in name and "memfd" in name] == []
