"""When to try again: capped exponential back-off with full jitter, and one log line each way.

Law: a delay is drawn uniformly from (0, min(cap, base * 2**failures)], so that many clients of one
broken server spread out. Source: "Exponential Backoff And Jitter", AWS Architecture Blog, 2015.

>>> backoff = Backoff(base_s=0.2, cap_s=10.0, random=lambda: 1.0)
>>> [backoff.failed("refused") for _ in range(4)]
[0.2, 0.4, 0.8, 1.6]
>>> backoff.succeeded()
>>> backoff.failures
0
"""

import logging
import random as _random
from collections.abc import Callable


class Backoff:
    """The state of one thing that is tried again until it works.

    Args:
        base_s: Upper bound of the first delay.
        cap_s: Upper bound of every delay.
        name: What is tried, for the log; None logs nothing.
        random: A source of numbers in [0, 1).
    """

    def __init__(
        self,
        *,
        base_s: float,
        cap_s: float,
        name: str | None = None,
        random: Callable[[], float] = _random.random,
    ) -> None:
        self.failures = 0
        self._base_s = base_s
        self._cap_s = cap_s
        self._name = name
        self._random = random
        self._log = logging.getLogger(__name__)

    def failed(self, reason: object) -> float:
        """Count a failure and return the seconds to wait; the first one is logged."""
        if self.failures == 0 and self._name is not None:
            self._log.warning("lost what=%s reason=%s; trying again", self._name, reason)
        # 2**60 is beyond any cap: the exponent is bounded so that it stays a small number.
        bound = min(self._cap_s, self._base_s * 2.0 ** min(self.failures, 60))
        self.failures += 1
        return max(bound * self._random(), bound * 0.01)

    def succeeded(self) -> None:
        """Forget the failures; the end of a series is logged."""
        if self.failures and self._name is not None:
            self._log.info("back what=%s failures=%d", self._name, self.failures)
        self.failures = 0
