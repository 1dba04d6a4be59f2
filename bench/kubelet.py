"""The kubelet of the benchmark, a process of its own: it plays scheduler and node for the pods of one run.

Over the API only, so it works on any server: binds each pod, writes ContainerCreating, then Running and Ready, and ends
it when it is deleted. A pod's server is a stub that answers every request at once, or its own command as a process of
this machine, at an address of 127/8 that is the pod's alone. How long each step takes is drawn from ranges in the
pod's annotations, seeded by its name: pods of one name, one for each side, take equally long.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import shutil
import signal
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from bench.kubeapi import ApiError, KubeApi, connect
from bench.pods import (
    AS_PROCESS,
    HTTP_AFTER,
    NODE,
    READY_AFTER,
    RUN_LABEL,
    make_pending_status,
    make_running_status,
    now,
)
from bench.processes import say, serve
from jhaws.local.kubelet.environment import make_base_environment, replace_any_host

Obj = dict[str, Any]

PORT = 8888
HEARTBEAT_SECONDS = 10.0  # as a real kubelet's; after 40 s without one Kubernetes takes the node for lost
ANSWER = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}"


class Kubelet:
    """Runs the pods that have the run's label.

    Args:
        api: The server.
        run: The label's value.
    """

    def __init__(self, api: KubeApi, run: str) -> None:
        self._api = api
        self._run = run
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._ending: set[str] = set()
        # Far from the first addresses, which everybody takes.
        self._next_ip = random.randrange(1 << 20, 1 << 23)  # noqa: S311

    async def run(self) -> None:
        """Register the node and run pods until cancelled."""
        node = {"metadata": {"name": NODE, "labels": {"kubernetes.io/hostname": NODE}}}
        await self._api.ensure("/api/v1/nodes", node)
        async with asyncio.TaskGroup() as group:
            group.create_task(self._beat_loop())
            group.create_task(self._watch_loop(group))

    async def _beat_loop(self) -> None:
        amounts = {"cpu": "100000", "memory": "100000Gi", "pods": "100000"}
        while True:
            ready = {"type": "Ready", "status": "True", "reason": "KubeletReady", "lastHeartbeatTime": now()}
            status = {"capacity": amounts, "allocatable": amounts, "conditions": [ready]}
            await self._api.patch(f"/api/v1/nodes/{NODE}/status", {"status": status})
            await asyncio.sleep(HEARTBEAT_SECONDS)

    async def _watch_loop(self, group: asyncio.TaskGroup) -> None:
        selector = f"{RUN_LABEL}={self._run}"
        while True:
            found = await self._api.call("GET", "/api/v1/pods", labelSelector=selector)
            for pod in found["items"]:
                self._on_event(group, "ADDED", pod)
            for uid in self._tasks.keys() - {pod["metadata"]["uid"] for pod in found["items"]}:
                self._tasks[uid].cancel()
            say(watching=True)
            version = found["metadata"]["resourceVersion"]
            async for event in self._api.watch("/api/v1/pods", labelSelector=selector, resourceVersion=version):
                if event["type"] == "ERROR":
                    break
                self._on_event(group, event["type"], event["object"])

    def _on_event(self, group: asyncio.TaskGroup, kind: str, pod: Obj) -> None:
        uid = pod["metadata"]["uid"]
        if kind == "DELETED":
            if uid in self._tasks and uid not in self._ending:
                self._tasks[uid].cancel()
        elif uid not in self._tasks:
            task = self._tasks[uid] = group.create_task(self._live(pod))
            task.add_done_callback(lambda _task: self._forget(uid))
        elif "deletionTimestamp" in pod["metadata"] and uid not in self._ending:
            self._ending.add(uid)
            self._tasks[uid].cancel()

    def _forget(self, uid: str) -> None:
        self._tasks.pop(uid, None)
        self._ending.discard(uid)

    async def _live(self, pod: Obj) -> None:
        """Run a pod from its creation to its deletion."""
        path = "/api/v1/namespaces/{namespace}/pods/{name}".format_map(pod["metadata"])
        try:
            async with contextlib.AsyncExitStack() as stack:
                await self._bring_up(pod, path, stack)
                await asyncio.Event().wait()
        except asyncio.CancelledError:
            if pod["metadata"]["uid"] in self._ending:
                await self._api.delete(path, gracePeriodSeconds=0, preconditions={"uid": pod["metadata"]["uid"]})
        except ApiError as error:
            # Deleted while it was being brought up.
            if error.status not in (404, 409):
                raise

    async def _bring_up(self, pod: Obj, path: str, stack: contextlib.AsyncExitStack) -> None:
        meta = pod["metadata"]
        ready_after, http_after = draw_seconds(meta)
        await self._api.call("POST", f"{path}/binding", {"metadata": {"name": meta["name"]}, "target": {"name": NODE}})
        await self._tell(pod, "Scheduled", f"Successfully assigned {meta['namespace']}/{meta['name']} to {NODE}")
        await self._api.patch(f"{path}/status", {"status": make_pending_status(pod)})
        await self._tell(pod, "Pulled", "Container image already present on machine")
        await asyncio.sleep(ready_after)
        ip = self._take_ip()
        as_process = (meta.get("annotations") or {}).get(AS_PROCESS) == "yes"
        if as_process:
            await stack.enter_async_context(run_command(pod, ip))
        elif not http_after:
            await stack.enter_async_context(await asyncio.start_server(answer, ip, PORT))
        await self._api.patch(f"{path}/status", {"status": make_running_status(pod, ip=ip)})
        say(name=meta["name"], namespace=meta["namespace"], event="ready", at=time.monotonic())
        if http_after:
            await asyncio.sleep(http_after)
            await stack.enter_async_context(await asyncio.start_server(answer, ip, PORT))
            say(name=meta["name"], namespace=meta["namespace"], event="http", at=time.monotonic())
        await self._tell(pod, "Started", "Started container notebook")

    def _take_ip(self) -> str:
        self._next_ip += 1
        return "127.{}.{}.{}".format(*self._next_ip.to_bytes(3, "big"))

    async def _tell(self, pod: Obj, reason: str, message: str) -> None:
        """Write an Event of the pod, as scheduler and kubelet do."""
        meta = pod["metadata"]
        event = {
            "metadata": {"generateName": f"{meta['name']}.", "namespace": meta["namespace"]},
            "involvedObject": {"kind": "Pod", "apiVersion": "v1"}
            | {key: meta[key] for key in ("name", "namespace", "uid")},
            "reason": reason,
            "message": message,
            "type": "Normal",
            "firstTimestamp": now(),
            "lastTimestamp": now(),
            "count": 1,
            "source": {"component": "kubelet", "host": NODE},
        }
        await self._api.call("POST", f"/api/v1/namespaces/{meta['namespace']}/events", event)


def draw_seconds(meta: Obj) -> tuple[float, float]:
    """Draw how long a pod takes to be Ready, and its server to answer after that; alike for pods of one name."""
    draw = random.Random(meta["name"])  # noqa: S311
    least_and_most = [(meta.get("annotations") or {}).get(name, "0-0").split("-") for name in (READY_AFTER, HTTP_AFTER)]
    ready, http = (draw.uniform(float(least), float(most)) for least, most in least_and_most)
    return ready, http


async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Answer one HTTP request at once, whatever it asks."""
    with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
        await reader.readuntil(b"\r\n\r\n")
        writer.write(ANSWER)
        await writer.drain()
    writer.close()


@contextlib.asynccontextmanager
async def run_command(pod: Obj, ip: str) -> Any:
    """Run the command of a pod's container as a process of this machine, in a home that ends with it."""
    container = pod["spec"]["containers"][0]
    home = Path(tempfile.mkdtemp(prefix="jhaws-bench-home-"))
    values = {item["name"]: replace_any_host(item.get("value") or "", ip) for item in container.get("env") or []}
    command = [*(container.get("command") or ()), *(container.get("args") or ())]
    with (home / ".log").open("wb") as log:
        process = await asyncio.create_subprocess_exec(
            *command,
            cwd=home,
            env=make_base_environment(home=home, temp_dir=home) | values,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    try:
        yield
    finally:
        with contextlib.suppress(ProcessLookupError):
            # Its own session, so its group holds all that it started.
            os.killpg(process.pid, signal.SIGKILL)
        await process.wait()
        shutil.rmtree(home, ignore_errors=True)


async def main(run: str) -> None:
    """Run the pods labelled `run` until the benchmark ends the process."""
    async with connect(os.environ["KUBECONFIG"]) as api:
        kubelet = asyncio.create_task(Kubelet(api, run).run(), name="kubelet")
        commands = asyncio.create_task(serve({}), name="commands")
        await asyncio.wait([kubelet, commands], return_when=asyncio.FIRST_COMPLETED)
        if kubelet.done():
            kubelet.result()
        kubelet.cancel()
        await asyncio.wait([kubelet])


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
