"""A simulated appliance as a source: the model's values at the event time that is asked for.

Law: the model's time is event time less the jumps of the wall clock that stamps a live simulation.
An appliance does not age ten years when its hub gets the time.
"""

from collections.abc import Sequence

from read_sense_hat.appliances import Appliance, ApplianceName
from read_sense_hat.appliances.catalogue import make_appliance
from read_sense_hat.sources import GOOD, Sample

JUMP_S = 2 * 86_400.0
"""The longest period is a day: a longer way between two readings was the clock's."""


class SimulatedSource:
    """A model of `read_sense_hat.appliances`, started at `origin_s`.

    Opening and closing do nothing: the model's past must not depend on who looked when.
    """

    def __init__(
        self, appliance: ApplianceName, *, seed: int, origin_s: float, faults: Sequence[str]
    ) -> None:
        self._appliance: Appliance = make_appliance(
            appliance, seed=seed, origin_s=origin_s, faults=faults
        )
        self._last_s: float | None = None
        self._jumped_s = 0.0

    @property
    def metrics(self) -> tuple[str, ...]:
        """The appliance's."""
        return self._appliance.metrics

    def open(self) -> None:
        """Nothing to open."""

    def close(self) -> None:
        """Nothing to close."""

    def read(self, now_s: float) -> Sample:
        """What would be measured at `now_s`."""
        if self._last_s is not None and not 0.0 <= now_s - self._last_s <= JUMP_S:
            self._jumped_s += now_s - self._last_s
        self._last_s = now_s
        return Sample(now_s, self._appliance.at(now_s - self._jumped_s), GOOD)
