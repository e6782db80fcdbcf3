import csv
import os
from collections.abc import Callable
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from hubkit.payloads import MAX_PAYLOAD_BYTES, ReadingBatch, decode
from read_sense_hat.feeds import CATCH_UP_S

NOW_S = 1_700_000_000.0
"""The time of the bench's clock, see conftest.py."""

MakeBench = Callable[..., Any]

FRIDGE = {
    "id": "fridge",
    "source": "simulated",
    "periodSeconds": 1,
    "appliance": "refrigerator",
    "seed": 1,
}


def recording(folder: Path, rows: int) -> dict[str, Any]:
    path = folder / "recording.csv"
    lines = [f"{NOW_S + i},{i},{i * 0.1:.1f}" for i in range(rows)]
    path.write_text("\n".join(["When,Row,Temp", *lines, ""]))
    columns = {"When": "time", "Row": "row_number", "Temp": "temperature_c"}
    return {"id": "rec", "source": "replay", "file": str(path), "columns": columns}


def rows_of(batches: list[ReadingBatch], metric: str) -> list[float | None]:
    return [value for batch in batches for value in batch.values[metric]]


def seqs_of(batches: list[ReadingBatch]) -> list[int]:
    return [seq for batch in batches for seq in range(batch.seq, batch.next_seq)]


def test_a_live_device_is_read_at_its_rate_and_published_within_a_second(
    make_bench: MakeBench,
) -> None:
    bench = make_bench({**FRIDGE, "periodSeconds": 0.1})
    bench.run(60.0)
    batches = bench.bus.batches("fridge")
    assert seqs_of(batches) == list(range(batches[-1].next_seq))
    assert batches[-1].next_seq >= 590
    times = [batch.t0_s + dt_s for batch in batches for dt_s in batch.dt_s]
    assert times == pytest.approx([NOW_S + 0.1 * i for i in range(len(times))], abs=0.02)
    assert all(batch.dt_s[-1] <= 1.0 for batch in batches)
    assert {(b.clock, b.source) for b in batches} == {("synchronised", "simulated")}


def test_a_slow_device_does_not_wait_for_a_batch(make_bench: MakeBench) -> None:
    bench = make_bench({**FRIDGE, "periodSeconds": 5})
    bench.run(0.02)
    assert len(bench.bus.batches()) == 1
    bench.run(20.0)
    assert [len(batch) for batch in bench.bus.batches()] == [1] * 5


def test_without_batching_each_reading_goes_at_once(make_bench: MakeBench) -> None:
    bench = make_bench({**FRIDGE, "periodSeconds": 0.1}, batchSeconds=0)
    bench.run(2.0)
    assert [len(batch) for batch in bench.bus.batches()] == [1] * len(bench.bus.batches())
    assert len(bench.bus.batches()) >= 19


def test_a_jump_of_the_wall_clock_changes_stamps_and_nothing_else(make_bench: MakeBench) -> None:
    bench = make_bench({**FRIDGE, "periodSeconds": 0.5})
    bench.run(10.0)
    bench.clock.jump(10 * 365 * 86_400.0)
    bench.run(10.0)
    bench.clock.jump(-3600.0)
    bench.run(10.0)
    batches = bench.bus.batches()
    assert seqs_of(batches) == list(range(len(seqs_of(batches))))
    assert all(batch.dt_s == sorted(batch.dt_s) and batch.dt_s[-1] <= 1.0 for batch in batches)
    temperatures = [value or 0.0 for value in rows_of(batches, "temperature_c")]
    assert max(abs(a - b) for a, b in pairwise(temperatures)) < 0.5


def test_a_faster_simulation_misses_nothing_and_says_that_it_is_one(make_bench: MakeBench) -> None:
    bench = make_bench(FRIDGE, speed=600)
    for _ in range(30):
        bench.run(1.0)
        bench.accept_all()
    batches = bench.bus.batches()
    times = [batch.t0_s + dt_s for batch in batches for dt_s in batch.dt_s]
    assert len(times) > 29 * 600
    assert times == [NOW_S + i for i in range(len(times))]
    assert {batch.clock for batch in batches} == {"simulated"}
    assert bench.bus.status("fridge").missed_ticks == 0


def test_a_faster_simulation_goes_on_where_it_was_killed(make_bench: MakeBench) -> None:
    steady, killed = make_bench(FRIDGE, speed=600), make_bench(FRIDGE, speed=600)
    steady.run(6.0)
    for _ in range(3):
        killed.run(2.0)
        killed.die()
        killed.restart()
    killed.run(2.0)
    expected = dict(enumerate(rows_of(steady.bus.batches(), "temperature_c")))
    batches = killed.bus.batches()
    assert seqs_of(batches) == list(range(len(seqs_of(batches))))
    assert len({batch.boot for batch in batches}) == 1
    for seq, row in enumerate(rows_of(batches, "temperature_c")):
        assert seq not in expected or row == expected[seq]


def test_a_killed_live_simulation_keeps_its_boot_and_its_past(make_bench: MakeBench) -> None:
    bench = make_bench({**FRIDGE, "faults": ["leak@3600"]})
    bench.run(10.0)
    bench.die()
    bench.clock.advance(12 * 3600.0)
    bench.restart()
    bench.run(10.0)
    batches = bench.bus.batches()
    assert len({batch.boot for batch in batches}) == 1
    assert (rows_of(batches, "temperature_c")[-1] or 0.0) > 8.0


def test_a_live_simulation_survives_a_clock_that_was_decades_off(make_bench: MakeBench) -> None:
    bench = make_bench(FRIDGE)
    bench.run(5.0)
    bench.die()
    bench.clock.jump(50 * CATCH_UP_S)
    bench.restart()
    bench.run(5.0)
    assert seqs_of(bench.bus.batches()) == list(range(10))


@pytest.mark.parametrize(
    ("name", "separator", "time_column"),
    [
        ("astro_pi/astro_pi_data_20150824_085954.csv", ",", 19),
        ("astro_pi/mark2_commissioning_ir.csv", ",", 0),
        ("occupancy/datatraining.txt", ",", 1),
        ("skab/valve1/0.csv", ";", 0),
        ("skab/anomaly-free/anomaly-free.csv", ";", 0),
    ],
)
def test_a_whole_real_recording_arrives_row_by_row(
    make_bench: MakeBench, shared_dir: Path, name: str, separator: str, time_column: int
) -> None:
    path = shared_dir / "data" / name
    bench = make_bench({"id": "rec", "source": "replay", "file": str(path)}, speed=36_000)
    while not (bench.bus.heard and bench.bus.status("rec").state == "ended"):
        bench.run(1.0)
        bench.accept_all()
    bench.service.finish()
    batches = bench.bus.batches("rec")
    with path.open(newline="") as stream:
        rows = list(csv.reader(stream, delimiter=separator))[1:]
    stamps = [
        datetime.fromisoformat(row.pop(time_column)).replace(tzinfo=UTC).timestamp() for row in rows
    ]
    assert seqs_of(batches) == list(range(len(rows)))
    assert [batch.t0_s + dt_s for batch in batches for dt_s in batch.dt_s] == stamps
    arrived = [list(row) for batch in batches for row in zip(*batch.values.values(), strict=True)]
    assert arrived == [list(map(float, row)) for row in rows]
    assert {batch.clock for batch in batches} == {"recording"}
    assert not any(batch.quality for batch in batches)


def test_event_time_paces_a_recording(make_bench: MakeBench, tmp_path: Path) -> None:
    bench = make_bench(recording(tmp_path, 1000), speed=10)
    bench.run(20.0)
    assert len(seqs_of(bench.bus.batches())) == pytest.approx(200, abs=12)


def test_a_recording_does_not_run_half_a_ring_ahead_of_acceptance(
    make_bench: MakeBench, tmp_path: Path
) -> None:
    bench = make_bench(recording(tmp_path, 50_000), speed=1_000_000, ringKilobytes=128)
    bench.run(20.0)
    ahead = sum(len(payload) for topic, payload in bench.bus.heard if "readings" in topic)
    assert 40_000 < ahead <= 64 * 1024
    stuck = bench.bus.batches()[-1].next_seq
    bench.run(20.0)
    assert bench.bus.batches()[-1].next_seq == stuck
    for _ in range(60):
        bench.accept_all()
        bench.run(1.0)
    status = bench.bus.status("rec")
    assert (status.state, status.next_seq, status.lost) == ("ended", 50_000, [])
    assert seqs_of(bench.bus.batches()) == list(range(50_000))


def test_a_killed_recording_goes_on_with_the_next_row(
    make_bench: MakeBench, tmp_path: Path
) -> None:
    bench = make_bench(recording(tmp_path, 3000), speed=100)
    boots = set()
    for _ in range(12):
        bench.run(3.0)
        bench.accept_all()
        bench.die()
        bench.restart()
    bench.run(5.0)
    batches = bench.bus.batches()
    boots = {batch.boot for batch in batches}
    assert len(boots) == 1
    # What was taken and not yet in the ring is read again, under the same number.
    assert rows_of(batches, "row_number") == [float(i) for i in range(3000)]
    assert seqs_of(batches) == list(range(3000))


def test_what_nobody_heard_is_published_again_byte_for_byte(make_bench: MakeBench) -> None:
    bench = make_bench({**FRIDGE, "periodSeconds": 0.1})
    bench.run(10.0)
    heard = [payload for topic, payload in bench.bus.heard if topic == "hub/readings/fridge"]
    boot = bench.bus.batches()[0].boot
    bench.bus.heard.clear()
    bench.ask("fridge", boot, (25, 41), (70, 71))
    bench.run(0.5)
    again = [payload for topic, payload in bench.bus.heard if topic == "hub/readings/fridge"]
    assert set(again) & set(heard) == {
        payload
        for payload in heard
        if any(
            first < end_ and end > first_
            for first, end in [(25, 41), (70, 71)]
            for first_, end_ in [_range(payload)]
        )
    }


def _range(payload: bytes) -> tuple[int, int]:
    batch = decode(ReadingBatch, payload)
    return batch.seq, batch.next_seq


def test_a_burst_of_the_same_request_is_answered_once(make_bench: MakeBench) -> None:
    bench = make_bench({**FRIDGE, "periodSeconds": 0.1}, batchSeconds=0)
    bench.run(20.0)
    boot = bench.bus.batches()[0].boot
    bench.bus.heard.clear()
    for _ in range(50):
        bench.ask("fridge", boot, (0, 100))
    bench.run(5.0)
    replayed = [batch.seq for batch in bench.bus.batches() if batch.seq < 100]
    assert replayed == list(range(100))


def test_replays_are_paced_and_live_readings_go_on(make_bench: MakeBench) -> None:
    bench = make_bench({**FRIDGE, "periodSeconds": 0.01}, batchSeconds=0)
    bench.run(30.0)
    boot, upto = bench.bus.batches()[0].boot, bench.bus.batches()[-1].next_seq
    bench.bus.heard.clear()
    bench.ask("fridge", boot, (0, upto))
    bench.run(1.0)
    replayed = sum(batch.seq < upto for batch in bench.bus.batches())
    live = sum(batch.seq >= upto for batch in bench.bus.batches())
    assert 200 <= replayed <= 600
    assert live >= 80


def test_readings_while_the_nucleus_is_away_are_published_afterwards(
    make_bench: MakeBench,
) -> None:
    bench = make_bench({**FRIDGE, "periodSeconds": 0.1})
    bench.run(5.0)
    bench.bus.down = True
    bench.run(30.0)
    bench.bus.down = False
    bench.service.reconnected()
    bench.run(10.0)
    seqs = sorted(seqs_of(bench.bus.batches()))
    assert seqs == list(range(len(seqs)))
    assert len(seqs) >= 440


def test_what_the_ring_no_longer_has_is_told_as_lost(make_bench: MakeBench) -> None:
    bench = make_bench({**FRIDGE, "periodSeconds": 0.01}, batchSeconds=0.1, ringKilobytes=128)
    bench.bus.deaf = True
    bench.run(60.0)
    bench.bus.deaf = False
    bench.run(2.0)
    status = bench.bus.status("fridge")
    assert status.oldest_seq > 0
    assert status.lost == [(status.boot, 0, status.oldest_seq)]
    bench.ask("fridge", status.boot, (0, status.next_seq))
    bench.run(10.0)
    arrived = set(seqs_of(bench.bus.batches()))
    status = bench.bus.status("fridge")
    lost = {seq for _, first, end in status.lost for seq in range(first, end)}
    assert arrived | lost >= set(range(status.next_seq - 50))
    bench.accept("fridge", status.boot, status.next_seq)
    bench.run(2.0)
    assert bench.bus.status("fridge").lost == []


def test_accepted_readings_that_leave_the_ring_are_not_lost(make_bench: MakeBench) -> None:
    bench = make_bench({**FRIDGE, "periodSeconds": 0.01}, batchSeconds=0.1, ringKilobytes=128)
    for _ in range(60):
        bench.run(1.0)
        bench.accept_all()
    status = bench.bus.status("fridge")
    assert status.oldest_seq > 0
    assert status.lost == []


def test_a_request_for_another_boot_is_answered_with_lost(make_bench: MakeBench) -> None:
    bench = make_bench(FRIDGE)
    bench.run(3.0)
    bench.ask("fridge", "00000000-00000000", (0, 7), (9, 11))
    bench.run(2.0)
    assert bench.bus.status("fridge").lost == [
        ("00000000-00000000", 0, 7),
        ("00000000-00000000", 9, 11),
    ]


@pytest.mark.parametrize(
    ("topic", "payload"),
    [
        ("hub/replay/fridge", b""),
        ("hub/replay/fridge", b"\xff\x00"),
        ("hub/replay/fridge", b'{"v":1}'),
        ("hub/replay/fridge", b'{"v":2,"device_id":"fridge","boot":"a","ranges":[]}'),
        (
            "hub/replay/fridge",
            b'{"v":1,"device_id":"hat-1","boot":"00000001-00000000","ranges":[[0,5]]}',
        ),
        (
            "hub/replay/fridge",
            b'{"v":1,"device_id":"fridge","boot":"00000001-00000000","ranges":[[5,0]]}',
        ),
        ("hub/health/ledger", b"[" * 5000),
        ("hub/health/ledger", b'{"v":1,"devices":7}'),
    ],
)
def test_a_malformed_payload_is_counted_and_ends_nothing(
    make_bench: MakeBench, topic: str, payload: bytes
) -> None:
    bench = make_bench(FRIDGE)
    bench.service.receive(topic, payload)
    bench.run(3.0)
    counters = bench.service.health().health
    assert sum(v for k, v in counters.items() if k.startswith("refused_") and v) == 1
    assert len(seqs_of(bench.bus.batches())) >= 3


def test_requests_for_numbers_that_were_never_given_are_ignored(make_bench: MakeBench) -> None:
    bench = make_bench(FRIDGE)
    bench.run(3.0)
    boot = bench.bus.batches()[0].boot
    bench.ask("fridge", boot, (1000, 2**50))
    bench.ask("fridge", boot, (2**52, 2**53 - 1))
    bench.run(0.5)
    seqs = seqs_of(bench.bus.batches())
    assert seqs == list(range(len(seqs)))
    assert bench.bus.status("fridge").lost == []


def test_a_stopping_device_says_so_and_waits_for_acceptance(make_bench: MakeBench) -> None:
    bench = make_bench({**FRIDGE, "periodSeconds": 0.1})
    bench.run(3.55)
    bench.service.finish()
    status = bench.bus.status("fridge")
    assert status.state == "stopped"
    assert status.next_seq == bench.bus.batches()[-1].next_seq >= 35
    assert not bench.service.finished()
    bench.ask("fridge", status.boot, (0, 10))
    bench.run(0.5)
    assert any(batch.seq == 0 for batch in bench.bus.batches()[-3:])
    assert not bench.service.finished()
    bench.accept("fridge", status.boot, status.next_seq)
    assert bench.service.finished()
    assert bench.bus.status("fridge").next_seq == status.next_seq


def test_draining_ends_with_its_time(make_bench: MakeBench) -> None:
    bench = make_bench(FRIDGE, drainSeconds=4)
    bench.run(2.0)
    bench.service.finish()
    bench.run(3.9)
    assert not bench.service.finished()
    bench.run(0.2)
    assert bench.service.finished()


def test_draining_ends_when_nobody_hears_any_more(make_bench: MakeBench) -> None:
    bench = make_bench(FRIDGE, drainSeconds=60)
    bench.run(2.0)
    bench.service.disconnected()
    bench.service.finish()
    bench.run(0.9)
    assert not bench.service.finished()
    bench.service.reconnected()
    bench.run(0.5)
    assert not bench.service.finished()
    bench.service.disconnected()
    bench.run(1.1)
    assert bench.service.finished()


def test_many_devices_have_statuses_that_fit(make_bench: MakeBench) -> None:
    devices = [{**FRIDGE, "id": f"{'fridge' * 9}-{i:03}"} for i in range(60)]
    bench = make_bench(*devices, ringKilobytes=128)
    bench.run(2.5)
    for device in devices:
        assert bench.bus.status(device["id"]).next_seq >= 2
    assert all(len(payload) <= MAX_PAYLOAD_BYTES for _, payload in bench.bus.heard)
    assert bench.service.health().devices


def test_a_recording_that_is_not_there_stops_no_other_device(
    make_bench: MakeBench, tmp_path: Path
) -> None:
    missing = recording(tmp_path, 5)
    Path(missing["file"]).rename(tmp_path / "away.csv")
    bench = make_bench(missing, FRIDGE)
    bench.run(3.0)
    assert bench.bus.status("rec").state == "retrying"
    assert bench.bus.status("fridge").state == "running"
    (tmp_path / "away.csv").rename(missing["file"])
    bench.run(70.0)
    assert bench.bus.status("rec").state == "ended"
    assert seqs_of(bench.bus.batches("rec")) == list(range(5))


def test_refused_rows_are_in_the_status(make_bench: MakeBench, tmp_path: Path) -> None:
    device = recording(tmp_path, 5)
    path = Path(device["file"])
    path.write_text(path.read_text() + "rubbish\n1,2\n1,2,x\n")
    bench = make_bench(device, speed=100)
    bench.run(5.0)
    status = bench.bus.status("rec")
    assert (status.next_seq, status.state) == (5, "ended")
    assert status.refused == {"cells": 2, "number": 1}


def test_a_full_volatile_folder_refuses_readings_and_reuses_no_number(
    make_bench: MakeBench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench = make_bench({**FRIDGE, "periodSeconds": 0.1}, recording(tmp_path, 500), speed=1)
    bench.run(5.0)

    def full(*_: object) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "pwrite", full)
    bench.run(5.0)
    monkeypatch.undo()
    bench.run(5.0)
    seqs = seqs_of(bench.bus.batches("fridge"))
    assert seqs == list(range(len(seqs)))
    assert bench.bus.status("fridge").refused["ring_error"] > 10
    rows = rows_of(bench.bus.batches("rec"), "row_number")
    assert rows == [float(i) for i in range(len(rows))]
    assert len(rows) >= 13


def test_the_configuration_may_change_while_it_runs(make_bench: MakeBench) -> None:
    bench = make_bench(FRIDGE)
    bench.run(3.0)
    bench.service.finish()
    bench.service.close()
    bench.configuration["devices"][0]["periodSeconds"] = 0.5
    bench.restart()
    bench.run(3.0)
    boots = sorted({batch.boot for batch in bench.bus.batches()})
    assert len(boots) == 2
