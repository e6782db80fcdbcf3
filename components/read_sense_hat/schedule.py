"""When to take the next reading: no I/O; time is an argument.

Law: tick n is at start + n * period on the monotonic clock, whatever happened to the ticks before
it, so the rate has no drift. A tick that was missed is counted and never made up for: no
bunching.

>>> schedule = Schedule(period_s=0.5, start_s=100.0)
>>> [schedule.take(now_s) for now_s in (100.0, 100.2, 100.5, 102.1, 102.2)]
[True, False, True, True, False]
>>> schedule.missed, schedule.next_s
(2, 102.5)
"""

import math


class Schedule:
    """The ticks of one device.

    Args:
        period_s: Their distance.
        start_s: The monotonic time of tick 0.
    """

    def __init__(self, period_s: float, start_s: float) -> None:
        self._period_s = period_s
        self._start_s = start_s
        self._next = 0
        self.missed = 0

    @property
    def next_s(self) -> float:
        """The monotonic time of the next tick."""
        return self._start_s + self._next * self._period_s

    def take(self, now_s: float) -> bool:
        """Whether a tick is due; it is taken, and those that passed before it are missed."""
        if now_s < self.next_s:
            return False
        due = max(self._next, math.floor((now_s - self._start_s) / self._period_s))
        # The division rounds: the tick is the last one that is not later than now.
        if self._start_s + (due + 1) * self._period_s <= now_s:
            due += 1
        elif due > self._next and self._start_s + due * self._period_s > now_s:
            due -= 1
        self.missed += due - self._next
        self._next = due + 1
        return True
