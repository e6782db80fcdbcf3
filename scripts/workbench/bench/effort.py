"""How often and how long everything is measured: some three minutes in all, or well below one."""

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True)
class Effort:
    """One choice. `repeats` is how many samples a figure has where a sample is cheap."""

    repeats: int
    publishes: int
    latency_runs: int
    latency_s: dict[int, float]
    """How long messages are sent, by messages a second."""
    raw_publishes: int
    growth_publishes: int
    core_batches: int
    flash_hours: float
    pipeline_batches: int
    pipeline_repeats: int
    deployments: int
    settle_s: float
    """How long the suite runs before its memory is read: two rounds of every periodic task."""
    book_readings: int


FULL: Final = Effort(
    repeats=5,
    publishes=2_000,
    latency_runs=3,
    latency_s={10: 10.0, 100: 5.0},
    raw_publishes=10_000,
    growth_publishes=20_000,
    core_batches=3_000,
    flash_hours=24.0,
    pipeline_batches=2_400,
    pipeline_repeats=3,
    deployments=3,
    settle_s=12.0,
    book_readings=100,
)
QUICK: Final = Effort(
    repeats=3,
    publishes=500,
    latency_runs=1,
    latency_s={10: 3.0, 100: 2.0},
    raw_publishes=4_000,
    growth_publishes=5_000,
    core_batches=1_000,
    flash_hours=4.0,
    pipeline_batches=600,
    pipeline_repeats=2,
    deployments=1,
    settle_s=3.0,
    book_readings=30,
)
