"""Starts one by one: how long after Ready does `start()` go on, how long after its HTTP is a server called ready.

The real spawners start real pods; the benchmark's kubelet makes each Ready after 0.3 to 3 s. In the first scenario the
server answers from before Ready on, in the second one 0.3 to 3 s after it.
"""

from __future__ import annotations

import contextlib

from bench.figures import percentile
from bench.report import Result, Row
from bench.sides import JHAWS, STOCK, Place, turns


async def measure_ready(place: Place) -> Result:
    """Measure from Ready to the return of `start()`, whose server answers at once."""
    samples = await measure_starts(place, "ready", until="returned")
    return make_result("pod Ready → start() goes on", samples, p95_at_most=0.05)


async def measure_http(place: Place) -> Result:
    """Measure from the first moment at which the server answers to the end of the hub's own wait for it."""
    samples = await measure_starts(place, "http", until="up")
    return make_result("HTTP up → server shown ready", samples, p95_at_most=0.15)


def make_result(what: str, samples: dict[str, list[float]], *, p95_at_most: float) -> Result:
    """Make the two rows of a scenario."""
    rows = [
        Row(
            f"{what}, {'median' if percent == 50 else f'p{percent}'}",
            "s",
            percentile(samples[STOCK], percent),
            percentile(samples[JHAWS], percent),
            at_most=limit,
        )
        for percent, limit in ((50, None), (95, p95_at_most))
    ]
    return Result(rows, dict(samples))


async def measure_starts(place: Place, event: str, *, until: str) -> dict[str, list[float]]:
    """Start servers in turn and return, for each side, the seconds from `event` until `until`.

    Args:
        place: Where.
        event: The kubelet's: "ready" or "http".
        until: The worker's: "returned" or "up".
    """
    samples: dict[str, list[float]] = {STOCK: [], JHAWS: []}
    async with contextlib.AsyncExitStack() as stack:
        workers, namespaces = {}, {}
        for side in samples:
            namespaces[side] = await place.ensure_namespace(side)
            http_after = place.settings.delay if event == "http" else "0-0"
            options = place.options(namespaces[side], ready_after=place.settings.delay, http_after=http_after)
            workers[side] = await stack.enter_async_context(place.side(side, options))
            # The first start of a process also loads what it needs.
            await workers[side].ask("start", name=f"{event}-warm", until_up=True)
            await workers[side].ask("stop", names=[f"{event}-warm"])
        for number, side in turns(place.settings.starts):
            name = f"{event}-{number}"
            times = await workers[side].ask("start", name=name, until_up=event == "http")
            began = await place.moment(namespaces[side], f"jupyter-{name}", event)
            # The API server may tell the spawner before it answers the kubelet.
            samples[side].append(max(0.0, times[until] - began))
            await workers[side].ask("stop", names=[name])
    return samples
