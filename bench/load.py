"""Changes to random pods of a crowd at an even rate, as a process of its own: `python -m bench.load NAMESPACE RATE`.

Every other change is of the pod's status, every other one of an annotation.
"""

from __future__ import annotations

import asyncio
import os
import random
import sys
import time

from bench.kubeapi import KubeApi, connect
from bench.processes import serve


async def change_loop(api: KubeApi, namespace: str, *, per_second: float) -> None:
    """Change pods until cancelled."""
    path = f"/api/v1/namespaces/{namespace}/pods"
    names, query = [], {"limit": "500"}
    while query:
        page = await api.call("GET", path, **query)
        names += [pod["metadata"]["name"] for pod in page["items"]]
        query = {"limit": "500", "continue": page["metadata"]["continue"]} if page["metadata"].get("continue") else {}
    begun, count = time.monotonic(), 0
    while True:
        count += 1
        name = random.choice(names)  # noqa: S311
        if count % 2:
            probed = {"status": {"message": f"probed {count} times"}}
            await api.patch(f"{path}/{name}/status", probed)
        else:
            await api.patch(f"{path}/{name}", {"metadata": {"annotations": {"jhaws-bench/seen": str(count)}}})
        await asyncio.sleep(max(0.0, begun + count / per_second - time.monotonic()))


async def main(namespace: str, per_second: str) -> None:
    """Change pods until the benchmark ends the process."""
    async with connect(os.environ["KUBECONFIG"]) as api:
        changes = asyncio.create_task(change_loop(api, namespace, per_second=float(per_second)), name="changes")
        commands = asyncio.create_task(serve({}), name="commands")
        await asyncio.wait([changes, commands], return_when=asyncio.FIRST_COMPLETED)
        if changes.done():
            changes.result()
        changes.cancel()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
