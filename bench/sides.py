"""The two sides, and the place where they meet: one API server, one kubelet, a namespace for each.

A scenario gets a `Place`. `Place.side` runs a side's process; the options of its spawners are the same on both sides.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import secrets
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path

from bench.kubeapi import ApiError, KubeApi, connect
from bench.pods import AS_PROCESS, HTTP_AFTER, READY_AFTER, RUN_LABEL
from bench.processes import Child, Obj, child
from bench.settings import Settings

STOCK, JHAWS = "stock", "jhaws"
SPAWNERS = {STOCK: "kubespawner:KubeSpawner", JHAWS: "jhaws.spawner:JhawsSpawner"}
PATIENCE_SECONDS = 60.0
KUBELET_LOG = "kubelet.log"


@dataclass
class Place:
    """Where a scenario runs.

    Attributes:
        settings: How large it is.
        folder: For logs and kubeconfigs.
        kubeconfig: Of the API server.
        api: The benchmark's own connection to it.
        run: This run's name: the label of its pods, a part of its namespaces.
        moments: What the kubelet told, by namespace, pod and event.
    """

    settings: Settings
    folder: Path
    kubeconfig: str
    api: KubeApi
    run: str
    moments: dict[tuple[str, str, str], float] = field(default_factory=dict)
    _told: asyncio.Event = field(default_factory=asyncio.Event)

    def namespace(self, name: str) -> str:
        """Return a namespace of this run."""
        return f"jhaws-bench-{self.run}-{name}"

    async def ensure_namespace(self, name: str) -> str:
        """Make a namespace in which pods can be made, and return its name."""
        namespace = self.namespace(name)
        await self.api.ensure("/api/v1/namespaces", {"metadata": {"name": namespace}})
        account = {"metadata": {"name": "default"}}
        # A controller makes it too, where there is one.
        await self.api.ensure(f"/api/v1/namespaces/{namespace}/serviceaccounts", account)
        return namespace

    def options(self, namespace: str, *, ready_after: str = "0-0", http_after: str = "0-0", process: str = "") -> Obj:
        """Build the KubeSpawner options of both sides.

        Args:
            namespace: Where the pods go.
            ready_after: Range in seconds from a pod's creation to Ready, "LEAST-MOST".
            http_after: Range in seconds from Ready until its server answers, ditto.
            process: "yes" runs the pod's own command.
        """
        return {
            "namespace": namespace,
            "image": "quay.io/jupyter/scipy-notebook:2026-10-01",
            "cmd": ["jupyterhub-singleuser"],
            "scheduler_name": "jhaws-bench",
            "extra_labels": {RUN_LABEL: self.run},
            "extra_annotations": {READY_AFTER: ready_after, HTTP_AFTER: http_after, AS_PROCESS: process},
        }

    @contextlib.asynccontextmanager
    async def side(self, side: str, options: Obj, *, kubeconfig: str = "") -> AsyncIterator[Child]:
        """Run the process of a side, warmed up."""
        arguments = (SPAWNERS[side], json.dumps(options))
        log = self.folder / f"{side}.log"
        async with child("worker", *arguments, log=log, kubeconfig=kubeconfig or self.kubeconfig) as worker:
            await worker.ask("warm")
            yield worker

    def on_told(self, message: Obj) -> None:
        """Keep what the kubelet tells."""
        if "event" in message:
            self.moments[message["namespace"], message["name"], message["event"]] = message["at"]
        self._told.set()

    async def moment(self, namespace: str, name: str, event: str) -> float:
        """Return when the kubelet saw an event of a pod; waits for it, as pipes have no order between them."""
        try:
            async with asyncio.timeout(PATIENCE_SECONDS):
                while (namespace, name, event) not in self.moments:
                    self._told.clear()
                    await self._told.wait()
        except TimeoutError:
            log = (self.folder / KUBELET_LOG).read_text()[-3000:]
            raise RuntimeError(
                f"The kubelet never told {event!r} of {namespace}/{name}. Its log ends in:\n{log}"
            ) from None
        return self.moments[namespace, name, event]

    async def clean(self) -> None:
        """Delete every namespace of this run, and first its pods, which no kubelet would end."""
        found = await self.api.call("GET", "/api/v1/namespaces")
        for namespace in (item["metadata"]["name"] for item in found["items"]):
            if namespace.startswith(self.namespace("")):
                with contextlib.suppress(ApiError):
                    await self.api.delete(f"/api/v1/namespaces/{namespace}/pods", gracePeriodSeconds=0)
                await self.api.delete(f"/api/v1/namespaces/{namespace}")


@contextlib.asynccontextmanager
async def place(settings: Settings, folder: Path, kubeconfig: str, *, tidy: bool) -> AsyncIterator[Place]:
    """Connect to the server and run the kubelet; `tidy` leaves nothing behind on a server that stays."""
    async with connect(kubeconfig) as api:
        made = Place(settings, folder, kubeconfig, api, secrets.token_hex(3))
        try:
            log = folder / KUBELET_LOG
            async with child("kubelet", made.run, log=log, kubeconfig=kubeconfig, tell=made.on_told):
                # Its first word: it watches.
                await asyncio.wait_for(made._told.wait(), PATIENCE_SECONDS)
                yield made
        finally:
            if tidy:
                await made.clean()


def turns(count: int) -> list[tuple[int, str]]:
    """Return who starts when: both sides in each round, first the one and then the other."""
    return [(number, side) for number in range(count) for side in ((STOCK, JHAWS) if number % 2 else (JHAWS, STOCK))]
