"""A hub in a cluster, however it was installed: what the tests of the ring need of it.

The demo's manifests and z2jh's chart give the same objects the same names: a Deployment and a Service `hub`, a Service
`proxy-public`, users' pods with their name in an annotation. So every test runs on both.
"""

from __future__ import annotations

import re
import subprocess
from dataclasses import dataclass

from tests.hubclient import HubClient, Session, eventually

from .kubectl import Kubectl, Obj

USER_IMAGE = "quay.io/jupyterhub/k8s-singleuser-sample:4.4.0"
COURSE_URL = "http://course/cgi-bin/git/course"
START_SECONDS = 120
LOG_LINES = 300
ROLLOUT_SECONDS = 240

# What the tests add to a hub's configuration. Who is called light-… gets a server that costs nothing, to be started
# often; who is called large-… one that needs so many MiB of memory; who is called nfs-… a home on a server that is not
# there; who is called claim-… one on a volume that nobody makes.
EXTRA_CONFIG = f"""
LIGHT = '''
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
ThreadingHTTPServer(("", 8888), Handler).serve_forever()
'''

def prepare(spawner):
    kind, _, number = spawner.user.name.partition("-")
    if kind in ("light", "large"):
        spawner.cmd, spawner.args = ["python3", "-c", LIGHT], []
        spawner.storage_pvc_ensure = False
        spawner.volumes = spawner.volume_mounts = []
        spawner.cpu_guarantee, spawner.mem_guarantee = 0.01, "16M"
    if kind == "nfs":
        spawner.nfs_server, spawner.nfs_home = "drive", "home/{{escaped_username}}"
    if kind == "claim":
        spawner.storage_class, spawner.start_timeout = "no-such-class", 15
    if kind == "large":
        spawner.mem_guarantee = spawner.mem_limit = number + "M"

c.JhawsSpawner.pre_spawn_hook = prepare
c.JhawsSpawner.git_repos = [{{"url": "{COURSE_URL}", "branch": "main", "directory": "course"}}]
c.JupyterHub.concurrent_spawn_limit = 0
c.JupyterHub.last_activity_interval = 5
"""


@dataclass(kw_only=True)
class Installation(HubClient):
    """An installed hub.

    Attributes:
        kubectl: For its namespace.
        config_file: The configuration that the hub in the pod was started with.
        admin_password: Of `admin`.
        user_password: Of everybody else.
    """

    kubectl: Kubectl
    config_file: str
    admin_password: str
    user_password: str
    admin_token: str = ""

    async def set_config(self, lines: str = "") -> None:
        """Let the hub start again with the tests' configuration and `lines` after it."""
        raise NotImplementedError

    async def wait_until_up(self) -> None:
        """Wait until the hub and its proxy run and answer."""
        for deployment in ("deployment/hub", "deployment/proxy"):
            await self.kubectl.run("rollout", "status", deployment, f"--timeout={ROLLOUT_SECONDS}s")
        await eventually(self._answers, within=60, what=f"hub at {self.url}")

    async def _answers(self) -> bool:
        try:
            return (await self.api("GET", ""))[0] == 200
        except OSError:
            return False

    async def admin(self) -> Session:
        """Log in as the admin, as people do."""
        session = await self.login("admin", self.admin_password)
        assert session.ok, session.text
        return session

    async def make_admin_token(self) -> None:
        """Make the token of the tests in the admin's name."""
        session = await self.admin()
        status, answer = await session.api("POST", "users/admin/tokens", {"note": "tests"})
        assert status == 201, answer
        self.admin_token = answer["token"]

    async def start_server(self, name: str, *, within: float = START_SECONDS) -> Obj:
        """Add a user, start their server, wait until the hub calls it ready, and return its pod."""
        await self.add_user(name)
        status, answer = await self.api("POST", f"users/{name}/server")
        assert status in (201, 202), answer
        await eventually(lambda: self.is_ready(name), within=within, what=f"{name}'s server")
        pod = await self.pod(name)
        assert pod is not None
        return pod

    async def is_ready(self, name: str) -> bool:
        """Say whether the hub calls the user's server ready."""
        server = await self.server(name)
        return bool(server and server["ready"])

    async def ensure_server(self, name: str) -> Obj:
        """Start a user's server unless it runs, and return its pod."""
        await self.add_user(name)
        pod = await self.pod(name) if await self.is_ready(name) else None
        return pod or await self.start_server(name)

    async def stop_server(self, name: str) -> None:
        """Stop a user's server, and wait until its pod is gone."""
        await self.api("DELETE", f"users/{name}/server")
        await eventually(lambda: self.is_gone(name), within=60, what=f"the end of {name}'s server")

    async def is_gone(self, name: str) -> bool:
        """Say whether the hub knows no server of the user and there is no pod of theirs."""
        return await self.server(name) is None and await self.pod(name) is None

    async def pod(self, name: str) -> Obj | None:
        """Return the pod of a user's server, None where there is none."""
        for pod in await self.kubectl.list("pods", component="singleuser-server"):
            if pod["metadata"]["annotations"]["hub.jupyter.org/username"] == name:
                return pod
        return None

    async def hub_pod(self) -> Obj:
        """Return the pod of the hub."""
        (pod,) = [
            each
            for each in await self.kubectl.list("pods", component="hub")
            if "deletionTimestamp" not in each["metadata"]
        ]
        return pod

    def read_log(self) -> str:
        """Return what the hub and its services have written last; without an event loop, as a report has none."""
        command = [*self.kubectl.command, "logs", "deployment/hub", "--tail=-1"]
        lines = subprocess.run(command, capture_output=True, text=True, check=False).stdout.splitlines()
        # The tests ask many times a second how far a server is.
        return "\n".join([line for line in lines if "200 GET /hub/api/users/" not in line][-LOG_LINES:])

    async def metric(self, name: str) -> float:
        """Return the value of a metric without labels."""
        text = (await self.api("GET", "../metrics"))[1]
        found = re.search(rf"^{name} (\S+)$", text, flags=re.MULTILINE)
        assert found, f"no metric {name} in {text[:500]}"
        return float(found[1])


async def find_url(kubectl: Kubectl, node_ip: str) -> str:
    """Return where the NodePort of `proxy-public` is reached."""
    service = await kubectl.get("service", "proxy-public")
    return f"http://{node_ip}:{service['spec']['ports'][0]['nodePort']}/"


async def ensure_course(kubectl: Kubectl) -> None:
    """Run a git server with a course in the hub's namespace."""
    await kubectl.apply(*make_course())
    await kubectl.run("wait", "--for=condition=Ready", "pod/course", "--timeout=120s")


# A real git over HTTP: git's own server program, called as a CGI.
SERVE_COURSE = """
set -eu
cd /tmp
export HOME=/tmp GIT_PROJECT_ROOT=/tmp/repos GIT_HTTP_EXPORT_ALL=1
git init -q -b main work
printf '{"cells": [], "metadata": {}, "nbformat": 4, "nbformat_minor": 5}' >work/lesson.ipynb
git -C work add .
git -C work -c user.name=teacher -c user.email=teacher@example.org commit -qm "First lesson"
mkdir -p repos www/cgi-bin
git clone -q --bare work repos/course
ln -s "$(git --exec-path)/git-http-backend" www/cgi-bin/git
cd www
exec python3 -W ignore -m http.server --cgi 8080
"""


def make_course() -> tuple[Obj, Obj]:
    """Build a pod with a git server and its Service."""
    pod = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "course", "labels": {"app": "course"}},
        "spec": {
            "automountServiceAccountToken": False,
            "terminationGracePeriodSeconds": 0,
            "securityContext": {
                "runAsUser": 1000,
                "runAsNonRoot": True,
                "seccompProfile": {"type": "RuntimeDefault"},
            },
            "containers": [
                {
                    "name": "git",
                    "image": USER_IMAGE,
                    "imagePullPolicy": "IfNotPresent",
                    "command": ["sh", "-c", SERVE_COURSE],
                    "readinessProbe": {"httpGet": {"path": "/", "port": 8080}, "periodSeconds": 1},
                    "securityContext": {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}},
                }
            ],
        },
    }
    service = {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": "course"},
        "spec": {"selector": {"app": "course"}, "ports": [{"port": 80, "targetPort": 8080}]},
    }
    return pod, service
