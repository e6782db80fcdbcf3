"""A recording as a source: row by row, every value as it stands in the file.

Law: good row k is always the same reading, however often the file is read, so `open` goes on
after the last row that was read, in this process or an earlier one. A bad row (a wrong number of
cells, a time stamp or a number that cannot be read) is refused with file, line and reason,
counted by reason, and the rest goes on. A cell that is empty or says nan or inf is a reading
without that number, flagged `not_finite`; nothing else changes a value.
"""

import csv
import itertools
import logging
import math
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import TextIO

from hubkit.payloads import MAX_TIME_S, MIN_TIME_S
from read_sense_hat.sources import GOOD, Flag, Sample, SourceError
from read_sense_hat.sources.columns import ColumnsError, Layout, map_columns, recognise

LINE_LIMIT = 65_536
"""Longest line in characters, 3,000 numbers: a file without line ends must not fill the memory."""

REFUSALS_LOGGED = 20
"""Refused rows that are logged one by one; a file of another kind would fill the log."""

_log = logging.getLogger(__name__)


class _BadRowError(ValueError):
    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(detail)
        self.reason = reason


class ReplaySource:
    """A CSV file, read once from its first row to its last.

    Args:
        file: UTF-8, with a header, separated by `,` or `;`.
        columns: A mapping of column to metric; empty for a recording that is known by its header.
        position: How many good rows an earlier process has read.
        fits: Whether a reading can be published; one that cannot is a bad row.
    """

    def __init__(
        self,
        file: Path,
        columns: Mapping[str, str],
        *,
        position: int = 0,
        fits: Callable[[Sample], bool] = lambda _: True,
    ) -> None:
        self._file = file
        self._columns = columns
        self._position = position
        self._fits = fits
        self._stream: TextIO | None = None
        self._rows: Iterator[Sample] = iter(())
        self._layout: Layout | None = None
        self._now_s = 0.0
        self.refused: Counter[str] = Counter()

    @property
    def metrics(self) -> tuple[str, ...]:
        """The metrics of the recording's layout."""
        return self._layout.metrics if self._layout else ()

    def open(self) -> None:
        """Open the file, understand its header, and go to the first row that was not read yet.

        Every bad row is refused again on the way, so the counts are those of the whole file.
        """
        self.close()
        self.refused.clear()
        try:
            # surrogateescape: a byte that is no UTF-8 makes its cell bad, not the file.
            self._stream = self._file.open(encoding="utf-8-sig", errors="surrogateescape")
            first = self._stream.readline(LINE_LIMIT)
        except OSError as error:
            raise SourceError(f"open recording {self._file}: {error}") from error
        separator = ";" if first.count(";") > first.count(",") else ","
        try:
            header = [cell.strip() for cell in _cells(first, separator)]
            self._layout = (
                map_columns(header, self._columns) if self._columns else recognise(header)
            )
        except (ColumnsError, _BadRowError) as error:
            self.close()
            raise SourceError(f"recording {self._file}: {error}") from error
        rows = self._samples(self._stream, separator, self._layout)
        try:
            read = sum(1 for _ in itertools.islice(rows, self._position))
        except OSError as error:
            raise SourceError(f"read recording {self._file}: {error}") from error
        if read < self._position:
            raise SourceError(
                f"recording {self._file}: {self._position} rows were read before and it has "
                f"{read} now: give a changed file another name"
            )
        self._rows = rows

    def close(self) -> None:
        """Close the file."""
        self._rows = iter(())
        if self._stream is not None:
            self._stream.close()
            self._stream = None

    def read(self, now_s: float) -> Sample | None:
        """The next good row, stamped with its own time, or with `now_s` where it has none."""
        self._now_s = now_s
        try:
            sample = next(self._rows, None)
        except OSError as error:
            raise SourceError(f"read recording {self._file}: {error}") from error
        if sample is not None:
            self._position += 1
        return sample

    def _samples(self, stream: TextIO, separator: str, layout: Layout) -> Iterator[Sample]:
        line = 1
        while text := stream.readline(LINE_LIMIT):
            line += 1
            try:
                if not text.endswith("\n") and len(text) == LINE_LIMIT:
                    _skip_line(stream)
                    raise _BadRowError("line", f"longer than {LINE_LIMIT} characters")
                if not text.isspace():
                    sample = self._sample(_cells(text, separator), layout)
                    if not self._fits(sample):
                        raise _BadRowError("size", "too many numbers for one payload")
                    yield sample
            except _BadRowError as error:
                self._refuse(line, error.reason, str(error))

    def _sample(self, row: list[str], layout: Layout) -> Sample:
        if len(row) != layout.width:
            raise _BadRowError("cells", f"{len(row)} cells, the header has {layout.width}")
        time_s = self._now_s if layout.time_index is None else _time_s(row[layout.time_index])
        quality: dict[str, Flag] = {}
        values: list[float | None] = []
        for index, metric in zip(layout.indices, layout.metrics, strict=True):
            value = _number(row[index], metric)
            if value is None:
                quality[metric] = "not_finite"
            values.append(value)
        return Sample(time_s, tuple(values), quality or GOOD)

    def _refuse(self, line: int, reason: str, detail: str) -> None:
        total = self.refused.total()
        self.refused[reason] += 1
        if total < REFUSALS_LOGGED:
            _log.warning("row refused file=%s line=%d reason=%s", self._file, line, detail)
        elif total == REFUSALS_LOGGED:
            _log.warning("row refused file=%s: further rows are counted only", self._file)


def _cells(text: str, separator: str) -> list[str]:
    r"""The cells of one line; none goes on in the next, so a stray quote costs its row only.

    >>> _cells('"1";2 \n', ";")
    ['1', '2 ']
    """
    text = text.rstrip("\r\n")
    if '"' not in text:
        return text.split(separator)
    try:
        return next(csv.reader([text], delimiter=separator, strict=True))
    except csv.Error as error:
        raise _BadRowError("quotes", f"{error}: {text[:40]!r}") from None


def _skip_line(stream: TextIO) -> None:
    while (text := stream.readline(LINE_LIMIT)) and not text.endswith("\n"):
        pass


def _number(cell: str, metric: str) -> float | None:
    try:
        value = float(cell)
    except ValueError:
        if not cell.strip():
            return None
        raise _BadRowError("number", f"{metric}={cell[:40]!r} is no number") from None
    return value if math.isfinite(value) else None


def _time_s(cell: str) -> float:
    """Seconds since 1970 UTC.

    >>> _time_s("2015-08-20 23:58:30"), _time_s("2015-08-21T01:58:30+02:00")
    (1440115110.0, 1440115110.0)
    >>> _time_s("1440115110.5")
    1440115110.5
    """
    text = cell.strip()
    try:
        seconds = float(text)
    except ValueError:
        try:
            stamp = datetime.fromisoformat(text)
        except ValueError:
            seconds = math.nan
        else:
            seconds = (stamp if stamp.tzinfo else stamp.replace(tzinfo=UTC)).timestamp()
    if not MIN_TIME_S <= seconds <= MAX_TIME_S:
        raise _BadRowError(
            "time",
            f"time={cell[:40]!r} is neither ISO 8601 nor seconds since 1970 of the years 1 to 9999",
        )
    return seconds
