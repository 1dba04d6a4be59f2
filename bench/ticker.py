"""How long an event loop stood still: a task that wants to run each millisecond notes how late it comes."""

from __future__ import annotations

import asyncio
import time
from array import array
from collections.abc import Callable
from pathlib import Path

from bench.figures import percentile

TICK_SECONDS = 0.001


class Ticker:
    """Measures the gaps between its turns in the running loop.

    On a busy machine a gap may be the fault of others: `own` is what is left of the longest one without the time in
    which this thread could have run and had no CPU.

    Args:
        open_waited: Makes, in the loop's thread, the function that tells for how many seconds it has waited for a CPU.
    """

    def __init__(self, open_waited: Callable[[], Callable[[], float]] | None = None) -> None:
        self._open_waited = open_waited or open_schedstat
        self._gaps = self._own = array("d")
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
        read_waited = self._open_waited()
        before, waited_before = time.perf_counter(), read_waited()
        while True:
            await asyncio.sleep(TICK_SECONDS)
            now, waited = time.perf_counter(), read_waited()
            self._gaps.append(now - before)
            self._own.append(max(0.0, now - before - (waited - waited_before)))
            before, waited_before = now, waited


def open_schedstat() -> Callable[[], float]:
    """Return a function that reads how long the calling thread has waited for a CPU, in seconds.

    Source:
        Linux, Documentation/scheduler/sched-stats.rst, "/proc/<pid>/schedstat": the second number, in nanoseconds.
    """
    # Kept open, as it is read a thousand times a second; it stays that of this thread.
    try:
        file = Path("/proc/thread-self/schedstat").open()
    except OSError:
        # A kernel that does not count it; then every gap is the loop's own.
        return lambda: 0.0

    def read() -> float:
        file.seek(0)
        return int(file.read().split()[1]) / 1e9

    return read
