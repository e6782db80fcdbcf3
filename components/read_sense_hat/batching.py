"""Readings into batches that fit a payload: no I/O and no clock.

Law: the size of the encoded batch is known before it is encoded, never too low, so a batch is
full exactly when the next reading might not fit, and encoding it cannot fail. A batch holds
readings of one clock, one boot and one unbroken stretch of time: when the wall clock jumps
against the monotonic one, the next reading begins a new batch.

>>> builder = BatchBuilder("hat-1", "simulated", ("temperature_c",))
>>> [builder.add(Sample(1.7e9 + s, (21.5,), {}), float(s), "synchronised") for s in range(3)]
[True, True, True]
>>> batch = builder.take(boot="00000001-9f3a2b1c", seq=40)
>>> batch.seq, batch.t0_s, batch.dt_s, batch.values
(40, 1700000000.0, [0.0, 1.0, 2.0], {'temperature_c': [21.5, 21.5, 21.5]})
"""

import msgspec

from hubkit.payloads import MAX_PAYLOAD_BYTES, MAX_SEQ, ClockStatus, ReadingBatch, SourceName
from read_sense_hat.sources import Sample

CLOCK_JUMP_S = 0.5
"""Wall and monotonic clock may slew apart by 500 ppm (adjtimex): half a second is a step."""

_INDEX_BYTES = 5
"""`,` and up to four digits: 4,500 bytes hold fewer than 2,250 readings."""
_FLAG_BYTES = 16
"""Quotes, colons, brackets, braces and commas around a metric and a flag in `quality`."""

_encode = msgspec.json.Encoder().encode


class BatchBuilder:
    """The batch of one device that is being filled.

    Args:
        device_id: The device.
        source: Its kind of source.
        metrics: The order of the values.
        limit_bytes: The largest encoded batch.
    """

    def __init__(
        self,
        device_id: str,
        source: SourceName,
        metrics: tuple[str, ...],
        limit_bytes: int = MAX_PAYLOAD_BYTES,
    ) -> None:
        self._device_id = device_id
        self._source: SourceName = source
        self._metrics = metrics
        self._limit_bytes = limit_bytes
        self._frame_bytes = _frame_bytes(device_id, source, metrics)
        self._clear()

    def _clear(self) -> None:
        self._rows: list[Sample] = []
        self._dt_s: list[float] = []
        self._t0_s = 0.0
        self._monotonic0_s = 0.0
        self._clock: ClockStatus = "unsynchronised"
        self._flags: set[tuple[str, str]] = set()
        self.size_bytes = self._frame_bytes

    def __len__(self) -> int:
        return len(self._rows)

    def fits(self, sample: Sample) -> bool:
        """Whether a batch can hold this reading at all: two hundred metrics or so cannot be."""
        return self._frame_bytes + self._cost(0.0, sample) <= self._limit_bytes

    def _cost(self, dt_s: float, sample: Sample) -> int:
        """Bytes that the reading adds: its numbers as they are encoded, a comma each, its flags."""
        cost = len(_encode((dt_s, *sample.values))) - 1
        for metric, flag in sample.quality.items():
            cost += _INDEX_BYTES
            if (metric, flag) not in self._flags:
                cost += len(metric) + len(flag) + _FLAG_BYTES
        return cost

    def add(self, sample: Sample, monotonic_s: float, clock: ClockStatus) -> bool:
        """Put a reading in; False when the batch must be taken first and the reading added again.

        Args:
            sample: One that `fits`; values in the order of the metrics, finite or None.
            monotonic_s: When it was taken; for event time, `sample.time_s`.
            clock: What stamped it.
        """
        dt_s = round(monotonic_s - self._monotonic0_s, 6) if self._rows else 0.0
        if self._rows and (
            clock != self._clock or abs(sample.time_s - self._t0_s - dt_s) > CLOCK_JUMP_S
        ):
            return False
        cost = self._cost(dt_s, sample)
        if self._rows and self.size_bytes + cost > self._limit_bytes:
            return False
        if not self._rows:
            self._t0_s, self._monotonic0_s, self._clock = sample.time_s, monotonic_s, clock
        self._rows.append(sample)
        self._dt_s.append(dt_s)
        self._flags.update(sample.quality.items())
        self.size_bytes += cost
        return True

    def take(self, boot: str, seq: int) -> ReadingBatch:
        """The batch with its key, and an empty builder."""
        quality: dict[str, dict[str, list[int]]] = {}
        for index, row in enumerate(self._rows):
            for metric, flag in row.quality.items():
                quality.setdefault(metric, {}).setdefault(flag, []).append(index)
        columns = zip(*(row.values for row in self._rows), strict=True)
        batch = ReadingBatch(
            device_id=self._device_id,
            source=self._source,
            boot=boot,
            seq=seq,
            t0_s=self._t0_s,
            clock=self._clock,
            dt_s=self._dt_s,
            values=dict(zip(self._metrics, map(list, columns), strict=True)),
            quality=quality,
        )
        self._clear()
        return batch


def _frame_bytes(device_id: str, source: SourceName, metrics: tuple[str, ...]) -> int:
    """What a batch takes without any reading: the longest boot, number and time."""
    batch = ReadingBatch(
        device_id=device_id,
        source=source,
        boot="ffffffff-ffffffff",
        seq=MAX_SEQ,
        t0_s=-1.7976931348623157e308,
        clock="unsynchronised",
        dt_s=[],
        values={metric: [] for metric in metrics},
    )
    return len(_encode(batch))
