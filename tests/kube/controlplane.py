"""A real Kubernetes API: etcd, kube-apiserver, kube-controller-manager and kube-scheduler, in one folder.

`async with ControlPlane(folder) as plane` gives a new and empty one with an admin's kubeconfig; there are no nodes, so
no pod runs. It ends with the block or with this process, however that ends. The API server alone can be killed,
started again on its port, frozen and thawed: what clients see of an outage. For a person,
`python -m tests.kube.controlplane FOLDER` runs one until Ctrl-C.
"""

from __future__ import annotations

import argparse
import asyncio
import signal
import ssl
import sys
from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Protocol, Self

import aiohttp

from jhaws.local.api.apiserver import write_kubeconfig
from tests.kube.certificates import Authority, make_key, write_private
from tests.kube.programs import BIN, KubeError, Program, claim_folder, find_missing, find_ports, wait_for_end

# What follows the API server, and with which flags.
CONTROLLERS = {
    "kube-controller-manager": (
        "--service-account-private-key-file=accounts.key",
        "--root-ca-file=authority.crt",
        "--use-service-account-credentials=true",
    ),
    "kube-scheduler": (),
}
PROGRAMS = ("etcd", "kube-apiserver", *CONTROLLERS)

LOOPBACK = "127.0.0.1"

ADMIN, ADMINS = "admin", "system:masters"


class ControlPlane:
    """A Kubernetes API without nodes.

    Args:
        folder: For keys, logs and data; must be new or empty.
        apiserver_flags: More flags for kube-apiserver.
        niceness: Of its programs; above 0, others get the CPU first.
        address: Where the API server listens.
        enter: A command that runs the command behind it where that address is.

    Attributes:
        kubeconfig: The file for an admin, who may do everything.
        authority: The certificate that all who call each other trust.
        url: Where the API server listens; the same for as long as this control plane is there.
    """

    def __init__(
        self,
        folder: Path,
        *,
        apiserver_flags: Sequence[str] = (),
        niceness: int = 0,
        address: str = LOOPBACK,
        enter: Sequence[str] = (),
    ) -> None:
        self._folder = folder.absolute()
        self.kubeconfig = self._folder / "admin.kubeconfig"
        self.authority = self._folder / "authority.crt"
        self.url = ""
        self._keys = Authority()
        self._address = address
        self._programs = {
            name: Program(name, self._folder, niceness=niceness, command=(*enter, BIN / name)) for name in PROGRAMS
        }
        self._apiserver = self._programs["kube-apiserver"]
        self._more_flags = tuple(apiserver_flags)
        self._ports: list[int] = []
        self._trust: ssl.SSLContext | None = None

    @property
    def pids(self) -> dict[str, int]:
        """The processes that run, by the name of their program."""
        return {name: program.pid for name, program in self._programs.items() if program.pid}

    @property
    def programs(self) -> tuple[Program, ...]:
        """All its programs, in the order in which they start."""
        return tuple(self._programs.values())

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *_exc: object) -> None:
        await self.stop()

    async def start(self) -> None:
        """Start everything, and wait until a namespace has what controllers put into it.

        Raises:
            KubeError: A program is not built or does not start, or the folder is in use.
        """
        if sentence := find_missing(PROGRAMS):
            raise KubeError(sentence)
        claim_folder(self._folder)
        self._ports = find_ports(3)
        self.url = f"https://{self._address}:{self._ports[0]}"
        self._write_keys()
        try:
            await self._programs["etcd"].start(self._etcd_flags())
            await self.start_apiserver()
            await self._start_controllers()
            account = f"{self.url}/api/v1/namespaces/default/serviceaccounts/default"
            await self._programs["kube-controller-manager"].wait_until(lambda: self._answers(account))
        except BaseException:
            await self.stop()
            raise

    async def stop(self) -> None:
        """End everything at once; the data stays in the folder but is of no further use. Safe to call twice."""
        for name in reversed(PROGRAMS):
            await self._programs[name].kill()

    async def start_apiserver(self) -> None:
        """Start the API server on its port, and wait until it is ready."""
        await self._apiserver.start([*self._apiserver_flags(), *self._more_flags])
        await self._apiserver.wait_until(lambda: self._answers(f"{self.url}/readyz"))

    async def stop_apiserver(self) -> None:
        """Kill the API server: connections are reset, new ones are refused; what was written stays."""
        await self._apiserver.kill()

    async def restart_controllers(self) -> None:
        """Kill the controller manager and the scheduler, and start them again.

        After an outage of the API server they would look for it once in half a minute. Where leaders are elected, they
        end by themselves in an outage.
        """
        for name in CONTROLLERS:
            await self._programs[name].kill()
        await self._start_controllers()

    def freeze_apiserver(self) -> None:
        """Let the API server do nothing: the kernel still takes connections, and nobody answers.

        It does nothing any more when this returns.
        """
        self._apiserver.freeze()

    def thaw_apiserver(self) -> None:
        """Let a frozen API server go on."""
        self._apiserver.signal(signal.SIGCONT)

    async def wait_for_end(self) -> str:
        """Wait until one of the programs ends, and give its name."""
        return (await wait_for_end(self.programs)).name

    def make_kubeconfig(self, name: str, user: str, *, group: str = "") -> Path:
        """Write a kubeconfig for another who calls this API server."""
        path = self._folder / f"{name}.kubeconfig"
        write_kubeconfig(path, self._keys.make_kubeconfig(self.url, self._keys.sign_client(user, group=group)))
        return path

    def _write_keys(self) -> None:
        server = self._keys.sign_server("kube-apiserver", self._address)
        admin = self._keys.sign_client(ADMIN, group=ADMINS)
        write_private(self.authority, self._keys.certificate)
        write_private(self._folder / "apiserver.pem", server.certificate + server.key)
        write_private(self._folder / "admin.pem", admin.certificate + admin.key)
        write_private(self._folder / "accounts.key", make_key())
        write_kubeconfig(self.kubeconfig, self._keys.make_kubeconfig(self.url, admin))
        for name in CONTROLLERS:
            self.make_kubeconfig(name, f"system:{name}")
        self._trust = ssl.create_default_context(cafile=self.authority)
        self._trust.load_cert_chain(self._folder / "admin.pem")

    def _etcd_flags(self) -> list[str]:
        _, clients, peers = self._ports
        return [
            "--data-dir=etcd",
            f"--listen-client-urls=http://127.0.0.1:{clients}",
            f"--advertise-client-urls=http://127.0.0.1:{clients}",
            f"--listen-peer-urls=http://127.0.0.1:{peers}",
            f"--initial-advertise-peer-urls=http://127.0.0.1:{peers}",
            f"--initial-cluster=default=http://127.0.0.1:{peers}",
            # What is in it need not outlive a crash of the machine.
            "--unsafe-no-fsync",
        ]

    def _apiserver_flags(self) -> list[str]:
        port, etcd, _ = self._ports
        return [
            f"--etcd-servers=http://127.0.0.1:{etcd}",
            f"--bind-address={self._address}",
            f"--advertise-address={self._address}",
            f"--secure-port={port}",
            "--tls-cert-file=apiserver.pem",
            "--tls-private-key-file=apiserver.pem",
            "--client-ca-file=authority.crt",
            "--service-account-key-file=accounts.key",
            "--service-account-signing-key-file=accounts.key",
            "--service-account-issuer=https://kubernetes.default.svc",
            "--service-cluster-ip-range=10.96.0.0/16",
            "--authorization-mode=Node,RBAC",
            "--allow-privileged=true",
            # It asks kubelets for logs as an admin.
            "--kubelet-client-certificate=admin.pem",
            "--kubelet-client-key=admin.pem",
            # Nobody knows the names of nodes.
            "--kubelet-preferred-address-types=InternalIP",
            # Loopback is no address for the endpoints of the Service `kubernetes`.
            f"--endpoint-reconciler-type={'none' if self._address == LOOPBACK else 'lease'}",
        ]

    async def _start_controllers(self) -> None:
        for name, flags in CONTROLLERS.items():
            # Alone, so nobody has to be elected; and nobody asks for their own pages.
            common = (f"--kubeconfig={name}.kubeconfig", "--leader-elect=false", "--secure-port=0")
            await self._programs[name].start([*common, *flags])

    async def _answers(self, url: str) -> bool:
        timeout = aiohttp.ClientTimeout(total=5)
        try:
            async with aiohttp.ClientSession(timeout=timeout) as session, session.get(url, ssl=self._trust) as response:
                return response.status == 200
        except (aiohttp.ClientError, TimeoutError):
            return False


class Cluster(Protocol):
    """What a person can run: a control plane, or a node with one."""

    kubeconfig: Path

    async def wait_for_end(self) -> str:
        """Wait until one of the programs ends, and give its name."""


async def run(cluster: AbstractAsyncContextManager[Cluster], folder: Path) -> str:
    """Run until a signal, or until one of the programs ends; gives a sentence in that case."""
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    async with cluster as running:
        print(f"export KUBECONFIG={running.kubeconfig}", flush=True)
        ended = asyncio.create_task(running.wait_for_end())
        stopped = asyncio.create_task(stop.wait())
        await asyncio.wait([ended, stopped], return_when=asyncio.FIRST_COMPLETED)
        stopped.cancel()
        if ended.done():
            return f"{ended.result()} ended by itself; its log is in {folder}."
        ended.cancel()
    return ""


def main(name: str, make: Callable[[Path], AbstractAsyncContextManager[Cluster]]) -> None:
    """Run the command."""
    parser = argparse.ArgumentParser(prog=f"python -m tests.kube.{name}", description=run.__doc__)
    parser.add_argument("folder", type=Path, help="a new or empty folder for keys, logs and data")
    folder = parser.parse_args().folder
    try:
        sys.exit(asyncio.run(run(make(folder), folder)) or None)
    except KubeError as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main("controlplane", ControlPlane)
