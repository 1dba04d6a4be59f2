"""Compares the hub image with its base, for docs/hub-image.md: how large it is, and how long its hub takes to start.

    PYTHONPATH=. python tests/kube/images/measure.py

Each hub runs as in a z2jh pod: as uid 1000 without capabilities, on a read-only root file system, with an empty
database, a proxy beside it, a culler, and a real Kubernetes API. The two take turns; the first of each does not count.
"""

import argparse
import asyncio
import http.client
import os
import signal
import statistics
import subprocess
import tempfile
import time
from pathlib import Path

from tests.kube import images
from tests.kube.controlplane import ControlPlane
from tests.kube.programs import find_ports

# Its arguments: the image's files, a folder with the configuration, the hub's command.
RUN_HUB = """
root=$1 settings=$2; shift 2
mount --bind "$root" "$root"
mount --types tmpfs --options uid=1000,gid=1000 tmpfs "$root/srv/jupyterhub"
mount --types proc proc "$root/proc"
mount --rbind /dev "$root/dev"
cp "$settings"/* "$root/srv/jupyterhub"
chown -R 1000:1000 "$root/srv/jupyterhub"
mount --options remount,bind,ro "$root"
exec chroot "$root" env --ignore-environment PATH=/usr/local/bin:/usr/bin:/bin HOME=/home/jovyan \
  KUBECONFIG=/srv/jupyterhub/kubeconfig setpriv --reuid=1000 --regid=1000 --clear-groups --no-new-privs \
  --inh-caps=-all --bounding-set=-all sh -c 'cd /srv/jupyterhub && exec "$@"' sh "$@"
"""

CONFIG = """
import glob, sys
c.JupyterHub.hub_bind_url = "http://127.0.0.1:{hub}"
c.JupyterHub.cleanup_servers = False
c.ConfigurableHTTPProxy.should_start = False
c.ConfigurableHTTPProxy.api_url = "http://127.0.0.1:{proxy}"
c.ConfigurableHTTPProxy.auth_token = "a-token-for-this-run"
if files := glob.glob("/usr/local/etc/jupyterhub/jupyterhub_config.d/*.py"):
    for file in files:
        exec(open(file).read())
else:
    c.JupyterHub.spawner_class = "kubespawner.KubeSpawner"
    c.JupyterHub.authenticator_class = "dummy"
    command = [sys.executable, "-m", "jupyterhub_idle_culler", "--timeout=3600"]
    c.JupyterHub.services = [{{"name": "culler", "command": command}}]
    scopes = ["list:users", "read:users:activity", "read:servers", "delete:servers"]
    c.JupyterHub.load_roles = [{{"name": "culler", "scopes": scopes, "services": ["culler"]}}]
"""
SECONDS = 60


def measure(image: str, settings: Path, port: int) -> float:
    """Start a hub of an image, and give the seconds until its API answers."""
    with images.mounted(image) as root:
        began = time.monotonic()
        unshare = ["unshare", "--mount", "--pid", "--fork", "--kill-child", "sh", "-ec", RUN_HUB, "sh"]
        command = [*unshare, str(root), str(settings), "jupyterhub", "--config=/srv/jupyterhub/config.py"]
        log = settings.with_name("hub.log")
        with log.open("w") as output:
            hub = subprocess.Popen(command, stdout=output, stderr=output, start_new_session=True)
        try:
            while not answers(port):
                if hub.poll() is not None or time.monotonic() - began > SECONDS:
                    raise SystemExit(f"The hub of {image} did not start: {log.read_text()[-3000:]}")
                time.sleep(0.01)
            return time.monotonic() - began
        finally:
            # The first process of its pid namespace is among them, and takes the others along.
            os.killpg(hub.pid, signal.SIGKILL)
            hub.wait()


def answers(port: int) -> bool:
    """Say whether a hub's API answers."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        connection.request("GET", "/hub/api")
        return connection.getresponse().status == 200
    except OSError:
        return False
    finally:
        connection.close()


async def compare(runs: int, folder: Path) -> None:
    """Build both images, and print what was measured."""
    archives = await asyncio.to_thread(images.build, ["hub-base", "hub"], folder)
    sizes = {name: archive.stat().st_size / 1e6 for name, archive in archives.items()}
    settings = folder / "settings"
    settings.mkdir()
    hub, proxy, public = find_ports(3)
    (settings / "config.py").write_text(CONFIG.format(hub=hub, proxy=proxy))
    flags = [f"--port={public}", f"--api-port={proxy}", f"--default-target=http://127.0.0.1:{hub}"]
    environment = {**os.environ, "CONFIGPROXY_AUTH_TOKEN": "a-token-for-this-run"}
    chp = await asyncio.create_subprocess_exec("configurable-http-proxy", "--log-level=error", *flags, env=environment)
    try:
        async with ControlPlane(folder / "plane") as plane:
            (settings / "kubeconfig").write_bytes(plane.kubeconfig.read_bytes())
            took: dict[str, list[float]] = {"hub-base": [], "hub": []}
            for _ in range(runs + 1):
                for name, seconds in took.items():
                    seconds.append(await asyncio.to_thread(measure, name, settings, hub))
    finally:
        chp.kill()
        await chp.wait()
    for name, seconds in took.items():
        listed = ", ".join(f"{each:.2f}" for each in seconds[1:])
        print(f"{name}: {sizes[name]:.1f} MB, starts in {statistics.median(seconds[1:]):.2f} s ({listed})")


def main() -> None:
    """Run the command."""
    parser = argparse.ArgumentParser(description=compare.__doc__)
    parser.add_argument("--runs", type=int, default=7, help="starts of each that count (7)")
    with tempfile.TemporaryDirectory(prefix="jhaws-measure-") as folder:
        asyncio.run(compare(parser.parse_args().runs, Path(folder)))


if __name__ == "__main__":
    main()
