"""A real Kubernetes API on loopback: etcd, kube-apiserver, kube-controller-manager and kube-scheduler, in one folder.

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
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Self

import aiohttp

from jhaws.local.api.apiserver import write_kubeconfig
from tests.kube.certificates import Authority, make_key, write_private
from tests.kube.programs import KubeError, Program, find_missing, find_ports

PROGRAMS = ("etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler")

# Seconds until a program has to answer; it takes six for all, more on a busy machine.
START_SECONDS = 90

ADMIN, ADMINS = "admin", "system:masters"


class ControlPlane:
    """A Kubernetes API without nodes.

    Args:
        folder: For keys, logs and data; must be new or empty.
        apiserver_flags: More flags for kube-apiserver.
        niceness: Of its programs; above 0, others get the CPU first.

    Attributes:
        kubeconfig: The file for an admin, who may do everything.
        url: Where the API server listens; the same for as long as this control plane is there.
    """

    def __init__(self, folder: Path, *, apiserver_flags: Sequence[str] = (), niceness: int = 0) -> None:
        self._folder = folder.absolute()
        self.kubeconfig = self._folder / "admin.kubeconfig"
        self.url = ""
        self._programs = {name: Program(name, self._folder, niceness=niceness) for name in PROGRAMS}
        self._apiserver = self._programs["kube-apiserver"]
        self._more_flags = tuple(apiserver_flags)
        self._ports: list[int] = []
        self._trust: ssl.SSLContext | None = None

    @property
    def pids(self) -> dict[str, int]:
        """The processes that run, by the name of their program."""
        return {name: program.pid for name, program in self._programs.items() if program.pid}

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
        self._folder.mkdir(parents=True, exist_ok=True)
        if any(self._folder.iterdir()):
            raise KubeError(f"The folder {self._folder} is not empty: name a new one for the control plane.")
        self._ports = find_ports(3)
        self.url = f"https://127.0.0.1:{self._ports[0]}"
        self._write_keys()
        try:
            await self._programs["etcd"].start(self._etcd_flags())
            await self.start_apiserver()
            await self._programs["kube-controller-manager"].start(self._controller_flags())
            await self._programs["kube-scheduler"].start(self._client_flags("kube-scheduler"))
            account = f"{self.url}/api/v1/namespaces/default/serviceaccounts/default"
            await self._wait_for(self._programs["kube-controller-manager"], lambda: self._answers(account))
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
        await self._wait_for(self._apiserver, lambda: self._answers(f"{self.url}/readyz"))

    async def stop_apiserver(self) -> None:
        """Kill the API server: connections are reset, new ones are refused; what was written stays."""
        await self._apiserver.kill()

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
        tasks = [asyncio.create_task(program.wait(), name=name) for name, program in self._programs.items()]
        ended, running = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in running:
            task.cancel()
        return ended.pop().get_name()

    def _write_keys(self) -> None:
        authority = Authority()
        server = authority.sign_server("kube-apiserver")
        admin = authority.sign_client(ADMIN, group=ADMINS)
        write_private(self._folder / "authority.crt", authority.certificate)
        write_private(self._folder / "apiserver.pem", server.certificate + server.key)
        write_private(self._folder / "admin.pem", admin.certificate + admin.key)
        write_private(self._folder / "accounts.key", make_key())
        write_kubeconfig(self.kubeconfig, authority.make_kubeconfig(self.url, admin))
        for name in ("kube-controller-manager", "kube-scheduler"):
            client = authority.sign_client(f"system:{name}")
            write_kubeconfig(self._folder / f"{name}.kubeconfig", authority.make_kubeconfig(self.url, client))
        self._trust = ssl.create_default_context(cafile=self._folder / "authority.crt")
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
            "--bind-address=127.0.0.1",
            "--advertise-address=127.0.0.1",
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
            # Loopback is no address for the endpoints of the Service `kubernetes`.
            "--endpoint-reconciler-type=none",
        ]

    def _controller_flags(self) -> list[str]:
        return [
            *self._client_flags("kube-controller-manager"),
            "--service-account-private-key-file=accounts.key",
            "--root-ca-file=authority.crt",
            "--use-service-account-credentials=true",
        ]

    @staticmethod
    def _client_flags(name: str) -> list[str]:
        # Alone, so nobody has to be elected; and nobody asks for its own pages.
        return [f"--kubeconfig={name}.kubeconfig", "--leader-elect=false", "--secure-port=0"]

    async def _answers(self, url: str) -> bool:
        timeout = aiohttp.ClientTimeout(total=5)
        try:
            async with aiohttp.ClientSession(timeout=timeout) as session, session.get(url, ssl=self._trust) as response:
                return response.status == 200
        except (aiohttp.ClientError, TimeoutError):
            return False

    async def _wait_for(self, program: Program, check: Callable[[], Awaitable[bool]]) -> None:
        try:
            async with asyncio.timeout(START_SECONDS):
                while not await check():
                    if not program.pid:
                        raise program.make_error("ended while it started")
                    await asyncio.sleep(0.1)
        except TimeoutError:
            raise program.make_error(f"was not ready within {START_SECONDS} s") from None


async def run(folder: Path) -> str:
    """Run a control plane until a signal, or until one of its programs ends; gives a sentence in that case."""
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    async with ControlPlane(folder) as plane:
        print(f"export KUBECONFIG={plane.kubeconfig}", flush=True)
        ended = asyncio.create_task(plane.wait_for_end())
        stopped = asyncio.create_task(stop.wait())
        await asyncio.wait([ended, stopped], return_when=asyncio.FIRST_COMPLETED)
        stopped.cancel()
        if ended.done():
            return f"{ended.result()} ended by itself; its log is in {folder}."
        ended.cancel()
    return ""


def main() -> None:
    """Run the command."""
    parser = argparse.ArgumentParser(prog="python -m tests.kube.controlplane", description=run.__doc__)
    parser.add_argument("folder", type=Path, help="a new or empty folder for keys, logs and data")
    try:
        sys.exit(asyncio.run(run(parser.parse_args().folder)) or None)
    except KubeError as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main()
