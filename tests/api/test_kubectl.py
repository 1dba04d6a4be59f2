"""What a person does with kubectl on the demo's cluster, with the real program and real pods.

These tests exist only where a `kubectl` is built (`make kube`) or on the PATH (`conftest.collect_ignore`); nothing is
skipped elsewhere. They are about the embedded cluster alone, whatever KUBECONFIG says. Written with kubectl 1.35.
"""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from jhaws.local.cluster import LocalCluster, LocalSettings
from jhaws.local.scheduling.nodes import LocalNodegroup
from tests.api.cluster import PATIENCE
from tests.kube.programs import find_kubectl


def make_pod(name: str, script: str = "echo hello; exec sleep 1000", **spec: Any) -> dict[str, Any]:
    """Build a pod that runs a shell script."""
    container = {"name": "main", "image": "busybox:1", "command": ["sh", "-c", script]}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "labels": {"app": name}},
        "spec": {"terminationGracePeriodSeconds": 1, "containers": [container], **spec},
    }


@dataclass(frozen=True)
class Kubectl:
    """kubectl with a cluster of its own."""

    cluster: LocalCluster
    folder: Path

    async def start(self, *words: str) -> asyncio.subprocess.Process:
        """Start kubectl; its cache goes to the test's folder."""
        return await asyncio.create_subprocess_exec(
            find_kubectl(),
            *words,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            env={"KUBECONFIG": str(self.cluster.kubeconfig), "HOME": str(self.folder), "PATH": os.environ["PATH"]},
        )

    async def attempt(self, *words: str, given: str = "") -> tuple[int, str, str]:
        """Run kubectl to its end, and give its exit code, output and errors."""
        process = await self.start(*words)
        async with asyncio.timeout(2 * PATIENCE):
            out, err = await process.communicate(given.encode())
        return process.returncode, out.decode(), err.decode()

    async def __call__(self, *words: str, given: str = "") -> str:
        """Run kubectl, which must succeed, and give its output."""
        code, out, err = await self.attempt(*words, given=given)
        assert code == 0, f"kubectl {' '.join(words)}: {err}"
        return out

    async def apply(self, *objects: dict[str, Any]) -> str:
        """Apply manifests, a pod until it is ready."""
        out = await self("apply", "-f", "-", given="\n".join(json.dumps(each) for each in objects))
        for each in objects:
            if each["kind"] == "Pod":
                name = each["metadata"]["name"]
                await self("wait", f"pod/{name}", "--for=condition=Ready", f"--timeout={PATIENCE}s")
        return out

    @asynccontextmanager
    async def follow(self, *words: str) -> AsyncIterator[asyncio.StreamReader]:
        """Run a kubectl that goes on, and read its output."""
        process = await self.start(*words)
        try:
            async with asyncio.timeout(2 * PATIENCE):
                yield process.stdout
        finally:
            if process.returncode is None:
                process.terminate()
            await process.wait()


@pytest.fixture
async def kubectl(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Kubectl]:
    """A running cluster with one node."""
    monkeypatch.delenv("KUBECONFIG", raising=False)
    settings = LocalSettings(state_dir=tmp_path / "state", nodegroups=(LocalNodegroup("n"),))
    async with LocalCluster(settings) as cluster:
        yield Kubectl(cluster, tmp_path)


def words(text: str) -> list[list[str]]:
    """Split a table into its words."""
    return [line.split() for line in text.splitlines()]


async def test_get_shows_the_known_columns(kubectl: Kubectl) -> None:
    """Pods, nodes, events and claims look as on any cluster."""
    claim = {
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "metadata": {"name": "home"},
        "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}},
    }
    await kubectl.apply(make_pod("one"), claim)

    head, row = words(await kubectl("get", "pods"))
    assert head == ["NAME", "READY", "STATUS", "RESTARTS", "AGE"]
    assert row[:4] == ["one", "1/1", "Running", "0"]
    head, row = words(await kubectl("get", "pods", "-o", "wide"))
    assert (head[5:7], row[6]) == (["IP", "NODE"], "n-1")
    assert words(await kubectl("get", "nodes"))[1][:2] == ["n-1", "Ready"]
    assert "Started" in await kubectl("get", "events", "--sort-by=.lastTimestamp")
    assert words(await kubectl("get", "pvc"))[1][:2] == ["home", "Bound"]
    assert "one" in await kubectl("get", "pods", "--all-namespaces")
    assert words(await kubectl("get", "all"))[1][0] == "pod/one"


async def test_get_selects_and_formats(kubectl: Kubectl) -> None:
    """Selectors, YAML, names and paths work, and a missing pod is a sentence."""
    await kubectl.apply(make_pod("one"), make_pod("two"))

    assert await kubectl("get", "pods", "-o", "name") == "pod/one\npod/two\n"
    assert await kubectl("get", "pods", "-l", "app=two", "-o", "name") == "pod/two\n"
    assert await kubectl("get", "pod", "one", "-o", "jsonpath={.status.phase}") == "Running"
    assert "kind: Pod" in await kubectl("get", "pod", "one", "-o", "yaml")
    assert await kubectl("get", "pods", "--field-selector=metadata.name=one", "-o", "name") == "pod/one\n"
    code, _, err = await kubectl.attempt("get", "pod", "none")
    assert (code, err) == (1, 'Error from server (NotFound): pods "none" not found\n')


async def test_get_watches(kubectl: Kubectl) -> None:
    """`get -w` shows each change as a row."""
    await kubectl.apply(make_pod("one"))
    async with kubectl.follow("get", "pods", "-w", "--no-headers") as output:
        assert (await output.readline()).split()[:3] == [b"one", b"1/1", b"Running"]
        await kubectl.apply(make_pod("two"))
        await kubectl("delete", "pod", "two")
        seen: list[bytes] = []
        while b"Terminating" not in seen:
            name, _, status, *_ = (await output.readline()).split()
            assert name == b"two"
            seen.append(status)

    assert list(dict.fromkeys(seen)) == [b"Pending", b"ContainerCreating", b"Running", b"Terminating"]


async def test_describe(kubectl: Kubectl) -> None:
    """`describe` tells of a pod with its events, and of the node."""
    await kubectl.apply(make_pod("one"))
    pod = await kubectl("describe", "pod", "one")

    assert "Started" in pod[pod.index("Events:") :]
    assert "one" in await kubectl("describe", "node", "n-1")


async def test_logs(kubectl: Kubectl) -> None:
    """Logs are shown, cut, and followed until the container ends."""
    flag = kubectl.folder / "flag"
    script = f"echo one; echo two; while ! [ -e {flag} ]; do sleep 0.05; done; echo three"
    await kubectl.apply(make_pod("one", script, restartPolicy="Never"))

    assert await kubectl("logs", "one") == "one\ntwo\n"
    assert await kubectl("logs", "one", "--tail=1") == "two\n"
    async with kubectl.follow("logs", "one", "-f", "--tail=1") as output:
        assert await output.readline() == b"two\n"
        flag.touch()
        assert await output.read() == b"three\n"
    code, _, err = await kubectl.attempt("logs", "one", "--previous")
    assert (code, "previous terminated container" in err) == (1, True)


async def test_apply_and_create(kubectl: Kubectl) -> None:
    """Manifests are applied again without a change, changed, taken from a List, and created once."""
    config = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "c"}, "data": {"a": "1"}}
    secret = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s"}, "data": {"a": "MQ=="}}
    first = await kubectl.apply(make_pod("one"), config, secret)
    assert first == "pod/one created\nconfigmap/c created\nsecret/s created\n"
    again = await kubectl.apply(make_pod("one"), {**config, "data": {"b": "2"}}, secret)
    assert again == "pod/one unchanged\nconfigmap/c configured\nsecret/s unchanged\n"
    assert await kubectl("get", "configmap", "c", "-o", "jsonpath={.data}") == '{"b":"2"}'

    listed = {"apiVersion": "v1", "kind": "List", "items": [{**config, "metadata": {"name": "d"}}]}
    assert await kubectl("create", "-f", "-", given=json.dumps(listed)) == "configmap/d created\n"
    code, _, err = await kubectl.attempt("create", "-f", "-", given=json.dumps(config))
    assert (code, "AlreadyExists" in err) == (1, True)
    deleted = await kubectl("delete", "-f", "-", given=json.dumps(config))
    assert deleted.startswith('configmap "c" deleted')


async def test_unknown_field_is_refused(kubectl: Kubectl) -> None:
    """A misspelt field is told by its path, when it is created and when it is applied to what exists."""
    pod = make_pod("one")
    bad = {**pod, "spec": {**pod["spec"], "restartpolicy": "Never"}}
    code, _, err = await kubectl.attempt("apply", "-f", "-", given=json.dumps(bad))
    assert (code, 'unknown field "spec.restartpolicy"' in err) == (1, True)
    await kubectl.apply(pod)
    code, _, err = await kubectl.attempt("apply", "-f", "-", given=json.dumps(bad))
    assert (code, 'unknown field "spec.restartpolicy"' in err) == (1, True)


async def test_change_and_delete(kubectl: Kubectl) -> None:
    """`run`, `label`, `annotate`, `patch` and `delete` do what they say."""
    await kubectl("run", "one", "--image=busybox:1", "--restart=Never", "--", "sleep", "1000")
    await kubectl("wait", "pod/one", "--for=condition=Ready")
    await kubectl("label", "pod", "one", "a=b")
    await kubectl("annotate", "pod", "one", "c=d")
    await kubectl("patch", "pod", "one", "-p", '{"metadata":{"labels":{"e":"f"}}}')
    meta = json.loads(await kubectl("get", "pod", "one", "-o", "json"))["metadata"]
    assert meta["labels"] == {"run": "one", "a": "b", "e": "f"}
    assert meta["annotations"]["c"] == "d"

    await kubectl("delete", "pod", "one", "--grace-period=1")
    assert await kubectl("get", "pods", "-o", "name") == ""


async def test_what_there_is_and_what_one_may(kubectl: Kubectl) -> None:
    """The kinds are listed with their short names, and whoever has the token may do everything."""
    kinds = {line[0] for line in words(await kubectl("api-resources"))}
    assert {"pods", "nodes", "events", "persistentvolumeclaims", "selfsubjectaccessreviews"} <= kinds
    assert await kubectl("auth", "can-i", "create", "pods") == "yes\n"
    assert "[*]" in await kubectl("auth", "can-i", "--list")
    assert "Server Version: v1.35" in await kubectl("version")


@pytest.mark.parametrize(
    ("command", "text"),
    [
        (("exec", "one", "--", "ls"), "no exec: its containers are processes of this machine"),
        (("attach", "one"), "no attach: its containers are processes of this machine"),
        (("port-forward", "pod/one", "18080:80"), "no portforward: its containers are processes of this machine"),
        (("create", "configmap", "c", "--from-literal=a=b"), "use a manifest and kubectl apply -f"),
        (("apply", "--server-side", "-f", "-"), "Server-side apply not available"),
    ],
)
async def test_what_is_not_there_is_a_sentence(kubectl: Kubectl, command: tuple[str, ...], text: str) -> None:
    """What needs more than this cluster has fails at once, with what is missing."""
    await kubectl.apply(make_pod("one"))
    code, _, err = await kubectl.attempt(*command, given=json.dumps(make_pod("one")))

    assert code == 1
    assert text in err
