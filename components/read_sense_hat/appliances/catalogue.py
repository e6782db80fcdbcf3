"""The appliances by name.

All models are imported with this module: a nucleus rewrites artifacts while it deploys, and a
module that is first looked for in the zipapp at that moment cannot be read (seen with the Java
nucleus, as a `PermissionError` after a change of configuration).
"""

from collections.abc import Sequence

from read_sense_hat.appliances import Appliance, ApplianceName
from read_sense_hat.appliances.faults import parse_faults
from read_sense_hat.appliances.refrigerator import Refrigerator
from read_sense_hat.appliances.room_hvac import RoomHvac
from read_sense_hat.appliances.washing_machine import WashingMachine

_MODELS: dict[ApplianceName, type[RoomHvac | Refrigerator | WashingMachine]] = {
    "hvac": RoomHvac,
    "refrigerator": Refrigerator,
    "washing_machine": WashingMachine,
}


def make_appliance(
    name: ApplianceName, *, seed: int, origin_s: float, faults: Sequence[str]
) -> Appliance:
    """The model called `name`, started at `origin_s` with faults such as `leak@120`.

    Raises:
        FaultError: A fault cannot be read or does not exist in that appliance.
    """
    return _MODELS[name](seed=seed, origin_s=origin_s, faults=parse_faults(name, faults))
