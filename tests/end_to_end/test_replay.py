"""Recordings through the whole hub: every row is in S3 once, unchanged, at its time.

The files are read by `recordings`, the cloud by `far_end`: nothing here is asked of the product.
"""

import math
from collections import Counter, defaultdict
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.end_to_end.conftest import OpenSession, StartHub
from tests.end_to_end.far_end import FarEnd, Line, key
from tests.end_to_end.recordings import ASTRO_PI, MARK2, OCCUPANCY, SKAB, Recording
from tests.end_to_end.test_run import assert_balanced
from tests.end_to_end.waiting import wait_for

SPEED = "36000"
WINDOW_S = 60

BAD_ROWS = """\
timestamp,value
2026-01-01 00:00:00,1.5
2026-01-01 00:00:01,warm
2026-01-01 00:00:02
2026-01-01 00:00:03,NaN
2026-01-01 00:00:04,
2026-13-01 00:00:05,5
yesterday,6
2026-01-01 00:00:07,7,8
2026-01-01 00:00:08,"9
2026-01-01 00:00:09,1e400
2026-01-01 00:00:10,-0.30000000000000004
"""
REFUSED = {
    3: "value='warm' is no number",
    4: "1 cells, the header has 2",
    7: "time='2026-13-01 00:00:05' is neither ISO 8601 nor seconds since 1970",
    8: "time='yesterday' is neither ISO 8601 nor seconds since 1970",
    9: "3 cells, the header has 2",
    10: "unexpected end of data",
}
GOOD = [(0, 1.5), (3, None), (4, None), (9, None), (10, -0.30000000000000004)]
START_S = 1_767_225_600.0  # 2026-01-01 00:00:00 UTC


def _recordings(data: Path) -> list[Recording]:
    time = "time_stamp"
    return [
        Recording(data / "astro_pi/astro_pi_data_20150824_085954.csv", ASTRO_PI, time),
        Recording(data / "astro_pi/mark2_commissioning_ir.csv", MARK2, "Date/Time"),
        Recording(data / "occupancy/datatraining.txt", OCCUPANCY, "date"),
        Recording(data / "occupancy/datatest.txt", OCCUPANCY, "date"),
        Recording(data / "occupancy/datatest2.txt", OCCUPANCY, "date"),
        Recording(data / "skab/valve1/0.csv", SKAB, "datetime", ";"),
        Recording(data / "skab/other/12.csv", SKAB, "datetime", ";"),
        Recording(data / "skab/anomaly-free/anomaly-free.csv", SKAB, "datetime", ";"),
    ]


def test_every_row_of_real_recordings_is_in_the_cloud_once_and_unchanged(
    open_session: Callable[..., OpenSession], shared_dir: Path
) -> None:
    recordings = [r for r in _recordings(shared_dir / "data") if r.file.exists()]
    files = ",".join(str(recording.file) for recording in recordings)
    hub = open_session("--source", f"replay:{files}", "--speed", SPEED)
    wait_for("the end of all recordings", hub.observation.sources_ended)
    hub.session.stop()
    with FarEnd(hub.root) as far_end:
        readings, windows = far_end.readings(), far_end.windows()

    assert max(Counter(map(key, readings)).values()) == 1
    by_device: defaultdict[str, list[Line]] = defaultdict(list)
    for line in readings:
        by_device[line["device_id"]].append(line)
    assert by_device.keys() == {recording.device_id for recording in recordings}
    for recording in recordings:
        lines = sorted(by_device[recording.device_id], key=lambda line: int(line["seq"]))
        rows = recording.rows()
        assert [line["seq"] for line in lines] == list(range(len(rows)))
        assert len({line["boot"] for line in lines}) == 1
        for line, (time_s, values) in zip(lines, rows, strict=True):
            where = f"{recording.file.name} row {line['seq']}"
            assert (line["time_s"], line["values"]) == (time_s, values), where
            assert (line["source"], line["clock"]) == ("replay", "recording"), where
            assert "quality" not in line, where
        own = [window for window in windows if window["device_id"] == recording.device_id]
        _assert_windows_summarise(lines, own)


def _assert_windows_summarise(lines: list[Line], windows: list[Line]) -> None:
    """Every reading is in exactly one window, and the windows say what its readings say."""
    seen = 0
    for window in sorted(windows, key=lambda window: int(window["first_seq"])):
        assert window["first_seq"] == seen
        seen = window["last_seq"] + 1
        part = lines[window["first_seq"] : seen]
        assert window["count"] == len(part)
        assert window["length_s"] == WINDOW_S
        assert all(0 <= line["time_s"] - window["start_s"] < WINDOW_S for line in part)
        for metric, summary in window["metrics"].items():
            values = [line["values"][metric] for line in part]
            assert (summary["count"], summary["last"]) == (len(values), values[-1])
            assert (summary["min"], summary["max"]) == (min(values), max(values))
            assert math.isclose(
                summary["mean"], math.fsum(values) / len(values), rel_tol=1e-9, abs_tol=1e-12
            )
    assert seen == len(lines)


@pytest.fixture
def bad_rows(tmp_path: Path) -> Path:
    path = tmp_path / "bad_rows.csv"
    path.write_text(BAD_ROWS)
    return path


def test_bad_rows_are_refused_with_line_and_reason_and_counted_and_the_rest_goes_on(
    open_session: Callable[..., OpenSession], bad_rows: Path
) -> None:
    hub = open_session("--source", f"replay:{bad_rows}", "--speed", SPEED)
    wait_for("the end of the recording", hub.observation.sources_ended)
    hub.session.stop()
    with FarEnd(hub.root) as far_end:
        lines = sorted(far_end.readings(), key=lambda line: int(line["seq"]))
    assert [(line["time_s"] - START_S, line["values"]["value"]) for line in lines] == GOOD
    for line in lines:
        flags = {"value": "not_finite"} if line["values"]["value"] is None else None
        assert line.get("quality") == flags
    log = (hub.root / "logs" / "com.hbs.hub.ReadSenseHAT.log").read_text()
    for number, reason in REFUSED.items():
        assert f"row refused file={bad_rows} line={number} reason={reason}" in log


def test_a_replay_ends_by_itself_and_its_report_counts_refused_rows(
    start_hub: StartHub, bad_rows: Path
) -> None:
    hub = start_hub("--source", f"replay:{bad_rows}", "--speed", SPEED)
    assert hub.end() == 0, hub.output
    report = assert_balanced(hub)
    assert report["ledger"]["produced"] == len(GOOD)
    device = report["devices"]["bad_rows"]
    assert device["refused"] == {"number": 1, "cells": 2, "time": 2, "quotes": 1}
    assert "refused             2   bad_rows: cells" in hub.output
