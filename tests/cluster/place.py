"""The cluster under test: a Kubernetes of one node that is started for the run, or the one that KUBECONFIG names."""

from __future__ import annotations

import asyncio
import os
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.kube import images
from tests.kube.node import IMAGES as NODE_IMAGES
from tests.kube.node import Node
from tests.kube.programs import BIN, find_kubectl

from .kubectl import Kubectl

# What is deployed, by the names in tests.kube.images.
DEMO_IMAGES = ("hub", "singleuser", "proxy", "nginx", "pause")
CHART_IMAGES = ("network-tools", "image-awaiter", "kube-scheduler")


@dataclass
class Place:
    """A cluster.

    Attributes:
        kubeconfig: For an admin.
        address: Of a node, where NodePorts answer.
        images: Full names of images by their short ones.
        node: None where the cluster is not ours.
    """

    kubeconfig: str
    address: str
    images: dict[str, str]
    node: Node | None = None

    def kubectl(self, namespace: str = "default") -> Kubectl:
        """Return kubectl for a namespace."""
        return Kubectl(find_kubectl() or "kubectl", self.kubeconfig, namespace)


def find_program(name: str) -> str | None:
    """Find a program: ours, or another on the PATH."""
    return shutil.which(name, path=f"{BIN}{os.pathsep}{os.environ.get('PATH', os.defpath)}")


def find_chart() -> str:
    """Return the folder or archive of z2jh's chart, empty where none is given."""
    return os.environ.get("Z2JH_CHART", "")


@asynccontextmanager
async def open_place(folder: Path) -> AsyncIterator[Place]:
    """Start a cluster with the images in it, or use the one that is given."""
    names = {name: image.reference for name, image in images.IMAGES.items()}
    if given := os.environ.get("KUBECONFIG"):
        place = Place(given, "", read_images(names))
        (node, *_) = await place.kubectl().list("nodes")
        addresses = {each["type"]: each["address"] for each in node["status"]["addresses"]}
        place.address = addresses.get("ExternalIP") or addresses["InternalIP"]
        yield place
        return
    wanted = [*dict.fromkeys([*NODE_IMAGES, *DEMO_IMAGES, *(CHART_IMAGES if find_chart() else ())])]
    (folder / "images").mkdir()
    archives = await asyncio.to_thread(images.build, wanted, folder / "images")
    async with Node(folder / "node", list(archives.values())) as node:
        yield Place(str(node.kubeconfig), node.address, names, node)


def read_images(names: dict[str, str]) -> dict[str, str]:
    """Take the images that JHAWS_IMAGES names, "hub=registry.example.org/hub:1,singleuser=…", over the tests' own."""
    given = os.environ.get("JHAWS_IMAGES", "")
    return names | dict(each.split("=", 1) for each in given.split(",") if each)
