from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
import textwrap
from pathlib import Path

import aiohttp
import pytest
from kubernetes_asyncio import client, config
from kubernetes_asyncio.client.api_client import ApiClient

from jhaws.errors import LocalError
from jhaws.local.api.resources import PODS
from jhaws.local.cluster import LocalCluster
from jhaws.local.scheduling.nodes import LocalNodegroup
from tests.unit.local.pods_for_tests import (
    create,
    is_ready,
    make_pod,
    make_settings,
    until,
    wait_event,
    wait_file,
    wait_for,
    wait_gone,
)

SERVER = """
import os, sys
from http.server import BaseHTTPRequestHandler, HTTPServer
from urllib.parse import urlparse

url = urlparse(os.environ["JUPYTERHUB_SERVICE_URL"])

class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
        self.wfile.write((os.getcwd() + " " + os.environ["JUPYTERHUB_USER"]).encode())

HTTPServer((url.hostname, url.port), Handler).serve_forever()
"""


def make_user_pod(user: str, command: list[str]) -> dict:
    """Build a pod as KubeSpawner 7.1 does: args only, any-address URL, home on NFS."""
    return {
        "metadata": {
            "name": f"jupyter-{user}",
            "namespace": "default",
            "labels": {"component": "singleuser-server", "app": "jupyterhub"},
            "annotations": {"hub.jupyter.org/username": user},
        },
        "spec": {
            "restartPolicy": "OnFailure",
            "automountServiceAccountToken": False,
            "schedulerName": "jhub-user-scheduler",
            "securityContext": {"fsGroup": 100},
            "volumes": [{"name": "home", "nfs": {"server": "drive", "path": "/"}}],
            "containers": [
                {
                    "name": "notebook",
                    "image": "quay.io/jupyterhub/k8s-singleuser-sample:4.4.0",
                    "imagePullPolicy": "IfNotPresent",
                    "args": command,
                    "ports": [{"name": "notebook-port", "containerPort": 8888}],
                    "env": [
                        {"name": "JUPYTERHUB_USER", "value": user},
                        {"name": "JUPYTERHUB_SERVICE_URL", "value": f"http://0.0.0.0:8888/user/{user}/"},
                    ],
                    "resources": {"requests": {"cpu": "0.5", "memory": "1Gi"}, "limits": {}},
                    "volumeMounts": [{"name": "home", "mountPath": "/home/jovyan", "subPath": f"home/{user}"}],
                }
            ],
        },
    }


async def test_two_servers_on_the_same_port(tmp_path: Path) -> None:
    """Two unmodified user pods listen on port 8888 of their own addresses, each in its own home."""
    async with LocalCluster(make_settings(tmp_path / "state")) as cluster:
        await config.load_kube_config(str(cluster.kubeconfig))
        async with ApiClient() as api, aiohttp.ClientSession() as session:
            core = client.CoreV1Api(api)
            answers = {}
            for user in ("alice", "bob"):
                manifest = make_user_pod(user, [sys.executable, "-c", SERVER])
                await core.create_namespaced_pod("default", manifest)
            for user in ("alice", "bob"):
                pod = await wait_for(cluster.storage, PODS, f"jupyter-{user}", is_ready)
                url = f"http://{pod['status']['podIP']}:8888/"
                answers[user] = await fetch(session, url)
            home = tmp_path / "state/nfs/drive/home"
            assert answers == {"alice": f"{home}/alice alice", "bob": f"{home}/bob bob"}
            listed = await core.list_namespaced_pod("default", label_selector="app=jupyterhub")
            assert [p.status.phase for p in listed.items] == ["Running", "Running"]
            assert len({p.status.pod_ip for p in listed.items}) == 2
            await core.delete_namespaced_pod("jupyter-alice", "default", grace_period_seconds=1)
            await wait_gone(cluster.storage, "jupyter-alice")


async def fetch(session: aiohttp.ClientSession, url: str) -> str:
    """Get a page as soon as the server answers."""
    async with asyncio.timeout(20):
        while True:
            try:
                async with session.get(url) as response:
                    return await response.text()
            except aiohttp.ClientConnectionError:
                await asyncio.sleep(0.02)


async def test_image_without_command_runs_the_image_command(tmp_path: Path) -> None:
    """A container without a command runs what its image would, and gets its log served by the API."""
    settings = make_settings(tmp_path, image_command=("sh", "-c", "echo singleuser; exec sleep 1000"))
    async with LocalCluster(settings) as cluster:
        create(cluster, make_pod(container={"command": None}))
        await wait_for(cluster.storage, PODS, "pod", is_ready)
        await config.load_kube_config(str(cluster.kubeconfig))
        async with ApiClient() as api:
            core = client.CoreV1Api(api)
            async with asyncio.timeout(10):
                while await core.read_namespaced_pod_log("pod", "default") != "singleuser\n":
                    await asyncio.sleep(0.01)


async def test_placeholder_gives_way(tmp_path: Path) -> None:
    """A pod of higher priority takes the place of a placeholder pod, whose image just pauses."""
    group = LocalNodegroup("jhusers", cpu_cores=1)
    cpu = {"resources": {"requests": {"cpu": "800m"}}}
    async with LocalCluster(make_settings(tmp_path, group)) as cluster:
        pause = {"image": "registry.k8s.io/pause:3.10", "command": None, **cpu}
        create(cluster, make_pod("seat", priority=-10, container=pause, terminationGracePeriodSeconds=0))
        await wait_for(cluster.storage, PODS, "seat", is_ready)
        create(cluster, make_pod("user", container=cpu))
        await wait_for(cluster.storage, PODS, "user", is_ready)
        await wait_gone(cluster.storage, "seat")
        await wait_event(cluster.storage, "seat", "Preempted")


async def test_second_cluster_on_the_folder(tmp_path: Path) -> None:
    """A folder can have one cluster; the second one says so, and the first goes on."""
    async with LocalCluster(make_settings(tmp_path)) as cluster:
        with pytest.raises(LocalError, match=r"already has a running local cluster.*choose another folder"):
            async with LocalCluster(make_settings(tmp_path)):
                pass
        assert cluster.kubeconfig.is_file()
    async with LocalCluster(make_settings(tmp_path)):
        pass


async def test_used_port(tmp_path: Path) -> None:
    """A used port gives a sentence with the port."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(LocalError, match=str(port)):
            async with LocalCluster(make_settings(tmp_path, port=port)):
                pass


async def test_folder_that_cannot_be(tmp_path: Path) -> None:
    """A state folder that is a file gives a sentence."""
    (tmp_path / "file").write_text("")
    with pytest.raises(LocalError, match="choose another"):
        async with LocalCluster(make_settings(tmp_path / "file")):
            pass


async def test_kubeconfig_is_private_and_goes(tmp_path: Path) -> None:
    """The kubeconfig holds the token, so only its owner may read it, and it goes with the cluster."""
    async with LocalCluster(make_settings(tmp_path)) as cluster:
        assert cluster.kubeconfig.stat().st_mode & 0o777 == 0o600
        assert json.loads(cluster.kubeconfig.read_text())["clusters"][0]["cluster"]["server"] == cluster.url
    assert not cluster.kubeconfig.exists()


STRAYS = """
setsid sh -c 'echo $$$$ >> {pids}; sleep 1000' &
env -i setsid sleep 1000 &
echo $! >> {pids}
echo $$$$ >> {pids}
echo done > {done}
sleep 1000
"""


async def test_stop_kills_every_process_and_no_other(tmp_path: Path) -> None:
    """At the end of the cluster every process of a pod is gone, also one in a session of its own."""
    bystander = subprocess.Popen(["sleep", "1000"], start_new_session=True)
    try:
        async with LocalCluster(make_settings(tmp_path / "state")) as cluster:
            pids_file = tmp_path / "pids"
            create(cluster, make_pod(script=STRAYS.format(pids=pids_file, done=tmp_path / "done")))
            await wait_file(tmp_path / "done")
            await until(lambda: len(pids_file.read_text().split()) == 3)
        pids = [int(pid) for pid in pids_file.read_text().split()]
        assert [pid for pid in pids if is_alive(pid)] == []
        assert len(pids) == 3
        assert bystander.poll() is None
    finally:
        bystander.kill()
        bystander.wait()


def is_alive(pid: int) -> bool:
    """Tell whether a process exists and is no zombie."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


RUNNER = """
import asyncio, sys
from pathlib import Path
from jhaws.local.cluster import LocalCluster, LocalSettings
from jhaws.local.api.resources import PODS

async def main():
    async with LocalCluster(LocalSettings(state_dir=Path(sys.argv[1]))) as cluster:
        script = f"setsid sh -c 'echo $$$$ >> {sys.argv[2]}; sleep 1000' & echo $$$$ >> {sys.argv[2]}; sleep 1000"
        container = {"name": "main", "image": "busybox", "command": ["sh", "-c", script]}
        pod = {"metadata": {"name": "pod"}, "spec": {"containers": [container]}}
        cluster.storage.create(PODS, pod, namespace="default")
        await asyncio.sleep(1000)

asyncio.run(main())
"""


async def test_killed_cluster_leaves_nobody(tmp_path: Path) -> None:
    """After SIGKILL of the cluster its containers die, with what they started, and its folder can be used again."""
    pids_file = tmp_path / "pids"
    command = [sys.executable, "-c", textwrap.dedent(RUNNER), str(tmp_path / "state"), str(pids_file)]
    cluster = subprocess.Popen(command)
    try:
        await until(lambda: pids_file.exists() and len(pids_file.read_text().split()) == 2)
        pids = [int(pid) for pid in pids_file.read_text().split()]
        assert all(is_alive(pid) for pid in pids)
    finally:
        cluster.send_signal(signal.SIGKILL)
        cluster.wait()
    await until(lambda: not any(is_alive(pid) for pid in pids))
    async with LocalCluster(make_settings(tmp_path / "state")):
        assert list((tmp_path / "state").glob("pods/*")) == []


async def test_run_from_the_command_line(tmp_path: Path) -> None:
    """`jhaws local` prints the kubeconfig, and ends with SIGTERM and code 0."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "jhaws", "local", "--state", str(tmp_path), stdout=asyncio.subprocess.PIPE
    )
    assert process.stdout is not None
    async with asyncio.timeout(20):
        line = (await process.stdout.readline()).decode().strip()
        assert line == f"export KUBECONFIG={tmp_path / 'kubeconfig'}"
        process.send_signal(signal.SIGTERM)
        assert await process.wait() == 0


async def test_nothing_of_the_outer_environment_leaks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A container sees its own variables and none of whoever started the cluster."""
    monkeypatch.setenv("JUPYTERHUB_API_TOKEN", "secret-of-the-hub")
    async with LocalCluster(make_settings(tmp_path / "state")) as cluster:
        out = tmp_path / "env"
        create(cluster, make_pod(script=f"env -0 | tr '\\0' '\\n' > {out}.part; mv {out}.part {out}; sleep 1000"))
        await until(out.exists)
    names = {line.partition("=")[0] for line in out.read_text().splitlines()}
    allowed = {"PATH", "LANG", "TZ", "TMPDIR", "HOME", "JHAWS_CLUSTER", "JHAWS_POD_UID", "PWD", "SHLVL", "_", "OLDPWD"}
    assert names - allowed == set()
    assert str(os.getpid()) not in names
