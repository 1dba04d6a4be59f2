"""The demo manifests of cluster/demo as processes of this machine: what its pods would run, with the pods' own files.

Nothing of it is written here again: commands, environment and configuration come from the manifests, and only
addresses, ports and folders become those of this machine.
"""

from __future__ import annotations

import ctypes
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import ExitStack, asynccontextmanager, contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import aiohttp
import yaml

from tests.hub.hubs import free_ports
from tests.hubclient import eventually

FOLDER = Path(__file__).parents[2] / "cluster" / "demo"

# Where Debian has it; for anybody but root that is not on the PATH.
NGINX = shutil.which("nginx", path=os.pathsep.join([os.environ.get("PATH", os.defpath), "/usr/sbin"]))

# Whom nginx runs as. Nobody may write only where it was told to, as in the pod, whose root file system is read-only.
NGINX_UID = 65534 if os.getuid() == 0 else os.getuid()

_PR_SET_PDEATHSIG = 1
_LIBC = ctypes.CDLL(None)


def read_objects() -> list[dict[str, Any]]:
    """Read the manifests as they are in the repository."""
    kustomization = yaml.safe_load((FOLDER / "kustomization.yaml").read_text())
    return [each for name in kustomization["resources"] for each in yaml.safe_load_all((FOLDER / name).read_text())]


def find(objects: Sequence[dict[str, Any]], kind: str, name: str) -> dict[str, Any]:
    """Find an object by kind and name."""
    (found,) = [each for each in objects if each["kind"] == kind and each["metadata"]["name"] == name]
    return found


def replace(text: str, replacements: Mapping[str, object]) -> str:
    """Replace each text, which must be there."""
    for old, new in replacements.items():
        assert old in text, f"{old!r} is not in {text!r}"
        text = text.replace(old, str(new))
    return text


def containers_of(deployment: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Give a Deployment's containers by their names."""
    return {each["name"]: each for each in deployment["spec"]["template"]["spec"]["containers"]}


@contextmanager
def running(
    command: Sequence[str], log: Path, *, uid: int, environment: Mapping[str, str]
) -> Iterator[subprocess.Popen[bytes]]:
    """Run a program as a user, with its output in a file, until the block ends."""
    with log.open("wb") as output:
        # As the container runtime does, so that a program without rights can open /dev/stdout.
        os.fchown(output.fileno(), uid, -1)
        process = subprocess.Popen(
            command,
            cwd="/",
            env={"PATH": os.environ["PATH"], **environment},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            user=uid,
            start_new_session=True,
            # It never outlives this process, however that ends.
            preexec_fn=partial(_LIBC.prctl, _PR_SET_PDEATHSIG, signal.SIGKILL),
        )
    try:
        yield process
    finally:
        process.terminate()
        process.wait()


class Front:
    """nginx in front of configurable-http-proxy, as in the proxy's pod.

    Attributes:
        url: nginx, where people come in.
        chp_url: configurable-http-proxy.
        api_url: Where the hub tells it routes.
    """

    def __init__(self, folder: Path, hub_port: int) -> None:
        self.folder = folder
        self.port, self.chp_port, self.api_port = free_ports(3)
        self.hub_port = hub_port
        self.url = f"http://127.0.0.1:{self.port}"
        self.chp_url = f"http://127.0.0.1:{self.chp_port}"
        self.api_url = f"http://127.0.0.1:{self.api_port}"
        self._containers = containers_of(find(read_objects(), "Deployment", "proxy"))

    def write(self) -> None:
        """Write nginx's files as its ConfigMaps have them."""
        ports = {"listen 8080": f"listen 127.0.0.1:{self.port}", "127.0.0.1:8000": f"127.0.0.1:{self.chp_port}"}
        for name, replacements in (("nginx", {}), ("ingress", ports)):
            (self.folder / name).mkdir()
            for file, text in find(read_objects(), "ConfigMap", name)["data"].items():
                (self.folder / name / file).write_text(replace(text, replacements))
        (self.folder / "tmp").mkdir()
        os.chown(self.folder / "tmp", NGINX_UID, -1)

    def make_nginx(self) -> list[str]:
        """Give nginx's command."""
        words = "\n".join(self._containers["nginx"]["command"])
        words = replace(words, {"\n/tmp\n": f"\n{self.folder}/tmp\n", "/etc/jhaws": self.folder})
        return [str(NGINX), *words.split("\n")[1:]]

    def make_chp(self) -> list[str]:
        """Give the command of configurable-http-proxy, the one of this environment."""
        words = "\n".join(self._containers["chp"]["command"])
        ports = {"--port=8000": f"--port={self.chp_port}", "--api-port=8001": f"--api-port={self.api_port}"}
        addresses = {"ip=": "ip=127.0.0.1", "//hub:8081": f"//127.0.0.1:{self.hub_port}"}
        words = replace(words, {**ports, **addresses})
        own = Path(sys.executable).with_name("configurable-http-proxy")
        return [str(own) if own.exists() else own.name, *words.split("\n")[1:]]

    def log(self) -> str:
        """Everything that both have written so far."""
        return "".join((self.folder / name).read_text(errors="replace") for name in ("nginx.log", "chp.log"))

    async def is_ready(self) -> bool:
        """Ask what the pod's readiness probe asks."""
        path = self._containers["nginx"]["readinessProbe"]["httpGet"]["path"]
        try:
            async with aiohttp.ClientSession() as http, http.get(self.url + path) as response:
                return response.status == 200
        except (aiohttp.ClientError, OSError):
            return False


@asynccontextmanager
async def running_front(*, hub_port: int, token: str = "no hub") -> AsyncIterator[Front]:
    """Run what the proxy's pod runs, in front of what listens on `hub_port`."""
    with tempfile.TemporaryDirectory(prefix="jhaws-front-") as folder, ExitStack() as stack:
        # nginx is somebody else.
        Path(folder).chmod(0o755)
        front = Front(Path(folder), hub_port)
        front.write()
        secret = {"CONFIGPROXY_AUTH_TOKEN": token}
        chp = running(front.make_chp(), Path(folder, "chp.log"), uid=os.getuid(), environment=secret)
        nginx = running(front.make_nginx(), Path(folder, "nginx.log"), uid=NGINX_UID, environment={})
        processes = [stack.enter_context(each) for each in (chp, nginx)]
        try:
            await eventually(front.is_ready, what="nginx and configurable-http-proxy")
        except AssertionError as error:
            raise AssertionError(f"{error}\n{front.log()}") from None
        # In a pod nobody is there any more when the first process goes on in the background.
        assert [each.poll() for each in processes] == [None, None], front.log()
        yield front
