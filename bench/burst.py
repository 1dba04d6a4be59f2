"""A class comes in: many starts at once in one hub process, as after the teacher's "everybody log in"."""

from __future__ import annotations

from statistics import median

from bench.figures import percentile
from bench.report import Result, Row
from bench.sides import JHAWS, STOCK, Place


async def measure_burst(place: Place) -> Result:
    """Start all at once and measure each server from its Ready, the whole, and the stall of the loop."""
    rounds: dict[str, list[dict[str, float]]] = {STOCK: [], JHAWS: []}
    for number in range(place.settings.bursts):
        for side, found in rounds.items():
            found.append(await measure_side(place, side, number))

    def row(what: str, key: str) -> Row:
        values = {side: median(each[key] for each in found) for side, found in rounds.items()}
        return Row(f"burst of {place.settings.burst} starts: {what}", "s", values[STOCK], values[JHAWS])

    rows = [
        row("pod Ready → server shown ready, median", "p50"),
        row("pod Ready → server shown ready, p95", "p95"),
        row("all ready after", "total"),
        row("longest stall of the loop", "stall"),
        row("longest stall, not counting waits for a CPU", "own_stall"),
    ]
    return Result(rows, dict(rounds))


async def measure_side(place: Place, side: str, number: int) -> dict[str, float]:
    """Let one side start all of its servers in a fresh process."""
    namespace = await place.ensure_namespace(side)
    names = [f"burst-{number}-{each}" for each in range(place.settings.burst)]
    async with place.side(side, place.options(namespace, ready_after=place.settings.delay)) as worker:
        await worker.ask("watch")
        answer = await worker.ask("burst", names=names)
        waits = [
            max(0.0, times["up"] - await place.moment(namespace, f"jupyter-{name}", "ready"))
            for name, times in answer["started"].items()
        ]
        await worker.ask("stop", names=names)
    return {
        "p50": percentile(waits, 50),
        "p95": percentile(waits, 95),
        "total": max(times["up"] for times in answer["started"].values()) - answer["begun"],
        "stall": answer["stall"]["longest"],
        "own_stall": answer["stall"]["own"],
    }
