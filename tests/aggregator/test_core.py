"""The Aggregator's core: every reading in the ledger, in one row and in one window."""

import json
import math
import random
import statistics
from collections.abc import Iterable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aggregator.core import BOOTS_IN_DETAIL, DEVICES, GAPS, Core
from aggregator.devices import Settings
from aggregator.lines import READINGS, WINDOWS
from hubkit.journal import Row
from hubkit.journal_file import Account
from hubkit.payloads import LedgerBoot, PayloadError, ProducerDevice, ReadingBatch, Window

BOOT = "00000001-0000000a"
SETTINGS = Settings(thing="pi-1", window_s=10.0, lateness_s=5.0)


def batch(seq: int, count: int, *, boot: str = BOOT, period_s: float = 1.0) -> ReadingBatch:
    rng = random.Random(seq)
    return ReadingBatch(
        device_id="hat-1",
        source="simulated",
        boot=boot,
        seq=seq,
        t0_s=1_700_000_000.0 + seq * period_s,
        clock="synchronised",
        dt_s=[n * period_s for n in range(count)],
        values={
            "temperature_c": [
                20 + rng.random() if rng.random() > 0.1 else None for _ in range(count)
            ],
            "pressure_hpa": [1000 + rng.gauss(0, 0.01) for _ in range(count)],
        },
    )


def status(
    next_seq: int,
    *,
    boot: str = BOOT,
    oldest_seq: int = 0,
    state: str = "running",
    lost: list[tuple[str, int, int]] | None = None,
) -> ProducerDevice:
    return ProducerDevice(
        boot=boot,
        next_seq=next_seq,
        oldest_seq=oldest_seq,
        source="simulated",
        state=state,  # type: ignore[arg-type]
        period_s=1.0,
        lost=lost or [],
    )


def keys(rows: Iterable[Row]) -> list[tuple[str, int]]:
    lines = [
        json.loads(line)
        for row in rows
        if row.kind == READINGS
        for line in row.payload.splitlines()
    ]
    return [(line["boot"], line["seq"]) for line in lines]


def total(core: Core, accounts: Iterable[Account] = ()) -> LedgerBoot:
    _, entry = core.ledger(accounts)
    assert entry.produced == entry.delivered + entry.queued + sum(entry.dropped.values())
    return entry


def run_out(core: Core, next_seq: int, now_s: float = 1000.0) -> list[Window]:
    """Let the producer end, so that every window closes."""
    core.learn_status("hat-1", status(next_seq, state="ended"), now_s)
    return core.closed_windows()


def test_readings_in_order_give_full_windows_and_one_row_each() -> None:
    core = Core(SETTINGS)
    for seq in range(0, 100, 7):
        core.accept(batch(seq, 7), now_s=seq)
    windows = run_out(core, 105)
    assert sum(window.count for window in windows) == 105
    assert all(window.count == 10 for window in windows[1:-1])
    assert sorted(keys(core.rows())) == [(BOOT, n) for n in range(105)]
    assert total(core).queued == 105


@settings(max_examples=200, deadline=None)
@given(st.data())
def test_any_order_loss_and_repetition_counts_every_reading_once(data: st.DataObject) -> None:
    batches = [batch(seq, 5) for seq in range(0, 60, 5)]
    sent = data.draw(st.lists(st.sampled_from(batches), max_size=40))
    core = Core(SETTINGS)
    accounted: set[int] = set()
    received = 0
    windows: list[Window] = []
    rows: list[Row] = []
    for now_s, each in enumerate(sent):
        if data.draw(st.booleans()):
            # A crash: what is saved, and the batches since, make the same core.
            rows += core.rows()
            core.committed()
            windows += core.closed_windows()
            core = Core(SETTINGS, core.state())
        core.accept(each, now_s)
        core.tick(now_s)
        received += len(each)
        accounted |= set(range(each.seq, each.next_seq))
    core.learn_status("hat-1", status(60), 100.0)
    entry = total(core)
    assert entry.produced == 60
    assert entry.accepted == len(accounted)
    assert entry.duplicates == received - len(accounted)
    # Nobody has the rest any more.
    core.learn_status("hat-1", status(60, oldest_seq=60, state="ended"), 101.0)
    core.tick(200.0)
    core.tick(300.0)
    windows += core.closed_windows()
    rows += core.rows()
    assert sorted(keys(rows)) == [(BOOT, n) for n in sorted(accounted)]
    assert sum(window.count for window in windows) == len(accounted)
    parts = [(window.start_s, window.first_seq) for window in windows]
    assert len(set(parts)) == len(parts)
    assert total(core).dropped == (
        {"ring_overrun": 60 - len(accounted)} if len(accounted) < 60 else {}
    )


def test_a_window_is_the_same_however_the_readings_were_cut() -> None:
    whole = batch(0, 60)
    cuts = random.Random(7)
    core, other = Core(SETTINGS), Core(SETTINGS)
    core.accept(whole, 0.0)
    at = 0
    while at < 60:
        step = cuts.randint(1, 9)
        piece = ReadingBatch(
            device_id="hat-1", source="simulated", boot=BOOT, seq=at, t0_s=whole.t0_s,
            clock="synchronised", dt_s=whole.dt_s[at : at + step],
            values={m: c[at : at + step] for m, c in whole.values.items()},
        )  # fmt: skip
        other.accept(piece, 0.0)
        at += step
    assert run_out(core, 60) == run_out(other, 60)


def test_window_statistics_agree_with_the_statistics_module() -> None:
    core = Core(SETTINGS)
    whole = batch(0, 40)
    core.accept(whole, 0.0)
    for window in run_out(core, 40):
        for metric, summary in window.metrics.items():
            column = [
                v
                for v in whole.values[metric][window.first_seq : window.last_seq + 1]
                if v is not None
            ]
            assert summary.count == len(column)
            assert summary.mean == pytest.approx(statistics.fmean(column), rel=1e-12)
            assert summary.std == pytest.approx(statistics.pstdev(column), rel=1e-6, abs=1e-9)
            assert (summary.min, summary.max, summary.last) == (
                min(column),
                max(column),
                column[-1],
            )


def test_flagged_values_are_kept_as_read_and_left_out_of_the_statistics() -> None:
    core = Core(SETTINGS)
    bad = batch(0, 3)
    bad.values = {"temperature_c": [20.0, 900.0, 22.0]}
    bad.quality = {"temperature_c": {"out_of_range": [1]}}
    core.accept(bad, 0.0)
    (window, *rest) = run_out(core, 3)
    assert not rest
    assert (window.count, window.metrics["temperature_c"].count) == (3, 2)
    assert window.metrics["temperature_c"].max == 22.0
    lines = [
        json.loads(line)
        for row in core.rows()
        if row.kind == READINGS
        for line in row.payload.splitlines()
    ]
    assert [line["values"]["temperature_c"] for line in lines] == [20.0, 900.0, 22.0]
    assert [line.get("quality") for line in lines] == [
        None,
        {"temperature_c": "out_of_range"},
        None,
    ]


def test_a_gap_holds_windows_back_and_is_asked_for_until_it_is_filled() -> None:
    core = Core(SETTINGS)
    core.accept(batch(0, 5), 0.0)
    core.accept(batch(10, 30), 0.0)
    assert core.closed_windows() == []
    assert core.requests(0.0) == []
    (request,) = core.requests(1.0)
    assert (request.boot, request.ranges) == (BOOT, [(5, 10)])
    assert core.requests(1.1) == []
    assert core.requests(3.0)[0].ranges == [(5, 10)]
    core.accept(batch(5, 5), 3.5)
    assert core.requests(100.0) == []
    assert sum(window.count for window in core.closed_windows()) == 30


def test_a_gap_that_is_filled_after_the_lateness_becomes_parts_of_its_own() -> None:
    core = Core(SETTINGS)
    core.accept(batch(0, 5), 0.0)
    core.accept(batch(10, 30), 0.0)
    core.tick(0.0)
    core.tick(5.0)
    early = core.closed_windows()
    core.accept(batch(5, 5), 6.0)
    late = core.closed_windows()
    assert [(window.first_seq, window.count) for window in late] == [(5, 5)]
    assert early[0].start_s == late[0].start_s
    assert sum(w.count for w in early + late + run_out(core, 40)) == 40


def test_a_clock_that_jumps_neither_drops_nor_reorders_anything() -> None:
    core = Core(SETTINGS)
    for seq, offset_s in ((0, 0.0), (10, 315e6), (20, -3600.0), (30, -1.7e9), (40, 0.0)):
        each = batch(seq, 10)
        each.t0_s += offset_s
        core.accept(each, seq)
    windows = run_out(core, 50)
    assert sum(window.count for window in windows) == 50
    assert [n for _, n in keys(core.rows())] != []
    assert sorted(n for _, n in keys(core.rows())) == list(range(50))
    assert [window.first_seq for window in windows] == sorted(w.first_seq for w in windows)


def test_a_new_boot_settles_the_gaps_of_the_one_before_as_a_power_cut() -> None:
    core = Core(SETTINGS)
    core.accept(batch(0, 5), 0.0)
    core.learn_status("hat-1", status(9), 0.0)
    newer = "00000002-00000001"
    core.learn_status("hat-1", status(3, boot=newer), 1.0)
    entry = total(core)
    assert entry.dropped == {"power_cut": 4}
    assert (entry.produced, entry.queued) == (12, 8)
    accounts = [Account(READINGS, "hat-1", BOOT, 5, 0)]
    entry = total(core, accounts)
    assert (entry.produced, entry.delivered, entry.queued) == (12, 5, 3)
    assert total(Core(SETTINGS, core.state()), accounts) == entry


def test_many_boots_are_summed_up_and_what_comes_again_of_them_is_a_duplicate() -> None:
    core = Core(SETTINGS)
    # A counter that begins again: the newest boot is not the last one by name.
    boots = [f"{number % 13:08x}-{number:08x}" for number in range(1, 40)]
    for boot in boots:
        core.accept(batch(0, 5, boot=boot), 0.0)
        core.learn_status("hat-1", status(6, boot=boot), 0.0)
    accounts = [Account(READINGS, "hat-1", boot, 3, 1) for boot in boots]
    devices, entry = core.ledger(accounts)
    assert list(devices["hat-1"].boots) == boots[-BOOTS_IN_DETAIL:]
    assert (entry.produced, entry.delivered) == (39 * 6, 39 * 3)
    # The living boot's sixth reading is still with the producer.
    assert entry.dropped == {"quota": 39, "power_cut": 38}
    assert sum(window.count for window in core.closed_windows()) == (39 - BOOTS_IN_DETAIL) * 5
    core = Core(SETTINGS, core.state())
    assert not core.is_new(batch(0, 5, boot=boots[0]))
    core.accept(batch(0, 5, boot=boots[0]), 0.0)
    again = total(core, accounts)
    assert (again.produced, again.duplicates) == (entry.produced, 5)
    assert len(core.state()) < 10_000


def test_a_batch_of_a_forged_boot_takes_nothing_from_the_real_one() -> None:
    core = Core(SETTINGS)
    core.accept(batch(0, 5), 0.0)
    core.learn_status("hat-1", status(10), 0.0)
    core.accept(batch(3, 5, boot="ffffffff-ffffffff"), 0.0)
    core.learn_status("hat-1", status(10), 0.0)
    core.requests(0.0)
    (request,) = core.requests(1.0)
    assert (request.boot, request.ranges) == (BOOT, [(5, 10)])
    core.ledger([Account(READINGS, "hat-1", BOOT, 5, 0)])
    assert core.is_new(batch(5, 5))
    core.accept(batch(5, 5), 1.0)
    assert sorted(keys(core.rows()))[:10] == [(BOOT, n) for n in range(10)]


def test_a_forged_status_is_put_right_by_the_next_one() -> None:
    core = Core(SETTINGS)
    core.accept(batch(0, 5), 0.0)
    core.learn_status("hat-1", status(2**53 - 1), 0.0)
    core.learn_status("hat-1", status(5), 1.0)
    assert total(core).produced == 5
    assert core.requests(100.0) == []


def test_a_batch_far_ahead_waits_for_the_status_that_explains_it() -> None:
    core = Core(SETTINGS)
    far = batch(2**40, 5)
    with pytest.raises(PayloadError, match="ahead of the 0 readings"):
        core.check(far)
    core.learn_status("hat-1", status(2**40 + 5, oldest_seq=2**40), 0.0)
    core.check(far)
    core.accept(far, 0.0)
    assert total(core).dropped == {"ring_overrun": 2**40}


def test_the_state_stays_small_whatever_comes() -> None:
    core = Core(SETTINGS)
    refused = 0

    def hostile(each: ReadingBatch) -> None:
        nonlocal refused
        try:
            core.check(each)
        except PayloadError:
            refused += 1
        else:
            core.accept(each, 0.0)

    for number in range(1_500):
        gap = batch(1 + 2 * number, 1)
        hostile(gap)
        device = batch(0, 1)
        device.device_id = f"forged-{number}"
        hostile(device)
        hostile(batch(1, 1, boot=f"{number:08x}-00000000"))
        metrics = batch(2 * number, 1)
        metrics.device_id = "forged-0"
        metrics.values = {f"metric_{number}_{n}": [1.0] for n in range(30)}
        hostile(metrics)
    core.committed()
    core.closed_windows()
    assert refused > 1_500
    assert len(core.state()) < 500_000
    assert len(core._devices) == DEVICES
    for number in range(0, 3_000, 2):  # what fills a gap is taken all the same
        hostile(batch(number, 1))
    assert core._devices["hat-1"].boots[BOOT].sequences.upto >= GAPS


def test_a_silent_device_closes_its_window_after_a_while() -> None:
    core = Core(SETTINGS)
    core.accept(batch(0, 5), 0.0)
    core.tick(14.9)
    assert core.closed_windows() == []
    core.tick(15.0)
    assert [window.count for window in core.closed_windows()] == [5]


def test_readings_within_the_deadband_are_counted_and_left_out_of_history_only() -> None:
    core = Core(Settings("pi-1", 10.0, 5.0, bands={"temperature_c": 0.5}, deadband_s=300.0))
    each = batch(0, 20)
    each.values = {"temperature_c": [20 + 0.1 * n for n in range(20)]}
    core.accept(each, 0.0)
    written = [n for _, n in keys(core.rows())]
    assert written[0] == 0
    assert len(written) < 6
    assert total(core).dropped == {"deadband": 20 - len(written)}
    assert sum(window.count for window in run_out(core, 20)) == 20


def test_rows_never_cross_a_date() -> None:
    core = Core(SETTINGS)
    each = batch(0, 20)
    each.t0_s = 1_700_006_390.0  # ten seconds before 2023-11-15
    core.accept(each, 0.0)
    rows = [row for row in core.rows() if row.kind == READINGS]
    assert [(row.day, row.count) for row in rows] == [("2023-11-14", 10), ("2023-11-15", 10)]


def test_windows_become_lines_with_the_thing_and_their_key() -> None:
    core = Core(SETTINGS)
    core.accept(batch(0, 25), 0.0)
    windows = run_out(core, 25)
    lines = [
        json.loads(line)
        for row in core.rows()
        if row.kind == WINDOWS
        for line in row.payload.splitlines()
    ]
    assert [
        (line["thing"], line["boot"], line["start_s"], line["first_seq"]) for line in lines
    ] == [("pi-1", BOOT, window.start_s, window.first_seq) for window in windows]
    assert all(math.isfinite(line["metrics"]["pressure_hpa"]["mean"]) for line in lines)


def test_what_comes_again_of_a_settled_boot_is_a_duplicate() -> None:
    core = Core(SETTINGS)
    core.accept(batch(0, 5), 0.0)
    core.learn_status("hat-1", status(1, boot="00000002-00000001"), 1.0)
    accounts = [Account(READINGS, "hat-1", BOOT, 5, 0)]
    core.ledger(accounts)
    core = Core(SETTINGS, core.state())
    assert not core.is_new(batch(0, 5))
    core.accept(batch(0, 5), 2.0)
    core.learn_status("hat-1", status(5), 2.0)
    entry = total(core, accounts)
    assert (entry.produced, entry.delivered, entry.queued, entry.duplicates) == (6, 5, 1, 5)


def test_an_ended_source_closes_its_window_when_its_last_readings_come() -> None:
    core = Core(SETTINGS)
    core.accept(batch(0, 5), 0.0)
    core.learn_status("hat-1", status(8, state="ended"), 0.0)
    assert core.closed_windows() == []
    core.accept(batch(5, 3), 0.1)
    assert [window.count for window in core.closed_windows()] == [8]
