"""The rows of history: one JSON line a reading, as Athena reads them. No I/O and no clock.

Law: a line carries its key (thing, device_id, boot, seq) and the values as they were read: numbers
are written with the shortest digits that read back to the same double (RFC 8259 allows it, Ryu
makes them).
"""

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from typing import Any

import msgspec

from hubkit.journal import Row
from hubkit.payloads import ReadingBatch, Window

READINGS = "readings"
WINDOWS = "windows"
_PRIORITIES = {READINGS: 1, WINDOWS: 2}
LINES_PER_ROW = 500
"""A row is what the quota takes at once, and what an export reads at once."""
WINDOW_BYTES_PER_ROW = 40_000
"""Rows of windows are bounded in bytes, as they become Kinesis records of at most 1 MiB."""

_encode = msgspec.json.Encoder().encode


def reading_rows(
    thing: str, batches: Iterable[tuple[ReadingBatch, list[int] | None]]
) -> Iterator[Row]:
    """Rows of NDJSON, each of one device, boot and UTC date.

    Args:
        thing: The core device's thing name.
        batches: Batches, each with the indices to write (None: all).
    """
    parts: dict[tuple[str, str, str], list[bytes]] = {}
    for batch, kept in batches:
        for day, line in _reading_lines(thing, batch, kept):
            lines = parts.setdefault((day, batch.device_id, batch.boot), [])
            lines.append(line)
            if len(lines) == LINES_PER_ROW:
                yield _row(READINGS, (day, batch.device_id, batch.boot), lines)
                lines.clear()
    for key, lines in parts.items():
        if lines:
            yield _row(READINGS, key, lines)


def window_rows(thing: str, windows: Iterable[Window]) -> Iterator[Row]:
    """Rows of NDJSON windows, each of one device, boot and UTC date (of the windows' start)."""
    parts: dict[tuple[str, str, str], list[bytes]] = {}
    for window in windows:
        key = (_day(window.start_s), window.device_id, window.boot)
        line = _encode({"thing": thing, **msgspec.structs.asdict(window)})
        lines = parts.setdefault(key, [])
        lines.append(line)
        if sum(map(len, lines)) >= WINDOW_BYTES_PER_ROW:
            yield _row(WINDOWS, key, lines)
            lines.clear()
    for key, lines in parts.items():
        if lines:
            yield _row(WINDOWS, key, lines)


def _row(kind: str, key: tuple[str, str, str], lines: list[bytes]) -> Row:
    day, device_id, boot = key
    return Row(
        kind=kind,
        day=day,
        device=device_id,
        boot=boot,
        count=len(lines),
        priority=_PRIORITIES[kind],
        payload=b"\n".join(lines) + b"\n",
    )


def _reading_lines(
    thing: str, batch: ReadingBatch, kept: list[int] | None
) -> Iterator[tuple[str, bytes]]:
    bad: dict[int, dict[str, str]] = {}
    for metric, flags in batch.quality.items():
        for flag, indices in flags.items():
            for index in indices:
                bad.setdefault(index, {})[metric] = flag
    line: dict[str, Any] = {
        "v": batch.v,
        "thing": thing,
        "device_id": batch.device_id,
        "boot": batch.boot,
        "seq": 0,
        "time_s": 0.0,
        "clock": batch.clock,
        "source": batch.source,
        "values": {},
    }
    columns = list(batch.values.items())
    day_of = _Days()
    for at in range(len(batch)) if kept is None else kept:
        # Microseconds: what the sum of t0_s and dt_s means, without the sum's rounding.
        time_s = round(batch.t0_s + batch.dt_s[at], 6)
        line["seq"] = batch.seq + at
        line["time_s"] = time_s
        line["values"] = {metric: column[at] for metric, column in columns}
        if at in bad:
            yield day_of(time_s), _encode(line | {"quality": bad[at]})
        else:
            yield day_of(time_s), _encode(line)


class _Days:
    """Dates of times that mostly share one."""

    def __init__(self) -> None:
        self._start_s = self._end_s = 0.0
        self._day = ""

    def __call__(self, time_s: float) -> str:
        if not self._start_s <= time_s < self._end_s:
            self._day = _day(time_s)
            self._start_s = time_s // 86_400 * 86_400
            self._end_s = self._start_s + 86_400
        return self._day


def _day(time_s: float) -> str:
    """The UTC date, clamped to what a date can be: a clock may say anything.

    >>> _day(0), _day(1e18), _day(-1e18)
    ('1970-01-01', '9999-12-31', '0001-01-01')
    """
    if time_s >= 253_402_300_800:
        return "9999-12-31"
    if time_s < -62_135_596_800:
        return "0001-01-01"
    return datetime.fromtimestamp(time_s, UTC).strftime("%Y-%m-%d")
