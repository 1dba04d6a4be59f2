"""How large the benchmark is: the full size, which the targets are for, and a quick one that tries the benchmark."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Settings:
    """Sizes of the scenarios.

    Attributes:
        starts: Starts per side, of each scenario that starts servers one by one.
        delay: Range in seconds, "LEAST-MOST", that a pod takes to be Ready, and its server to answer after that.
        burst: Servers started at once.
        bursts: How often; the median counts.
        pods: Sizes of the crowd, growing.
        window_seconds: How long a side watches a crowd while its stalls are measured, and again for its CPU.
        changes_per_second: Changes of the crowd's pods.
        outage_seconds: How long the API server is away.
        patience_seconds: How long after that a side may take to be fresh again before it is called blind.
    """

    starts: int = 30
    delay: str = "0.3-3"
    burst: int = 100
    bursts: int = 3
    pods: tuple[int, ...] = (2_000, 5_000, 10_000)
    window_seconds: float = 45.0
    changes_per_second: float = 20.0
    outage_seconds: float = 90.0
    patience_seconds: float = 60.0


FULL = Settings()
QUICK = Settings(
    starts=3,
    delay="0.2-0.6",
    burst=10,
    bursts=1,
    pods=(500,),
    window_seconds=4.0,
    outage_seconds=10.0,
    patience_seconds=15.0,
)
