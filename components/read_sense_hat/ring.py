"""The producer's ring: the last batches of one device, on tmpfs, in two files that take turns.

Law: what `append` returned from can be read again by any later process, up to the ring's size,
and numbering goes on after it. A record is written by one write() before it is published, so a
process that is killed leaves at most one torn record at the end, of a batch that nobody has seen:
it is cut off, and its sequence numbers are used again. Any other damage means that numbers may
have been given out which the ring does not know, so the ring is refused (`RingDamagedError`) and
the caller begins a new boot.

A folder holds `0.ring` and `1.ring`. A file is a header, magic and generation, and records:

    length u32 | crc32 u32 | first sequence number u64 | count u32 | payload (length bytes)

little-endian, the CRC-32 over everything behind it. When the file in use is full the other one is
emptied, gets the next generation, and is used: the ring always holds between half and all of its
size, and what goes, goes from the oldest end, exactly [`oldest_seq` before, `oldest_seq` after).
Nothing is synced: losing power loses tmpfs anyway, and a killed process does not lose what it has
written.
"""

import os
import struct
import zlib
from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

MAGIC = b"HBSRING1"
_HEADER = struct.Struct("<8sQ")
_RECORD = struct.Struct("<IIQI")
_BEHIND_CRC = struct.Struct("<QI")
RECORD_BYTES = _RECORD.size
"""What a record takes besides its payload."""


class RingDamagedError(Exception):
    """The ring's files contradict each other; the message names file, offset and reason."""


class Record(NamedTuple):
    """One batch: `readings` of them from `first` on, as the payload that was published."""

    first: int
    readings: int
    payload: bytes

    @property
    def end(self) -> int:
        """The sequence number after its last reading."""
        return self.first + self.readings


class _Segment:
    """One of the two files, and where its records are."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.generation = 0
        self._forget()
        self._fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            self._read_index()
        except RingDamagedError:
            self.close()
            raise

    def _forget(self) -> None:
        self.size_bytes = 0
        self.end = 0
        self.firsts = array("Q")
        self.offsets = array("Q")

    def _read_index(self) -> None:
        """Find every record; cut a torn one off the end."""
        data = os.pread(self._fd, os.fstat(self._fd).st_size, 0)
        if len(data) < _HEADER.size:
            return
        magic, self.generation = _HEADER.unpack_from(data)
        if magic != MAGIC:
            raise RingDamagedError(f"{self._path}: it begins with {magic!r}, not {MAGIC!r}")
        offset = _HEADER.size
        while offset + RECORD_BYTES <= len(data):
            length, crc, first, count = _RECORD.unpack_from(data, offset)
            end = offset + RECORD_BYTES + length
            if end > len(data):
                break
            if zlib.crc32(memoryview(data)[offset + 8 : end]) != crc:
                raise RingDamagedError(f"{self._path}: checksum of the record at byte {offset}")
            if self.firsts and first != self.end:
                raise RingDamagedError(
                    f"{self._path}: the record at byte {offset} begins with {first}, not {self.end}"
                )
            self.firsts.append(first)
            self.offsets.append(offset)
            self.end = first + count
            offset = end
        if offset < len(data):
            os.ftruncate(self._fd, offset)
        self.size_bytes = offset

    def restart(self, generation: int) -> None:
        """Empty the file for its next turn."""
        os.ftruncate(self._fd, 0)
        self._forget()
        self.generation = 0
        self._write(_HEADER.pack(MAGIC, generation))
        self.generation = generation

    def append(self, record: bytes, first: int, count: int) -> None:
        offset = self.size_bytes
        self._write(record)
        self.firsts.append(first)
        self.offsets.append(offset)
        self.end = first + count

    def _write(self, data: bytes) -> None:
        """All of it or nothing: what was written of a refused record is taken back."""
        try:
            written = os.pwrite(self._fd, data, self.size_bytes)
            if written != len(data):
                raise OSError(f"{written} of {len(data)} bytes written: is the file system full?")
        except OSError as error:
            os.ftruncate(self._fd, self.size_bytes)
            raise OSError(f"write {self._path}: {error}") from error
        self.size_bytes += len(data)

    def record(self, index: int) -> Record:
        offset = self.offsets[index]
        length, _, first, count = _RECORD.unpack(os.pread(self._fd, RECORD_BYTES, offset))
        return Record(first, count, os.pread(self._fd, length, offset + RECORD_BYTES))

    def bytes_from(self, seq: int) -> int:
        """Size of the records that hold `seq` or later numbers."""
        if not self.firsts or seq >= self.end:
            return 0
        index = max(0, bisect_right(self.firsts, seq) - 1)
        return self.size_bytes - self.offsets[index]

    def close(self) -> None:
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1


class Ring:
    """The ring in a folder, found as the last process left it.

    Args:
        folder: Its own; made by the caller.
        size_bytes: Of both files together.

    Raises:
        RingDamagedError: See the module; `Ring.erase` makes place for a new one.
        OSError: The files cannot be opened.
    """

    def __init__(self, folder: Path, size_bytes: int) -> None:
        self._segment_bytes = size_bytes // 2
        segments: list[_Segment] = []
        try:
            segments.extend(_Segment(path) for path in _paths(folder))
            self._old, self._new = sorted(segments, key=lambda segment: segment.generation)
            self._check()
        except BaseException:
            for segment in segments:
                segment.close()
            raise

    def _check(self) -> None:
        if self._old.firsts and self._new.firsts and self._old.end != self._new.firsts[0]:
            raise RingDamagedError(
                f"the older file ends before {self._old.end}, "
                f"the newer one begins with {self._new.firsts[0]}"
            )

    @staticmethod
    def exists(folder: Path) -> bool:
        """Whether a ring was ever begun there."""
        return any(path.exists() for path in _paths(folder))

    @staticmethod
    def erase(folder: Path) -> None:
        """Remove the ring's files."""
        for path in _paths(folder):
            path.unlink(missing_ok=True)

    @property
    def half_bytes(self) -> int:
        """What the ring holds at the least once it has been filled."""
        return self._segment_bytes

    @property
    def next_seq(self) -> int:
        """The sequence number after the last reading, 0 for a ring without any."""
        return max(self._old.end, self._new.end)

    @property
    def oldest_seq(self) -> int:
        """The first sequence number that can still be read; `next_seq` when there is none."""
        for segment in (self._old, self._new):
            if segment.firsts:
                return segment.firsts[0]
        return self.next_seq

    def append(self, count: int, payload: bytes) -> None:
        """Keep a batch whose first reading is `next_seq`; the oldest ones make room.

        Raises:
            OSError: It is not kept and its numbers are not used.
        """
        first = self.next_seq
        behind = _BEHIND_CRC.pack(first, count) + payload
        data = struct.pack("<II", len(payload), zlib.crc32(behind)) + behind
        if self._new.firsts and self._new.size_bytes + len(data) > self._segment_bytes:
            self._old, self._new = self._new, self._old
            self._new.restart(self._old.generation + 1)
        elif not self._new.generation:
            self._new.restart(self._old.generation + 1)
        try:
            self._new.append(data, first, count)
        except OSError:
            # tmpfs is full: the older half makes room, as it would have had to soon. Never the only
            # half with records: the next number would be forgotten.
            if not (self._old.firsts and self._new.firsts):
                raise
            self._old.restart(self._old.generation)
            self._new.append(data, first, count)

    def read(self, first: int, end: int) -> Iterator[Record]:
        """The batches that hold a number of [first, end), whole and in order, as far as left."""
        for segment in (self._old, self._new):
            begin = max(0, bisect_right(segment.firsts, first) - 1)
            for index in range(begin, bisect_left(segment.firsts, end)):
                record = segment.record(index)
                if record.end > first:
                    yield record

    def record_at(self, seq: int) -> Record | None:
        """The batch that holds `seq`, None when it is gone or not yet there."""
        return next(self.read(seq, seq + 1), None)

    def bytes_from(self, seq: int) -> int:
        """How much of the ring the batches with `seq` or later numbers take."""
        return self._old.bytes_from(seq) + self._new.bytes_from(seq)

    def close(self) -> None:
        """Close the files; may be called again."""
        self._old.close()
        self._new.close()


def _paths(folder: Path) -> tuple[Path, Path]:
    return folder / "0.ring", folder / "1.ring"
