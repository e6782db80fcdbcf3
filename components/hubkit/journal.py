"""The durable log: a tail on tmpfs for every record at once, SQLite on flash once a sync interval.

Law: what `append` took is never lost to a killed process, and what `commit` took is never lost to a
power cut. A commit is one transaction that holds the rows made from the tail, the state after them
and the number of the next tail file; so after any crash, state + tail is exactly what was accepted,
once. What a failed disk may still have made of a commit that was reported as failed does no harm:
records of an older tail are given again, and the owner knows which it has.

Rows leave in *ranges*. A range is fixed in the journal before anything is sent, is sent again as
often as needed under the same name, and its rows go only when the far end confirmed it.

One process owns the files, by a lock. One object belongs to one thread. The exporter's thread opens
the same files with `ExportLog`.
"""

import contextlib
import fcntl
import logging
import operator
import os
import sqlite3
import time
import zlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Final

from hubkit.tail import Tail

_log = logging.getLogger(__name__)

BUSY_S: Final = 30.0
"""How long a writer waits for the other thread's transaction."""
PAGE_BYTES: Final = 1024
"""A commit once a minute touches half a dozen pages: with SQLite's usual 4,096 bytes that is 28 MB
of flash a day at one reading in 5 s, with these 17."""
TAIL_QUOTA_BYTES: Final = 8 << 20
"""What is accepted and not on flash is in memory twice: while the disk takes nothing, no more."""

LAYOUT: Final = 1
"""The number of the tables' layout, kept as `user_version`: a file of another one is set aside and
its rows are taken over, as those of a damaged one."""

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
  evicted INTEGER NOT NULL, damaged INTEGER NOT NULL,
  PRIMARY KEY (kind, device, boot)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS marks (name TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;
"""


_VICTIMS = """
SELECT id, kind, device, boot, count, size FROM rows
LEFT JOIN marks ON marks.name = 'fixed ' || rows.kind
WHERE priority = ? AND (id <= coalesce(marks.value, 0)) = ? AND id > ? ORDER BY id LIMIT 64"""
"""The oldest rows of a priority, those of fixed ranges or the others: no sorting of all rows."""

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
    """How many of a kind, device and boot were delivered, taken by the quota, or unreadable."""

    kind: str
    device: str
    boot: str
    delivered: int
    evicted: int
    damaged: int = 0


class Journal:
    """The owner's side: append, commit, evict.

    Args:
        folder: On flash; holds `journal.sqlite`.
        volatile: On tmpfs; holds `tail-<n>`.
        quota_bytes: The most that payloads of rows may hold together.
        initial_state: The state of an empty journal.
        tail_quota_bytes: The most that may be accepted and not yet on flash.

    Raises:
        JournalError: Another process has it, or neither the file nor a new one in its place can be
            opened.
    """

    def __init__(
        self,
        folder: Path,
        volatile: Path,
        *,
        quota_bytes: int,
        initial_state: bytes,
        tail_quota_bytes: int = TAIL_QUOTA_BYTES,
    ) -> None:
        self.path = folder / "journal.sqlite"
        self._volatile = volatile
        self._quota_bytes = quota_bytes
        self._tail_quota_bytes = tail_quota_bytes
        self.set_aside: Path | None = None
        self.salvaged_rows = 0
        with contextlib.ExitStack() as opened:
            self._lock = _locked(volatile / "lock")
            opened.callback(self._lock.close)
            self._db = self._open(initial_state)
            opened.callback(self._db.close)
            self.id, generation, self.state = self._db.execute(
                "SELECT journal, tail, state FROM meta"
            ).fetchone()
            self._generation = int(generation)
            self._priorities = {
                int(priority)
                for (priority,) in self._db.execute("SELECT DISTINCT priority FROM rows")
            }
            try:
                self._tail = Tail(self._tail_path(self._generation))
                opened.callback(self._tail.close)
                self._recovered = self._adopt_tails() + self._tail.recovered
            except OSError as error:
                raise JournalError(f"{volatile}: {error}") from error
            opened.pop_all()

    @property
    def size_bytes(self) -> int:
        """What the payloads of all rows hold together.

        Raises:
            JournalError: The file cannot be read.
        """
        with _as_journal_error(self.path):
            return _mark(self._db, "size")

    @property
    def tail_bytes(self) -> int:
        """How much is accepted and not yet on flash."""
        return self._tail.size_bytes

    def recovered(self) -> list[bytes]:
        """The records that were appended after the last commit, found at open, oldest first.

        After a crash within a commit some of them may be in it already.
        """
        return self._recovered

    def append(self, record: bytes) -> None:
        """Accept a record.

        Raises:
            JournalError: tmpfs has no room for it, or too much waits for a commit.
        """
        if self._tail.size_bytes + len(record) > self._tail_quota_bytes:
            raise JournalError(
                f"{self._tail.path}: {self._tail.size_bytes} bytes wait for a commit, "
                f"{self._tail_quota_bytes} is the most"
            )
        try:
            self._tail.append(record)
        except OSError as error:
            raise JournalError(f"{self._tail.path}: {error}") from error

    def commit(self, rows: Iterable[Row], state: bytes) -> None:
        """Put rows and state on flash in one transaction, and begin a new tail.

        Rows over the quota go at once: lowest priority first; of one priority those of a fixed
        range last; then the oldest.

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
                self._begin_tail(self._generation + 1, state)
        except JournalError:
            following.close()
            raise
        except sqlite3.Error as error:
            following.close()
            raise JournalError(f"{self.path}: {error}") from error
        self.state = state
        self._tail.close()
        with contextlib.suppress(OSError):  # the next start removes it
            self._tail.path.unlink(missing_ok=True)
        self._tail = following
        self._generation += 1

    def _begin_tail(self, generation: int, state: bytes) -> None:
        """Note the next tail, if nobody else has: two owners must not both commit one tail."""
        noted = self._db.execute(
            "UPDATE meta SET tail = ?, state = ? WHERE tail = ?",
            (generation, state, self._generation),
        )
        if noted.rowcount != 1:
            raise JournalError(f"{self.path}: another process has committed since this one began")

    def accounts(self) -> list[Account]:
        """What left, by kind, device and boot.

        Raises:
            JournalError: The file cannot be read.
        """
        with _as_journal_error(self.path):
            return _accounts(self._db)

    def close(self) -> None:
        """Close the files; what is in the tail stays there. May be called again."""
        self._tail.close()
        self._db.close()
        self._lock.close()

    def _insert(self, rows: Iterable[Row]) -> None:
        (next_row,) = self._db.execute("SELECT next_row FROM meta").fetchone()
        added = 0
        values: list[tuple[Any, ...]] = []
        for row in rows:
            packed = zlib.compress(row.payload, 3)
            added += len(packed)
            values.append((next_row, *_ROW_FIELDS(row), len(packed), packed))
            next_row += 1
            self._priorities.add(row.priority)
        self._db.executemany("INSERT INTO rows VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", values)
        self._db.execute("UPDATE meta SET next_row = ?", (next_row,))
        _add_to_mark(self._db, "size", added)

    def _evict(self) -> None:
        """Delete rows until the quota holds."""
        excess = _mark(self._db, "size") - self._quota_bytes
        evicted = 0
        if excess > 0:
            for row_id, kind, device, boot, count, size in self._victims():
                evicted += size
                self._db.execute("DELETE FROM rows WHERE id = ?", (row_id,))
                _add_to_account(self._db, kind, device, boot, evicted=count)
                if evicted >= excess:
                    break
            _add_to_mark(self._db, "size", -evicted)

    def _victims(self) -> Iterator[tuple[int, str, str, str, int, int]]:
        """All rows, in the order in which the quota takes them."""
        for priority in sorted(self._priorities):
            for is_fixed in (False, True):
                after = 0
                while found := self._db.execute(_VICTIMS, (priority, is_fixed, after)).fetchall():
                    yield from found
                    after = found[-1][0]

    def _tail_path(self, generation: int) -> Path:
        return self._volatile / f"tail-{self.id}-{generation}"

    def _adopt_tails(self) -> list[bytes]:
        """Take over older tails: of a journal that was set aside, of an interrupted commit."""
        adopted: list[bytes] = []
        for path in sorted(self._volatile.glob("tail-*"), key=_age):
            if path == self._tail.path:
                continue
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
                with contextlib.suppress(sqlite3.IntegrityError):  # a page of another table
                    db.execute("INSERT INTO rows VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", row)
                    db.execute("UPDATE meta SET next_row = ?", (row[0] + 1,))
                    _add_to_mark(db, "size", row[7])
                    self.salvaged_rows += 1
        return db


def _locked(path: Path) -> IO[bytes]:
    """The open lock file; the lock goes with the process."""
    try:
        file = path.open("wb")
    except OSError as error:
        raise JournalError(f"{path}: {error}") from error
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        file.close()
        raise JournalError(f"{path}: another process has this journal: wait for its end") from error
    return file


def _age(path: Path) -> tuple[bool, int]:
    """Sorts tails by their generation; what has no number comes first."""
    number = path.name.rpartition("-")[2]
    return number.isdigit(), int(number) if number.isdigit() else 0


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
                if _is_whole(row):
                    found[row[0]] = row
    return [found[row_id] for row_id in sorted(found)]


def _is_whole(row: tuple[Any, ...]) -> bool:
    """Whether a row of a damaged file is what was written: its payload carries a checksum."""
    try:
        return len(row[8]) == row[7] and row[5] >= 0 and zlib.decompress(row[8]) is not None
    except (TypeError, zlib.error):
        return False


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

    def fix(
        self, kind: str, *, most_rows: int | None = None, most_ranges: int | None = None
    ) -> list[Range]:
        """Fix ranges over the rows of a kind that are in none, a range a day.

        Args:
            kind: Whose rows.
            most_rows: A range ends after so many of them, and there may be many ranges.
            most_ranges: So many times `most_rows`; the rows behind stay free.

        Returns:
            All ranges of the kind that are not confirmed, as `ranges`.
        """
        with _as_journal_error(self._path), _transaction(self._db):
            rows = self._db.execute(
                "SELECT id, day, count FROM rows WHERE kind = ? AND id > ? ORDER BY id LIMIT ?",
                (
                    kind,
                    self.mark(f"fixed {kind}"),
                    most_rows * most_ranges if most_rows and most_ranges else -1,
                ),
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
        damaged: list[int] = []
        with _as_journal_error(self._path):
            for row_id, packed in self._db.execute(
                "SELECT id, payload FROM rows WHERE kind = ? AND day = ? AND id BETWEEN ? AND ? "
                "ORDER BY id",
                (fixed.kind, fixed.day, fixed.first, fixed.last),
            ):
                try:
                    payload = zlib.decompress(packed)
                except zlib.error:
                    damaged.append(row_id)
                else:
                    yield payload
        if damaged:
            self._drop_damaged(damaged)

    def _drop_damaged(self, row_ids: list[int]) -> None:
        """Rows that cannot be read would hold up everything behind them: they go, counted."""
        _log.error("damaged rows dropped file=%s rows=%d", self._path.name, len(row_ids))
        with _as_journal_error(self._path), _transaction(self._db):
            for row_id in row_ids:
                for kind, device, boot, count, size in self._db.execute(
                    "DELETE FROM rows WHERE id = ? RETURNING kind, device, boot, count, size",
                    (row_id,),
                ).fetchall():
                    _add_to_account(self._db, kind, device, boot, damaged=count)
                    _add_to_mark(self._db, "size", -size)

    def appended(
        self, fixed: Range, sequence: int | None, *, following_mark: str | None = None
    ) -> None:
        """Remember under which number a range was appended; None to append it again.

        `following_mark` names a mark that becomes the number after it.
        """
        with _as_journal_error(self._path), _transaction(self._db):
            self._db.execute("UPDATE ranges SET sequence = ? WHERE id = ?", (sequence, fixed.id))
            if following_mark is not None and sequence is not None:
                _set_mark(self._db, following_mark, sequence + 1)

    def confirm(self, confirmed: Sequence[Range]) -> int:
        """The far end has these ranges: their rows go. Returns the bytes that became free."""
        if not confirmed:
            return 0  # asked every second while the cloud is away: not a write each time
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
            _set_mark(self._db, name, value)


def _connection(path: Path) -> sqlite3.Connection:
    """Open with the settings that the law rests on: WAL, and a sync with every commit.

    The size of a page counts for a new file only.
    """
    db = sqlite3.connect(path, timeout=BUSY_S, isolation_level=None)
    db.execute(f"PRAGMA page_size = {PAGE_BYTES}")
    db.execute("PRAGMA journal_mode = WAL")
    db.execute("PRAGMA synchronous = FULL")
    return db


def _create(path: Path, initial_state: bytes) -> sqlite3.Connection:
    db = _connection(path)
    try:
        with _transaction(db):
            _check_layout(db)
            for statement in _SCHEMA.split(";"):
                db.execute(statement)
            db.execute(f"PRAGMA user_version = {LAYOUT}")
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


def _check_layout(db: sqlite3.Connection) -> None:
    (layout,) = db.execute("PRAGMA user_version").fetchone()
    (tables,) = db.execute("SELECT count(*) FROM sqlite_schema").fetchone()
    if tables and layout != LAYOUT:
        raise sqlite3.DatabaseError(f"layout {layout}, this version knows {LAYOUT}")


@contextlib.contextmanager
def _transaction(db: sqlite3.Connection) -> Iterator[None]:
    db.execute("BEGIN IMMEDIATE")
    try:
        yield
        db.execute("COMMIT")
    except BaseException:
        # A full or failing disk makes SQLite roll back by itself, or leaves the transaction open
        # when it was the COMMIT: without this none could ever begin again.
        if db.in_transaction:
            db.execute("ROLLBACK")
        raise


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
    damaged: int = 0,
) -> None:
    db.execute(
        "INSERT INTO accounts VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET "
        "delivered = delivered + excluded.delivered, evicted = evicted + excluded.evicted, "
        "damaged = damaged + excluded.damaged",
        (kind, device, boot, delivered, evicted, damaged),
    )


def _mark(db: sqlite3.Connection, name: str) -> int:
    row = db.execute("SELECT value FROM marks WHERE name = ?", (name,)).fetchone()
    return int(row[0]) if row else 0


def _set_mark(db: sqlite3.Connection, name: str, value: int) -> None:
    db.execute("INSERT OR REPLACE INTO marks VALUES (?, ?)", (name, value))


def _add_to_mark(db: sqlite3.Connection, name: str, amount: int) -> None:
    db.execute(
        "INSERT INTO marks VALUES (?, ?) ON CONFLICT DO UPDATE SET value = value + excluded.value",
        (name, amount),
    )


def _accounts(db: sqlite3.Connection) -> list[Account]:
    return [
        Account(*row)
        for row in db.execute(
            "SELECT kind, device, boot, delivered, evicted, damaged FROM accounts"
        )
    ]
