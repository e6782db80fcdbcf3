"""The durable log: a tail on tmpfs for every record at once, SQLite on flash once a sync interval.

Law: what `append` took is never lost to a killed process, and what `commit` took is never lost to a
power cut. A commit is one transaction that holds the rows made from the tail, the state after them
and the number of the next tail file; so after any crash, state + tail is exactly what was accepted,
once. What a failed disk may still have made of a commit that was reported as failed does no harm:
records of an older tail are given again, and the owner knows which it has.

Rows leave through `hubkit.export_log`. One process owns the files, by a lock; one object belongs to
one thread.
"""

import contextlib
import fcntl
import logging
import operator
import sqlite3
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Final

from hubkit import journal_file
from hubkit.journal_file import Account, JournalError
from hubkit.tail import Tail

_log = logging.getLogger(__name__)

TAIL_QUOTA_BYTES: Final = 8 << 20
"""What is accepted and not on flash is in memory twice: while the disk takes nothing, no more."""

_VICTIMS = """
SELECT id, kind, device, boot, count, size FROM rows
LEFT JOIN marks ON marks.name = 'fixed ' || rows.kind
WHERE priority = ? AND (id <= coalesce(marks.value, 0)) = ? AND id > ? ORDER BY id LIMIT 64"""
"""The oldest rows of a priority, those of fixed ranges or the others: no sorting of all rows."""

_ROW_FIELDS = operator.attrgetter("kind", "day", "device", "boot", "count", "priority")


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
        with journal_file.as_journal_error(self.path):
            return journal_file.mark(self._db, "size")

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
            with journal_file.transaction(self._db):
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
        with journal_file.as_journal_error(self.path):
            return journal_file.accounts(self._db)

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
        journal_file.add_to_mark(self._db, "size", added)

    def _evict(self) -> None:
        """Delete rows until the quota holds."""
        excess = journal_file.mark(self._db, "size") - self._quota_bytes
        evicted = 0
        if excess > 0:
            for row_id, kind, device, boot, count, size in self._victims():
                evicted += size
                self._db.execute("DELETE FROM rows WHERE id = ?", (row_id,))
                journal_file.add_to_account(self._db, kind, device, boot, evicted=count)
                if evicted >= excess:
                    break
            journal_file.add_to_mark(self._db, "size", -evicted)

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
            return journal_file.create(self.path, initial_state)
        except sqlite3.DatabaseError as damage:
            if isinstance(damage, sqlite3.OperationalError):
                raise JournalError(f"{self.path}: {damage}") from damage
            self.set_aside = journal_file.set_aside(self.path)
            _log.error("damaged journal set aside file=%s reason=%s", self.set_aside.name, damage)
        db = journal_file.create(self.path, initial_state)
        with journal_file.closed_on_failure(db), journal_file.transaction(db):
            for row in journal_file.salvage(self.set_aside):
                with contextlib.suppress(sqlite3.IntegrityError):  # a page of another table
                    db.execute("INSERT INTO rows VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", row)
                    db.execute("UPDATE meta SET next_row = ?", (row[0] + 1,))
                    journal_file.add_to_mark(db, "size", row[7])
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
