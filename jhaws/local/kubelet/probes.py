"""Hooks and probes of a container: `exec`, `httpGet`, `tcpSocket`, `sleep`.

`run_handler` runs one of them once; `probe_loop` repeats a probe as its periods say and calls back when the verdict
changes. An exec is a process like the container itself: same environment, same folder, and ended with the pod.
"""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import aiohttp

from jhaws.local.kubelet.containers import Launch, StartError, read_tail, start_process

Obj = dict[str, Any]

# The longest part of a hook's output that is shown.
SHOWN_BYTES = 1024
# A hook has no time-out of its own in Kubernetes; one that hangs must end some day.
HOOK_SECONDS = 3600.0


@dataclass(frozen=True)
class Target:
    """Where a handler works.

    Attributes:
        pod_ip: The pod's address.
        ports: Numbers of the container's named ports.
        make_launch: Builds the launch of a command in the container.
    """

    pod_ip: str
    ports: dict[str, int]
    make_launch: Callable[[list[str]], Launch]


async def run_handler(handler: Obj, target: Target, *, timeout_seconds: float = HOOK_SECONDS) -> tuple[bool, str]:
    """Run a hook or a probe once.

    Returns:
        Whether it went well, and if not, why.
    """
    try:
        async with asyncio.timeout(timeout_seconds):
            return await _run(handler, target)
    except TimeoutError:
        return False, f"timed out after {timeout_seconds:g} s"
    except (aiohttp.ClientError, OSError) as exc:
        return False, str(exc) or type(exc).__name__


async def _run(handler: Obj, target: Target) -> tuple[bool, str]:
    if handler.get("exec") is not None:
        return await _exec(list(handler["exec"].get("command") or ()), target)
    if handler.get("httpGet") is not None:
        return await _http_get(handler["httpGet"], target)
    if handler.get("tcpSocket") is not None:
        socket = handler["tcpSocket"]
        port = _port(socket["port"], target)
        _, writer = await asyncio.open_connection(socket.get("host") or target.pod_ip, port)
        writer.close()
        return True, ""
    if handler.get("sleep") is not None:
        await asyncio.sleep(handler["sleep"]["seconds"])
        return True, ""
    return False, "the local cluster knows exec, httpGet, tcpSocket and sleep only"


async def _exec(command: list[str], target: Target) -> tuple[bool, str]:
    launch = target.make_launch(command)
    launch.log.unlink(missing_ok=True)
    try:
        process = start_process(launch)
    except StartError as exc:
        return False, str(exc)
    try:
        code = await process.wait()
    finally:
        process.signal(signal.SIGKILL)
    if code == 0:
        return True, ""
    output = read_tail(launch.log, max_bytes=SHOWN_BYTES).decode(errors="replace")
    return False, f"command '{' '.join(command)}' exited with {code}: {output}"


async def _http_get(get: Obj, target: Target) -> tuple[bool, str]:
    scheme = (get.get("scheme") or "HTTP").lower()
    path = get.get("path") or "/"
    slash = "" if path.startswith("/") else "/"
    url = f"{scheme}://{get.get('host') or target.pod_ip}:{_port(get['port'], target)}{slash}{path}"
    headers = {header["name"]: header["value"] for header in get.get("httpHeaders") or ()}
    async with (
        aiohttp.ClientSession(headers=headers) as session,
        # The kubelet does not check certificates either: the pod's is its own.
        session.get(url, allow_redirects=False, ssl=False) as response,
    ):
        good = 200 <= response.status < 400
        return good, "" if good else f"HTTP probe failed with statuscode: {response.status}"


def _port(port: int | str, target: Target) -> int:
    return target.ports[port] if port in target.ports else int(port)


async def probe_loop(
    probe: Obj, target: Target, *, on_verdict: Callable[[bool, str], Awaitable[None] | None], stop_at_success: bool
) -> None:
    """Probe until cancelled, and tell each time the verdict changes.

    Args:
        probe: As in the manifest.
        target: The container.
        on_verdict: Gets the verdict and the reason; may be a coroutine function.
        stop_at_success: Whether to end at the first good verdict, as a startup probe does.
    """
    await asyncio.sleep(probe.get("initialDelaySeconds") or 0)
    verdict: bool | None = None
    in_a_row = 0
    previous: bool | None = None
    while True:
        good, why = await run_handler(probe, target, timeout_seconds=probe.get("timeoutSeconds") or 1)
        in_a_row = in_a_row + 1 if good == previous else 1
        previous = good
        needed = (probe.get("successThreshold") or 1) if good else (probe.get("failureThreshold") or 3)
        if in_a_row >= needed and good != verdict:
            verdict = good
            called = on_verdict(good, why)
            if called is not None:
                await called
            if good and stop_at_success:
                return
        await asyncio.sleep(probe.get("periodSeconds") or 10)
