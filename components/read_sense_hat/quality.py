"""Whether a value can be believed: no I/O and no clock.

Law: a flag is added, a number is never changed; what is no number becomes None. A flag that the
source gave stays. The limits are what the chips can measure, not what is usual in a room:

    Metric                  Limits            Source
    temperature_c           -40 .. 120        HTS221 data sheet, DocID026333
    humidity_pct            0 .. 100          the same
    pressure_hpa            260 .. 1260       LPS25H data sheet, DocID023722
    acceleration_?_g        -16 .. 16         LSM9DS1 data sheet, DocID025715

Frozen: the same number, to the last bit, in every one of `FROZEN_SAMPLES` readings over at least
`FROZEN_SECONDS`. Only where the noise is several times the resolution, so that chance cannot do it:

    pressure_hpa     noise 0.01 hPa RMS in high resolution (LPS25H), resolution 1/4096 hPa
    humidity_pct     noise 0.03 % RMS at 32 averages (HTS221), resolution 0.004 %
    acceleration_?_g no figure in the data sheet; in the 24,604 readings of the Astro Pi's log of
                     2015 no axis gave the same number three times in a row

(of temperature, noise and resolution are the same 0.01 to 0.02 C: a quiet room stands still for
minutes). The chips convert 12.5 and 25 times a second, so faster reading sees the same conversion
again: hence the seconds. A humidity at its limits saturates and does not count.

>>> judge = Judge(("humidity_pct", "note"))
>>> judged = judge.judge(Sample(0.0, (101.5, float("nan")), {}), 0.0)
>>> judged.values, judged.quality
((101.5, None), {'humidity_pct': 'out_of_range', 'note': 'not_finite'})
"""

import math

from read_sense_hat.sources import Flag, Sample

LIMITS: dict[str, tuple[float, float]] = {
    "temperature_c": (-40.0, 120.0),
    "humidity_pct": (0.0, 100.0),
    "pressure_hpa": (260.0, 1260.0),
    "acceleration_x_g": (-16.0, 16.0),
    "acceleration_y_g": (-16.0, 16.0),
    "acceleration_z_g": (-16.0, 16.0),
}
NOISY = frozenset(LIMITS) - {"temperature_c"}
FROZEN_SAMPLES = 20
FROZEN_SECONDS = 10.0


class _Run:
    """How long one metric has had one value."""

    __slots__ = ("count", "since_s", "value")

    def __init__(self) -> None:
        self.value = math.nan
        self.count = 0
        self.since_s = 0.0

    def is_frozen(self, value: float, now_s: float) -> bool:
        if value != self.value:
            self.value, self.count, self.since_s = value, 1, now_s
            return False
        self.count += 1
        return self.count >= FROZEN_SAMPLES and now_s - self.since_s >= FROZEN_SECONDS


class Judge:
    """The judge of one live Sense HAT, real or emulated.

    Args:
        metrics: The source's, in the order of its values.
    """

    def __init__(self, metrics: tuple[str, ...]) -> None:
        self._metrics = metrics
        self._runs = {metric: _Run() for metric in metrics if metric in NOISY}

    def judge(self, sample: Sample, monotonic_s: float) -> Sample:
        """The sample with a flag for everything that is wrong with it."""
        quality: dict[str, Flag] = dict(sample.quality)
        values = list(sample.values)
        for index, metric in enumerate(self._metrics):
            value = values[index]
            if value is None:
                quality.setdefault(metric, "not_finite")
            elif not math.isfinite(value):
                values[index] = None
                quality.setdefault(metric, "not_finite")
            else:
                flag = self._flag(metric, value, monotonic_s)
                if flag is not None:
                    quality.setdefault(metric, flag)
        return Sample(sample.time_s, tuple(values), quality)

    def _flag(self, metric: str, value: float, monotonic_s: float) -> Flag | None:
        low, high = LIMITS.get(metric, (-math.inf, math.inf))
        if not low <= value <= high:
            return "out_of_range"
        run = self._runs.get(metric)
        if run is not None and run.is_frozen(value, monotonic_s) and low < value < high:
            return "frozen"
        return None
