"""An append-only file of transactions that opens after any crash.

One transaction is one line: CRC-32 in hex, a space, JSON. It is written with a single write to a
file opened for appending, so what was appended survives a kill of the process at any moment;
``sync`` makes it survive a power cut too. Opening reads up to the first line that is incomplete
or damaged and cuts the rest off, so a log always opens with a prefix of its history.
"""

import contextlib
import errno
import logging
import os
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec

log = logging.getLogger(__name__)


class TransactionLog:
    """The log at ``path``. Read ``transactions()`` once, before the first ``append``."""

    def __init__(self, path: Path) -> None:
        self.path = path
        path.parent.mkdir(parents=True, exist_ok=True)
        self._fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        self.size_bytes = os.fstat(self._fd).st_size

    def transactions(self) -> Iterator[list[Any]]:
        """Every whole transaction, oldest first; cuts the file behind the last of them."""
        content = self.path.read_bytes()
        good = 0
        for line in content.splitlines(keepends=True):
            transaction = _decoded(line)
            if transaction is None:
                break
            good += len(line)
            yield transaction
        if good < len(content):
            self._cut(good, content[good:])

    def append(self, transaction: list[Any]) -> None:
        """Add one transaction; all of it or, when the disk is full, nothing (OSError)."""
        line = _encoded(transaction)
        try:
            written = os.write(self._fd, line)
        except OSError:
            self._cut_to(self.size_bytes)
            raise
        if written < len(line):
            # A half-written line would hide every later one.
            self._cut_to(self.size_bytes)
            raise OSError(
                errno.ENOSPC, f"only {written} of {len(line)} bytes written", str(self.path)
            )
        self.size_bytes += len(line)

    def sync(self) -> None:
        """Return when everything appended is on the disk."""
        os.fsync(self._fd)

    def rewrite(self, transaction: list[Any]) -> None:
        """Replace the whole history by one transaction, atomically and durably."""
        fresh = self.path.with_suffix(".new")
        line = _encoded(transaction)
        with fresh.open("wb") as file:
            file.write(line)
            file.flush()
            os.fsync(file.fileno())
        fresh.replace(self.path)
        folder = os.open(self.path.parent, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
        os.close(self._fd)
        self._fd = os.open(self.path, os.O_RDWR | os.O_APPEND | os.O_CLOEXEC)
        self.size_bytes = len(line)

    def close(self) -> None:
        """Close the file; may be called again."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def _cut(self, good: int, rest: bytes) -> None:
        if rest.count(b"\n") > 1:
            # More than the one line a crash can leave behind: keep it for whoever looks.
            damaged = self.path.with_suffix(".damaged")
            damaged.write_bytes(rest)
            log.warning(
                "Cut a damaged transaction log path=%s cut_bytes=%d kept_in=%s",
                self.path,
                len(rest),
                damaged,
            )
        self._cut_to(good)

    def _cut_to(self, size_bytes: int) -> None:
        with contextlib.suppress(OSError):
            os.ftruncate(self._fd, size_bytes)
            self.size_bytes = size_bytes


def _encoded(transaction: list[Any]) -> bytes:
    body = msgspec.json.encode(transaction)
    return b"%08x %s\n" % (zlib.crc32(body), body)


def _decoded(line: bytes) -> list[Any] | None:
    if not line.endswith(b"\n") or line[8:9] != b" ":
        return None
    body = line[9:-1]
    if line[:8] != b"%08x" % zlib.crc32(body):
        return None
    transaction = msgspec.json.decode(body)
    return transaction if isinstance(transaction, list) else None
