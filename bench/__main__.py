"""The command `python -m bench`: runs the scenarios and prints their table; progress goes to stderr."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import dataclasses
import json
import os
import signal
import sys
import tempfile
import time
import traceback
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path

from bench.burst import measure_burst
from bench.click import measure_click
from bench.crowd import measure_crowd
from bench.outage import measure_outage
from bench.report import Result, describe_machine, make_json, make_table
from bench.servers import KINDS, NoServerError, api_server, choose_server
from bench.settings import FULL, QUICK, Settings
from bench.sides import Place, place
from bench.starts import measure_http, measure_ready

SCENARIOS: dict[str, Callable[[Place], Awaitable[Result]]] = {
    "ready": measure_ready,
    "http": measure_http,
    "click": measure_click,
    "crowd": measure_crowd,
    "burst": measure_burst,
    "outage": measure_outage,
}


def make_parser() -> argparse.ArgumentParser:
    """Build the parser; every option has a help text with unit and default."""
    parser = argparse.ArgumentParser(prog="python -m bench", description="Compare stock KubeSpawner with JhawsSpawner.")
    parser.add_argument("--quick", action="store_true", help="a small version, to try the benchmark itself")
    parser.add_argument("--only", action="append", choices=SCENARIOS, help="run this scenario; may be repeated")
    parser.add_argument(
        "--server",
        choices=KINDS,
        default="",
        help="kubernetes: a real control plane from tests/kube/bin; kubeconfig: the cluster that KUBECONFIG names; "
        "embedded: jhaws's own (default: the first of them that is there)",
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="write figures and samples there")
    parser.add_argument("--folder", type=Path, help="an empty folder for logs (default: one that is deleted)")
    parser.add_argument("--starts", type=int, help=f"starts per side (default: {FULL.starts})")
    parser.add_argument("--burst", type=int, help=f"starts at once (default: {FULL.burst})")
    parser.add_argument("--bursts", type=int, help=f"bursts per side; the median counts (default: {FULL.bursts})")
    parser.add_argument("--pods", type=read_sizes, metavar="N,N,...", help=f"sizes of the crowd (default: {FULL.pods})")
    parser.add_argument(
        "--window", type=float, dest="window_seconds", help=f"seconds of each window (default: {FULL.window_seconds:g})"
    )
    parser.add_argument(
        "--outage", type=float, dest="outage_seconds", help=f"seconds of an outage (default: {FULL.outage_seconds:g})"
    )
    return parser


def read_sizes(text: str) -> tuple[int, ...]:
    """Read growing numbers of pods.

    Raises:
        ArgumentTypeError: They are something else.
    """
    parts = text.split(",")
    sizes = tuple(int(part) for part in parts if part.isdecimal())
    if len(sizes) != len(parts) or list(sizes) != sorted(set(sizes)):
        raise argparse.ArgumentTypeError(f"must be growing whole numbers with commas between them, got {text!r}")
    return sizes


def make_settings(options: argparse.Namespace) -> Settings:
    """Take the full or the quick size, and over it what the command line says."""
    base = QUICK if options.quick else FULL
    said = {each.name: getattr(options, each.name, None) for each in dataclasses.fields(Settings)}
    return dataclasses.replace(base, **{name: value for name, value in said.items() if value is not None})


async def run(options: argparse.Namespace, folder: Path) -> bool:
    """Run the scenarios and print the table; says whether all of them ran and every target was met."""
    settings, kind = make_settings(options), choose_server(options.server)
    results: dict[str, Result] = {}
    wanted = options.only or list(SCENARIOS)
    tidy = kind == "kubeconfig"
    async with api_server(kind, folder) as kubeconfig, place(settings, folder, kubeconfig, tidy=tidy) as here:
        version = (await here.api.call("GET", "/version"))["gitVersion"]
        machine = await describe_machine(f"{version} ({kind})")
        for name in wanted:
            result = await run_scenario(name, here)
            if result is not None:
                results[name] = result
            if options.json:
                whole = make_json(machine, dataclasses.asdict(settings), results)
                options.json.write_text(json.dumps(whole, indent=1) + "\n")
    rows = [row for result in results.values() for row in result.rows]
    print("\n".join(f"{key}: {value}" for key, value in machine.items()) + "\n\n" + make_table(rows))
    return len(results) == len(wanted) and all(row.ok is not False for row in rows)


async def run_scenario(name: str, here: Place) -> Result | None:
    """Run one scenario; the others go on where it fails."""
    begun, load = time.monotonic(), os.getloadavg()[0]
    tell(f"{name} ...")
    try:
        result = await SCENARIOS[name](here)
    except Exception:  # noqa: BLE001  # half an hour of the others' figures must not be lost
        tell(f"{name} failed:\n{traceback.format_exc()}")
        return None
    result.samples |= {"load_before": round(load, 2), "seconds": round(time.monotonic() - begun)}
    tell(f"{name}: {result.samples['seconds']} s, the machine's load before it {load:.1f}\n{make_table(result.rows)}\n")
    return result


async def run_until_signal(options: argparse.Namespace, folder: Path) -> bool:
    """Run, and tidy up on SIGTERM as on Ctrl-C."""
    task = asyncio.current_task()
    if task is not None:
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
    return await run(options, folder)


def tell(text: str) -> None:
    """Tell who waits how far it is."""
    print(text, file=sys.stderr, flush=True)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the benchmark: 0 every target met, 1 some missed, 2 wrong arguments or no server."""
    options = make_parser().parse_args(arguments)
    with contextlib.ExitStack() as stack:
        folder = options.folder or Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="jhaws-bench-")))
        folder.mkdir(parents=True, exist_ok=True)
        try:
            return 0 if asyncio.run(run_until_signal(options, folder.absolute())) else 1
        except NoServerError as error:
            tell(f"bench: {error}")
            return 2
        except (KeyboardInterrupt, asyncio.CancelledError):
            tell("bench: ended by a signal; of whole scenarios the figures are above, and in the file of --json.")
            return 130


if __name__ == "__main__":
    sys.exit(main())
