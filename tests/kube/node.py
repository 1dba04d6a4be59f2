"""A real Kubernetes with one node that runs pods: `async with Node(folder, images) as node`.

The control plane of `controlplane`, then containerd, kubelet and kube-proxy, cluster DNS and a default StorageClass.
They live in the network of a machine that `machine` makes, and pods wholly inside it: ports, firewall rules, mounts and
processes of the one it runs on are never touched, and nothing stays when this process ends, however it ends. From
outside, the API server and NodePorts answer at `node.address`; pods find what listens on this machine at
`node.gateway`. There is no way further: images are loaded from archives. For a person,
`python -m tests.kube.node FOLDER` runs one until Ctrl-C.
"""

from __future__ import annotations

import asyncio
import json
import sys
import tempfile
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Self

from tests.kube import images, machine
from tests.kube.controlplane import PROGRAMS, ControlPlane, main
from tests.kube.machine import Machine, find_packages
from tests.kube.programs import BIN, KubeError, Program, claim_folder, find_missing, wait_for_end

HERE = Path(__file__).parent

# The images of the node itself, by their names in `images`.
IMAGES = ("pause", "coredns")

# What is built by us, besides the control plane.
NODE_PROGRAMS = ("kubelet", "kube-proxy", "kubectl")

# What is not built by us, by the Debian packages that bring it.
TOOLS = {
    "containerd": "containerd",
    "ctr": "containerd",
    "runc": "runc",
    "iptables": "iptables",
    "/usr/lib/cni/bridge": "containernetworking-plugins",
}
NAME = "node"
LABELS = {
    "hub.jupyter.org/node-purpose": "user",
    "topology.kubernetes.io/zone": "local-a",
    "node.kubernetes.io/instance-type": "local",
}
SOCKET = "/run/containerd/containerd.sock"

# Addresses of pods, and of cluster DNS; nothing outside the node's machine sees them.
PODS = "10.88.0.0/16"
DNS = "10.96.0.10"
POD_NETWORKS = {
    "cniVersion": "0.4.0",
    "name": "pods",
    "plugins": [
        {
            "type": "bridge",
            "bridge": "pods",
            "isGateway": True,
            "hairpinMode": True,
            # This machine knows no way back to pods, so they come with the node's address.
            "ipMasq": True,
            "ipam": {"type": "host-local", "ranges": [[{"subnet": PODS}]], "routes": [{"dst": "0.0.0.0/0"}]},
        },
        {"type": "portmap", "capabilities": {"portMappings": True}},
    ],
}

# Seconds until DNS answers, once all programs run.
READY_SECONDS = 90

CONTAINERD = """\
version = 2
root = "{disk}/containerd"
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "{pause}"
  # Needs CAP_SYS_RESOURCE otherwise, which not every root has.
  restrict_oom_score_adj = true
[plugins."io.containerd.grpc.v1.cri".containerd]
  snapshotter = "{snapshotter}"
[plugins."io.containerd.grpc.v1.cri".cni]
  bin_dir = "/usr/lib/cni"
  conf_dir = "{folder}/cni"
"""


class Node:
    """A Kubernetes with one node.

    Args:
        folder: For keys, logs and data; must be new or empty.
        archives: Images that are there from the start; the node's own, `IMAGES`, must be among them.
        apiserver_flags: More flags for kube-apiserver.

    Attributes:
        kubeconfig: The file for an admin, who may do everything.
        logs: Where the programs' logs are, and those of pods in `pods`.
    """

    def __init__(self, folder: Path, archives: Sequence[Path], *, apiserver_flags: Sequence[str] = ()) -> None:
        self.logs = self._folder = folder.absolute()
        self.kubeconfig = Path()
        self._archives = archives
        self._apiserver_flags = apiserver_flags
        self._machine = Machine(self._folder)
        self._snapshotter = ""
        self._plane: ControlPlane | None = None
        self._programs: dict[str, Program] = {}

    @property
    def address(self) -> str:
        """Where the API server and NodePorts answer."""
        return self._machine.address

    @property
    def gateway(self) -> str:
        """Where pods reach what listens on this machine."""
        return self._machine.gateway

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *_exc: object) -> None:
        await self.stop()

    async def start(self) -> None:
        """Start everything, and wait until the node runs pods and DNS answers.

        Raises:
            KubeError: Something is missing here or does not start, or the folder is in use.
        """
        if sentence := find_obstacle():
            raise KubeError(sentence)
        claim_folder(self._folder)
        try:
            await self._machine.start()
            await self._start_containerd()
            await self._start_control_plane()
            await self._start_node()
            await self._wait_for_dns()
        except BaseException:
            await self.stop()
            raise

    async def stop(self) -> None:
        """End everything at once; only logs and keys stay. Safe to call twice."""
        if self._plane:
            await self._plane.stop()
        for program in self._programs.values():
            await program.kill()
        await self._machine.stop()

    async def start_apiserver(self) -> None:
        """Start the API server again, wait until it is ready, and let the controllers begin anew."""
        await self._plane.start_apiserver()
        await self._plane.restart_controllers()

    async def stop_apiserver(self) -> None:
        """Kill the API server; what was written stays, and pods go on."""
        await self._plane.stop_apiserver()

    async def load(self, archive: Path) -> None:
        """Give the node the images of an archive, as Docker or buildah write it.

        Raises:
            KubeError: containerd does not take it.
        """
        command = ("ctr", "--namespace=k8s.io", "images", "import", f"--snapshotter={self._snapshotter}", "-")
        with archive.open("rb") as file:
            await self._machine.run(*command, stdin=file)

    async def wait_for_end(self) -> str:
        """Wait until one of the programs ends, and give its name."""
        return (await wait_for_end([*self._programs.values(), *self._plane.programs])).name

    async def _start_containerd(self) -> None:
        # An overlay cannot be laid over another.
        below = await self._machine.run("stat", "--file-system", "--format=%T", self._machine.disk)
        self._snapshotter = "native" if below.strip() == "overlayfs" else "overlayfs"
        values = {"disk": self._machine.disk, "folder": self._folder, "snapshotter": self._snapshotter}
        config = self._folder / "containerd.toml"
        config.write_text(CONTAINERD.format(pause=images.IMAGES["pause"].reference, **values))
        networks = self._folder / "cni"
        networks.mkdir()
        (networks / "pods.conflist").write_text(json.dumps(POD_NETWORKS))
        await self._start("containerd", "containerd", f"--config={config}")

    async def _start_control_plane(self) -> None:
        self._plane = ControlPlane(
            self._folder / "controlplane",
            apiserver_flags=self._apiserver_flags,
            address=self._machine.address,
            enter=self._machine.enter_network,
        )
        await self._plane.start()
        self.kubeconfig = self._plane.kubeconfig

    async def _start_node(self) -> None:
        await self._programs["containerd"].wait_until(self._has_containerd)
        for archive in self._archives:
            await self.load(archive)
        config = self._folder / "kubelet.json"
        config.write_text(json.dumps(self._make_kubelet_config()))
        user = self._plane.make_kubeconfig("kubelet", f"system:node:{NAME}", group="system:nodes")
        labels = ",".join(f"{key}={value}" for key, value in LABELS.items())
        flags = (f"--config={config}", f"--kubeconfig={user}", f"--root-dir={self._machine.disk}/kubelet")
        names = (f"--hostname-override={NAME}", f"--node-ip={self.address}", f"--node-labels={labels}")
        await self._start("kubelet", BIN / "kubelet", *flags, *names)
        user = self._plane.make_kubeconfig("kube-proxy", "system:kube-proxy")
        # How many connections a kernel keeps can only be set from its first network.
        flags = (f"--kubeconfig={user}", f"--hostname-override={NAME}", "--conntrack-max-per-core=0")
        await self._start("kube-proxy", BIN / "kube-proxy", "--proxy-mode=iptables", f"--cluster-cidr={PODS}", *flags)
        volumes = Program("volumes", self._folder, command=(sys.executable, HERE / "volumes.py"))
        self._programs["volumes"] = volumes
        await volumes.start([str(self.kubeconfig), str(self._machine.disk / "volumes")])

    async def _start(self, name: str, program: str | Path, *flags: str) -> None:
        self._programs[name] = Program(name, self._folder, command=(*self._machine.enter, program))
        await self._programs[name].start(flags)

    async def _has_containerd(self) -> bool:
        return self._machine.see(SOCKET).exists()

    def _make_kubelet_config(self) -> dict[str, Any]:
        resolver = self._folder / "resolv.conf"
        resolver.write_text("# A pod that does not ask the cluster's DNS asks nobody.\n")
        return {
            "apiVersion": "kubelet.config.k8s.io/v1beta1",
            "kind": "KubeletConfiguration",
            "authentication": {"x509": {"clientCAFile": str(self._plane.authority)}},
            "containerRuntimeEndpoint": f"unix://{SOCKET}",
            "cgroupDriver": "cgroupfs",
            "cgroupRoot": f"/{self._machine.cgroup}",
            "failCgroupV1": False,
            "failSwapOn": False,
            "clusterDNS": [DNS],
            "clusterDomain": "cluster.local",
            "resolvConf": str(resolver),
            "podLogsDir": str(self.logs / "pods"),
            "maxPods": 250,
            # How full the disk is, is not the node's affair, and an image that it deletes cannot be pulled again.
            "evictionHard": {"memory.available": "100Mi"},
            "imageGCHighThresholdPercent": 100,
        }

    async def _wait_for_dns(self) -> None:
        await self._kubectl("apply", "--filename", HERE / "manifests")
        wait = ("rollout", "status", "deployment/coredns", f"--timeout={READY_SECONDS}s")
        ready = asyncio.create_task(self._kubectl("--namespace=kube-system", *wait))
        ended = asyncio.create_task(wait_for_end([*self._programs.values(), *self._plane.programs]))
        try:
            await asyncio.wait([ready, ended], return_when=asyncio.FIRST_COMPLETED)
            if not ready.done():
                raise ended.result().make_error("ended while the node started")
            await ready
        finally:
            ready.cancel()
            ended.cancel()

    async def _kubectl(self, *arguments: str | Path) -> None:
        kubectl = Program("kubectl", self._folder)
        await kubectl.start([f"--kubeconfig={self.kubeconfig}", *arguments])
        if await kubectl.wait():
            raise kubectl.make_error("failed")


def find_obstacle() -> str:
    """Say in a sentence why no node can be run here; empty where one can."""
    return (
        machine.find_obstacle() or find_packages(TOOLS) or find_missing((*PROGRAMS, "kubelet", "kube-proxy", "kubectl"))
    )


@asynccontextmanager
async def run_with_own_images(folder: Path) -> AsyncIterator[Node]:
    """Run a node with no images but its own, which are built first."""
    with tempfile.TemporaryDirectory(prefix="jhaws-node-") as archives:
        built = await asyncio.to_thread(images.build, IMAGES, Path(archives))
        async with Node(folder, list(built.values())) as node:
            yield node


if __name__ == "__main__":
    main("node", run_with_own_images)
