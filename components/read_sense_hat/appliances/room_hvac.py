"""A room of 60 m3 with a heat pump: temperature, moisture, and what the machine draws.

Heat and moisture of the room, one node each:

    C dT/dt   = UA (T_out - T) + Q_people + Q_sun + Q_hvac
    M dw/dt   = m_vent (w_out - w) + G_people - G_coil

The thermostat heats below 21.0 until 22.0 C and cools above 25.0 until 24.0 C (hysteresis 1 K).
The heat pump moves Q = 3000 W (heating) or 2500 W (cooling) through an air flow of m_air = 0.25
kg/s, so that the supply air has T + Q / (m_air c_p); it draws Q / COP and the fan 60 W. Cooling
dries the air towards the coil's dew point of 12 C (8.8 g/kg), as far as the air flow passes it.

Faults. `filter`: dust narrows the air flow from 1 to 0.3 of its value within 24 h. Capacity goes
with flow**0.6 (a coil's effectiveness), supply air gets hotter (heating) or colder (cooling) as
less air carries nearly the same heat, and the fan, which holds its speed, draws less. `leak`:
refrigerant is lost, see `refrigerant.py`; supply air gets milder and running longer.

    Parameter       Value       Source
    UA              120 W/K     30 m2 envelope at U = 1.2 W/(m2 K) and 0.5 air changes an hour,
                                twice that for floor, ceiling and door to unheated rooms
    C               3.0 MJ/K    125 kJ/K for each of 24 m2 of floor: the class
                                "light" of ISO 13790 (110) with furniture
    M               360 kg      72 kg of air; walls and furniture buffer four times as much
    m_vent          0.01 kg/s   0.5 air changes an hour
    Q_people        100 W       and 50 g/h of water, a person seated (ASHRAE Handbook,
                                Fundamentals); two on weekdays from 8 to 17 h UTC; 80 W of
                                devices always
    Q_sun           300 W       at noon through 2 m2 of window
    COP             3.2         EN 14511 rating of a small split unit

Measured as a Sense HAT beside the thermostat would: noise of 0.02 C, 0.1 % and 0.02 hPa.

>>> room = RoomHvac(seed=1, origin_s=1700000000.0)
>>> dict(zip(room.metrics, room.at(1700003600.0), strict=True))  # doctest: +NORMALIZE_WHITESPACE
{'temperature_c': 21.769, 'humidity_pct': 42.352, 'pressure_hpa': 1009.116,
 'supply_temperature_c': 21.831, 'power_w': 3.03}
"""

from typing import NamedTuple

from read_sense_hat.appliances.faults import FaultSchedule
from read_sense_hat.appliances.grid import Grid
from read_sense_hat.appliances.noise import Noise
from read_sense_hat.appliances.refrigerant import capacity_left
from read_sense_hat.appliances.weather import DAY_S, Weather, relative_humidity_pct

STEP_S = 10.0
UA_W_PER_K = 120.0
C_J_PER_K = 3.0e6
MOIST_AIR_KG = 360.0
VENTILATION_KG_PER_S = 0.01
AIR_FLOW_KG_PER_S = 0.25
AIR_J_PER_KG_K = 1006.0
HEATING_W = 3000.0
COOLING_W = 2500.0
COP = 3.2
FAN_W = 60.0
STANDBY_W = 3.0
COIL_G_PER_KG = 8.8
FILTER_S = 86_400.0
FILTER_FLOOR = 0.3
LEAK_TIME_CONSTANT_S = 43_200.0


class State(NamedTuple):
    """The room at one point of the grid; `mode` is 1 heating, -1 cooling, 0 off."""

    temperature_c: float
    mixing_ratio: float
    mode: int


def people_in(time_s: float) -> int:
    """Two persons on weekdays from 8 to 17 h UTC; 1970-01-01 was a Thursday.

    >>> [people_in(hours * 3600.0) for hours in (7, 9, 18, 57)]
    [0, 2, 0, 0]
    """
    weekday = int(time_s // DAY_S + 3) % 7
    return 2 if weekday < 5 and 8 <= time_s % DAY_S / 3600.0 < 17 else 0


class RoomHvac:
    """See the module."""

    metrics: tuple[str, ...] = (
        "temperature_c",
        "humidity_pct",
        "pressure_hpa",
        "supply_temperature_c",
        "power_w",
    )

    def __init__(self, *, seed: int, origin_s: float, faults: FaultSchedule | None = None) -> None:
        self._origin_s = origin_s
        self._faults = faults or FaultSchedule([])
        self._weather = Weather(seed)
        self._noises = [Noise(seed, name) for name in self.metrics]
        initial = State(21.5, 7.0, 0)
        self._grid = Grid(origin_s, STEP_S, initial, self._advance)

    def _machine(self, time_s: float) -> tuple[float, float]:
        """Air flow and heat capacity, as fractions of a healthy machine's."""
        elapsed_s = time_s - self._origin_s
        clogged = min(1.0, self._faults.age_s("filter", elapsed_s) / FILTER_S)
        flow = 1.0 - (1.0 - FILTER_FLOOR) * clogged
        leak_s = self._faults.age_s("leak", elapsed_s)
        return flow, flow**0.6 * capacity_left(leak_s, LEAK_TIME_CONSTANT_S)

    def _advance(self, time_s: float, state: State) -> State:
        """One explicit Euler step: 10 s against a time constant of C/UA = 7 h."""
        temperature_c, mixing_ratio, mode = state
        flow, capacity = self._machine(time_s)
        people = people_in(time_s)
        heat_w = (
            UA_W_PER_K * (self._weather.temperature_c(time_s) - temperature_c)
            + 80.0
            + 100.0 * people
            + 300.0 * self._weather.sun(time_s)
        )
        water_g_per_s = (
            VENTILATION_KG_PER_S * (self._weather.mixing_ratio_g_per_kg(time_s) - mixing_ratio)
            + people * 50.0 / 3600.0
        )
        if mode > 0:
            heat_w += HEATING_W * capacity
        elif mode < 0:
            heat_w -= COOLING_W * capacity
            # A tenth of the air flow touches the coil (its bypass factor is 0.9 of the moisture).
            passing = 0.1 * AIR_FLOW_KG_PER_S * flow
            water_g_per_s -= passing * max(0.0, mixing_ratio - COIL_G_PER_KG)
        temperature_c += heat_w / C_J_PER_K * STEP_S
        mixing_ratio += water_g_per_s / MOIST_AIR_KG * STEP_S
        return State(temperature_c, mixing_ratio, thermostat(temperature_c, mode))

    def at(self, time_s: float) -> tuple[float, ...]:
        """Temperature, humidity, pressure, supply temperature and power."""
        before, after, part = self._grid.around(time_s)
        temperature_c = before.temperature_c + part * (after.temperature_c - before.temperature_c)
        mixing_ratio = before.mixing_ratio + part * (after.mixing_ratio - before.mixing_ratio)
        pressure_hpa = self._weather.pressure_hpa(time_s)
        flow, capacity = self._machine(time_s)
        moved_w = (0.0, HEATING_W, -COOLING_W)[before.mode] * capacity
        supply_c = temperature_c + moved_w / (AIR_FLOW_KG_PER_S * flow * AIR_J_PER_KG_K)
        power_w = STANDBY_W
        if before.mode:
            power_w += abs(moved_w) / COP + FAN_W * (0.4 + 0.6 * flow)
        humidity_pct = relative_humidity_pct(temperature_c, mixing_ratio, pressure_hpa)
        tick = round(time_s * 1000.0)
        noise = [source.gauss(tick) for source in self._noises]
        return (
            round(temperature_c + 0.02 * noise[0], 3),
            round(min(100.0, max(0.0, humidity_pct + 0.1 * noise[1])), 3),
            round(pressure_hpa + 0.02 * noise[2], 3),
            round(supply_c + 0.05 * noise[3], 3),
            round(power_w * (1.0 + 0.01 * noise[4]), 2),
        )


def thermostat(temperature_c: float, mode: int) -> int:
    """The mode after a look at the temperature.

    >>> [thermostat(20.9, 0), thermostat(21.5, 1), thermostat(22.0, 1), thermostat(25.1, 0)]
    [1, 1, 0, -1]
    """
    if mode > 0:
        return 1 if temperature_c < 22.0 else 0
    if mode < 0:
        return -1 if temperature_c > 24.0 else 0
    return 1 if temperature_c < 21.0 else -1 if temperature_c > 25.0 else 0
