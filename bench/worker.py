"""One side of the comparison, as a process: a spawner class, and the commands that the benchmark gives it.

It does with the spawner what the hub does: start, wait for its HTTP with JupyterHub's own function, stop, and let it
watch its pods. `sides` is the other end. Nothing here knows which side it is.
"""

from __future__ import annotations

import asyncio
import importlib
import json
import logging
import sys
import time
from types import SimpleNamespace
from typing import Any

from jupyterhub.utils import url_path_join, wait_for_http_server
from traitlets.config import Config

from bench.processes import Obj, serve
from bench.ticker import Ticker

HTTP_SECONDS = 30  # the hub's default http_timeout
LOOK_SECONDS = 0.005  # how often `expect` looks into the cache


class Worker:
    """The spawners of one side.

    Args:
        spawner_class: KubeSpawner or a subclass of it.
        options: The traits that they all get.
    """

    def __init__(self, spawner_class: Any, options: Obj) -> None:
        self._class = spawner_class
        self._options = options
        self._spawners: dict[str, Any] = {}
        self._ticker = Ticker()

    async def warm(self) -> None:
        """Make a spawner and let its client speak to the API once, so that neither counts as the watch's."""
        spawner = self._spawner("watcher")
        await spawner.api.list_namespaced_config_map(spawner.namespace, limit=1)

    async def start(self, name: str, *, until_up: bool) -> Obj:
        """Start a server; with `until_up` wait for its HTTP too, as the hub does after `start()`."""
        spawner = self._spawner(name)
        url = await spawner.start()
        returned = time.monotonic()
        if until_up:
            await wait_for_http_server(url_path_join(url, spawner.user.url, "api"), timeout=HTTP_SECONDS)
        return {"returned": returned, "up": time.monotonic()}

    async def burst(self, names: list[str]) -> Obj:
        """Start many servers at once; also says how long the loop stood still meanwhile."""
        self._ticker.start()
        begun = time.monotonic()
        started = await asyncio.gather(*(self.start(name, until_up=True) for name in names))
        return {"begun": begun, "started": dict(zip(names, started, strict=True)), "stall": await self._ticker.stop()}

    async def stop(self, names: list[str]) -> None:
        """Stop servers and return when their pods are gone."""
        await asyncio.gather(*(self._spawners.pop(name).stop(now=True) for name in names))

    async def watch(self) -> Obj:
        """Begin to watch the pods; returns when the first load is in."""
        spawner, before = self._spawner("watcher"), time.monotonic()
        await spawner._start_watching_pods()
        return {"seconds": time.monotonic() - before, "pods": len(spawner.pod_reflector.pods)}

    async def tick(self) -> None:
        """Begin to measure how long the loop stands still."""
        self._ticker.start()

    async def untick(self) -> Obj:
        """Say how long the loop stood still since `tick`."""
        return dict(await self._ticker.stop())

    async def expect(self, restarts: dict[str, int], gone: list[str], *, within: float) -> Obj:
        """Look into the cache until it shows pods with these counts of restarts and no longer the `gone` ones.

        Returns:
            When it was so as `at`; None if it was not `within` so many seconds.
        """
        deadline = time.monotonic() + within
        while time.monotonic() < deadline:
            if self._shows(restarts, gone):
                return {"at": time.monotonic()}
            await asyncio.sleep(LOOK_SECONDS)
        return {"at": None}

    def _shows(self, restarts: dict[str, int], gone: list[str]) -> bool:
        spawner = self._spawner("watcher")
        pods = spawner.pod_reflector.pods
        for name, count in restarts.items():
            statuses = pods.get(f"{spawner.namespace}/{name}", {}).get("status", {}).get("containerStatuses")
            if not statuses or statuses[0]["restartCount"] != count:
                return False
        return not any(f"{spawner.namespace}/{name}" in pods for name in gone)

    def _spawner(self, name: str) -> Any:
        if name not in self._spawners:
            user = SimpleNamespace(name=name, id=1, url=f"/user/{name}/", groups=[])
            self._spawners[name] = self._class(_mock=True, user=user, config=Config(KubeSpawner=self._options))
        return self._spawners[name]

    async def run(self) -> None:
        """Obey until the benchmark ends the process."""
        commands = ("warm", "start", "burst", "stop", "watch", "tick", "untick", "expect")
        await serve({name: getattr(self, name) for name in commands})


def main(spawner_class: str, options: str) -> None:
    """Run one side: `python -m bench.worker MODULE:CLASS OPTIONS_AS_JSON`."""
    logging.basicConfig(level=logging.WARNING)
    module, _, name = spawner_class.partition(":")

    async def run() -> None:
        # In the loop: KubeSpawner makes its client when it is made.
        await Worker(getattr(importlib.import_module(module), name), json.loads(options)).run()

    asyncio.run(run())


if __name__ == "__main__":
    main(*sys.argv[1:])
