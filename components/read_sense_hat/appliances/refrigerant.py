"""What a leak leaves of a refrigeration machine's capacity.

The charge falls as through a hole of constant size, c = exp(-age / time constant). Capacity
follows the charge as Grace, Datta and Tassou measured ("Sensitivity of refrigeration system
performance to charge levels and parameters for on-line leak detection", Applied Thermal
Engineering 25, 2005): none is lost down to 75 % of the charge, below it falls steeply. We take a
straight line from 1 at 75 % to 0 at 30 %.

>>> [round(capacity_left(age_s, 21600.0), 2) for age_s in (0, 6000, 12000, 21600, 86400)]
[1.0, 1.0, 0.61, 0.15, 0.0]
"""

import math

FLAT_DOWN_TO = 0.75
NOTHING_AT = 0.30


def capacity_left(age_s: float, time_constant_s: float) -> float:
    """Capacity as a fraction of the healthy machine's, for a leak of that age."""
    charge = math.exp(-age_s / time_constant_s)
    return min(1.0, max(0.0, (charge - NOTHING_AT) / (FLAT_DOWN_TO - NOTHING_AT)))
