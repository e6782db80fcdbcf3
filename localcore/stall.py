"""Nucleus lite serves everybody from one thread: what holds that up holds up the device.

A stall begins with a reason, which the log gets, and ends after its time or when what caused it is
over. Stalls that overlap last until the end of the latest.
"""

import asyncio
import logging
from collections.abc import Callable

log = logging.getLogger(__name__)


class Stall:
    """``pause`` is called when the first stall begins, ``resume`` when the last one ends."""

    def __init__(self, pause: Callable[[], None], resume: Callable[[], None]) -> None:
        self._pause = pause
        self._resume = resume
        self._timers: dict[object, asyncio.TimerHandle] = {}

    @property
    def active(self) -> bool:
        """Whether the device stands still."""
        return bool(self._timers)

    def begin(self, cause: object, seconds: float, reason: str) -> None:
        """Stand still for that long; a cause that is already there is not prolonged."""
        if cause in self._timers:
            return
        log.warning(
            "every client waits, as on nucleus lite: seconds=%.3g reason=%s", seconds, reason
        )
        if not self._timers:
            self._pause()
        loop = asyncio.get_running_loop()
        self._timers[cause] = loop.call_later(seconds, self.end, cause)

    def end(self, cause: object) -> None:
        """What caused it is over; it may not have begun."""
        timer = self._timers.pop(cause, None)
        if timer is None:
            return
        timer.cancel()
        if not self._timers:
            self._resume()

    def close(self) -> None:
        """End all without a word to anybody."""
        for timer in self._timers.values():
            timer.cancel()
        self._timers.clear()
