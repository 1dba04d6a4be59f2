"""200 people log in at the same moment: JupyterHub's DummyAuthenticator beside JhawsAuthenticator, in turns.

    PATH="$PWD/.venv-6/bin:$PATH" python -m bench.logins [--rounds 3] [--users 200]

Each round starts a real hub with its proxy, once with each authenticator, fetches the login page for everybody, and
sends all forms at once; the stall is the longest gap between turns of a task of the hub's own loop meanwhile.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import statistics
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import aiohttp

from tests.hub.hubs import RunningHub, running_hub

PASSWORD = "the-password-of-all"  # noqa: S105  # of hubs that live for seconds
TICK_SECONDS = 0.005

TICKER = """
import asyncio, time
from pathlib import Path

async def tick():
    path, last = Path({path!r}), time.perf_counter()
    while True:
        await asyncio.sleep({tick})
        now = time.perf_counter()
        gap, last = now - last - {tick}, now
        if gap > 0.01:
            with path.open("a") as file:
                file.write(f"{{time.time()}} {{gap}}\\n")
            last = time.perf_counter()

def begin():
    global task
    task = asyncio.get_running_loop().create_task(tick())

from jupyterhub.app import JupyterHub
JupyterHub.instance().observe(lambda change: begin(), names="session_factory")
c.Authenticator.allow_all = True
c.JupyterHub.log_level = "WARN"
"""
STOCK = 'c.JupyterHub.authenticator_class = "dummy"\n'
OURS = f"c.JhawsAuthenticator.user_password = {PASSWORD!r}\n"


@dataclass(frozen=True)
class Figures:
    """One burst: how many were let in, when the last was answered, how long the loop stood still."""

    entered: int
    last_seconds: float
    stall_seconds: float


async def measure(config: str, users: int) -> Figures:
    """Start a hub, let everybody in at once, and return the figures."""
    with tempfile.TemporaryDirectory() as folder:
        ticks = Path(folder) / "ticks"
        ticks.touch()
        config = TICKER.format(path=str(ticks), tick=TICK_SECONDS) + config
        async with running_hub(Path(folder), config) as hub:
            async with contextlib.AsyncExitStack() as stack:
                people = [await open_form(stack, hub) for _ in range(users)]
                await asyncio.sleep(2)
                began, at = time.perf_counter(), time.time()
                statuses = await asyncio.gather(
                    *(send_form(hub, http, f"user-{number}") for number, http in enumerate(people))
                )
                last = time.perf_counter() - began
                await asyncio.sleep(0.5)
            gaps = [list(map(float, line.split())) for line in ticks.read_text().splitlines()]
            stall = max((gap for when, gap in gaps if when >= at), default=0.0)
    return Figures(sum(status == 302 for status in statuses), last, stall)


async def open_form(stack: contextlib.AsyncExitStack, hub: RunningHub) -> aiohttp.ClientSession:
    """Fetch the login page as a browser does."""
    jar = aiohttp.CookieJar(unsafe=True, quote_cookie=False)
    http = await stack.enter_async_context(aiohttp.ClientSession(cookie_jar=jar))
    async with http.get(f"{hub.url}hub/login") as response:
        await response.read()
    return http


async def send_form(hub: RunningHub, http: aiohttp.ClientSession, name: str) -> int:
    """Send name and password, and return the status."""
    xsrf = next(cookie.value for cookie in http.cookie_jar if cookie.key == "_xsrf")
    form = {"username": name, "password": PASSWORD, "_xsrf": xsrf}
    async with http.post(f"{hub.url}hub/login", data=form, allow_redirects=False) as response:
        await response.read()
        return response.status


async def run(rounds: int, users: int) -> None:
    """Measure both sides in turns and print a table."""
    found: dict[str, list[Figures]] = {"dummy": [], "jhaws": []}
    print(f"{'':8}{'entered':>9}{'last':>9}{'longest stall':>16}")
    for _ in range(rounds):
        for side, config in (("dummy", STOCK), ("jhaws", OURS)):
            figures = await measure(config, users)
            found[side].append(figures)
            row = f"{figures.entered:9}{figures.last_seconds:8.2f}s{figures.stall_seconds * 1000:13.0f} ms"
            print(f"{side:8}{row}", flush=True)
    stalls = {side: statistics.median(each.stall_seconds for each in figures) for side, figures in found.items()}
    print(f"median stall of jhaws / dummy: {stalls['jhaws'] / stalls['dummy']:.2f}")


def main() -> None:
    """Read the options and measure."""
    parser = argparse.ArgumentParser(prog="python -m bench.logins", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=3, help="how many times each side is measured (default: 3)")
    parser.add_argument("--users", type=int, default=200, help="how many log in at once (default: 200)")
    options = parser.parse_args()
    asyncio.run(run(options.rounds, options.users))


if __name__ == "__main__":
    sys.exit(main())
