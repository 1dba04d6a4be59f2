"""How long an event loop stood still: a task that wants to run each millisecond notes how late it comes."""

from __future__ import annotations

import asyncio
import time
from array import array

from bench.figures import percentile

TICK_SECONDS = 0.001


class Ticker:
    """Measures the gaps between its turns in the running loop.

    On a busy machine a gap may also be somebody else's: `own` counts only as much of a gap as this process computed
    in it, all of its threads together.
    """

    def __init__(self) -> None:
        self._gaps = array("d")
        self._own = array("d")
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin to tick."""
        self._gaps, self._own = array("d", [0.0]), array("d", [0.0])
        self._task = asyncio.create_task(self._tick(), name="ticker")

    async def stop(self) -> dict[str, float]:
        """End, and return the longest gap, the 99th percentile and the longest own one, in seconds."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])
        return {"longest": max(self._gaps), "p99": percentile(self._gaps, 99), "own": max(self._own)}

    async def _tick(self) -> None:
        before, used = time.perf_counter(), time.process_time()
        while True:
            await asyncio.sleep(TICK_SECONDS)
            now, cpu = time.perf_counter(), time.process_time()
            self._gaps.append(now - before)
            self._own.append(min(now - before, cpu - used))
            before, used = now, cpu
