"""What the benchmark prints: one row per figure, stock beside jhaws, their ratio, and whether the target is met."""

from __future__ import annotations

import asyncio
import os
import platform
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

Obj = dict[str, Any]

HEADINGS = ("what", "stock", "jhaws", "ratio", "target", "ok?")


@dataclass(frozen=True)
class Row:
    """One figure of both sides; the smaller, the better.

    Attributes:
        what: What was measured.
        unit: Of both figures.
        stock: KubeSpawner's; None where it never came.
        jhaws: JhawsSpawner's, ditto.
        at_most: The target as a figure of the same unit.
        of_stock: The target as a multiple of stock's figure.
    """

    what: str
    unit: str
    stock: float | None
    jhaws: float | None
    at_most: float | None = None
    of_stock: float | None = None

    @property
    def ratio(self) -> float | None:
        """Jhaws's figure as a multiple of stock's; None where one of them is missing or stock's is 0."""
        return self.jhaws / self.stock if self.jhaws is not None and self.stock else None

    @property
    def ok(self) -> bool | None:
        """Whether the target is met; None where there is none."""
        if self.at_most is not None:
            return self.jhaws is not None and self.jhaws <= self.at_most
        if self.of_stock is not None and self.stock is not None:
            return self.jhaws is not None and self.jhaws <= self.of_stock * self.stock
        return None

    def cells(self) -> tuple[str, ...]:
        """Return the row as it is printed."""
        target = ""
        if self.at_most is not None:
            target = f"≤ {show(self.at_most)} {self.unit}"
        elif self.of_stock is not None:
            target = f"≤ {self.of_stock:g} * stock"
        ratio = "" if self.ratio is None else f"{self.ratio:.3f}" if self.ratio < 1 else f"{self.ratio:.2f}"
        verdict = {True: "yes", False: "NO", None: ""}[self.ok]
        return f"{self.what}, {self.unit}", show(self.stock), show(self.jhaws), ratio, target, verdict


@dataclass
class Result:
    """What one scenario found.

    Attributes:
        rows: Its figures.
        samples: What they were made of, for the JSON file.
    """

    rows: list[Row]
    samples: Obj = field(default_factory=dict)


def show(figure: float | None) -> str:
    """Write a figure with about three digits; "never" for one that never came."""
    if figure is None:
        return "never"
    return f"{figure:.0f}" if abs(figure) >= 100 else f"{figure:.1f}" if abs(figure) >= 10 else f"{figure:.3g}"


def make_table(rows: Sequence[Row]) -> str:
    """Write the rows as a table in Markdown whose columns line up."""
    lines = [HEADINGS, *(row.cells() for row in rows)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(HEADINGS))]
    lines.insert(1, tuple("-" * width for width in widths))
    return "\n".join(
        "| " + " | ".join(f"{cell:<{width}}" for cell, width in zip(line, widths, strict=True)) + " |" for line in lines
    )


async def describe_machine(kubernetes: str) -> Obj:
    """Describe where and with what the figures were taken.

    Args:
        kubernetes: The API server's version.
    """
    return {
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "cpu": _cpu_model(),
        "cores": os.cpu_count(),
        "memory_gib": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / (1 << 30)),
        "load_before": round(os.getloadavg()[0], 2),
        "kernel": platform.release(),
        "python": platform.python_version(),
        "kubernetes": kubernetes,
        "kubespawner": version("jupyterhub-kubespawner"),
        "jupyterhub": version("jupyterhub"),
        "jhaws": await _commit(),
    }


def _cpu_model() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()


async def _commit() -> str:
    """Return the commit of this working tree, with "+" where it has changes of its own."""
    answers = []
    for arguments in (["rev-parse", "--short", "HEAD"], ["status", "--porcelain", "--", "jhaws"]):
        process = await asyncio.create_subprocess_exec(
            "git",
            *("-C", str(Path(__file__).parents[1]), *arguments),
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
        )
        answers.append((await process.communicate())[0].decode().strip())
    commit, changes = answers
    return (commit or "unknown") + ("+" if changes else "")


def make_json(machine: Obj, settings: Obj, results: dict[str, Result]) -> Obj:
    """Build what `--json` writes: the machine, the settings, each scenario's rows and samples."""
    return {
        "machine": machine,
        "settings": settings,
        "scenarios": {
            name: {
                "rows": [{**asdict(row), "ratio": row.ratio, "ok": row.ok} for row in result.rows],
                "samples": result.samples,
            }
            for name, result in results.items()
        },
    }
