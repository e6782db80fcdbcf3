"""Physical models of appliances: no I/O, no clock, and the same values for the same event time.

Law: a model is a function of (seed, origin, event time). It integrates on a fixed grid of its own
that starts at the origin, and its noise is a function of the millisecond, so the values do not
depend on when, how often or in which process it was asked.
"""

from collections.abc import Sequence
from typing import Literal, Protocol

ApplianceName = Literal["hvac", "refrigerator", "washing_machine"]


class Appliance(Protocol):
    """One appliance, measured at any event time from its origin on."""

    metrics: tuple[str, ...]

    def at(self, time_s: float) -> tuple[float, ...]:
        """The values of `metrics` at `time_s`, seconds since 1970 UTC.

        Cheap while time goes on; going back starts again from the origin.
        """


def make_appliance(
    name: ApplianceName, *, seed: int, origin_s: float, faults: Sequence[str]
) -> Appliance:
    """The model called `name`, started at `origin_s` with faults such as `leak@120`.

    Raises:
        FaultError: A fault cannot be read or does not exist in that appliance.
    """
    # Imported here: a device needs one model, and configuration needs the names only.
    from read_sense_hat.appliances.faults import parse_faults  # noqa: PLC0415

    schedule = parse_faults(name, faults)
    if name == "hvac":
        from read_sense_hat.appliances.room_hvac import RoomHvac  # noqa: PLC0415

        return RoomHvac(seed=seed, origin_s=origin_s, faults=schedule)
    if name == "refrigerator":
        from read_sense_hat.appliances.refrigerator import Refrigerator  # noqa: PLC0415

        return Refrigerator(seed=seed, origin_s=origin_s, faults=schedule)
    from read_sense_hat.appliances.washing_machine import WashingMachine  # noqa: PLC0415

    return WashingMachine(seed=seed, origin_s=origin_s, faults=schedule)
