"""What it costs to watch a crowd: thousands of pods of 10 KiB that run, with a few changes each second.

Each side watches in a fresh process, one after the other, in the same namespace. While a ticker measures how long the
loop stands still nobody measures CPU, as the ticker itself needs some; a second window, without it, is for the CPU.
Memory is the most that the process had above what it had before the watch. At the end a few changes show that the side
still follows, and how late.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import time
from collections.abc import AsyncIterator

from bench.figures import cpu_seconds, resident_mib
from bench.kubeapi import CONNECTIONS
from bench.pods import POD_BYTES, make_crowd_pod, make_running_status
from bench.processes import Child, Obj, child
from bench.report import Result, Row
from bench.sides import JHAWS, STOCK, Place

SAMPLE_SECONDS = 0.25
FIRST_MARK = 1000  # restarts of the pod whose changes must be seen; no pod has as many
MARKS, MARK_SECONDS = 10, 1.3  # how many such changes, and the pause between them
FRESH_SECONDS = 30.0


async def measure_crowd(place: Place) -> Result:
    """Measure both sides at each size of the crowd."""
    crowd = Crowd(place, await place.ensure_namespace("crowd"))
    rows, samples = [], {}
    for number, size in enumerate(place.settings.pods):
        await crowd.grow(size)
        sides = (STOCK, JHAWS) if number % 2 == 0 else (JHAWS, STOCK)
        found = {side: await measure_side(place, side, crowd) for side in sides}
        samples[str(size)] = found
        rows += make_rows(size, found[STOCK], found[JHAWS])
    return Result(rows, samples)


def make_rows(size: int, stock: Obj, jhaws: Obj) -> list[Row]:
    """Make the rows of one size."""

    def row(what: str, unit: str, key: str, **target: float) -> Row:
        return Row(f"{size:,} pods: {what}", unit, stock[key], jhaws[key], **target)

    return [
        row("first load", "s", "first_load", at_most=2.5),
        row("longest stall of the loop", "s", "stall", at_most=0.05),
        row("longest stall, not counting waits for a CPU", "s", "own_stall", at_most=0.05),
        row("stall of the loop, p99", "s", "stall_p99"),
        row("CPU of the watch", "%", "cpu", of_stock=0.1),
        row("resident memory of the watch", "MiB", "memory", of_stock=0.1),
        row("a change is seen after, at most", "s", "seen"),
    ]


class Crowd:
    """The pods that are watched.

    Args:
        place: Where.
        namespace: Theirs.
    """

    def __init__(self, place: Place, namespace: str) -> None:
        self._api = place.api
        self.path = f"/api/v1/namespaces/{namespace}/pods"
        self.namespace = namespace
        self.size = 0
        self._padding = 0

    async def grow(self, size: int) -> None:
        """Make pods until there are `size`, each as large as `POD_BYTES` on the server."""
        if not self.size:
            bare = await self._make("probe", 0)
            self._padding = max(0, POD_BYTES - len(json.dumps(bare, separators=(",", ":"))))
            await self._api.delete(f"{self.path}/probe", gracePeriodSeconds=0)
        numbers = iter(range(self.size, size))

        async def make_some() -> None:
            for number in numbers:
                await self._make(self.name(number), self._padding)

        async with asyncio.TaskGroup() as group:
            for _ in range(CONNECTIONS):
                group.create_task(make_some())
        self.size = size

    def name(self, number: int) -> str:
        """Return the name of a pod."""
        return f"jupyter-crowd-{number:05}"

    async def _make(self, name: str, padding: int) -> Obj:
        pod = await self._api.call("POST", self.path, make_crowd_pod(name, padding=padding))
        return await self.restart(pod, 0)

    async def restart(self, pod: Obj, restarts: int) -> Obj:
        """Write that a pod runs and was restarted so often."""
        status = make_running_status(pod, ip="10.1.2.3", restarts=restarts)
        return await self._api.patch(f"{self.path}/{pod['metadata']['name']}/status", {"status": status})

    async def mark(self, number: int, restarts: int) -> None:
        """Change a pod in a way that each side's cache shows."""
        await self.restart(await self._api.call("GET", f"{self.path}/{self.name(number)}"), restarts)


async def measure_side(place: Place, side: str, crowd: Crowd) -> Obj:
    """Let one side watch the crowd in a fresh process."""
    settings = place.settings
    async with place.side(side, place.options(crowd.namespace)) as worker, changes(place, crowd):
        before = resident_mib(worker.pid)
        async with memory_samples(worker) as memory:
            await worker.ask("tick")
            load = await worker.ask("watch")
            first = await worker.ask("untick")
            await worker.ask("tick")
            await asyncio.sleep(settings.window_seconds)
            stall = await worker.ask("untick")
            used = cpu_seconds(worker.pid)
            await asyncio.sleep(settings.window_seconds)
            cpu = (cpu_seconds(worker.pid) - used) / settings.window_seconds * 100
        if load["pods"] != crowd.size:
            raise RuntimeError(f"{side} shows {load['pods']} pods after its first load, there are {crowd.size}")
        seen = await seconds_until_seen(worker, crowd)
        return {
            "first_load": load["seconds"],
            "stall": max(first["longest"], stall["longest"]),
            "own_stall": max(first["own"], stall["own"]),
            "stall_p99": stall["p99"],
            "cpu": cpu,
            "memory": max(memory) - before,
            "memory_before": before,
            "memory_at_end": memory[-1] - before,
            "seen": None if None in seen else max(each for each in seen if each is not None),
            "seen_after": seen,
            "first_load_stall": first,
            "window_stall": stall,
        }


@contextlib.asynccontextmanager
async def changes(place: Place, crowd: Crowd) -> AsyncIterator[None]:
    """Change random pods of the crowd, from another process."""
    arguments = (crowd.namespace, str(place.settings.changes_per_second))
    async with child("load", *arguments, log=place.folder / "load.log", kubeconfig=place.kubeconfig):
        yield


@contextlib.asynccontextmanager
async def memory_samples(worker: Child) -> AsyncIterator[list[float]]:
    """Note the resident memory of a process, in MiB, a few times a second."""
    samples: list[float] = [resident_mib(worker.pid)]

    async def sample() -> None:
        while True:
            await asyncio.sleep(SAMPLE_SECONDS)
            samples.append(resident_mib(worker.pid))

    task = asyncio.create_task(sample(), name="memory")
    try:
        yield samples
    finally:
        task.cancel()


_marks = itertools.count(FIRST_MARK)


async def seconds_until_seen(worker: Child, crowd: Crowd) -> list[float | None]:
    """Change a pod a few times and return how long the side's cache took to show it; None where it never did.

    The changes are spread over more than the ten seconds after which stock KubeSpawner lists everything again.
    """
    name, taken = crowd.name(crowd.size // 2), []
    for restarts in itertools.islice(_marks, MARKS):
        waiting = asyncio.create_task(worker.ask("expect", restarts={name: restarts}, gone=[], within=FRESH_SECONDS))
        await crowd.mark(crowd.size // 2, restarts)
        written = time.monotonic()
        seen = (await waiting)["at"]
        taken.append(None if seen is None else max(0.0, seen - written))
        await asyncio.sleep(MARK_SECONDS)
    return taken
