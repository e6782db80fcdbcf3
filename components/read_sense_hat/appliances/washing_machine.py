"""A washing machine: programmes with pauses, phases with drum speed, vibration, water and power.

A programme (cotton 40 C, short) is a list of phases; the pause to the next is 0.5 to 3 h, from
the seed:

    fill 3 min, wash 25 min, drain 2 min, rinse (fill 2, tumble 4, drain 2 min) twice,
    spin (1 min at 500 rpm, 8 min at 1200 rpm, ramps of 30 s), rest

While washing and tumbling the drum turns at 50 rpm, 12 s on and 3 s off. The load is unevenly
spread: its unbalance m_u r is 0.10 to 0.35 kg m, drawn for each programme. The tub, of mass M on
springs with natural frequency f_n and damping D, moves as any mass with a rotating unbalance
(Harris and Piersol, "Shock and Vibration Handbook", 5th ed., ch. 2), with q = f / f_n and w = 2
pi f:

    x = (m_u r / M) q^2 / sqrt((1 - q^2)^2 + (2 D q)^2)         a_rms = x w^2 / sqrt(2)

M = 60 kg with concrete weights, f_n = 3 Hz (180 rpm), D = 0.35 with friction dampers. A hundredth
of it reaches the panel where the accelerometer sits, with 0.004 g of base noise (RMS).

Water: heated with 1900 W from 15 to 40 C while washing, dT/dt = (P - UA (T - T_room)) / C_w with
C_w = 60 kJ/K (12 l of water and the load) and UA = 5 W/K, solved exactly. Power: 4 W idle, pump
30 W, tumbling 120 W, spinning 100 + 300 (rpm / 1200)^2 W, heater 1900 W.

Faults. `bearing`: broadband vibration in proportion to speed^1.5 that doubles every 2 h from
0.002 g at 1200 rpm, up to 1 g, and friction that costs as much power as 200 W per g (ISO 13373-1:
worn bearings show in broadband acceleration first). `filter`: the drain pump's filter clogs
within 12 h, a drain takes up to four times as long, and spinning starts as much later; the pump
draws 45 W instead of 30.

>>> machine = WashingMachine(seed=1, origin_s=0.0)
>>> [machine.phase_at(minutes * 60.0)[0] for minutes in (1, 10, 29, 40, 52, 60)]
['fill', 'wash', 'drain', 'tumble', 'spin', 'rest']
"""

import math
from typing import NamedTuple

from read_sense_hat.appliances.faults import FaultSchedule
from read_sense_hat.appliances.noise import Noise

WASH_RPM = 50.0
SPIN_RPM = 1200.0
FIRST_SPIN_RPM = 500.0
RAMP_S = 30.0
TUB_KG = 60.0
NATURAL_HZ = 3.0
DAMPING = 0.35
PANEL_SHARE = 0.01
BASE_G = 0.004
HEATER_W = 1900.0
WATER_J_PER_K = 60.0e3
WATER_UA_W_PER_K = 5.0
SUPPLY_C = 15.0
WASH_C = 40.0
ROOM_C = 20.0
BEARING_G = 0.002
BEARING_DOUBLING_S = 7200.0
BEARING_LIMIT_G = 1.0
FILTER_S = 43_200.0
STANDARD_GRAVITY = 9.80665


class Phase(NamedTuple):
    """A phase and how long it takes when nothing is wrong."""

    name: str
    length_s: float


PROGRAMME = (
    Phase("fill", 180.0),
    Phase("wash", 1500.0),
    Phase("drain", 120.0),
    Phase("fill", 120.0),
    Phase("tumble", 240.0),
    Phase("drain", 120.0),
    Phase("fill", 120.0),
    Phase("tumble", 240.0),
    Phase("drain", 120.0),
    Phase("spin", 540.0),
)


def unbalance_g(unbalance_kg_m: float, rpm: float) -> float:
    """RMS acceleration of the tub by a rotating unbalance, in g.

    The steady amplitude is x = (m_u r / M) q^2 / sqrt((1 - q^2)^2 + (2 D q)^2) with q = f / f_n,
    the acceleration x w^2, its RMS that over sqrt(2).

    >>> [round(unbalance_g(0.2, rpm), 2) for rpm in (50, 180, 500, 1200)]
    [0.0, 0.12, 0.73, 3.86]
    """
    omega = 2.0 * math.pi * rpm / 60.0
    q = rpm / 60.0 / NATURAL_HZ
    amplitude_m = unbalance_kg_m / TUB_KG * q**2 / math.hypot(1.0 - q**2, 2.0 * DAMPING * q)
    return amplitude_m * omega**2 / math.sqrt(2.0) / STANDARD_GRAVITY


def water_c(from_c: float, heater_w: float, for_s: float) -> float:
    """Temperature of the water after `for_s`: the exact solution of the heat balance.

    >>> round(water_c(15.0, 1900.0, 600.0), 1), round(water_c(15.0, 1900.0, 840.0), 1)
    (33.8, 41.0)
    """
    end_c = ROOM_C + heater_w / WATER_UA_W_PER_K
    return end_c + (from_c - end_c) * math.exp(-for_s * WATER_UA_W_PER_K / WATER_J_PER_K)


def _heating_s() -> float:
    """How long the heater needs from supply to washing temperature."""
    end_c = ROOM_C + HEATER_W / WATER_UA_W_PER_K
    return WATER_J_PER_K / WATER_UA_W_PER_K * math.log((end_c - SUPPLY_C) / (end_c - WASH_C))


HEATING_S = _heating_s()


def spin_rpm(since_s: float) -> float:
    """Drum speed in the spin phase: ramp, 500 rpm for a minute, ramp, 1200 rpm, ramp down.

    >>> [spin_rpm(since_s) for since_s in (0, 15, 60, 105, 300, 525)]
    [0.0, 250.0, 500.0, 850.0, 1200.0, 600.0]
    """
    up = FIRST_SPIN_RPM * min(1.0, since_s / RAMP_S)
    second_s = since_s - RAMP_S - 60.0
    up += (SPIN_RPM - FIRST_SPIN_RPM) * min(1.0, max(0.0, second_s / RAMP_S))
    left_s = PROGRAMME[-1].length_s - since_s
    return min(up, SPIN_RPM * max(0.0, left_s / RAMP_S))


class WashingMachine:
    """See the module."""

    metrics: tuple[str, ...] = (
        "vibration_rms_g",
        "drum_speed_rpm",
        "water_temperature_c",
        "power_w",
    )

    def __init__(self, *, seed: int, origin_s: float, faults: FaultSchedule | None = None) -> None:
        self._origin_s = origin_s
        self._faults = faults or FaultSchedule([])
        self._programmes = Noise(seed, "programmes")
        self._noises = [Noise(seed, name) for name in self.metrics]
        self._restart()

    def _restart(self) -> None:
        self._number = 0
        self._begin_s = self._origin_s
        self._phases = self._plan()

    def _plan(self) -> tuple[Phase, ...]:
        """The phases of the current programme, the drains as long as its filter makes them."""
        clogged = self._clogged(self._begin_s)
        rest_s = 1800.0 + 9000.0 * self._programmes.uniform(2 * self._number)
        phases = [
            Phase(name, length_s * (1.0 + 3.0 * clogged) if name == "drain" else length_s)
            for name, length_s in PROGRAMME
        ]
        return (*phases, Phase("rest", rest_s))

    def _clogged(self, time_s: float) -> float:
        return min(1.0, self._faults.age_s("filter", time_s - self._origin_s) / FILTER_S)

    def phase_at(self, time_s: float) -> tuple[str, float, int]:
        """The phase, the seconds since it began, and its index in the programme."""
        if time_s < self._begin_s:
            self._restart()
        since_s = max(0.0, time_s - self._begin_s)
        while True:
            for index, (name, length_s) in enumerate(self._phases):
                if since_s < length_s:
                    return name, since_s, index
                since_s -= length_s
            self._begin_s += sum(length_s for _, length_s in self._phases)
            self._number += 1
            self._phases = self._plan()
            since_s = max(0.0, time_s - self._begin_s)

    def at(self, time_s: float) -> tuple[float, ...]:
        """Vibration of the panel, speed of the drum, temperature of the water, power."""
        name, since_s, index = self.phase_at(time_s)
        rpm = 0.0
        power_w = 4.0
        if name in {"wash", "tumble"}:
            rpm = WASH_RPM if since_s % 15.0 < 12.0 else 0.0
            power_w += 120.0 if rpm else 0.0
        elif name == "spin":
            rpm = spin_rpm(since_s)
            power_w += 100.0 + 300.0 * (rpm / SPIN_RPM) ** 2
        elif name == "drain":
            power_w += 30.0 + 15.0 * self._clogged(time_s)
        if name == "wash" and since_s < HEATING_S:
            power_w += HEATER_W
        worn_g = self._bearing_g(time_s, rpm)
        power_w += 200.0 * worn_g
        unbalance_kg_m = 0.10 + 0.25 * self._programmes.uniform(2 * self._number + 1)
        panel_g = PANEL_SHARE * unbalance_g(unbalance_kg_m, rpm)
        tick = round(time_s * 1000.0)
        noise = [source.gauss(tick) for source in self._noises]
        vibration_g = math.hypot(panel_g * (1.0 + 0.05 * noise[0]), BASE_G, worn_g)
        return (
            round(vibration_g * (1.0 + 0.03 * noise[1]), 5),
            round(rpm * (1.0 + 0.002 * noise[1]), 1),
            round(self._water_c(name, since_s, index) + 0.05 * noise[2], 2),
            round(power_w * (1.0 + 0.01 * noise[3]), 2),
        )

    def _bearing_g(self, time_s: float, rpm: float) -> float:
        age_s = self._faults.age_s("bearing", time_s - self._origin_s)
        if age_s <= 0.0 or rpm <= 0.0:
            return 0.0
        # 2.0**60 is far beyond the limit: the exponent stays a small number for ever.
        grown_g = BEARING_G * math.pow(2.0, min(60.0, age_s / BEARING_DOUBLING_S))
        return min(BEARING_LIMIT_G, grown_g) * math.pow(rpm / SPIN_RPM, 1.5)

    @staticmethod
    def _water_c(name: str, since_s: float, index: int) -> float:
        """Fresh water while filling, heated and held while washing, cooling off otherwise."""
        if name == "wash":
            return min(WASH_C, water_c(SUPPLY_C, HEATER_W, since_s))
        if name == "rest":
            return water_c(SUPPLY_C, 0.0, since_s)
        return WASH_C if name == "drain" and index == 2 else SUPPLY_C
