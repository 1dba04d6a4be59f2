"""The hub of cluster/demo, applied as its page says, with the tests' images and their lines of configuration."""

from __future__ import annotations

import asyncio
import json
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import yaml

from .installation import EXTRA_CONFIG, Installation, ensure_course, find_url
from .kubectl import Kubectl
from .place import Place

DEMO = Path(__file__).parents[2] / "cluster" / "demo"
NAMESPACE = "jhaws-test-demo"
SECRET_FILE = "secret-written-by-make-secrets.sh.env"
CONFIG = "/etc/jupyterhub/config"
CONFIG_FILE = f"{CONFIG}/test_config.py"

# The demo's own configuration comes first, whole, as operators would leave it.
LOAD_DEMO = f'c = get_config()\nload_subconfig("{CONFIG}/jupyterhub_config.py")\n'

# The demo's short names of images, and the tests'.
SHORT_NAMES = {
    "hub": "hub",
    "user": "singleuser",
    "configurable-http-proxy": "proxy",
    "nginx": "nginx",
    "pause": "pause",
}

OVERLAY = {
    "apiVersion": "kustomize.config.k8s.io/v1beta1",
    "kind": "Kustomization",
    "namespace": NAMESPACE,
    "resources": ["../demo"],
    "configMapGenerator": [
        {
            "name": "hub-config",
            "behavior": "merge",
            "files": ["test_config.py"],
            "options": {"disableNameSuffixHash": True},
        }
    ],
    "patches": [
        {
            "target": {"kind": "Deployment", "name": "hub"},
            "patch": json.dumps(
                [
                    {
                        "op": "replace",
                        "path": "/spec/template/spec/containers/0/args",
                        "value": ["jupyterhub", "--config", CONFIG_FILE, "--upgrade-db"],
                    }
                ]
            ),
        }
    ],
}


@dataclass(kw_only=True)
class Demo(Installation):
    """The demo's hub.

    Attributes:
        folder: A copy of cluster/demo and, beside it, an overlay.
    """

    folder: Path

    async def set_config(self, lines: str = "") -> None:
        """Let the hub start again with the tests' configuration and `lines` after it."""
        write_overlay(self.folder / "overlay", LOAD_DEMO + EXTRA_CONFIG + lines)
        await self.kubectl.run("apply", "--kustomize", str(self.folder / "overlay"))
        # A ConfigMap that changes starts nothing again.
        await self.kubectl.run("rollout", "restart", "deployment/hub")
        await self.wait_until_up()


async def remove(kubectl: Kubectl) -> None:
    """Delete what an installation, also one of an earlier run, has left."""
    await kubectl.run("delete", "namespace", NAMESPACE, "--ignore-not-found", "--timeout=180s")
    await kubectl.run("delete", "priorityclass", f"{NAMESPACE}-placeholder", "--ignore-not-found")


async def install(place: Place, folder: Path) -> Demo:
    """Apply the demo and wait until its hub answers; `folder` is new, for a copy of the manifests."""
    kubectl = place.kubectl(NAMESPACE)
    shutil.copytree(DEMO, folder / "demo", ignore=shutil.ignore_patterns(SECRET_FILE))
    for file in (folder / "demo").glob("*.yaml"):
        # In a namespace of the tests, as somebody may have the demo itself in this cluster.
        file.write_text(file.read_text().replace("jhaws-demo", NAMESPACE))
    process = await asyncio.create_subprocess_exec(
        folder / "demo" / "make-secrets.sh", stdout=asyncio.subprocess.DEVNULL
    )
    assert await process.wait() == 0
    lines = (folder / "demo" / SECRET_FILE).read_text().split()
    secret = dict(line.split("=", 1) for line in lines)
    (folder / "overlay").mkdir()
    write_overlay(folder / "overlay", LOAD_DEMO + EXTRA_CONFIG)
    use_images(folder / "demo" / "kustomization.yaml", place.images)
    (folder / "overlay" / "kustomization.yaml").write_text(json.dumps(OVERLAY))
    await kubectl.run("apply", "--kustomize", str(folder / "overlay"))
    await ensure_course(kubectl)
    demo = Demo(
        url=await find_url(kubectl, place.address),
        kubectl=kubectl,
        folder=folder,
        config_file=CONFIG_FILE,
        admin_password=secret["admin-password"],
        user_password=secret["user-password"],
    )
    await demo.wait_until_up()
    await demo.make_admin_token()
    return demo


def use_images(kustomization: Path, images: Mapping[str, str]) -> None:
    """Name the images, as an operator does who has them elsewhere."""
    found = yaml.safe_load(kustomization.read_text())
    for image in found["images"]:
        image["newName"], image["newTag"] = images[SHORT_NAMES[image["name"]]].rsplit(":", 1)
    kustomization.write_text(json.dumps(found))


def write_overlay(folder: Path, config: str) -> None:
    """Write the configuration that comes after the demo's own."""
    (folder / "test_config.py").write_text(config)
