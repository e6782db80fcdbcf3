"""The durable log: a tail on tmpfs for every record at once, SQLite on flash once a sync interval.

Law: what `append` took is never lost to a killed process, and what `commit` took is never lost to a
power cut. A commit is one transaction that holds the rows made from the tail, the state after them
and the number of the next tail file; so after any crash, state + tail is exactly what was accepted,
once.

Rows leave in *ranges*. A range is fixed in the journal before anything is sent, is sent again as
often as needed under the same name, and its rows go only when the far end confirmed it.

One object belongs to one thread. The exporter's thread opens the same files with `ExportLog`.
"""

import contextlib
import logging
import operator
import os
import sqlite3
import time
import zlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from hubkit.tail import Tail

_log = logging.getLogger(__name__)

BUSY_S: Final = 30.0
"""How long a writer waits for the other thread's transaction."""

_SCHEMA = """
CREATE TABLE IF NOT EXISTS meta (
  only INTEGER PRIMARY KEY CHECK (only = 1), journal TEXT NOT NULL, tail INTEGER NOT NULL,
  next_row INTEGER NOT NULL, state BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS rows (
  id INTEGER PRIMARY KEY, kind TEXT NOT NULL, day TEXT NOT NULL, device TEXT NOT NULL,
  boot TEXT NOT NULL, count INTEGER NOT NULL, priority INTEGER NOT NULL, size INTEGER NOT NULL,
  payload BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS ranges (
  id INTEGER PRIMARY KEY AUTOINCREMENT, kind TEXT NOT NULL, day TEXT NOT NULL,
  first INTEGER NOT NULL, last INTEGER NOT NULL, count INTEGER NOT NULL, sequence INTEGER);
CREATE TABLE IF NOT EXISTS accounts (
  kind TEXT NOT NULL, device TEXT NOT NULL, boot TEXT NOT NULL, delivered INTEGER NOT NULL,
  evicted INTEGER NOT NULL, PRIMARY KEY (kind, device, boot)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS marks (name TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;
"""


_VICTIMS = """
SELECT id, kind, device, boot, count, size FROM rows
ORDER BY EXISTS (SELECT 1 FROM ranges r WHERE r.kind = rows.kind AND r.day = rows.day
                 AND rows.id BETWEEN r.first AND r.last), priority, id
LIMIT 64"""
"""What the quota takes first: nothing of a fixed range while there is anything else."""

_ROW_FIELDS = operator.attrgetter("kind", "day", "device", "boot", "count", "priority")


class JournalError(Exception):
    """The journal could not be written; the message names file and reason. Trying later may do."""


@dataclass(frozen=True)
class Row:
    """What a commit adds: `count` things of one device and boot that leave together.

    `day` is the UTC date they belong to; `priority` decides what the quota takes first (lowest).
    """

    kind: str
    day: str
    device: str
    boot: str
    count: int
    priority: int
    payload: bytes


@dataclass(frozen=True)
class Range:
    """Rows `first` to `last` of a kind and a day, fixed to leave under one name.

    `sequence` is the message's number in its message stream, None until it was appended.
    """

    id: int
    kind: str
    day: str
    first: int
    last: int
    count: int
    sequence: int | None


@dataclass(frozen=True)
class Account:
    """How many of a kind, device and boot were delivered, and how many the quota took."""

    kind: str
    device: str
    boot: str
    delivered: int
    evicted: int


class Journal:
    """The owner's side: append, commit, evict.

    Args:
        folder: On flash; holds `journal.sqlite`.
        volatile: On tmpfs; holds `tail-<n>`.
        quota_bytes: The most that payloads of rows may hold together.
        initial_state: The state of an empty journal.

    Raises:
        JournalError: Neither the file nor a new one in its place can be opened.
    """

    def __init__(
        self, folder: Path, volatile: Path, *, quota_bytes: int, initial_state: bytes
    ) -> None:
        self.path = folder / "journal.sqlite"
        self._volatile = volatile
        self._quota_bytes = quota_bytes
        self.set_aside: Path | None = None
        self.salvaged_rows = 0
        self._db = self._open(initial_state)
        self.id, generation, self.state = self._db.execute(
            "SELECT journal, tail, state FROM meta"
        ).fetchone()
        self._generation = int(generation)
        self._tail = Tail(self._tail_path(self._generation))
        self._adopted = self._adopt_tails()

    @property
    def size_bytes(self) -> int:
        """What the payloads of all rows hold together."""
        return _mark(self._db, "size")

    @property
    def tail_bytes(self) -> int:
        """How much is accepted and not yet on flash."""
        return self._tail.size_bytes

    def recovered(self) -> list[bytes]:
        """The records that were appended after the last commit, found at open, oldest first."""
        return self._tail.recovered + self._adopted

    def append(self, record: bytes) -> None:
        """Accept a record.

        Raises:
            JournalError: tmpfs has no room for it.
        """
        try:
            self._tail.append(record)
        except OSError as error:
            raise JournalError(f"{self._tail.path}: {error}") from error

    def commit(self, rows: Iterable[Row], state: bytes) -> None:
        """Put rows and state on flash in one transaction, and begin a new tail.

        Rows over the quota go at once: lowest priority first, then oldest; those of a fixed range
        last.

        Raises:
            JournalError: Nothing was written; the tail still holds all records.
        """
        try:
            following = Tail(self._tail_path(self._generation + 1))
        except OSError as error:
            raise JournalError(f"{self._tail_path(self._generation + 1)}: {error}") from error
        try:
            with _transaction(self._db):
                self._insert(rows)
                self._evict()
                self._db.execute(
                    "UPDATE meta SET tail = ?, state = ?", (self._generation + 1, state)
                )
        except sqlite3.Error as error:
            following.close()
            raise JournalError(f"{self.path}: {error}") from error
        self.state = state
        self._tail.close()
        self._tail.path.unlink(missing_ok=True)
        self._tail = following
        self._generation += 1

    def accounts(self) -> list[Account]:
        """What left, by kind, device and boot."""
        return _accounts(self._db)

    def close(self) -> None:
        """Close the files; what is in the tail stays there. May be called again."""
        self._tail.close()
        self._db.close()

    def _insert(self, rows: Iterable[Row]) -> None:
        (next_row,) = self._db.execute("SELECT next_row FROM meta").fetchone()
        added = 0
        values: list[tuple[Any, ...]] = []
        for row in rows:
            packed = zlib.compress(row.payload, 3)
            added += len(packed)
            values.append((next_row, *_ROW_FIELDS(row), len(packed), packed))
            next_row += 1
        self._db.executemany("INSERT INTO rows VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", values)
        self._db.execute("UPDATE meta SET next_row = ?", (next_row,))
        _add_to_mark(self._db, "size", added)

    def _evict(self) -> None:
        """Delete rows until the quota holds."""
        excess = _mark(self._db, "size") - self._quota_bytes
        evicted = 0
        while evicted < excess:
            victims = self._db.execute(_VICTIMS).fetchall()
            for row_id, kind, device, boot, count, size in victims:
                if evicted >= excess:
                    break
                evicted += size
                self._db.execute("DELETE FROM rows WHERE id = ?", (row_id,))
                _add_to_account(self._db, kind, device, boot, evicted=count)
        if evicted:
            _add_to_mark(self._db, "size", -evicted)

    def _tail_path(self, generation: int) -> Path:
        return self._volatile / f"tail-{self.id}-{generation}"

    def _adopt_tails(self) -> list[bytes]:
        """Remove this journal's old tails; take over those of one that was set aside."""
        adopted: list[bytes] = []
        for path in sorted(self._volatile.glob("tail-*")):
            if path == self._tail.path:
                continue
            if not path.name.startswith(f"tail-{self.id}-"):
                other = Tail(path)
                other.close()
                adopted += other.recovered
                for record in other.recovered:
                    self._tail.append(record)
            path.unlink(missing_ok=True)
        return adopted

    def _open(self, initial_state: bytes) -> sqlite3.Connection:
        try:
            return _create(self.path, initial_state)
        except sqlite3.DatabaseError as damage:
            if isinstance(damage, sqlite3.OperationalError):
                raise JournalError(f"{self.path}: {damage}") from damage
            self.set_aside = _set_aside(self.path)
            _log.error("damaged journal set aside file=%s reason=%s", self.set_aside.name, damage)
        db = _create(self.path, initial_state)
        with _transaction(db):
            for row in _salvage(self.set_aside):
                db.execute("INSERT INTO rows VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", row)
                db.execute("UPDATE meta SET next_row = ?", (row[0] + 1,))
                _add_to_mark(db, "size", row[7])
                self.salvaged_rows += 1
        return db


def _set_aside(path: Path) -> Path:
    """Rename a damaged file and what belongs to it; nothing is deleted."""
    aside = path.with_name(f"journal-damaged-{time.time_ns()}.sqlite")
    for suffix in ("", "-wal", "-shm"):
        with contextlib.suppress(FileNotFoundError):
            Path(f"{path}{suffix}").rename(f"{aside}{suffix}")
    return aside


def _salvage(path: Path) -> list[tuple[Any, ...]]:
    """The rows of a damaged file that can still be read, from both ends towards the damage."""
    found: dict[int, tuple[Any, ...]] = {}
    for order in ("ASC", "DESC"):
        with contextlib.suppress(sqlite3.Error), contextlib.closing(sqlite3.connect(path)) as db:
            for row in db.execute(f"SELECT * FROM rows ORDER BY id {order}"):  # noqa: S608
                if row[0] in found:
                    break
                found[row[0]] = row
    return [found[row_id] for row_id in sorted(found)]


class ExportLog:
    """The exporter's side of the same file: fix ranges, read them, confirm them.

    Its methods raise `JournalError` where the file cannot be read or written.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        with _as_journal_error(path):
            self._db = _connection(path)
            (self.journal_id,) = self._db.execute("SELECT journal FROM meta").fetchone()

    def close(self) -> None:
        """Close the file; may be called again."""
        self._db.close()

    def fix(self, kind: str, *, most_rows: int | None = None) -> list[Range]:
        """Fix ranges over the rows of a kind that are in none, a range a day.

        Args:
            kind: Whose rows.
            most_rows: A range ends after so many of them, and there may be many ranges.

        Returns:
            All ranges of the kind that are not confirmed, as `ranges`.
        """
        with _as_journal_error(self._path), _transaction(self._db):
            rows = self._db.execute(
                "SELECT id, day, count FROM rows WHERE kind = ? AND id > ? ORDER BY id",
                (kind, self.mark(f"fixed {kind}")),
            ).fetchall()
            step = most_rows or max(1, len(rows))
            for start in range(0, len(rows), step):
                part = rows[start : start + step]
                by_day: dict[str, int] = {}
                for _, day, count in part:
                    by_day[day] = by_day.get(day, 0) + count
                for day, count in sorted(by_day.items()):
                    self._db.execute(
                        "INSERT INTO ranges (kind, day, first, last, count) VALUES (?, ?, ?, ?, ?)",
                        (kind, day, part[0][0], part[-1][0], count),
                    )
            if rows:
                self.set_mark(f"fixed {kind}", rows[-1][0])
        return self.ranges(kind)

    def ranges(self, kind: str) -> list[Range]:
        """The fixed and not yet confirmed ranges of a kind, oldest first."""
        with _as_journal_error(self._path):
            return [
                Range(*row)
                for row in self._db.execute(
                    "SELECT id, kind, day, first, last, count, sequence FROM ranges "
                    "WHERE kind = ? ORDER BY id",
                    (kind,),
                )
            ]

    def payloads(self, fixed: Range) -> Iterator[bytes]:
        """The payloads of a range's rows, oldest first."""
        with _as_journal_error(self._path):
            for (packed,) in self._db.execute(
                "SELECT payload FROM rows WHERE kind = ? AND day = ? AND id BETWEEN ? AND ? "
                "ORDER BY id",
                (fixed.kind, fixed.day, fixed.first, fixed.last),
            ):
                yield zlib.decompress(packed)

    def appended(self, fixed: Range, sequence: int | None) -> None:
        """Remember under which number a range was appended; None to append it again."""
        with _as_journal_error(self._path), _transaction(self._db):
            self._db.execute("UPDATE ranges SET sequence = ? WHERE id = ?", (sequence, fixed.id))

    def confirm(self, confirmed: Sequence[Range]) -> int:
        """The far end has these ranges: their rows go. Returns the bytes that became free."""
        freed = 0
        with _as_journal_error(self._path), _transaction(self._db):
            for fixed in confirmed:
                where = "kind = ? AND day = ? AND id BETWEEN ? AND ?"
                key = (fixed.kind, fixed.day, fixed.first, fixed.last)
                for device, boot, count, size in self._db.execute(
                    f"SELECT device, boot, sum(count), sum(size) FROM rows WHERE {where} "  # noqa: S608
                    "GROUP BY device, boot",
                    key,
                ).fetchall():
                    _add_to_account(self._db, fixed.kind, device, boot, delivered=count)
                    freed += size
                self._db.execute(f"DELETE FROM rows WHERE {where}", key)  # noqa: S608
                self._db.execute("DELETE FROM ranges WHERE id = ?", (fixed.id,))
            _add_to_mark(self._db, "size", -freed)
        return freed

    def waiting_bytes(self, kind: str) -> int:
        """The size of the rows of a kind that are in no range."""
        with _as_journal_error(self._path):
            return int(
                self._db.execute(
                    "SELECT coalesce(sum(size), 0) FROM rows WHERE kind = ? AND id > ?",
                    (kind, self.mark(f"fixed {kind}")),
                ).fetchone()[0]
            )

    def mark(self, name: str) -> int:
        """A number kept under a name; 0 at first."""
        with _as_journal_error(self._path):
            return _mark(self._db, name)

    def set_mark(self, name: str, value: int) -> None:
        """Keep a number under a name."""
        with _as_journal_error(self._path):
            self._db.execute("INSERT OR REPLACE INTO marks VALUES (?, ?)", (name, value))


def _connection(path: Path) -> sqlite3.Connection:
    """Open with the settings that the law rests on: WAL, and a sync with every commit."""
    db = sqlite3.connect(path, timeout=BUSY_S, isolation_level=None)
    db.execute("PRAGMA journal_mode = WAL")
    db.execute("PRAGMA synchronous = FULL")
    return db


def _create(path: Path, initial_state: bytes) -> sqlite3.Connection:
    db = _connection(path)
    try:
        with _transaction(db):
            for statement in _SCHEMA.split(";"):
                db.execute(statement)
            db.execute(
                "INSERT OR IGNORE INTO meta VALUES (1, ?, 0, 1, ?)",
                (os.urandom(4).hex(), initial_state),
            )
        (verdict,) = db.execute("PRAGMA quick_check(1)").fetchone()
    except BaseException:
        db.close()
        raise
    if verdict != "ok":
        db.close()
        raise sqlite3.DatabaseError(verdict)
    return db


@contextlib.contextmanager
def _transaction(db: sqlite3.Connection) -> Iterator[None]:
    db.execute("BEGIN IMMEDIATE")
    try:
        yield
    except BaseException:
        db.execute("ROLLBACK")
        raise
    db.execute("COMMIT")


@contextlib.contextmanager
def _as_journal_error(path: Path) -> Iterator[None]:
    try:
        yield
    except sqlite3.Error as error:
        raise JournalError(f"{path}: {error}") from error


def _add_to_account(
    db: sqlite3.Connection,
    kind: str,
    device: str,
    boot: str,
    *,
    delivered: int = 0,
    evicted: int = 0,
) -> None:
    db.execute(
        "INSERT INTO accounts VALUES (?, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET "
        "delivered = delivered + excluded.delivered, evicted = evicted + excluded.evicted",
        (kind, device, boot, delivered, evicted),
    )


def _mark(db: sqlite3.Connection, name: str) -> int:
    row = db.execute("SELECT value FROM marks WHERE name = ?", (name,)).fetchone()
    return int(row[0]) if row else 0


def _add_to_mark(db: sqlite3.Connection, name: str, amount: int) -> None:
    db.execute(
        "INSERT INTO marks VALUES (?, ?) ON CONFLICT DO UPDATE SET value = value + excluded.value",
        (name, amount),
    )


def _accounts(db: sqlite3.Connection) -> list[Account]:
    return [
        Account(*row)
        for row in db.execute("SELECT kind, device, boot, delivered, evicted FROM accounts")
    ]
