"""The exporter's side of the journal: rows leave in ranges.

Law: a range is fixed in the journal before anything is sent, is sent again as often as needed under
the same name, and its rows go only when the far end confirmed it.

One object belongs to one thread, with a connection of its own.
"""

import logging
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from hubkit import journal_file

_log = logging.getLogger(__name__)


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


class ExportLog:
    """The exporter's side of the same file: fix ranges, read them, confirm them.

    Its methods raise `JournalError` where the file cannot be read or written.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        with journal_file.as_journal_error(path):
            self._db = journal_file.connect(path)
            with journal_file.closed_on_failure(self._db):
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
        with journal_file.as_journal_error(self._path), journal_file.transaction(self._db):
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
        with journal_file.as_journal_error(self._path):
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
        with journal_file.as_journal_error(self._path):
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
        with journal_file.as_journal_error(self._path), journal_file.transaction(self._db):
            for row_id in row_ids:
                for kind, device, boot, count, size in self._db.execute(
                    "DELETE FROM rows WHERE id = ? RETURNING kind, device, boot, count, size",
                    (row_id,),
                ).fetchall():
                    journal_file.add_to_account(self._db, kind, device, boot, damaged=count)
                    journal_file.add_to_mark(self._db, "size", -size)

    def appended(
        self, fixed: Range, sequence: int | None, *, following_mark: str | None = None
    ) -> None:
        """Remember under which number a range was appended; None to append it again.

        `following_mark` names a mark that becomes the number after it.
        """
        with journal_file.as_journal_error(self._path), journal_file.transaction(self._db):
            self._db.execute("UPDATE ranges SET sequence = ? WHERE id = ?", (sequence, fixed.id))
            if following_mark is not None and sequence is not None:
                journal_file.set_mark(self._db, following_mark, sequence + 1)

    def confirm(self, confirmed: Sequence[Range]) -> int:
        """The far end has these ranges: their rows go. Returns the bytes that became free."""
        if not confirmed:
            return 0  # asked every second while the cloud is away: not a write each time
        freed = 0
        with journal_file.as_journal_error(self._path), journal_file.transaction(self._db):
            for fixed in confirmed:
                where = "kind = ? AND day = ? AND id BETWEEN ? AND ?"
                key = (fixed.kind, fixed.day, fixed.first, fixed.last)
                for device, boot, count, size in self._db.execute(
                    f"SELECT device, boot, sum(count), sum(size) FROM rows WHERE {where} "  # noqa: S608
                    "GROUP BY device, boot",
                    key,
                ).fetchall():
                    journal_file.add_to_account(self._db, fixed.kind, device, boot, delivered=count)
                    freed += size
                self._db.execute(f"DELETE FROM rows WHERE {where}", key)  # noqa: S608
                self._db.execute("DELETE FROM ranges WHERE id = ?", (fixed.id,))
            journal_file.add_to_mark(self._db, "size", -freed)
        return freed

    def waiting_bytes(self, kind: str) -> int:
        """The size of the rows of a kind that are in no range."""
        with journal_file.as_journal_error(self._path):
            return int(
                self._db.execute(
                    "SELECT coalesce(sum(size), 0) FROM rows WHERE kind = ? AND id > ?",
                    (kind, self.mark(f"fixed {kind}")),
                ).fetchone()[0]
            )

    def mark(self, name: str) -> int:
        """A number kept under a name; 0 at first."""
        with journal_file.as_journal_error(self._path):
            return journal_file.mark(self._db, name)

    def set_mark(self, name: str, value: int) -> None:
        """Keep a number under a name."""
        with journal_file.as_journal_error(self._path):
            journal_file.set_mark(self._db, name, value)
