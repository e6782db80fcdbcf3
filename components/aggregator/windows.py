"""Tumbling windows over readings: no I/O and no clock.

A window is half-open, [start, start + length): a reading stamped exactly on the edge belongs to the
later window. Readings come in the order of their sequence numbers, and one window is open per
device and boot: a reading stamped outside it closes it. So windows close on event time, never on
the wall clock; a clock that steps back opens another part of a window that was closed, as too many
metrics do, and nothing is ever late. Sums run reading by reading, so that the same readings give
the same summaries byte for byte however they were cut into batches.
"""

import math
from collections.abc import Sequence

import msgspec

from hubkit.payloads import MetricSummary, ReadingBatch, Window

METRICS_PER_WINDOW = 256
"""More than a batch of one reading can hold: whoever names new metrics in each batch gets new parts
of the window, and not the memory."""


class Sums(msgspec.Struct):
    """Running sums of one metric in one window, relative to its first value.

    The shift keeps the variance exact for a large mean and a small spread (Chan, Golub, LeVeque:
    "Algorithms for Computing the Sample Variance", 1983, eq. 1.5).
    """

    shift: float
    min: float
    max: float
    last: float
    count: int = 0
    sum: float = 0.0
    squares: float = 0.0

    def add(self, column: Sequence[float]) -> None:
        """Add good values in their order."""
        shift, total, squares = self.shift, self.sum, self.squares
        for value in column:
            delta = value - shift
            total += delta
            squares += delta * delta
        self.sum, self.squares = total, squares
        self.count += len(column)
        self.last = column[-1]
        low, high = min(column), max(column)
        self.min = min(self.min, low)
        self.max = max(self.max, high)

    def summary(self) -> MetricSummary:
        """The statistics so far."""
        mean = self.sum / self.count
        variance = max(0.0, self.squares / self.count - mean * mean)
        return MetricSummary(
            count=self.count,
            # Rounding may carry the mean past an extreme by one unit in the last place.
            mean=min(max(self.shift + mean, self.min), self.max),
            min=self.min,
            max=self.max,
            std=math.sqrt(variance),
            last=self.last,
        )


class OpenWindow(msgspec.Struct):
    """The window of one device and boot that is being filled."""

    index: int
    first_seq: int
    last_seq: int
    source: str
    count: int
    metrics: dict[str, Sums]


class Windows:
    """The windows of one device and boot.

    Args:
        device_id: Whose readings they are.
        boot: Which life of the device.
        length_s: The length of every window.
        open_window: What was open when the state was saved.
    """

    def __init__(
        self, device_id: str, boot: str, length_s: float, open_window: OpenWindow | None = None
    ) -> None:
        self.open_window = open_window
        self.period_s: float | None = None
        self._device_id = device_id
        self._boot = boot
        self._length_s = length_s

    def learn(self, batch: ReadingBatch) -> list[Window]:
        """Add readings that follow those before; returns the windows they closed."""
        t0_s, length_s = batch.t0_s, self._length_s
        first_index = math.floor((t0_s + batch.dt_s[0]) / length_s)
        earliest, latest = min(batch.dt_s), max(batch.dt_s)
        if (
            math.floor((t0_s + earliest) / length_s) == first_index
            and math.floor((t0_s + latest) / length_s) == first_index
        ):
            return self._add(first_index, batch, 0, len(batch))
        closed: list[Window] = []
        start, index = 0, first_index
        for at, dt_s in enumerate(batch.dt_s):
            following = math.floor((t0_s + dt_s) / length_s)
            if following != index:
                closed += self._add(index, batch, start, at)
                start, index = at, following
        return closed + self._add(index, batch, start, len(batch))

    def close(self) -> list[Window]:
        """Close what is open: its source has ended, or sends nothing any more."""
        window, self.open_window = self.open_window, None
        if window is None:
            return []
        length_s = self._length_s
        expected = None if not self.period_s else max(1, round(length_s / self.period_s))
        return [
            Window(
                device_id=self._device_id,
                source=window.source,  # type: ignore[arg-type]
                boot=self._boot,
                first_seq=window.first_seq,
                last_seq=window.last_seq,
                start_s=window.index * length_s,
                length_s=length_s,
                count=window.count,
                expected=expected,
                metrics={
                    metric: sums.summary() if sums.count else MetricSummary(count=0)
                    for metric, sums in window.metrics.items()
                },
            )
        ]

    def _add(self, index: int, batch: ReadingBatch, start: int, end: int) -> list[Window]:
        closed: list[Window] = []
        window = self.open_window
        if window is None or window.index != index or _is_crowded(window, batch):
            closed = self.close()
            window = self.open_window = OpenWindow(
                index, batch.seq + start, batch.seq + start, batch.source, 0, {}
            )
        window.last_seq = batch.seq + end - 1
        window.count += end - start
        whole = end - start == len(batch)
        for metric, column in batch.values.items():
            part = column if whole else column[start:end]
            flags = batch.quality.get(metric)
            if flags:
                bad = {i - start for indices in flags.values() for i in indices}
                part = [value for i, value in enumerate(part) if i not in bad]
            good: list[float] = (
                [value for value in part if value is not None] if None in part else part  # type: ignore[assignment]
            )
            sums = window.metrics.get(metric)
            if good:
                if sums is None or sums.count == 0:
                    first = good[0]
                    sums = window.metrics[metric] = Sums(first, first, first, first)
                sums.add(good)
            elif sums is None:
                window.metrics[metric] = Sums(0.0, 0.0, 0.0, 0.0)
        return closed


def _is_crowded(window: OpenWindow, batch: ReadingBatch) -> bool:
    """Whether the batch's metrics would be too many for the window."""
    if len(window.metrics) + len(batch.values) <= METRICS_PER_WINDOW:
        return False
    return len(window.metrics.keys() | batch.values.keys()) > METRICS_PER_WINDOW
