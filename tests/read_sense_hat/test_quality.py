import math

import pytest

from read_sense_hat.quality import FROZEN_SAMPLES, LIMITS, Judge
from read_sense_hat.sources import Flag, Sample
from read_sense_hat.sources.sensehat import METRICS

GOOD = (21.5, 45.0, 1013.25, 0.0, 0.0, 1.0)


def judged(index: int, value: float | None) -> tuple[float | None, Flag | None]:
    values: list[float | None] = list(GOOD)
    values[index] = value
    sample = Judge(METRICS).judge(Sample(0.0, tuple(values), {}), 0.0)
    assert len(sample.quality) <= 1
    return sample.values[index], sample.quality.get(METRICS[index])


@pytest.mark.parametrize("metric", list(LIMITS))
def test_a_value_out_of_the_data_sheets_range_is_kept_and_flagged(metric: str) -> None:
    index = METRICS.index(metric)
    low, high = LIMITS[metric]
    assert judged(index, low) == (low, None)
    assert judged(index, high) == (high, None)
    assert judged(index, low - 0.01) == (low - 0.01, "out_of_range")
    assert judged(index, high + 0.01) == (high + 0.01, "out_of_range")


@pytest.mark.parametrize("value", [None, math.nan, math.inf, -math.inf])
def test_what_is_no_number_is_null_and_flagged(value: float | None) -> None:
    assert judged(0, value) == (None, "not_finite")


def test_a_flag_of_the_source_stays() -> None:
    sample = Sample(0.0, (None, *GOOD[1:]), {"temperature_c": "io_error"})
    assert Judge(METRICS).judge(sample, 0.0).quality == {"temperature_c": "io_error"}


def run(metric: str, values: list[float], period_s: float) -> list[int]:
    """The indices at which `metric` is flagged as frozen."""
    judge, index = Judge(METRICS), METRICS.index(metric)
    flagged = []
    for number, value in enumerate(values):
        row = [GOOD[i] + number * 0.001 for i in range(len(GOOD))]
        row[index] = value
        quality = judge.judge(Sample(0.0, tuple(row), {}), number * period_s).quality
        if metric in quality:
            assert quality == {metric: "frozen"}
            flagged.append(number)
    return flagged


def test_a_noisy_metric_that_stands_still_is_frozen_until_it_moves() -> None:
    values = [1013.25] * (FROZEN_SAMPLES + 5) + [1013.26] * 5
    assert run("pressure_hpa", values, 1.0) == list(range(FROZEN_SAMPLES - 1, FROZEN_SAMPLES + 5))


def test_reading_faster_than_the_chip_converts_is_not_freezing() -> None:
    assert run("pressure_hpa", [1013.25] * 90, 0.1) == []
    assert run("pressure_hpa", [1013.25] * 110, 0.1) == list(range(100, 110))


def test_a_metric_as_quiet_as_its_resolution_is_never_frozen() -> None:
    assert run("temperature_c", [21.5] * 500, 1.0) == []


def test_a_saturated_humidity_is_not_frozen() -> None:
    assert run("humidity_pct", [100.0] * 500, 1.0) == []
