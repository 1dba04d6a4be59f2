"""The API server is away for a while: how long after its return does a side show what happened meanwhile.

Both sides watch through one relay. One relay refuses connections, as while an API server is replaced; another swallows
what is sent, as a broken network does. Halfway through a pod is changed, one is deleted and one is made.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable

from bench.crowd import Crowd
from bench.relay import Relay, relay
from bench.report import Result, Row
from bench.sides import JHAWS, STOCK, Place

PODS = 50
SETTLE_SECONDS = 3.0
CHANGED, DELETED = 0, 1


async def measure_outage(place: Place) -> Result:
    """Measure both kinds of outage."""
    refused, silent = await asyncio.gather(
        measure_kind(place, "refused", Relay.refuse), measure_kind(place, "silent", Relay.swallow)
    )
    seconds = f"{place.settings.outage_seconds:g} s"
    rows = [
        Row(f"fresh after {seconds} of refused connections", "s", refused[STOCK], refused[JHAWS], at_most=5),
        Row(f"fresh after {seconds} of silence (a black hole)", "s", silent[STOCK], silent[JHAWS], at_most=15),
    ]
    return Result(rows, {"refused": refused, "silent": silent})


async def measure_kind(place: Place, kind: str, begin: Callable[[Relay], None]) -> dict[str, float | None]:
    """Let both sides go through one outage and return the seconds until each was fresh; None for never."""
    settings = place.settings
    crowd = Crowd(place, await place.ensure_namespace(f"outage-{kind}"))
    await crowd.grow(PODS)
    kubeconfig = place.folder / f"relay-{kind}.kubeconfig"
    async with relay(place.kubeconfig, kubeconfig) as way, contextlib.AsyncExitStack() as stack:
        workers = {}
        for side in (STOCK, JHAWS):
            running = place.side(side, place.options(crowd.namespace), kubeconfig=str(kubeconfig))
            workers[side] = await stack.enter_async_context(running)
            await workers[side].ask("watch")
        await asyncio.sleep(SETTLE_SECONDS)
        begin(way)
        await asyncio.sleep(settings.outage_seconds / 2)
        await crowd.mark(CHANGED, restarts=1)
        await place.api.delete(f"{crowd.path}/{crowd.name(DELETED)}", gracePeriodSeconds=0)
        await crowd.grow(PODS + 1)
        await asyncio.sleep(settings.outage_seconds / 2)
        await way.open()
        over = time.monotonic()
        expected = {crowd.name(CHANGED): 1, crowd.name(PODS): 0}
        asked = [
            worker.ask("expect", restarts=expected, gone=[crowd.name(DELETED)], within=settings.patience_seconds)
            for worker in workers.values()
        ]
        seen = dict(zip(workers, [answer["at"] for answer in await asyncio.gather(*asked)], strict=True))
    return {side: None if at is None else at - over for side, at in seen.items()}
