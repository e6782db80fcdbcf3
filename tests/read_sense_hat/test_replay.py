import csv
import logging
from datetime import UTC, datetime
from pathlib import Path

import pytest

from read_sense_hat.sources import Sample, SourceError
from read_sense_hat.sources.replay import ReplaySource

MINE = {"When": "time", "Temp": "temperature_c", "RH": "humidity_pct"}


def read_all(source: ReplaySource) -> list[Sample]:
    source.open()
    samples = []
    while (sample := source.read(0.0)) is not None:
        samples.append(sample)
    source.close()
    return samples


def write(folder: Path, *rows: str, header: str = "When,Temp,RH", end: str = "\n") -> Path:
    path = folder / "mine.csv"
    path.write_bytes(end.join([header, *rows, ""]).encode("utf-8", "surrogateescape"))
    return path


def recordings() -> list[tuple[str, int]]:
    """Every recording that is known by its header, and its column of time stamps."""
    return [
        ("astro_pi/astro_pi_data_20150824_085954.csv", 19),
        ("astro_pi/mark2_commissioning_ir.csv", 0),
        *((f"occupancy/{name}.txt", 1) for name in ("datatest", "datatest2", "datatraining")),
        *((f"skab/valve1/{n}.csv", 0) for n in (0, 2, 4, 6, 8, 10, 12, 14)),
        *((f"skab/other/{n}.csv", 0) for n in (2, 4, 6, 8, 10, 12, 14)),
        ("skab/anomaly-free/anomaly-free.csv", 0),
        ("nab/data/realKnownCause/nyc_taxi.csv", 0),
    ]


@pytest.mark.parametrize(("name", "time_column"), recordings())
def test_every_number_of_a_real_recording_passes_unchanged(
    shared_dir: Path, name: str, time_column: int
) -> None:
    path = shared_dir / "data" / name
    source = ReplaySource(path, {})
    samples = read_all(source)
    with path.open(newline="") as stream:
        rows = list(csv.reader(stream, delimiter=";" if "skab" in name else ","))[1:]
    assert len(samples) == len(rows)
    assert not source.refused
    assert len(set(source.metrics)) == len(source.metrics) == len(rows[0]) - 1
    for sample, row in zip(samples, rows, strict=True):
        stamp = datetime.fromisoformat(row.pop(time_column)).replace(tzinfo=UTC)
        assert sample.time_s == stamp.timestamp()
        assert sample.values == tuple(map(float, row))
        assert not sample.quality


def test_a_users_columns_are_read_by_name(tmp_path: Path) -> None:
    path = write(
        tmp_path,
        "x,45.5,2024-05-01T12:00:00Z,21.25",
        "y,46,2024-05-01T14:00:01+02:00,21.5",
        header="Note,RH,When,Temp",
    )
    source = ReplaySource(path, MINE)
    assert read_all(source) == [
        Sample(1714564800.0, (45.5, 21.25), {}),
        Sample(1714564801.0, (46.0, 21.5), {}),
    ]
    assert source.metrics == ("humidity_pct", "temperature_c")


def test_a_recording_without_time_stamps_is_stamped_by_its_reader(tmp_path: Path) -> None:
    source = ReplaySource(write(tmp_path, "1", "2", header="Temp"), {"Temp": "temperature_c"})
    source.open()
    assert source.read(100.0) == Sample(100.0, (1.0,), {})
    assert source.read(105.0) == Sample(105.0, (2.0,), {})
    source.close()


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ("2024-05-01 12:00:01,21.5", "cells"),
        ("2024-05-01 12:00:01,21.5,45,7", "cells"),
        ("2024-05-01 12:00:01,warm,45", "number"),
        ("2024-05-01 12:00:01,21.5,4\udcff5", "number"),
        ("2024-05-01 12:00:01,21.5,4\x005", "number"),
        ("yesterday,21.5,45", "time"),
        (",21.5,45", "time"),
        ("nan,21.5,45", "time"),
        ("2024-13-01 12:00:01,21.5,45", "time"),
        ('2024-05-01 12:00:01,"21.5,45', "quotes"),
        ("2024-05-01 12:00:01,21.5," + "4" * 70_000, "line"),
    ],
)
def test_a_bad_row_is_refused_with_file_line_and_reason_and_the_rest_goes_on(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, row: str, reason: str
) -> None:
    good = ["2024-05-01 12:00:00,21.0,45", "2024-05-01 12:00:02,22.0,46"]
    path = write(tmp_path, good[0], row, good[1])
    source = ReplaySource(path, MINE)
    with caplog.at_level(logging.WARNING):
        samples = read_all(source)
    assert [sample.values for sample in samples] == [(21.0, 45.0), (22.0, 46.0)]
    assert source.refused == {reason: 1}
    assert f"file={path} line=3 reason=" in caplog.text


def test_a_file_of_bad_rows_does_not_fill_the_log(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    source = ReplaySource(write(tmp_path, *["rubbish"] * 500), MINE)
    assert read_all(source) == []
    assert source.refused == {"cells": 500}
    assert len(caplog.records) <= 25


@pytest.mark.parametrize("cell", ["", " ", "nan", "NaN", "inf", "-Infinity"])
def test_a_cell_without_a_number_is_null_and_the_row_stays(tmp_path: Path, cell: str) -> None:
    (sample,) = read_all(ReplaySource(write(tmp_path, f"0,{cell},45"), MINE))
    assert sample == Sample(0.0, (None, 45.0), {"temperature_c": "not_finite"})


@pytest.mark.parametrize("end", ["\n", "\r\n"])
@pytest.mark.parametrize("separator", [",", ";"])
def test_separators_line_ends_blank_lines_and_a_byte_order_mark(
    tmp_path: Path, separator: str, end: str
) -> None:
    lines = ["\ufeffWhen,Temp,RH", "0,1,2", "", '"1","3","4"', "  ", "2,5,6"]
    path = tmp_path / "mine.csv"
    path.write_bytes(end.join(lines).replace(",", separator).encode())
    values = [sample.values for sample in read_all(ReplaySource(path, MINE))]
    assert values == [(1.0, 2.0), (3.0, 4.0), (5.0, 6.0)]


def test_a_later_process_goes_on_after_the_rows_that_were_read(tmp_path: Path) -> None:
    rows = [f"{i},{i},0" if i % 7 else "bad" for i in range(100)]
    path = write(tmp_path, *rows)
    everything = read_all(ReplaySource(path, MINE))
    for position in (0, 1, 40, len(everything)):
        source = ReplaySource(path, MINE, position=position)
        assert read_all(source) == everything[position:]
        assert source.refused == {"cells": 15}


def test_opening_again_goes_on_where_reading_stopped(tmp_path: Path) -> None:
    source = ReplaySource(write(tmp_path, "0,1,2", "bad", "1,3,4"), MINE)
    source.open()
    assert source.read(0.0) is not None
    source.close()
    source.open()
    sample = source.read(0.0)
    assert sample is not None
    assert sample.values == (3.0, 4.0)
    assert source.refused == {"cells": 1}
    source.close()


def test_a_file_that_became_shorter_is_no_longer_the_same_recording(tmp_path: Path) -> None:
    source = ReplaySource(write(tmp_path, "0,1,2"), MINE, position=2)
    with pytest.raises(SourceError, match="2 rows were read before and it has 1 now"):
        source.open()
    source.close()


def test_a_missing_file_and_an_unknown_header_say_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="No such file"):
        ReplaySource(tmp_path / "none.csv", {}).open()
    with pytest.raises(SourceError, match="name the columns"):
        ReplaySource(write(tmp_path, "0,1,2"), {}).open()
    with pytest.raises(SourceError, match="'Dampness' is 0 times in the header"):
        ReplaySource(write(tmp_path), {**MINE, "Dampness": "dampness_pct"}).open()
    with pytest.raises(SourceError, match="2 times"):
        ReplaySource(write(tmp_path, header="When,Temp,Temp,RH"), MINE).open()


def test_values_keep_their_last_bit(tmp_path: Path) -> None:
    text = ["0.1", "23.718", "1e-300", "24.3566666666667", "-0.0", "123456789012345678"]
    path = write(tmp_path, *[f"{i},{cell},0" for i, cell in enumerate(text)])
    values = [sample.values[0] for sample in read_all(ReplaySource(path, MINE))]
    assert values == [float(cell) for cell in text]
    assert repr(values[4]) == "-0.0"
