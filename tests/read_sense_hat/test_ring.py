import os
import shutil
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from read_sense_hat.ring import RECORD_BYTES, Ring, RingDamagedError


def payload(seq: int, size: int = 40) -> bytes:
    return (b"%08d" % seq).ljust(size, b".")


def fill(ring: Ring, batches: int, readings: int = 5, size: int = 40) -> None:
    for _ in range(batches):
        ring.append(readings, payload(ring.next_seq, size))


def copy(folder: Path, to: Path) -> Path:
    shutil.rmtree(to, ignore_errors=True)
    return Path(shutil.copytree(folder, to))


def test_a_new_ring_is_empty(tmp_path: Path) -> None:
    ring = Ring(tmp_path, 4096)
    assert (ring.oldest_seq, ring.next_seq, list(ring.read(0, 100))) == (0, 0, [])


def test_numbering_goes_on_in_the_next_process(tmp_path: Path) -> None:
    fill(Ring(tmp_path, 4096), 3)
    ring = Ring(tmp_path, 4096)
    assert (ring.oldest_seq, ring.next_seq) == (0, 15)
    assert [record.payload for record in ring.read(0, 15)] == [payload(0), payload(5), payload(10)]


def test_a_range_gives_every_batch_that_it_touches_whole_and_in_order(tmp_path: Path) -> None:
    ring = Ring(tmp_path, 4096)
    fill(ring, 20)
    assert [(r.first, r.end) for r in ring.read(7, 16)] == [(5, 10), (10, 15), (15, 20)]


def test_the_oldest_half_goes_when_the_ring_is_full(tmp_path: Path) -> None:
    ring = Ring(tmp_path, 1024)
    for number in range(200):
        oldest = ring.oldest_seq
        ring.append(1, payload(number))
        assert ring.next_seq == number + 1
        assert ring.oldest_seq >= oldest
        kept = list(ring.read(0, 1000))
        assert [r.first for r in kept] == list(range(ring.oldest_seq, number + 1))
        size = sum(path.stat().st_size for path in tmp_path.iterdir())
        assert size <= 1024
        if oldest:
            assert sum(len(r.payload) + RECORD_BYTES for r in kept) >= 512 - 2 * 60


@pytest.mark.parametrize("batches", [1, 6, 7, 8, 9, 15])
def test_a_file_torn_at_any_byte_loses_the_last_batch_at_most(tmp_path: Path, batches: int) -> None:
    folder = tmp_path / "ring"
    folder.mkdir()
    ring = Ring(folder, 1024)
    fill(ring, batches - 1)
    before = {path.name: path.stat().st_size for path in folder.iterdir()}
    next_before = ring.next_seq
    fill(ring, 1)
    next_after = ring.next_seq
    ring.close()
    for name, size_before in before.items():
        size_after = (folder / name).stat().st_size
        if size_after <= size_before:
            continue
        for cut in range(size_before, size_after + 1):
            torn = copy(folder, tmp_path / "torn")
            os.truncate(torn / name, cut)
            found = Ring(torn, 1024)
            assert found.next_seq == (next_after if cut == size_after else next_before)
            assert [r.first for r in found.read(0, 9999)] == list(
                range(found.oldest_seq, found.next_seq, 5)
            )
            fill(found, 1)
            found.close()
            again = Ring(torn, 1024)
            assert list(again.read(0, 9999))[-1].payload == payload(again.next_seq - 5)
            again.close()


def test_a_process_killed_between_the_two_files_goes_on(tmp_path: Path) -> None:
    ring = Ring(tmp_path, 1024)
    fill(ring, 8)
    ring.close()
    newest = max(tmp_path.iterdir(), key=lambda path: path.read_bytes()[8:16])
    other = next(path for path in tmp_path.iterdir() if path != newest)
    for size in range(17):
        # The other file was emptied and its header not yet written whole.
        os.truncate(other, 0)
        other.write_bytes((b"HBSRING1" + (3).to_bytes(8, "little"))[:size])
        found = Ring(tmp_path, 1024)
        assert found.next_seq == 40
        found.close()


def test_damage_inside_the_ring_is_no_torn_end(tmp_path: Path) -> None:
    ring = Ring(tmp_path, 4096)
    fill(ring, 4)
    ring.close()
    data = bytearray((tmp_path / "0.ring").read_bytes() + (tmp_path / "1.ring").read_bytes())
    path = next(p for p in tmp_path.iterdir() if p.stat().st_size)
    data[60] ^= 1
    path.write_bytes(data)
    with pytest.raises(RingDamagedError, match="checksum"):
        Ring(tmp_path, 4096)
    Ring.erase(tmp_path)
    assert Ring(tmp_path, 4096).next_seq == 0


def test_a_foreign_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "0.ring").write_bytes(b"something else entirely")
    with pytest.raises(RingDamagedError, match="begins with"):
        Ring(tmp_path, 4096)


def test_files_of_two_different_rings_are_refused(tmp_path: Path) -> None:
    for name, batches in (("a", 9), ("b", 30)):
        (tmp_path / name).mkdir()
        ring = Ring(tmp_path / name, 1024)
        fill(ring, batches)
        ring.close()
    oldest = min((tmp_path / "a").iterdir(), key=lambda path: path.read_bytes()[8:16])
    newest = max((tmp_path / "b").iterdir(), key=lambda path: path.read_bytes()[8:16])
    (tmp_path / "c").mkdir()
    shutil.copy(oldest, tmp_path / "c" / "0.ring")
    shutil.copy(newest, tmp_path / "c" / "1.ring")
    with pytest.raises(RingDamagedError, match="ends before"):
        Ring(tmp_path / "c", 1024)


class FullDisk:
    """os.pwrite on a file system that takes `room` more bytes."""

    def __init__(self, room: int) -> None:
        self.room = room
        self._write = os.pwrite

    def __call__(self, fd: int, data: bytes, offset: int) -> int:
        part = data[: max(0, self.room)]
        if not part:
            raise OSError(28, "No space left on device")
        self.room -= len(part)
        return self._write(fd, part, offset)


def test_a_full_file_system_costs_the_older_half_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ring = Ring(tmp_path, 1024)
    fill(ring, 10)
    assert ring.oldest_seq == 0
    monkeypatch.setattr(os, "pwrite", FullDisk(room=10))
    with pytest.raises(OSError, match=r"ring: "):
        fill(ring, 1)
    monkeypatch.undo()
    assert ring.next_seq == 50
    assert ring.oldest_seq > 0
    fill(ring, 1)
    ring.close()
    found = Ring(tmp_path, 1024)
    assert [r.first for r in found.read(0, 99)] == list(range(found.oldest_seq, 55, 5))


def test_what_a_full_file_system_takes_of_a_record_is_taken_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ring = Ring(tmp_path, 4096)
    fill(ring, 2)
    monkeypatch.setattr(os, "pwrite", FullDisk(room=30))
    with pytest.raises(OSError, match="full"):
        fill(ring, 1)
    monkeypatch.undo()
    fill(ring, 1)
    ring.close()
    assert [r.first for r in Ring(tmp_path, 4096).read(0, 99)] == [0, 5, 10]


def test_bytes_from_counts_what_is_not_accepted(tmp_path: Path) -> None:
    ring = Ring(tmp_path, 1024)
    fill(ring, 10)
    record_bytes = RECORD_BYTES + 40
    assert ring.bytes_from(50) == 0
    assert ring.bytes_from(45) == record_bytes
    assert ring.bytes_from(44) == 2 * record_bytes
    headers = 2 * 16
    assert ring.bytes_from(0) in {10 * record_bytes, 10 * record_bytes + headers}


@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    steps=st.lists(
        st.one_of(
            st.tuples(st.integers(1, 9), st.integers(0, 300)),
            st.just("reopen"),
        ),
        max_size=60,
    )
)
def test_the_ring_is_the_end_of_the_list_of_all_batches(
    tmp_path: Path, steps: list[tuple[int, int] | str]
) -> None:
    for path in tmp_path.iterdir():
        path.unlink()
    ring = Ring(tmp_path, 2048)
    told: list[tuple[int, bytes]] = []
    seq = 0
    for step in steps:
        if isinstance(step, str):
            ring.close()
            ring = Ring(tmp_path, 2048)
        else:
            readings, size = step
            data = os.urandom(size)
            ring.append(readings, data)
            told.append((seq, data))
            seq += readings
        kept = [(r.first, r.payload) for r in ring.read(0, 10**9)]
        assert kept == told[len(told) - len(kept) :]
        assert ring.next_seq == seq
        assert ring.oldest_seq == (kept[0][0] if kept else seq)
    ring.close()
