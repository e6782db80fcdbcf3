"""The journal over real files: commits, crashes, quota, ranges, damage."""

import random
import shutil
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hubkit.journal import ExportLog, Journal, JournalError, Row
from hubkit.tail import Tail


def row(text: str, *, kind: str = "readings", day: str = "2026-01-01", priority: int = 1) -> Row:
    return Row(
        kind=kind,
        day=day,
        device="hat-1",
        boot="00000001-00000001",
        count=1,
        priority=priority,
        payload=text.encode(),
    )


def open_journal(folder: Path, quota_bytes: int = 1 << 20) -> Journal:
    volatile = folder / "volatile"
    volatile.mkdir(exist_ok=True)
    return Journal(folder, volatile, quota_bytes=quota_bytes, initial_state=b"empty")


def killed(folder: Path) -> Path:
    """What a process killed now leaves behind: its files, copied to where no lock is held."""
    left = folder.with_name(f"{folder.name}-{len(list(folder.parent.iterdir()))}")
    shutil.copytree(folder, left)
    return left


def test_records_survive_a_killed_process_until_they_are_committed(tmp_path: Path) -> None:
    (tmp_path / "hub").mkdir()
    journal = open_journal(tmp_path / "hub")
    journal.append(b"one")
    journal.append(b"two")
    again = open_journal(killed(tmp_path / "hub"))
    assert again.recovered() == [b"one", b"two"]
    again.commit([row("one"), row("two")], b"both")
    again.append(b"three")
    third = open_journal(killed(again.path.parent))
    assert third.recovered() == [b"three"]
    assert third.state == b"both"
    assert third.id == journal.id
    for each in (journal, again, third):
        each.close()


def test_a_commit_that_fails_leaves_the_tail_as_it_was(tmp_path: Path) -> None:
    journal = open_journal(tmp_path)
    journal.append(b"kept")
    with pytest.raises(JournalError):
        journal.commit([row("x", priority=None)], b"never")  # type: ignore[arg-type]
    journal.close()
    again = open_journal(tmp_path)
    assert again.recovered() == [b"kept"]
    assert again.state == b"empty"
    again.close()


def test_a_range_keeps_its_name_and_its_rows_until_it_is_confirmed(tmp_path: Path) -> None:
    journal = open_journal(tmp_path)
    journal.commit([row("a"), row("b", day="2026-01-02"), row("c")], b"")
    log = ExportLog(journal.path)
    first, second = log.fix("readings")
    assert [(r.day, r.first, r.last, r.count) for r in (first, second)] == [
        ("2026-01-01", 1, 3, 2),
        ("2026-01-02", 1, 3, 1),
    ]
    log.appended(first, 7)
    log.close()
    journal.commit([row("d")], b"")

    log = ExportLog(journal.path)
    assert [r.sequence for r in log.ranges("readings")] == [7, None]
    assert list(log.payloads(first)) == [b"a", b"c"]
    assert log.confirm([first]) > 0
    assert [r.id for r in log.ranges("readings")] == [second.id]
    assert [(a.delivered, a.evicted) for a in journal.accounts()] == [(2, 0)]
    later = log.fix("readings")[-1]
    assert (later.first, later.last, later.count) == (4, 4, 1)
    log.confirm([second, later])
    assert journal.size_bytes == 0
    log.close()
    journal.close()


def test_a_range_ends_after_the_most_rows_and_all_rows_are_in_one(tmp_path: Path) -> None:
    journal = open_journal(tmp_path)
    journal.commit([row(f"{n:05d}" * 20, kind="windows") for n in range(10)], b"")
    log = ExportLog(journal.path)
    assert log.waiting_bytes("windows") == journal.size_bytes
    ranges = log.fix("windows", most_rows=3)
    assert [(r.first, r.last, r.count) for r in ranges] == [
        (1, 3, 3),
        (4, 6, 3),
        (7, 9, 3),
        (10, 10, 1),
    ]
    assert log.waiting_bytes("windows") == 0
    log.close()
    journal.close()


def test_the_quota_takes_the_lowest_priority_and_then_the_oldest(tmp_path: Path) -> None:
    journal = open_journal(tmp_path, quota_bytes=80)
    journal.commit([row("old"), row("alert", kind="alerts", priority=9), row("new")], b"")
    size = journal.size_bytes
    journal.commit([row("x" * 10 + str(n)) for n in range(7)], b"")
    assert journal.size_bytes <= 80 < size * 4
    log = ExportLog(journal.path)
    kept = [p for r in log.fix("alerts") for p in log.payloads(r)]
    assert kept == [b"alert"]
    readings = [p for r in log.fix("readings") for p in log.payloads(r)]
    assert b"old" not in readings
    assert readings[-1] == b"x" * 10 + b"6"
    (account,) = [a for a in journal.accounts() if a.kind == "readings"]
    assert account.evicted == 9 - len(readings)
    log.close()
    journal.close()


def test_a_damaged_file_is_set_aside_and_its_readable_rows_are_salvaged(tmp_path: Path) -> None:
    journal = open_journal(tmp_path)
    journal.commit([row(f"{n}" * 3000) for n in range(40)], b"state")
    journal.append(b"in the tail")
    journal.close()
    content = bytearray(journal.path.read_bytes())
    content[0:16] = b"no sqlite format"
    journal.path.write_bytes(content)
    again = open_journal(tmp_path)
    assert again.set_aside is not None
    assert again.set_aside.exists()
    assert again.recovered() == [b"in the tail"]
    again.close()


def test_rows_before_and_after_a_damaged_page_are_salvaged(tmp_path: Path) -> None:
    journal = open_journal(tmp_path)
    payloads = [random.Random(n).randbytes(3000).hex() for n in range(60)]
    journal.commit([row(text) for text in payloads], b"state")
    journal.close()
    content = bytearray(journal.path.read_bytes())
    half = len(content) // 2 // 4096 * 4096
    content[half : half + 8] = b"\xff" * 8
    journal.path.write_bytes(content)
    again = open_journal(tmp_path)
    assert again.set_aside is not None
    assert 0 < again.salvaged_rows < 61
    again.close()


@settings(max_examples=50)
@given(st.lists(st.binary(max_size=200), max_size=8), st.integers(0, 2000))
def test_a_tail_cut_anywhere_gives_a_prefix_of_its_records(
    tmp_path_factory: pytest.TempPathFactory, records: list[bytes], cut: int
) -> None:
    path = tmp_path_factory.mktemp("tail") / "tail"
    tail = Tail(path)
    for record in records:
        tail.append(record)
    tail.close()
    whole = path.read_bytes()
    path.write_bytes(whole[: min(cut, len(whole))])
    again = Tail(path)
    recovered = again.recovered
    assert recovered == records[: len(recovered)]
    again.append(b"after")
    again.close()
    third = Tail(path)
    assert third.recovered == [*recovered, b"after"]
    third.close()
