"""Taking readings from a source at the right time; the only place where a source's errors are met.

`LiveSampler` follows the clocks of this machine: a tick is read now or missed. `PacedSampler`
follows event time, which runs `speed` times as fast and may wait: of a recording and of a faster
simulation nothing is missed.

Law: a source that fails costs its readings, never the process. A live source that fails gives one
reading of nulls, flagged `io_error`, for each attempt; attempts follow a capped back-off, each
opens the source anew, and the ticks between them are missed.
"""

import logging
from collections import Counter
from collections.abc import Callable
from typing import Literal, NamedTuple, Protocol

from hubkit.backoff import Backoff
from hubkit.clock import Clock
from hubkit.payloads import ClockStatus
from read_sense_hat.quality import Judge
from read_sense_hat.schedule import Schedule
from read_sense_hat.sources import Sample, Source

State = Literal["running", "retrying", "ended", "stopped"]

RETRY_BASE_S = 1.0
RETRY_CAP_S = 60.0
"""A HAT that was pushed back on is found within a minute; a dead bus is not hammered."""

_log = logging.getLogger(__name__)


class Feed(Protocol):
    """What gives a device its readings."""

    @property
    def metrics(self) -> tuple[str, ...]:
        """The source's metrics; empty as long as a recording is not open."""

    @property
    def state(self) -> State:
        """How the source is."""

    @property
    def missed(self) -> int:
        """Ticks at which nothing was read."""

    @property
    def errors(self) -> int:
        """Attempts to read that failed."""

    @property
    def refused(self) -> Counter[str]:
        """Input that is no reading, by reason."""

    @property
    def next_s(self) -> float:
        """The monotonic time at which it is worth fetching again."""

    def fetch(self) -> "Taken | None":
        """The next reading, None when none is ready."""

    def close(self) -> None:
        """Let go of the source; may be called again."""


class Taken(NamedTuple):
    """A reading and what stamped it; in event time `monotonic_s` is that, too."""

    sample: Sample
    monotonic_s: float
    clock: ClockStatus


def nulls(metrics: tuple[str, ...], now_s: float) -> Sample:
    """The reading of a source that did not answer.

    >>> nulls(("temperature_c",), 5.0)
    Sample(time_s=5.0, values=(None,), quality={'temperature_c': 'io_error'})
    """
    return Sample(now_s, (None,) * len(metrics), dict.fromkeys(metrics, "io_error"))


class LiveSampler:
    """A source read at a fixed rate of the monotonic clock and stamped by the wall clock.

    Args:
        name: For the log.
        source: Opened and closed here.
        schedule: When to read.
        judge: Flags bad values; None for a source whose values are what they are.
        clock: Paces and stamps.
    """

    def __init__(
        self, name: str, source: Source, schedule: Schedule, judge: Judge | None, clock: Clock
    ) -> None:
        self._source = source
        self._schedule = schedule
        self._judge = judge
        self._clock = clock
        self._backoff = Backoff(base_s=RETRY_BASE_S, cap_s=RETRY_CAP_S, name=name)
        self._retry_s = float("-inf")
        self._is_open = False
        self.errors = 0
        self.refused: Counter[str] = Counter()

    @property
    def metrics(self) -> tuple[str, ...]:
        """The source's."""
        return self._source.metrics

    @property
    def state(self) -> State:
        """Whether the last attempt worked."""
        return "retrying" if self._backoff.failures else "running"

    @property
    def missed(self) -> int:
        """Ticks at which nothing was read."""
        return self._schedule.missed

    @property
    def next_s(self) -> float:
        """The monotonic time of the next tick."""
        return self._schedule.next_s

    def fetch(self) -> Taken | None:
        """The reading that is due, None when none is."""
        monotonic_s = self._clock.monotonic_s()
        if not self._schedule.take(monotonic_s):
            return None
        if monotonic_s < self._retry_s:
            self._schedule.missed += 1
            return None
        # Milliseconds: no tick is more exact, and the payload is a third shorter.
        now_s, monotonic_s = round(self._clock.now_s(), 3), round(monotonic_s, 3)
        clock = self._clock.status()
        try:
            if not self._is_open:
                self._source.open()
                self._is_open = True
            sample = self._source.read(now_s)
        except Exception as error:  # noqa: BLE001 - a driver raises anything; it must cost readings only
            return Taken(self._failed(error, monotonic_s, now_s), monotonic_s, clock)
        if sample is None:
            sample = self._failed("no reading", monotonic_s, now_s)
        else:
            self._backoff.succeeded()
        if self._judge is not None:
            sample = self._judge.judge(sample, monotonic_s)
        return Taken(sample, monotonic_s, clock)

    def _failed(self, reason: object, monotonic_s: float, now_s: float) -> Sample:
        self.errors += 1
        self._retry_s = monotonic_s + self._backoff.failed(reason)
        self.close()
        return nulls(self._source.metrics, now_s)

    def close(self) -> None:
        """Close the source; a driver that fails even there is only logged."""
        self._is_open = False
        try:
            self._source.close()
        except Exception as error:  # noqa: BLE001 - see fetch
            _log.warning("source not closed reason=%s", error)


class PacedSampler:
    """A source in event time: the next reading is ready when event time has come to it.

    Event time begins with the first reading and runs `speed` times as fast as the monotonic
    clock. What waits is read when it may, so nothing is missed; then event time catches up.

    Args:
        name: For the log.
        source: Opened and closed here.
        stamp: What its stamps are: `recording` or `simulated`.
        clock: Paces.
        speed: Event seconds a second.
        step: Reading number n -> the event time it is asked for; a recording has its own.
        first: Number of the first reading.
        refused: Where the source counts what is no reading.
    """

    def __init__(
        self,
        name: str,
        source: Source,
        *,
        stamp: ClockStatus,
        clock: Clock,
        speed: float,
        step: Callable[[int], float],
        first: int,
        refused: Counter[str],
    ) -> None:
        self._source = source
        self._stamp: ClockStatus = stamp
        self._clock = clock
        self._speed = speed
        self._step = step
        self._number = first
        self.refused = refused
        self._backoff = Backoff(base_s=RETRY_BASE_S, cap_s=RETRY_CAP_S, name=name)
        self._retry_s = float("-inf")
        self._is_open = False
        self._pending: Sample | None = None
        self._epoch: tuple[float, float] | None = None
        self.missed = 0
        self.errors = 0
        self.ended = False

    @property
    def metrics(self) -> tuple[str, ...]:
        """The source's; empty until it is open."""
        return self._source.metrics

    @property
    def state(self) -> State:
        """Whether it runs, waits for its source, or has come to the end."""
        return "ended" if self.ended else "retrying" if self._backoff.failures else "running"

    @property
    def next_s(self) -> float:
        """The monotonic time at which the next reading is ready; infinity after the end."""
        if self.ended:
            return float("inf")
        if self._pending is None or self._epoch is None:
            return self._retry_s
        monotonic_s, event_s = self._epoch
        return monotonic_s + (self._pending.time_s - event_s) / self._speed

    def fetch(self) -> Taken | None:
        """The next reading if it is ready, None when it is not."""
        monotonic_s = self._clock.monotonic_s()
        if self._pending is None and not self.ended and monotonic_s >= self._retry_s:
            self._pending = self._next(monotonic_s)
        if self._pending is None:
            return None
        if self._epoch is None:
            self._epoch = monotonic_s, self._pending.time_s
        if monotonic_s < self.next_s:
            return None
        sample, self._pending = self._pending, None
        return Taken(sample, sample.time_s, self._stamp)

    def _next(self, monotonic_s: float) -> Sample | None:
        try:
            if not self._is_open:
                self._source.open()
                self._is_open = True
            sample = self._source.read(self._step(self._number))
        except Exception as error:  # noqa: BLE001 - see LiveSampler.fetch
            self.errors += 1
            self._retry_s = monotonic_s + self._backoff.failed(error)
            self.close()
            return None
        self._backoff.succeeded()
        if sample is None:
            self.ended = True
            _log.info("recording ended readings=%d", self._number)
        else:
            self._number += 1
        return sample

    def close(self) -> None:
        """Close the source."""
        self._is_open = False
        self._source.close()
