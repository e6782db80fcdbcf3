"""The deadband against a second opinion that looks at one reading after the other."""

import random

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from aggregator.deadband import Deadband, Kept
from hubkit.payloads import ReadingBatch

BANDS = {"temperature_c": 0.5, "pressure_hpa": 2.0}
LONGEST_S = 60.0

values = st.sampled_from([0.0, 0.25, 0.5, 0.75, 1.0, 3.0, None])


@st.composite
def streams(draw: st.DrawFn) -> list[tuple[float, dict[str, float | None], bool]]:
    """Readings: time, values by metric (of both, one, or a metric without a band), whether good."""
    readings = []
    time_s = 1.7e9
    for _ in range(draw(st.integers(0, 25))):
        time_s += draw(st.sampled_from([1.0, 5.0, 70.0, -3600.0]))
        names = draw(
            st.sampled_from([["temperature_c", "pressure_hpa"], ["temperature_c"], ["power_w"]])
        )
        readings.append(
            (time_s, {name: draw(values) for name in names}, draw(st.integers(0, 9)) > 0)
        )
    return readings


def second_opinion(readings: list[tuple[float, dict[str, float | None], bool]]) -> list[int]:
    kept: list[int] = []
    last: tuple[float, dict[str, float | None]] | None = None
    for at, (time_s, row, good) in enumerate(readings):
        if not good or not set(row) <= set(BANDS) or None in row.values():
            kept.append(at)
            last = None
            continue
        if last is not None and 0 <= time_s - last[0] < LONGEST_S and set(last[1]) == set(row):
            moved = [abs((row[m] or 0.0) - (last[1][m] or 0.0)) >= BANDS[m] for m in row]
            if not any(moved):
                continue
        kept.append(at)
        last = (time_s, row)
    return kept


def batch(seq: int, rows: list[tuple[float, dict[str, float | None], bool]]) -> ReadingBatch:
    names = list(rows[0][1])
    good = rows[0][2]
    return ReadingBatch(
        device_id="d",
        source="simulated",
        boot="00000001-00000001",
        seq=seq,
        t0_s=rows[0][0],
        clock="synchronised",
        dt_s=[time_s - rows[0][0] for time_s, _, _ in rows],
        values={name: [row[name] for _, row, _ in rows] for name in names},
        quality={} if good else {names[0]: {"frozen": list(range(len(rows)))}},
    )


@given(streams(), st.integers(0, 1000))
def test_it_keeps_what_the_second_opinion_keeps_however_the_readings_are_cut(
    readings: list[tuple[float, dict[str, float | None], bool]], seed: int
) -> None:
    cuts = random.Random(seed)
    deadband = Deadband(BANDS, LONGEST_S)
    kept: list[int] = []
    at = 0
    while at < len(readings):
        end = at + 1
        same = (readings[at][1].keys(), readings[at][2])
        while end < len(readings) and (readings[end][1].keys(), readings[end][2]) == same:
            if cuts.random() < 0.3:
                break
            end += 1
        piece = batch(at, readings[at:end])
        indices = deadband.keep(piece)
        kept += [at + i for i in (range(len(piece)) if indices is None else indices)]
        # What is saved goes on as it was.
        saved = msgspec.msgpack.decode(msgspec.msgpack.encode(deadband.kept), type=Kept | None)
        deadband = Deadband(BANDS, LONGEST_S, saved)
        at = end
    assert kept == second_opinion(readings)


def test_without_bands_everything_is_kept() -> None:
    assert Deadband({}, LONGEST_S).keep(batch(0, [(0.0, {"power_w": 1.0}, True)] * 3)) is None
