import math

from hypothesis import given, settings
from hypothesis import strategies as st

from hubkit.payloads import ClockStatus, ReadingBatch, decode, encode
from read_sense_hat.batching import BatchBuilder
from read_sense_hat.sources import Flag, Sample

BOOT = "00000001-9f3a2b1c"
numbers = st.one_of(st.none(), st.floats(allow_nan=False, allow_infinity=False))
flags: st.SearchStrategy[Flag] = st.sampled_from(
    ["not_finite", "out_of_range", "frozen", "io_error"]
)


@st.composite
def recordings(draw: st.DrawFn) -> tuple[tuple[str, ...], list[Sample]]:
    metrics = tuple(f"metric_{i}_c" for i in range(draw(st.integers(1, 12))))
    samples = []
    time_s = draw(st.floats(-1e9, 4e9))
    for _ in range(draw(st.integers(1, 120))):
        time_s += draw(st.sampled_from([1.0, 0.1, 10.0, 0.001, 86_400.0, -5.0]))
        values = draw(st.tuples(*[numbers] * len(metrics)))
        quality = draw(st.dictionaries(st.sampled_from(metrics), flags, max_size=3))
        samples.append(Sample(time_s, values, quality))
    return metrics, samples


@settings(deadline=None, max_examples=60)
@given(recordings())
def test_every_reading_comes_out_once_in_batches_that_fit(
    recording: tuple[tuple[str, ...], list[Sample]],
) -> None:
    metrics, samples = recording
    builder = BatchBuilder("hat-1", "replay", metrics)
    batches: list[ReadingBatch] = []

    def close() -> None:
        size = builder.size_bytes
        batch = builder.take(BOOT, sum(map(len, batches)))
        assert len(encode(batch)) <= size <= 4500
        batches.append(batch)

    for sample in samples:
        assert builder.fits(sample)
        if not builder.add(sample, sample.time_s, "recording"):
            close()
            assert builder.add(sample, sample.time_s, "recording")
    close()
    restored = []
    for batch in batches:
        decoded = decode(ReadingBatch, encode(batch))
        for i in range(len(decoded)):
            restored.append(
                (
                    tuple(decoded.values[metric][i] for metric in metrics),
                    {
                        metric: flag
                        for metric, by_flag in decoded.quality.items()
                        for flag, indices in by_flag.items()
                        if i in indices
                    },
                )
            )
            time_s = decoded.t0_s + decoded.dt_s[i]
            assert math.isclose(time_s, samples[len(restored) - 1].time_s, abs_tol=2e-6)
    assert restored == [(sample.values, dict(sample.quality)) for sample in samples]


def test_a_batch_is_full_only_when_the_next_reading_would_not_fit() -> None:
    builder = BatchBuilder("hat-1", "simulated", ("temperature_c",))
    count = 0
    while builder.add(Sample(1e9 + count, (20.123,), {}), float(count), "synchronised"):
        count += 1
    assert len(encode(builder.take(BOOT, 0))) > 4400


def test_a_reading_of_too_many_metrics_does_not_fit() -> None:
    metrics = tuple(f"a_rather_long_metric_name_{i:03}_c" for i in range(120))
    builder = BatchBuilder("hat-1", "replay", metrics)
    assert not builder.fits(Sample(0.0, (1.0,) * 120, {}))


def test_a_jump_of_the_wall_clock_begins_a_new_batch() -> None:
    builder = BatchBuilder("hat-1", "emulator", ("temperature_c",))
    assert builder.add(Sample(0.0, (1.0,), {}), 10.0, "unsynchronised")
    assert builder.add(Sample(1.0, (1.0,), {}), 11.0, "unsynchronised")
    assert not builder.add(Sample(1.7e9, (1.0,), {}), 12.0, "unsynchronised")
    assert builder.take(BOOT, 0).dt_s == [0.0, 1.0]
    assert builder.add(Sample(1.7e9, (1.0,), {}), 12.0, "unsynchronised")
    assert builder.take(BOOT, 2).t0_s == 1.7e9


def test_readings_of_two_clocks_share_no_batch() -> None:
    builder = BatchBuilder("hat-1", "emulator", ("temperature_c",))
    clocks: list[ClockStatus] = ["unsynchronised", "synchronised"]
    assert builder.add(Sample(0.0, (1.0,), {}), 0.0, clocks[0])
    assert not builder.add(Sample(1.0, (1.0,), {}), 1.0, clocks[1])


def test_offsets_follow_the_monotonic_clock_while_the_wall_clock_is_slewed() -> None:
    builder = BatchBuilder("hat-1", "emulator", ("temperature_c",))
    builder.add(Sample(100.0, (1.0,), {}), 5.0, "synchronised")
    builder.add(Sample(101.3, (1.0,), {}), 6.0, "synchronised")
    assert builder.take(BOOT, 0).dt_s == [0.0, 1.0]
