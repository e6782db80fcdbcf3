"""Where readings come from: one interface and four sources, chosen by configuration only.

Law: a source that cannot read says so with an exception and is opened again later by its caller; it
never answers for another source, and never invents a value.
"""

from collections.abc import Mapping
from typing import Literal, NamedTuple, Protocol

Flag = Literal["not_finite", "out_of_range", "frozen", "io_error"]
"""What may be wrong with a value (hubkit.payloads.QualityFlag)."""


class SourceError(Exception):
    """The source cannot be read now; the message says what was tried and what to do."""


class Sample(NamedTuple):
    """One reading: values in the order of the source's `metrics`, None where there is no number.

    `quality` names only the metrics that are not good.
    """

    time_s: float
    values: tuple[float | None, ...]
    quality: Mapping[str, Flag]


class Source(Protocol):
    """One device's readings, in order."""

    @property
    def metrics(self) -> tuple[str, ...]:
        """Names with units, in the order of `Sample.values`; known once it is open."""

    def open(self) -> None:
        """Get ready to read; may be called again after `close`.

        Raises:
            SourceError, OSError: It is not there, or does not answer.
        """

    def close(self) -> None:
        """Let go of everything; may be called at any time and again."""

    def read(self, now_s: float) -> Sample | None:
        """The reading of `now_s`; a recording answers with its next row. None is the end.

        Raises:
            SourceError, OSError: No metric could be read.
        """


GOOD: Mapping[str, Flag] = {}
"""The quality of a reading without anything wrong."""
