"""A household refrigerator: air and contents as two nodes, a compressor that cycles, a door.

    C_air dT_air/dt   = (UA_wall + UA_door) (T_amb - T_air) + UA_food (T_food - T_air) - Q
    C_food dT_food/dt = UA_food (T_air - T_food)

UA_door counts while the door is open only. The thermostat starts the compressor above 6.5 C and
stops it below 2.5 C. The evaporator is at T_air - Q / UA_evap while the compressor runs, and
follows the air with a time constant of 5 minutes when it stands. The kitchen has 22 C with a
daily swing of 1.5 K.

The door opens at most once in each quarter of an hour, with the probability of the hour of the
day (meals: 0.5, otherwise by day 0.15, at night 0.01), for 8 to 45 s; time and length come from
the seed.

Fault `leak`: refrigerant is lost with a time constant of 6 h (a pierced evaporator), see
`refrigerant.py`. Less is cooled, the compressor runs longer and draws a little less (down to 65
%) as it compresses less gas; the evaporator gets less cold. The air leaves its normal range only
when running all the time is no longer enough: power and duty tell hours earlier.

    Parameter   Value      Source
    UA_wall     1.2 W/K    250 l cabinet: 22 W at 18 K, some 140 kWh a year (IEC 62552)
    C_air       9 kJ/K     0.3 of air, the rest liner and shelves
    C_food      55 kJ/K    15 kg of food at 3.7 kJ/(kg K)
    UA_food     4 W/K      1 m2 of surface at 4 W/(m2 K), natural convection
    UA_door     25 W/K     a tenth of the air exchanged each second that it is open (ASHRAE
                           Handbook, Refrigeration), scaled by the density
    Q           110 W      small R600a compressor at -20/40 C, 75 W electrical
    UA_evap     6 W/K      evaporator of 0.5 m2; with 110 W it is 18 K colder than the air

>>> fridge = Refrigerator(seed=1, origin_s=1700000000.0)
>>> dict(zip(fridge.metrics, fridge.at(1700003600.0), strict=True))
{'temperature_c': 4.592, 'evaporator_temperature_c': -2.807, 'power_w': 77.38, 'door_open': 0.0}
"""

import math
from typing import NamedTuple

from read_sense_hat.appliances.faults import FaultSchedule
from read_sense_hat.appliances.grid import Grid
from read_sense_hat.appliances.noise import Noise
from read_sense_hat.appliances.refrigerant import capacity_left
from read_sense_hat.appliances.weather import DAY_S

STEP_S = 5.0
UA_WALL_W_PER_K = 1.2
UA_FOOD_W_PER_K = 4.0
UA_DOOR_W_PER_K = 25.0
UA_EVAPORATOR_W_PER_K = 6.0
C_AIR_J_PER_K = 9.0e3
C_FOOD_J_PER_K = 55.0e3
COOLING_W = 110.0
COMPRESSOR_W = 75.0
LAMP_W = 4.0
STANDBY_W = 1.5
START_ABOVE_C = 6.5
STOP_BELOW_C = 2.5
EVAPORATOR_TIME_CONSTANT_S = 300.0
LEAK_TIME_CONSTANT_S = 21_600.0
DOOR_SLOT_S = 900.0


class State(NamedTuple):
    """The refrigerator at one point of the grid."""

    air_c: float
    food_c: float
    evaporator_c: float
    running: bool


def ambient_c(time_s: float) -> float:
    """The kitchen: 22 C, warmest at 17 h UTC.

    >>> ambient_c(17 * 3600.0), ambient_c(5 * 3600.0)
    (23.5, 20.5)
    """
    return 22.0 + 1.5 * math.cos(2.0 * math.pi * (time_s / DAY_S - 17.0 / 24.0))


class Door:
    """When the door is open: a function of the seed and the time."""

    def __init__(self, seed: int) -> None:
        self._noise = Noise(seed, "door")

    def is_open(self, time_s: float) -> bool:
        """Whether it stands open at `time_s`."""
        slot = int(time_s // DOOR_SLOT_S)
        hour = slot * DOOR_SLOT_S % DAY_S / 3600.0
        meal = 6 <= hour < 8 or 11 <= hour < 13 or 17 <= hour < 20
        chance = 0.5 if meal else 0.15 if 8 <= hour < 23 else 0.01
        if self._noise.uniform(3 * slot) >= chance:
            return False
        length_s = 8.0 + 37.0 * self._noise.uniform(3 * slot + 1)
        begin_s = self._noise.uniform(3 * slot + 2) * (DOOR_SLOT_S - length_s)
        return begin_s <= time_s - slot * DOOR_SLOT_S < begin_s + length_s


class Refrigerator:
    """See the module."""

    metrics: tuple[str, ...] = ("temperature_c", "evaporator_temperature_c", "power_w", "door_open")

    def __init__(self, *, seed: int, origin_s: float, faults: FaultSchedule | None = None) -> None:
        self._origin_s = origin_s
        self._faults = faults or FaultSchedule([])
        self._door = Door(seed)
        self._noises = [Noise(seed, name) for name in self.metrics[:3]]
        initial = State(4.5, 4.5, 2.0, running=False)
        self._grid = Grid(origin_s, STEP_S, initial, self._advance)

    def _capacity(self, time_s: float) -> float:
        return capacity_left(
            self._faults.age_s("leak", time_s - self._origin_s), LEAK_TIME_CONSTANT_S
        )

    def _advance(self, time_s: float, state: State) -> State:
        """One explicit Euler step: 5 s against C_air / (UA_wall + UA_food + UA_door) = 300 s."""
        air_c, food_c, evaporator_c, running = state
        outside_w_per_k = UA_WALL_W_PER_K
        if self._door.is_open(time_s):
            outside_w_per_k += UA_DOOR_W_PER_K
        cooling_w = COOLING_W * self._capacity(time_s) if running else 0.0
        from_food_w = UA_FOOD_W_PER_K * (food_c - air_c)
        heat_w = outside_w_per_k * (ambient_c(time_s) - air_c) + from_food_w - cooling_w
        target_c = air_c - cooling_w / UA_EVAPORATOR_W_PER_K
        evaporator_c += (target_c - evaporator_c) * STEP_S / EVAPORATOR_TIME_CONSTANT_S
        air_c += heat_w / C_AIR_J_PER_K * STEP_S
        food_c -= from_food_w / C_FOOD_J_PER_K * STEP_S
        running = air_c > (STOP_BELOW_C if running else START_ABOVE_C)
        return State(air_c, food_c, evaporator_c, running)

    def at(self, time_s: float) -> tuple[float, ...]:
        """Temperature of the air, of the evaporator, power, and 1.0 while the door is open."""
        before, after, part = self._grid.around(time_s)
        air_c = before.air_c + part * (after.air_c - before.air_c)
        evaporator_c = before.evaporator_c + part * (after.evaporator_c - before.evaporator_c)
        is_open = self._door.is_open(time_s)
        power_w = STANDBY_W + (LAMP_W if is_open else 0.0)
        if before.running:
            power_w += COMPRESSOR_W * (0.65 + 0.35 * self._capacity(time_s))
        tick = round(time_s * 1000.0)
        noise = [source.gauss(tick) for source in self._noises]
        return (
            round(air_c + 0.03 * noise[0], 3),
            round(evaporator_c + 0.05 * noise[1], 3),
            round(power_w * (1.0 + 0.01 * noise[2]), 2),
            1.0 if is_open else 0.0,
        )
