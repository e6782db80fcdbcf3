"""A live sampler in a thread of its own, so that one device that hangs stops no other.

Law: the thread touches its sampler and a deque, nothing else. A read that takes longer than
`READ_TIMEOUT_S` is given up: the device's reading is one of nulls, flagged `io_error`, again
after each further time-out, and what the read brings later is thrown away. The thread itself
cannot be ended; as long as it hangs there is no second one, so a dead bus costs one thread.
"""

import logging
import threading
from collections import Counter, deque

from hubkit.clock import Clock
from read_sense_hat.sampling import LiveSampler, State, Taken, nulls

READ_TIMEOUT_S = 5.0
"""Reading all chips takes 0.1 s; the I2C driver itself gives up after 1 s a transfer."""

WAITING_LIMIT = 10_000
"""Readings taken while the owner is busy: 100 s at 100 Hz. The nucleus keeps it at most 20 s."""

STOP_TIMEOUT_S = 0.5

_log = logging.getLogger(__name__)


class Reader:
    """The thread of one device.

    Args:
        name: The device.
        sampler: Used by the thread only, but for its counters.
        clock: Paces and stamps.
    """

    def __init__(self, name: str, sampler: LiveSampler, clock: Clock) -> None:
        self._name = name
        self._sampler = sampler
        self._clock = clock
        self._taken: deque[Taken] = deque()
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._busy_since_s: float | None = None
        self._given_up_s: float | None = None
        self._overflown = 0
        self._thread = threading.Thread(target=self._work, name=f"reader-{name}", daemon=True)
        self._thread.start()

    @property
    def metrics(self) -> tuple[str, ...]:
        """The source's."""
        return self._sampler.metrics

    @property
    def state(self) -> State:
        """The sampler's, or retrying while the source hangs."""
        return "retrying" if self._given_up_s is not None else self._sampler.state

    @property
    def missed(self) -> int:
        """Ticks without a reading, and readings that nobody fetched in time."""
        return self._sampler.missed + self._overflown

    @property
    def errors(self) -> int:
        """Attempts that failed."""
        return self._sampler.errors

    @property
    def refused(self) -> Counter[str]:
        """The sampler's."""
        return self._sampler.refused

    @property
    def next_s(self) -> float:
        """When it is worth looking for a reading again."""
        now_s = self._clock.monotonic_s()
        if self._taken:
            return now_s
        # A read takes 10 to 100 ms: look every 10 ms while one goes on.
        return max(self._sampler.next_s, now_s) + 0.01

    def fetch(self) -> Taken | None:
        """The oldest reading not fetched yet, None when there is none."""
        with self._lock:
            return self._taken.popleft() if self._taken else self._give_up()

    def _give_up(self) -> Taken | None:
        since_s, now_s = self._busy_since_s, self._clock.monotonic_s()
        if since_s is None:
            return None
        if now_s - max(since_s, self._given_up_s or since_s) < READ_TIMEOUT_S:
            return None
        if self._given_up_s is None:
            _log.warning("source hangs device=%s seconds=%g", self._name, READ_TIMEOUT_S)
        self._given_up_s = now_s
        sample = nulls(self.metrics, round(self._clock.now_s(), 3))
        return Taken(sample, round(now_s, 3), self._clock.status())

    def _work(self) -> None:
        sampler, clock = self._sampler, self._clock
        while not self._stop.wait(max(0.0, sampler.next_s - clock.monotonic_s())):
            with self._lock:
                self._busy_since_s = clock.monotonic_s()
            taken = sampler.fetch()
            with self._lock:
                self._busy_since_s = None
                if self._given_up_s is not None:
                    self._given_up_s = None
                    _log.info("source answers again device=%s", self._name)
                elif taken is not None and len(self._taken) < WAITING_LIMIT:
                    self._taken.append(taken)
                elif taken is not None:
                    self._overflown += 1
        sampler.close()

    def close(self) -> None:
        """Tell the thread to end and wait a moment; a hanging one ends with the process."""
        self._stop.set()
        self._thread.join(STOP_TIMEOUT_S)
