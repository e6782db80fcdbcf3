"""Physical models of appliances: no I/O, no clock, and the same values for the same event time.

Law: a model is a function of (seed, origin, event time). It integrates on a fixed grid of its own
that starts at the origin, and its noise is a function of the millisecond, so the values do not
depend on when, how often or in which process it was asked.
"""

from typing import Literal, Protocol

ApplianceName = Literal["hvac", "refrigerator", "washing_machine"]


class Appliance(Protocol):
    """One appliance, measured at any event time from its origin on."""

    metrics: tuple[str, ...]

    def at(self, time_s: float) -> tuple[float, ...]:
        """The values of `metrics` at `time_s`, seconds since 1970 UTC.

        Cheap while time goes on; going back starts again from the origin.
        """
