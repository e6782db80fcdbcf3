"""The journal over real files: commits, crashes, quota, ranges, damage."""

import contextlib
import random
import resource
import shutil
import signal
import sqlite3
import zlib
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hubkit.export_log import ExportLog
from hubkit.journal import Journal, Row
from hubkit.journal_file import JournalError
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


def test_a_second_owner_is_refused_until_the_first_has_closed(tmp_path: Path) -> None:
    journal = open_journal(tmp_path)
    with pytest.raises(JournalError, match="another process has this journal"):
        open_journal(tmp_path)
    journal.close()
    open_journal(tmp_path).close()


def test_no_more_is_accepted_than_may_wait_for_a_commit(tmp_path: Path) -> None:
    journal = Journal(
        tmp_path, tmp_path, quota_bytes=1 << 20, initial_state=b"", tail_quota_bytes=100
    )
    journal.append(b"x" * 80)
    with pytest.raises(JournalError, match="88 bytes wait for a commit, 100 is the most"):
        journal.append(b"x" * 20)
    journal.commit([], b"")
    journal.append(b"x" * 20)
    journal.close()


def test_a_commit_that_the_disk_refuses_can_be_tried_again(tmp_path: Path) -> None:
    journal = open_journal(tmp_path, quota_bytes=1 << 24)
    journal.append(b"kept")
    large = [row(random.Random(n).randbytes(30_000).hex()) for n in range(20)]
    wal = Path(f"{journal.path}-wal")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    previous = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (wal.stat().st_size + 40_000, hard))
    try:
        for _ in range(3):
            with pytest.raises(JournalError, match=r"journal\.sqlite: "):
                journal.commit(large, b"never")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        signal.signal(signal.SIGXFSZ, previous)
    assert (journal.state, journal.size_bytes, journal.tail_bytes) == (b"empty", 0, 12)
    journal.commit(large, b"after")
    assert (journal.state, journal.tail_bytes) == (b"after", 0)
    journal.close()


def test_a_tail_that_a_commit_should_have_removed_is_given_again(tmp_path: Path) -> None:
    journal = open_journal(tmp_path)
    old = journal._tail.path
    journal.append(b"one")
    content = old.read_bytes()
    journal.commit([row("one")], b"one")
    journal.append(b"two")
    journal.close()
    old.write_bytes(content)
    for _ in range(2):  # and is in the new tail from then on
        again = open_journal(tmp_path)
        assert sorted(again.recovered()) == [b"one", b"two"]
        assert not old.exists()
        again.close()


def test_the_quota_prefers_what_is_free_to_what_is_fixed_and_never_a_higher_priority(
    tmp_path: Path,
) -> None:
    journal = open_journal(tmp_path)
    size = len(zlib.compress(b"00", 3))
    journal._quota_bytes = 7 * size
    journal.commit([row(f"0{n}") for n in range(3)], b"")
    log = ExportLog(journal.path)
    (fixed,) = log.fix("readings")
    alerts = [row(f"2{n}", kind="alerts", priority=9) for n in range(3)]
    journal.commit([*(row(f"1{n}") for n in range(3)), *alerts], b"")
    kept = [fixed, *log.fix("readings")[1:], *log.fix("alerts")]
    assert [payload for each in kept for payload in log.payloads(each)] == [
        b"00", b"01", b"02", b"12", b"20", b"21", b"22",
    ]  # fmt: skip
    # Then those of the range: the oldest first, and no alert.
    journal._quota_bytes = 4 * size
    journal.commit([], b"")
    assert [payload for each in kept for payload in log.payloads(each)] == [
        b"12", b"20", b"21", b"22",
    ]  # fmt: skip
    log.close()
    journal.close()


def test_a_size_that_is_wrong_does_not_keep_the_quota_searching(tmp_path: Path) -> None:
    journal = open_journal(tmp_path, quota_bytes=100)
    log = ExportLog(journal.path)
    log.set_mark("size", 10_000)
    journal.commit([row("a")], b"")
    assert journal.accounts()[0].evicted == 1
    log.close()
    journal.close()


def test_confirming_nothing_writes_nothing(tmp_path: Path) -> None:
    journal = open_journal(tmp_path)
    log = ExportLog(journal.path)
    wal = Path(f"{journal.path}-wal")
    before = wal.stat().st_size
    for _ in range(10):
        assert log.confirm([]) == 0
    assert wal.stat().st_size == before
    log.close()
    journal.close()


def test_a_row_that_cannot_be_read_goes_and_is_counted(tmp_path: Path) -> None:
    journal = open_journal(tmp_path)
    journal.commit([row("a"), row("b"), row("c")], b"")
    journal._db.execute("UPDATE rows SET payload = x'00' WHERE id = 2")
    log = ExportLog(journal.path)
    (fixed,) = log.fix("readings")
    assert list(log.payloads(fixed)) == [b"a", b"c"]
    assert list(log.payloads(fixed)) == [b"a", b"c"]
    log.confirm([fixed])
    (account,) = journal.accounts()
    assert (account.delivered, account.evicted, account.damaged) == (2, 0, 1)
    assert journal.size_bytes == 0
    log.close()
    journal.close()


def test_a_commit_over_the_quota_does_not_look_at_all_rows(tmp_path: Path) -> None:
    journal = open_journal(tmp_path, quota_bytes=1 << 30)
    log = ExportLog(journal.path)
    journal.commit([row("x") for _ in range(20_000)], b"")
    log.fix("readings", most_rows=10)
    journal._quota_bytes = journal.size_bytes
    counted = 0

    def count() -> int:
        nonlocal counted
        counted += 1
        return 0

    journal._db.set_progress_handler(count, 1_000)
    journal.commit([row("y")], b"")
    # Thousands of virtual machine instructions: sorting all rows by their ranges took 10^8.
    assert counted < 2_000
    log.close()
    journal.close()


def test_a_file_of_another_layout_is_set_aside_and_its_rows_are_taken_over(tmp_path: Path) -> None:
    journal = open_journal(tmp_path)
    journal.commit([row("a"), row("b")], b"state")
    journal.close()
    with contextlib.closing(sqlite3.connect(journal.path)) as db:
        db.execute("PRAGMA user_version = 99")
        db.execute("DROP TABLE accounts")
        db.commit()
    again = open_journal(tmp_path)
    assert again.set_aside is not None
    assert again.salvaged_rows == 2
    log = ExportLog(again.path)
    assert [p for r in log.fix("readings") for p in log.payloads(r)] == [b"a", b"b"]
    log.close()
    again.close()


def test_an_owner_that_was_overtaken_commits_nothing(tmp_path: Path) -> None:
    journal = open_journal(tmp_path)
    journal.append(b"mine")
    with contextlib.closing(sqlite3.connect(journal.path)) as db:
        db.execute("UPDATE meta SET tail = tail + 1")
        db.commit()
    with pytest.raises(JournalError, match="another process"):
        journal.commit([row("mine")], b"state")
    assert journal.size_bytes == 0
    journal.close()
