"""The API server that both sides use: a real one that is started for the run, the one KUBECONFIG names, or jhaws's own.

`python -m bench.servers KUBECONFIG` is the embedded API server alone, as a process of its own; nobody schedules or runs
pods on it but the benchmark's kubelet.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
from collections.abc import AsyncIterator
from pathlib import Path

from bench.processes import child, say, serve
from jhaws.local.api.apiserver import ApiServer, write_kubeconfig
from jhaws.local.api.storage import Storage
from tests.kube.controlplane import PROGRAMS, ControlPlane
from tests.kube.programs import find_missing

KINDS = ("kubernetes", "kubeconfig", "embedded")

# A hub's API server has machines of its own. Here it shares the CPUs with the sides, and goes last.
NICENESS = 10


class NoServerError(Exception):
    """The API server that was asked for is not there; the text says how to get it."""


def choose_server(asked: str) -> str:
    """Choose the kind of server: the one asked for, or the most real one that is there.

    Raises:
        NoServerError: What was asked for is not there.
    """
    missing = find_missing(PROGRAMS)
    has_kubeconfig = bool(os.environ.get("KUBECONFIG"))
    if asked == "kubernetes" and missing:
        raise NoServerError(missing)
    if asked == "kubeconfig" and not has_kubeconfig:
        raise NoServerError("KUBECONFIG is not set: let it name the kubeconfig of a cluster that you can spare.")
    if asked:
        return asked
    return "kubernetes" if not missing else "kubeconfig" if has_kubeconfig else "embedded"


@contextlib.asynccontextmanager
async def api_server(kind: str, folder: Path) -> AsyncIterator[str]:
    """Run, or just use, a server of this kind and give its kubeconfig."""
    if kind == "kubeconfig":
        yield os.environ["KUBECONFIG"]
    elif kind == "embedded":
        kubeconfig, up = folder / "embedded.kubeconfig", asyncio.Event()
        async with child("servers", str(kubeconfig), log=folder / "apiserver.log", tell=lambda _: up.set()):
            await asyncio.wait_for(up.wait(), 30)
            yield str(kubeconfig)
    else:
        async with ControlPlane(folder / "kubernetes", niceness=NICENESS) as plane:
            yield str(plane.kubeconfig)


async def main(kubeconfig: str) -> None:
    """Run the embedded API server until the benchmark ends the process."""
    server = ApiServer(Storage())
    await server.start()
    write_kubeconfig(Path(kubeconfig), server.make_kubeconfig())
    say(up=True)
    await serve({})
    await server.stop()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
