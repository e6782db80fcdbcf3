"""The journal's tail: what is accepted and not yet on flash, in one append-only file on tmpfs.

Law: `append` returns when the kernel has the bytes, so killing every process loses none. Records
are [length, crc32, payload]; a record torn by a kill is cut off at the next open, and a record is
either read back whole or not at all.
"""

import os
import struct
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Final

_HEADER: Final = struct.Struct(">II")
MAX_RECORD_BYTES: Final = 1 << 20
"""A length above it is damage, not a record."""


class Tail:
    """One open tail file.

    Args:
        path: Made when missing, with mode 0600; a torn last record is cut off.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        self.recovered = list(_records(path))
        self.size_bytes = sum(_HEADER.size + len(record) for record in self.recovered)
        os.ftruncate(self._fd, self.size_bytes)

    def append(self, payload: bytes) -> None:
        """Write one record.

        Raises:
            ValueError: It is longer than `MAX_RECORD_BYTES`.
            OSError: It could not be written; nothing of it stays.
        """
        if len(payload) > MAX_RECORD_BYTES:
            raise ValueError(f"record of {len(payload)} bytes, {MAX_RECORD_BYTES} is the most")
        record = _HEADER.pack(len(payload), zlib.crc32(payload)) + payload
        written = 0
        try:
            while written < len(record):
                written += os.write(self._fd, record[written:])
        except OSError:
            os.ftruncate(self._fd, self.size_bytes)
            raise
        self.size_bytes += len(record)

    def close(self) -> None:
        """Close the file; may be called again."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1


def _records(path: Path) -> Iterator[bytes]:
    """The whole records of a file, up to the first that is torn or damaged."""
    content = path.read_bytes()
    at = 0
    while at + _HEADER.size <= len(content):
        length, checksum = _HEADER.unpack_from(content, at)
        start = at + _HEADER.size
        payload = content[start : start + length]
        if length > MAX_RECORD_BYTES or len(payload) < length or zlib.crc32(payload) != checksum:
            return
        yield payload
        at = start + length
