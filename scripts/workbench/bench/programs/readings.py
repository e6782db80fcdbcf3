"""The batches that the measured Aggregators are fed: 100 readings of four metrics each, 100 Hz.

Law: a function of its arguments alone. Values have the digits of the sensors they are named after;
every column has a null, as a sensor that now and then fails to answer gives.

>>> one = batch("bench-1", 3)
>>> len(one), one.seq, one.values["temperature_c"].count(None), len(one.values)
(100, 300, 1, 4)
"""

import math
import random

from hubkit.payloads import ReadingBatch

BOOT = "00000001-00000001"
READINGS = 100
RATE_HZ = 100.0
WINDOW_S = 60.0
START_S = 28_333_333 * WINDOW_S
"""14 November 2023, on the edge of a window: so that the last of whole windows is a whole one."""
BATCHES_PER_WINDOW = round(WINDOW_S * RATE_HZ) // READINGS

_METRICS = {
    # metric: mean, spread, digits
    "temperature_c": (21.5, 0.8, 2),
    "humidity_pct": (43.5, 2.0, 2),
    "pressure_hpa": (1013.2, 0.5, 2),
    "acceleration_g": (0.99, 0.02, 4),
}


def batch(device_id: str, number: int) -> ReadingBatch:
    """The batch of this number of a device."""
    random_values = random.Random(number)  # noqa: S311 (not a secret)
    values: dict[str, list[float | None]] = {}
    for metric, (mean, spread, digits) in _METRICS.items():
        column: list[float | None] = [
            round(mean + spread * (random_values.random() - 0.5), digits) for _ in range(READINGS)
        ]
        column[random_values.randrange(READINGS)] = None
        values[metric] = column
    return ReadingBatch(
        device_id=device_id,
        source="simulated",
        boot=BOOT,
        seq=number * READINGS,
        t0_s=START_S + number * READINGS / RATE_HZ,
        clock="simulated",
        dt_s=[round(i / RATE_HZ, 2) for i in range(READINGS)],
        values=values,
    )


def arrivals(count: int) -> list[int]:
    """The numbers of `count` batches as they arrive: every 20th late, every 10th twice.

    A late one leaves a gap that four batches later is filled, as by a replay.

    >>> arrivals(12)
    [0, 1, 2, 3, 3, 4, 5, 6, 8, 9, 10, 11, 7]
    """
    came: list[tuple[float, int]] = []
    for number in range(count):
        came.append((number + 4.5 if number % 20 == 7 else number, number))
        if number % 10 == 3:
            came.append((number, number))
    return [number for _, number in sorted(came)]


def whole_windows(batches: int) -> int:
    """The number of batches rounded up so that they fill whole windows.

    >>> whole_windows(61)
    120
    """
    return math.ceil(batches / BATCHES_PER_WINDOW) * BATCHES_PER_WINDOW
