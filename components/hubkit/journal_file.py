"""The journal's file: tables, connections, transactions, and what is done about damage.

Law: every change is one transaction that is on flash when it ends; a file that is damaged, or of
another layout, is renamed and never deleted, and what can be read of it is taken over.
"""

import contextlib
import os
import sqlite3
import time
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

BUSY_S: Final = 30.0
"""How long a writer waits for the other thread's transaction."""
PAGE_BYTES: Final = 1024
"""A commit once a minute touches half a dozen pages: with SQLite's usual 4,096 bytes that is 28 MB
of flash a day at one reading in 5 s, with these 17."""

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


class JournalError(Exception):
    """The journal could not be written; the message names file and reason. Trying later may do."""


@dataclass(frozen=True)
class Account:
    """How many of a kind, device and boot were delivered, taken by the quota, or unreadable."""

    kind: str
    device: str
    boot: str
    delivered: int
    evicted: int
    damaged: int = 0


def connect(path: Path) -> sqlite3.Connection:
    """Open with the settings that the law rests on: WAL, and a sync with every commit.

    The size of a page counts for a new file only.
    """
    db = sqlite3.connect(path, timeout=BUSY_S, isolation_level=None)
    with closed_on_failure(db):
        db.execute(f"PRAGMA page_size = {PAGE_BYTES}")
        db.execute("PRAGMA journal_mode = WAL")
        db.execute("PRAGMA synchronous = FULL")
    return db


@contextlib.contextmanager
def closed_on_failure(db: sqlite3.Connection) -> Iterator[None]:
    """Leave no connection open to a file that turned out not to be usable."""
    try:
        yield
    except BaseException:
        db.close()
        raise


def create(path: Path, initial_state: bytes) -> sqlite3.Connection:
    """Open the file, with its tables and the first state where they are missing.

    Raises:
        sqlite3.DatabaseError: It is damaged, or of another layout.
    """
    db = connect(path)
    with closed_on_failure(db):
        with transaction(db):
            _check_layout(db)
            for statement in _SCHEMA.split(";"):
                db.execute(statement)
            db.execute(f"PRAGMA user_version = {LAYOUT}")
            db.execute(
                "INSERT OR IGNORE INTO meta VALUES (1, ?, 0, 1, ?)",
                (os.urandom(4).hex(), initial_state),
            )
        (verdict,) = db.execute("PRAGMA quick_check(1)").fetchone()
        if verdict != "ok":
            raise sqlite3.DatabaseError(verdict)
    return db


def _check_layout(db: sqlite3.Connection) -> None:
    (layout,) = db.execute("PRAGMA user_version").fetchone()
    (tables,) = db.execute("SELECT count(*) FROM sqlite_schema").fetchone()
    if tables and layout != LAYOUT:
        raise sqlite3.DatabaseError(f"layout {layout}, this version knows {LAYOUT}")


@contextlib.contextmanager
def transaction(db: sqlite3.Connection) -> Iterator[None]:
    """Everything within, or nothing of it."""
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
def as_journal_error(path: Path) -> Iterator[None]:
    """Let no error of SQLite out: `JournalError` with the file's path instead."""
    try:
        yield
    except sqlite3.Error as error:
        raise JournalError(f"{path}: {error}") from error


def add_to_account(
    db: sqlite3.Connection,
    kind: str,
    device: str,
    boot: str,
    *,
    delivered: int = 0,
    evicted: int = 0,
    damaged: int = 0,
) -> None:
    """Count what left, within the caller's transaction."""
    db.execute(
        "INSERT INTO accounts VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET "
        "delivered = delivered + excluded.delivered, evicted = evicted + excluded.evicted, "
        "damaged = damaged + excluded.damaged",
        (kind, device, boot, delivered, evicted, damaged),
    )


def mark(db: sqlite3.Connection, name: str) -> int:
    """A number kept under a name; 0 at first."""
    row = db.execute("SELECT value FROM marks WHERE name = ?", (name,)).fetchone()
    return int(row[0]) if row else 0


def set_mark(db: sqlite3.Connection, name: str, value: int) -> None:
    """Keep a number under a name."""
    db.execute("INSERT OR REPLACE INTO marks VALUES (?, ?)", (name, value))


def add_to_mark(db: sqlite3.Connection, name: str, amount: int) -> None:
    """Add to a number kept under a name."""
    db.execute(
        "INSERT INTO marks VALUES (?, ?) ON CONFLICT DO UPDATE SET value = value + excluded.value",
        (name, amount),
    )


def accounts(db: sqlite3.Connection) -> list[Account]:
    """What left, by kind, device and boot."""
    return [
        Account(*row)
        for row in db.execute(
            "SELECT kind, device, boot, delivered, evicted, damaged FROM accounts"
        )
    ]


def set_aside(path: Path) -> Path:
    """Rename a damaged file and what belongs to it; nothing is deleted."""
    aside = path.with_name(f"journal-damaged-{time.time_ns()}.sqlite")
    for suffix in ("", "-wal", "-shm"):
        with contextlib.suppress(FileNotFoundError):
            Path(f"{path}{suffix}").rename(f"{aside}{suffix}")
    return aside


def salvage(path: Path) -> list[tuple[Any, ...]]:
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
