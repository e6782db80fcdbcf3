"""Every figure: its name, unit and goal, and what was measured.

Law: a figure is the median of its samples, and the samples stay with it. A goal is a figure to
beat; it fails nothing. Where it is None nothing was agreed.

>>> two = measured("localcore.start_s", [0.5, 0.25, 0.75])
>>> two.value, two.reached, two.figure.goal
(0.5, True, 1)
>>> measured("pipeline.readings_per_s", [10_000]).reached
False
"""

import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True)
class Figure:
    """What can be measured. `higher_is_better` says on which side of the goal it should be."""

    name: str
    unit: str
    goal: float | None = None
    higher_is_better: bool = False


@dataclass(frozen=True)
class Measured:
    """A figure and its samples, of which there is at least one."""

    figure: Figure
    samples: tuple[float, ...]

    @property
    def value(self) -> float:
        """The median of the samples."""
        return statistics.median(self.samples)

    @property
    def reached(self) -> bool | None:
        """Whether the goal is reached; None without a goal."""
        if self.figure.goal is None:
            return None
        if self.figure.higher_is_better:
            return self.value >= self.figure.goal
        return self.value <= self.figure.goal


def _rate(name: str, unit: str, goal: float | None = None) -> Figure:
    return Figure(name, unit, goal, higher_is_better=True)


# Goals are the design's budgets; those of ipc are what one awsiotsdk client (which itself costs
# some 280 us a message) and raw clients are to reach on localcore.
_ALL: Final = (
    _rate("ipc.publish_sync_per_s", "messages/s", 2_000),
    _rate("ipc.publish_pipelined_per_s", "messages/s", 3_000),
    Figure("ipc.latency_10_p50_ms", "ms"),
    Figure("ipc.latency_10_p99_ms", "ms", 5),
    Figure("ipc.latency_100_p50_ms", "ms"),
    Figure("ipc.latency_100_p99_ms", "ms", 5),
    _rate("ipc.publish_raw_per_s", "messages/s", 6_000),
    # Flat: a leak of one operation a call would be 112,000.
    Figure("ipc.memory_growth_20000_kb", "kB", 1_000),
    _rate("aggregator.core_readings_per_s", "readings/s", 500_000),
    Figure("flash.mb_per_day", "MB/day", 20),
    _rate("pipeline.readings_per_s", "readings/s", 20_000),
    Figure("memory.ReadSenseHAT_pss_mb", "MB", 40),
    Figure("memory.Aggregator_pss_mb", "MB", 45),
    Figure("memory.WriteSenseHAT_pss_mb", "MB", 28),
    Figure("memory.CloudConnector_pss_mb", "MB", 30),
    Figure("memory.Inference_pss_mb", "MB", 60),
    Figure("memory.Dashboard_pss_mb", "MB", 40),
    Figure("memory.Runtime_pss_mb", "MB"),
    Figure("memory.suite_pss_mb", "MB", 270),
    Figure("memory.localcore_pss_mb", "MB", 60),
    Figure("memory.localcore_at_work_pss_mb", "MB"),
    Figure("localcore.start_s", "s", 1),
    Figure("localcore.deploy_suite_s", "s", 10),
    _rate("book.readings_per_s", "readings/s"),
    _rate("ratio.pipeline_to_book", "times"),
)
FIGURES: Final = {figure.name: figure for figure in _ALL}


def measured(name: str, samples: Sequence[float]) -> Measured:
    """The figure of that name with these samples."""
    return Measured(FIGURES[name], tuple(samples))
