"""5,000 people are imported into a real hub, changed, and taken back, on SQLite and on a real PostgreSQL, in turns.

    PATH="$PWD/.venv-6/bin:$PATH" python -m bench.imports [--rounds 3] [--rows 5000]

All by the REST API. Meanwhile somebody else reads and writes one person after the other, so that waiting for the
database counts as well; the stall is the longest gap between turns of a task of the hub's own loop.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import statistics
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

from bench.logins import TICK_SECONDS, TICKER
from tests.hub.hubs import RunningHub, running_hub
from tests.postgres import running_postgres

CONFIG = "c.JhawsAuthenticator.user_password = 'the-password-of-all'\n"
PAUSE_SECONDS = 0.01  # of whoever reads and writes meanwhile


def make_list(rows: int, *, note: str, end: str) -> str:
    """Make a list of people, each in two groups, with an end and a note."""
    lines = (f"student-{n:05},class-{n % 50};students,{end},{note} {n}" for n in range(rows))
    return "\n".join(["name,groups,end,note", *lines])


async def measure(config: str, rows: int) -> dict[str, dict[str, float]]:
    """Start a hub and do all of it once.

    Returns:
        Step → how long it took, how long the loop stood still, how long somebody else waited, in seconds.
    """
    found: dict[str, dict[str, float]] = {}
    with tempfile.TemporaryDirectory() as folder:
        ticks = Path(folder) / "ticks"
        ticks.touch()
        config = TICKER.format(path=str(ticks), tick=TICK_SECONDS) + CONFIG + config
        async with running_hub(Path(folder), config) as hub:
            await ask(hub, "POST", "people", {"names": ["other"]})

            async def step(name: str, verb: str, **body: Any) -> Any:
                await asyncio.sleep(1)
                async with somebody_else(hub) as waits:
                    at = time.time()
                    answer = await ask(hub, "POST", f"roster/{verb}", body)
                    took = time.time() - at
                gaps = [list(map(float, line.split())) for line in ticks.read_text().splitlines()]
                stall = max((gap for when, gap in gaps if when >= at), default=0.0)
                found[name] = {"took": took, "stall": stall, "wait": max(waits)}
                return answer

            async def take(kind: str, text: str) -> None:
                seen = await step(f"preview, {kind}", "preview", text=text)
                done = await step(f"apply, {kind}", "apply", text=text, digest=seen["digest"])
                assert len(done[kind]) == rows, done["problems"]  # noqa: S101

            first = make_list(rows, note="matriculation", end="2099-02-28")
            await take("added", first)
            await step("undo, removed", "undo")
            await take("added", first)
            await take("changed", make_list(rows, note="number", end="2099-08-31").replace("students", "pupils"))
            await step("undo, changed", "undo")
    return found


async def ask(hub: RunningHub, method: str, path: str, body: Any) -> Any:
    """Ask the API and return its answer."""
    status, answer = await hub.api(method, f"jhaws/{path}", body)
    if status >= 400:
        raise SystemExit(f"{method} {path}: {status} {answer}")
    return answer


@contextlib.asynccontextmanager
async def somebody_else(hub: RunningHub) -> AsyncIterator[list[float]]:
    """Read and write one person all the time; the list is of how long that took."""
    waits: list[float] = [0.0]

    async def go_on() -> None:
        while True:
            start = time.perf_counter()
            await ask(hub, "PATCH", "people/other", {"note": f"written at {start}"})
            waits.append(time.perf_counter() - start)
            await asyncio.sleep(PAUSE_SECONDS)

    task = asyncio.create_task(go_on(), name="somebody else")
    await asyncio.sleep(0.2)
    yield waits
    await asyncio.sleep(0.2)
    task.cancel()
    await asyncio.wait([task])


async def run(rounds: int, rows: int) -> None:
    """Measure both databases in turns, and print the medians as a table and as JSON."""
    found: dict[str, dict[str, list[dict[str, float]]]] = {"sqlite": defaultdict(list), "postgresql": defaultdict(list)}
    with running_postgres() as postgres:
        for number in range(rounds):
            for database, steps in found.items():
                url = "" if database == "sqlite" else postgres.url(postgres.create_database())
                for step, figures in (await measure(url and f"c.JupyterHub.db_url = {url!r}\n", rows)).items():
                    steps[step].append(figures)
                print(f"round {number + 1}, {database}: done", file=sys.stderr, flush=True)
    medians = {
        database: {
            step: {key: round(statistics.median(each[key] for each in figures), 3) for key in figures[0]}
            for step, figures in steps.items()
        }
        for database, steps in found.items()
    }
    print(f"{'':28}{'took':>8}{'longest stall':>16}{'others waited':>16}")
    for database, rows_of in medians.items():
        for step, each in rows_of.items():
            cells = f"{each['took']:7.2f}s{each['stall'] * 1000:13.0f} ms{each['wait'] * 1000:13.0f} ms"
            print(f"{database:11}{step:17}{cells}")
    print(json.dumps(medians))


def main() -> None:
    """Read the options and measure."""
    parser = argparse.ArgumentParser(prog="python -m bench.imports", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=3, help="how many times each database is measured (default: 3)")
    parser.add_argument("--rows", type=int, default=5000, help="how many people the list has (default: 5000)")
    options = parser.parse_args()
    asyncio.run(run(options.rounds, options.rows))


if __name__ == "__main__":
    sys.exit(main())
