"""The weather around a house, and the humid air in it: formulas, no I/O.

Outdoor temperature, with t seconds since 1970 UTC:

    T_out = 10.5 - 8.5 cos(2 pi (day - 20) / 365.25)    season: coldest about 20 January
          - 5.0 cos(2 pi (hour - 3) / 24)               day: coldest at 3 h, warmest at 15 h UTC
          + 2.5 s1(t) + 1.5 s2(t)                       air masses: sines of 3 to 8 days, seeded

which is a temperate climate (Central Europe: yearly mean 10 C, monthly means 1 to 19 C). Pressure
is the standard 1013.25 hPa with 8 and 4 hPa of passing highs and lows and the semidiurnal tide of
0.6 hPa. Outdoor air holds 75 % of what the mean of the day can, so its moisture has no daily
cycle.

Saturation vapour pressure is Magnus' formula with the coefficients of WMO-No. 8, Guide to
Instruments, annex 4.B: e_s = 6.112 hPa exp(17.62 T / (243.12 + T)), within 0.3 % from -45 to 60
C. A mixing ratio w in g of water a kg of dry air has the vapour pressure e = w p / (622 + w).

>>> round(saturation_hpa(20.0), 2)
23.33
>>> w = mixing_ratio_g_per_kg(20.0, 50.0, 1013.25)
>>> round(w, 2), round(relative_humidity_pct(20.0, w, 1013.25), 6)
(7.24, 50.0)
"""

import math

from read_sense_hat.appliances.noise import Noise

DAY_S = 86_400.0
YEAR_S = 365.25 * DAY_S
_TURN = 2.0 * math.pi


def saturation_hpa(temperature_c: float) -> float:
    """Pressure of saturated water vapour over water."""
    return 6.112 * math.exp(17.62 * temperature_c / (243.12 + temperature_c))


def mixing_ratio_g_per_kg(temperature_c: float, humidity_pct: float, pressure_hpa: float) -> float:
    """Water in dry air, from its relative humidity."""
    vapour_hpa = humidity_pct / 100.0 * saturation_hpa(temperature_c)
    return 622.0 * vapour_hpa / (pressure_hpa - vapour_hpa)


def relative_humidity_pct(temperature_c: float, mixing_ratio: float, pressure_hpa: float) -> float:
    """The inverse of `mixing_ratio_g_per_kg`, at most 100."""
    vapour_hpa = mixing_ratio * pressure_hpa / (622.0 + mixing_ratio)
    return min(100.0, 100.0 * vapour_hpa / saturation_hpa(temperature_c))


class Weather:
    """Outdoor air at any time; a function of the seed and the time."""

    def __init__(self, seed: int) -> None:
        noise = Noise(seed, "weather")
        # (period in s, phase): 3 to 5 and 5 to 8 days, the time in which highs and lows pass.
        self._slow = [
            ((first + span * noise.uniform(2 * i)) * DAY_S, noise.uniform(2 * i + 1))
            for i, (first, span) in enumerate([(3.0, 2.0), (5.0, 3.0), (3.0, 2.0), (5.0, 3.0)])
        ]

    def _wave(self, index: int, time_s: float) -> float:
        period_s, phase = self._slow[index]
        return math.sin(_TURN * (time_s / period_s + phase))

    def day_mean_c(self, time_s: float) -> float:
        """Outdoor temperature without its daily cycle."""
        season = -8.5 * math.cos(_TURN * (time_s / YEAR_S - 20.0 / 365.25))
        return 10.5 + season + 2.5 * self._wave(0, time_s) + 1.5 * self._wave(1, time_s)

    def temperature_c(self, time_s: float) -> float:
        """Outdoor temperature."""
        return self.day_mean_c(time_s) - 5.0 * math.cos(_TURN * (time_s / DAY_S - 3.0 / 24.0))

    def pressure_hpa(self, time_s: float) -> float:
        """Station pressure at sea level."""
        tide = 0.6 * math.cos(2.0 * _TURN * (time_s / DAY_S - 10.0 / 24.0))
        return 1013.25 + 8.0 * self._wave(2, time_s) + 4.0 * self._wave(3, time_s) + tide

    def mixing_ratio_g_per_kg(self, time_s: float) -> float:
        """Water in the outdoor air."""
        mean_c = self.day_mean_c(time_s)
        return mixing_ratio_g_per_kg(mean_c, 75.0, self.pressure_hpa(time_s))

    @staticmethod
    def sun(time_s: float) -> float:
        """Height of the sun from 0 (night) to 1 (noon): half a sine from 6 to 18 h UTC."""
        return max(0.0, -math.cos(_TURN * time_s / DAY_S))
