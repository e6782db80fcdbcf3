"""A model's own grid of time: the same states whoever asks, and when.

Law: state k is `advance` applied k times to the initial state; nothing else moves it. Between two
points of the grid the model interpolates, so sampling faster, slower or unevenly gives the same
curve.

>>> grid = Grid(100.0, 10.0, 0.0, lambda time_s, state: state + 1.0)
>>> grid.around(125.0)
(2.0, 3.0, 0.5)
>>> grid.around(101.0)
(0.0, 1.0, 0.1)
"""

from collections.abc import Callable
from typing import Generic, TypeVar

State = TypeVar("State")


class Grid(Generic[State]):
    """States every `step_s` seconds from `origin_s` on.

    Args:
        origin_s: Event time of the initial state.
        step_s: Distance of the grid's points, well below the model's time constants.
        initial: The state at the origin; immutable.
        advance: (event time, state there) -> state one step later; pure.
    """

    def __init__(
        self,
        origin_s: float,
        step_s: float,
        initial: State,
        advance: Callable[[float, State], State],
    ) -> None:
        self._origin_s = origin_s
        self._step_s = step_s
        self._initial = initial
        self._advance = advance
        self._restart()

    def _restart(self) -> None:
        self._k = 0
        self._before = self._initial
        self._after = self._advance(self._origin_s, self._initial)

    def around(self, time_s: float) -> tuple[State, State, float]:
        """The states on both sides of `time_s`, and where between them it lies, in [0, 1).

        A time before the origin is the origin.
        """
        position = max(0.0, (time_s - self._origin_s) / self._step_s)
        k = int(position)
        if k < self._k:
            self._restart()
        while self._k < k:
            self._k += 1
            self._before = self._after
            self._after = self._advance(self._origin_s + self._k * self._step_s, self._before)
        return self._before, self._after, round(position - k, 9)
