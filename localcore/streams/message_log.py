"""The messages of one message stream, in segments, in one SQLite file or in memory.

Laws:
- `append` has written before it returns: killing the process loses nothing. With `flush` it has
  also synced, so that a power cut loses nothing either.
- Sequence numbers only grow, also across a restart and after everything was dropped.
- Space is freed by whole segments, the oldest first. What is dropped is never read again.

A closed segment's figures are in its row; those of the open one, the last, are counted again when
the file is opened, so that an append writes one row and nothing else.
"""

import sqlite3
from collections import deque
from dataclasses import dataclass
from pathlib import Path
from typing import Final, NamedTuple

MEMORY: Final = ":memory:"

# What a message takes on disk beside its payload: sequence number, time, lengths. It keeps a
# message stream of tiny messages within its size.
MESSAGE_OVERHEAD_BYTES: Final = 24

# The write-ahead log is folded into the file at 4,000 pages of 4 KiB: one sync in 16 MB, not in 4.
_CHECKPOINT_PAGES: Final = 4_000
# Messages are read once and in order: a large page cache would only cost memory.
_CACHE_KIB: Final = 512

_SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS message (
    sequence_number INTEGER PRIMARY KEY,
    ingest_ms INTEGER NOT NULL,
    payload BLOB NOT NULL
);
CREATE TABLE IF NOT EXISTS segment (
    first_sequence_number INTEGER PRIMARY KEY,
    size_bytes INTEGER NOT NULL,
    newest_ms INTEGER NOT NULL
);
CREATE TABLE IF NOT EXISTS export (
    identifier TEXT PRIMARY KEY,
    last_exported INTEGER NOT NULL,
    last_export_ms INTEGER,
    error TEXT,
    exported_bytes INTEGER NOT NULL,
    exported_messages INTEGER NOT NULL
);
"""


class Message(NamedTuple):
    """One message as it is kept."""

    sequence_number: int
    ingest_ms: int
    payload: bytes


@dataclass(slots=True)
class ExportProgress:
    """How far one export has come."""

    last_exported: int
    last_export_ms: int | None = None
    error: str | None = None
    exported_bytes: int = 0
    exported_messages: int = 0


@dataclass(slots=True)
class Segment:
    """A run of messages that is dropped as a whole."""

    first: int
    size_bytes: int = 0
    newest_ms: int = 0


def size_of(payload: bytes) -> int:
    """What a message with this payload counts against the size of its message stream."""
    return len(payload) + MESSAGE_OVERHEAD_BYTES


class MessageLog:
    """An ordered log of messages with numbers, segments, and the progress of its exports."""

    def __init__(self, path: Path | None):
        """Open the log at `path`, or a new one in memory.

        Raises:
            sqlite3.DatabaseError: the file is no log or is damaged.
        """
        # Connections are not shared: one thread owns the log. The check would only cost time.
        self._database = sqlite3.connect(
            MEMORY if path is None else path, isolation_level=None, check_same_thread=False
        )
        self._syncing = False
        execute = self._database.execute
        execute("PRAGMA journal_mode = WAL")
        execute("PRAGMA synchronous = NORMAL")
        execute(f"PRAGMA cache_size = -{_CACHE_KIB}")
        execute(f"PRAGMA wal_autocheckpoint = {_CHECKPOINT_PAGES}")
        self._database.executescript(_SCHEMA)
        self._segments = deque(
            Segment(*row) for row in execute("SELECT * FROM segment ORDER BY first_sequence_number")
        )
        if not self._segments:
            self._segments.append(self._insert_segment(0))
        self._next = self._recount_last_segment()
        self._size_bytes = sum(segment.size_bytes for segment in self._segments)

    def _recount_last_segment(self) -> int:
        last = self._segments[-1]
        newest, size_bytes, newest_ms = self._database.execute(
            "SELECT max(sequence_number), coalesce(sum(length(payload) + ?), 0),"
            " coalesce(max(ingest_ms), 0) FROM message WHERE sequence_number >= ?",
            (MESSAGE_OVERHEAD_BYTES, last.first),
        ).fetchone()
        last.size_bytes, last.newest_ms = size_bytes, newest_ms
        return last.first if newest is None else newest + 1

    @property
    def oldest(self) -> int:
        """The number of the first message that is kept."""
        return self._segments[0].first

    @property
    def newest(self) -> int:
        """The number of the last message appended; one below `oldest` when nothing is kept."""
        return self._next - 1

    @property
    def size_bytes(self) -> int:
        """What the messages count against the size of the message stream."""
        return self._size_bytes

    def append(self, payload: bytes, ingest_ms: int, *, segment_bytes: int, flush: bool) -> int:
        """Write a message and give it its number; a full segment is closed before."""
        size = size_of(payload)
        last = self._segments[-1]
        if last.size_bytes and last.size_bytes + size > segment_bytes:
            last = self._roll()
        self._sync(wanted=flush)
        sequence_number = self._next
        self._database.execute(
            "INSERT INTO message VALUES (?, ?, ?)", (sequence_number, ingest_ms, payload)
        )
        self._next = sequence_number + 1
        last.size_bytes += size
        last.newest_ms = max(last.newest_ms, ingest_ms)
        self._size_bytes += size
        return sequence_number

    def read(self, start: int, count: int, largest_bytes: int) -> list[Message]:
        """Up to `count` messages from number `start` (or the oldest kept) on.

        Stops early, but not before the first, where `largest_bytes` of payload would be exceeded.
        """
        messages: list[Message] = []
        total_bytes = 0
        for row in self._database.execute(
            "SELECT sequence_number, ingest_ms, payload FROM message"
            " WHERE sequence_number >= ? ORDER BY sequence_number LIMIT ?",
            (start, count),
        ):
            message = Message(*row)
            total_bytes += len(message.payload)
            if messages and total_bytes > largest_bytes:
                break
            messages.append(message)
        return messages

    def oldest_segment(self) -> tuple[Segment, int]:
        """The segment that would be dropped next, and the number of its last message."""
        last = self._segments[1].first - 1 if len(self._segments) > 1 else self.newest
        return self._segments[0], last

    def drop_oldest_segment(self) -> None:
        """Free the space of the oldest segment; dropping the open one opens another."""
        if not self._size_bytes:
            return
        _, last = self.oldest_segment()
        if len(self._segments) == 1:
            self._roll()
        dropped = self._segments[0]
        with self._transaction():
            self._database.execute("DELETE FROM message WHERE sequence_number <= ?", (last,))
            self._database.execute(
                "DELETE FROM segment WHERE first_sequence_number = ?", (dropped.first,)
            )
        self._segments.popleft()
        self._size_bytes -= dropped.size_bytes

    def exports(self) -> dict[str, ExportProgress]:
        """The progress of every export that was ever saved, by identifier."""
        rows = self._database.execute("SELECT * FROM export")
        return {identifier: ExportProgress(*figures) for identifier, *figures in rows}

    def save_export(self, identifier: str, progress: ExportProgress) -> None:
        """Remember how far an export has come."""
        self._database.execute(
            "INSERT OR REPLACE INTO export VALUES (?, ?, ?, ?, ?, ?)",
            (
                identifier,
                progress.last_exported,
                progress.last_export_ms,
                progress.error,
                progress.exported_bytes,
                progress.exported_messages,
            ),
        )

    def forget_export(self, identifier: str) -> None:
        """Remove what `save_export` remembered."""
        self._database.execute("DELETE FROM export WHERE identifier = ?", (identifier,))

    def close(self) -> None:
        """Fold the write-ahead log into the file and close it; closing again does nothing."""
        self._database.close()

    def _transaction(self) -> "_Transaction":
        return _Transaction(self._database)

    def _roll(self) -> Segment:
        closed = self._segments[-1]
        with self._transaction():
            self._database.execute(
                "UPDATE segment SET size_bytes = ?, newest_ms = ? WHERE first_sequence_number = ?",
                (closed.size_bytes, closed.newest_ms, closed.first),
            )
            opened = self._insert_segment(self._next)
        self._segments.append(opened)
        return opened

    def _insert_segment(self, first: int) -> Segment:
        self._database.execute("INSERT INTO segment VALUES (?, 0, 0)", (first,))
        return Segment(first)

    def _sync(self, *, wanted: bool) -> None:
        """FULL syncs the write-ahead log at each commit, NORMAL only when it is folded in."""
        if wanted != self._syncing:
            self._database.execute(f"PRAGMA synchronous = {'FULL' if wanted else 'NORMAL'}")
            self._syncing = wanted


class _Transaction:
    """BEGIN, then COMMIT or, after an exception, ROLLBACK."""

    def __init__(self, database: sqlite3.Connection):
        self._database = database

    def __enter__(self) -> None:
        self._database.execute("BEGIN")

    def __exit__(self, kind: object, *_: object) -> None:
        self._database.execute("ROLLBACK" if kind else "COMMIT")
