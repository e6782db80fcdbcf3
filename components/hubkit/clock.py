"""Wall and monotonic time behind one argument, so that tests own the time.

Law: intervals and order are measured on the monotonic clock; the wall clock only stamps. A wall
clock that jumps therefore moves stamps and nothing else.

>>> clock = ManualClock(now_s=1700000000.0)
>>> clock.advance(2.5)
>>> clock.now_s(), clock.monotonic_s()
(1700000002.5, 2.5)
"""

import ctypes
import time
from typing import Literal, Protocol

Status = Literal["synchronised", "unsynchronised"]


class Clock(Protocol):
    """What the components know of time."""

    def now_s(self) -> float:
        """Seconds since 1970-01-01T00:00Z by the wall clock."""

    def monotonic_s(self) -> float:
        """Seconds on a clock that never goes back; its zero means nothing."""

    def status(self) -> Status:
        """Whether the wall clock follows a time source."""


class SystemClock:
    """The machine's clocks."""

    def now_s(self) -> float:
        """Seconds since the epoch."""
        return time.time()

    def monotonic_s(self) -> float:
        """Seconds since an arbitrary start."""
        return time.monotonic()

    def status(self) -> Status:
        """What the kernel's NTP discipline says (`adjtimex(2)`: TIME_ERROR is unsynchronised)."""
        return "unsynchronised" if _adjtimex_state() == _TIME_ERROR else "synchronised"


class ManualClock:
    """A clock that moves only when told: for tests and for demonstrations."""

    def __init__(self, now_s: float = 0.0, status: Status = "synchronised") -> None:
        self._now_s = now_s
        self._monotonic_s = 0.0
        self._status: Status = status

    def now_s(self) -> float:
        """The wall time it was set to."""
        return self._now_s

    def monotonic_s(self) -> float:
        """The sum of all advances."""
        return self._monotonic_s

    def status(self) -> Status:
        """The status it was given."""
        return self._status

    def advance(self, seconds: float) -> None:
        """Let time pass on both clocks."""
        self._now_s += seconds
        self._monotonic_s += seconds

    def jump(self, seconds: float) -> None:
        """Move the wall clock only."""
        self._now_s += seconds


_TIME_ERROR = 5
_SIZEOF_TIMEX = 256
"""`struct timex` is 208 bytes on 64-bit Linux (<sys/timex.h>); a first int of 0 only reads."""


def _adjtimex_state() -> int:
    """The kernel's clock state, 0 (TIME_OK) to 5, or -1 where it cannot be asked."""
    buffer = ctypes.create_string_buffer(_SIZEOF_TIMEX)
    try:
        return int(ctypes.CDLL(None).adjtimex(buffer))
    except (OSError, AttributeError):
        return -1
