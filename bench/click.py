"""The whole way: from the click that starts a server to the first answer of its Jupyter through the proxy.

Two real hubs, one with each spawner and else the same, on the same API server. The pods' servers are real
`jupyterhub-singleuser` processes; the benchmark's kubelet takes 0.4 to 0.8 s to start them, as a real one with the
image at hand. One start at a time, in turn.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import time
from collections.abc import AsyncIterator

import aiohttp

from bench.figures import percentile
from bench.report import Result, Row
from bench.sides import JHAWS, SPAWNERS, STOCK, Place, turns
from tests.hub.hubs import RunningHub, running_hub
from tests.hubclient import eventually

LOOK_SECONDS = 0.02
DELAY = "0.4-0.8"  # seconds from a pod's creation to its processes' start
PATIENCE_SECONDS = 120.0

CONFIG = """
c.JupyterHub.spawner_class = "{spawner}"
c.JupyterHub.authenticator_class = "dummy"
c.Authenticator.allow_all = True
c.Spawner.http_timeout = 60
for name, value in {options!r}.items():
    setattr(c.KubeSpawner, name, value)
"""


async def measure_click(place: Place) -> Result:
    """Measure from POST users/NAME/server to the first 200 of user/NAME/api."""
    samples: dict[str, list[float]] = {STOCK: [], JHAWS: []}
    ready: dict[str, list[float]] = {STOCK: [], JHAWS: []}
    async with contextlib.AsyncExitStack() as stack:
        hubs = {side: await stack.enter_async_context(hub(place, side)) for side in samples}
        for side in samples:
            await click(hubs[side], "warm")
        for number, side in turns(place.settings.starts):
            name = f"click-{number}"
            begun, taken = await click(hubs[side], name)
            samples[side].append(taken)
            ready[side].append(await place.moment(place.namespace(f"hub-{side}"), f"jupyter-{name}", "ready") - begun)
    rows = [
        Row("click → pod Ready, median", "s", percentile(ready[STOCK], 50), percentile(ready[JHAWS], 50)),
    ]
    rows += [
        Row(
            f"click → first 200, {name}",
            "s",
            percentile(samples[STOCK], percent),
            percentile(samples[JHAWS], percent),
            of_stock=limit,
        )
        for name, percent, limit in (("median", 50, 0.8), ("p95", 95, None))
    ]
    return Result(rows, {**samples, "ready": ready})


@contextlib.asynccontextmanager
async def hub(place: Place, side: str) -> AsyncIterator[RunningHub]:
    """Run the hub of one side."""
    options = place.options(await place.ensure_namespace(f"hub-{side}"), ready_after=DELAY, process="yes")
    if os.geteuid() == 0:
        options["args"] = ["--allow-root"]
    config = CONFIG.format(spawner=SPAWNERS[side].replace(":", "."), options=options)
    environment = {"KUBECONFIG": place.kubeconfig}
    async with running_hub(place.folder / f"hub-{side}", config, preset="", environment=environment) as running:
        yield running


async def click(hub: RunningHub, name: str) -> tuple[float, float]:
    """Start the server of a new user, then stop it; return when it was asked for, and the seconds until it answered."""
    await hub.api("POST", f"users/{name}")
    async with aiohttp.ClientSession() as http:
        begun = time.monotonic()
        status, answer = await hub.api("POST", f"users/{name}/server")
        if status not in (201, 202):
            raise RuntimeError(f"the hub refused to start a server: {status} {answer}")
        while not await answers(http, f"{hub.url}user/{name}/api"):
            if time.monotonic() - begun > PATIENCE_SECONDS:
                raise RuntimeError(f"{name}'s server never answered. The hub's log ends in:\n{hub.log()[-3000:]}")
            await asyncio.sleep(LOOK_SECONDS)
        taken = time.monotonic() - begun
    await hub.api("DELETE", f"users/{name}/server")

    async def is_gone() -> bool:
        return not (await hub.api("GET", f"users/{name}"))[1].get("servers")

    await eventually(is_gone, within=PATIENCE_SECONDS, what=f"the end of {name}'s server")
    return begun, taken


async def answers(http: aiohttp.ClientSession, url: str) -> bool:
    """Say whether a Jupyter server answers here, and not the hub in its place."""
    async with http.get(url, allow_redirects=False) as response:
        return response.status == 200
