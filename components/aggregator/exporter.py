"""From the journal to the cloud: readings as S3 export tasks, windows as Kinesis records.

Law: a range leaves the journal when the stream manager says that the cloud has it: SUCCESS on the
status stream for a task, the exported sequence number for a record. Everything before that is done
again after a crash: a task with the same object key, a record only when it is not found in the
message stream.

Runs in a thread of its own with its own handle on the journal, as the stream manager's client
blocks. What a step could not do, the next one tries again.
"""

import hashlib
import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol

from aggregator.exports import ExportFolder, object_key
from aggregator.lines import READINGS, WINDOWS
from hubkit.backoff import Backoff
from hubkit.clock import Clock
from hubkit.export_log import ExportLog, Range
from hubkit.journal_file import JournalError
from hubkit.streams import MessageStreamFullError, Progress, StreamsError, TaskStatus

READINGS_STREAM = "hub_readings"
READINGS_STATUS_STREAM = "hub_readings_status"
WINDOWS_STREAM = "hub_windows"

POLL_S = 1.0
DRAIN_POLL_S = 0.1
OUTSTANDING = 16
"""Ranges of readings that are fixed at once: their files are flash outside the quota. The rest
stays free, so that the quota takes the oldest."""
OUTSTANDING_RECORDS = 500
ROWS_PER_RECORD = 10
"""Ten times 40 KB and a line: below the 1 MiB of a Kinesis record, which the stream manager skips
when it is larger, and counts as exported."""

_STATUS_MARK = "statuses read"
_RECORD_MARK = "records appended"

_log = logging.getLogger(__name__)


class MessageStreams(Protocol):
    """What the exporter needs of `hubkit.streams.Streams`; its methods raise `StreamsError`."""

    def ensure_kinesis(self, name: str, kinesis_stream: str, size_bytes: int) -> None:
        """Make or update an exported message stream."""

    def ensure_s3_tasks(self, name: str, status_name: str, size_bytes: int) -> None:
        """Make or update a stream of tasks and its status stream."""

    def append(self, name: str, data: bytes) -> int:
        """Append a message; returns its sequence number."""

    def append_s3_task(self, name: str, file: Path, bucket: str, key: str) -> int:
        """Append an upload; returns its sequence number."""

    def statuses(self, status_name: str, first: int, most: int = 100) -> list[TaskStatus]:
        """Status messages from a sequence number on."""

    def messages(self, name: str, first: int, most: int = 100) -> list[tuple[int, bytes]]:
        """Messages from a sequence number on."""

    def progress(self, name: str) -> Progress:
        """How far a message stream is."""

    def close(self) -> None:
        """Throw the client away."""


@dataclass(frozen=True)
class Destination:
    """Where exports go and when."""

    bucket: str
    kinesis_stream: str
    stream_bytes: int
    flush_s: float
    flush_bytes: int
    window_flush_s: float


class Exporter:
    """The exporter's steps; `ExporterThread` runs them.

    Args:
        log: The journal's export side, this object's own.
        streams: The stream manager.
        folder: For the files of S3 tasks.
        destination: Where to and when.
        thing: The thing name, part of every key.
        clock: Its monotonic time decides what is due.
    """

    def __init__(
        self,
        log: ExportLog,
        streams: MessageStreams,
        folder: Path,
        destination: Destination,
        thing: str,
        clock: Clock,
    ) -> None:
        self.objects = 0
        self.records = 0
        self.failures = 0
        self._log = log
        self._streams = streams
        self._files = ExportFolder(folder, log.journal_id)
        self._destination = destination
        self._thing = thing
        self._clock = clock
        self._waiting_since_s: dict[str, float] = {}
        self._uploads = Backoff(base_s=5.0, cap_s=600.0)
        self._upload_at_s = 0.0
        self._ready = False

    def close(self) -> None:
        """Close what it holds."""
        self._streams.close()
        self._log.close()

    def step(self, *, everything: bool = False) -> bool:
        """Do what is due, or with `everything` what is there; returns whether nothing is left.

        Raises:
            StreamsError: The stream manager did not do it.
            JournalError: The journal could not be read or written.
            OSError: A file could not be written.
        """
        try:
            if not self._ready:
                self._prepare()
            self._export_readings(everything=everything)
            self._export_windows(everything=everything)
        except MessageStreamFullError as error:
            _log.debug("waiting for room reason=%s", error)
        except StreamsError:
            self._ready = False
            raise
        return not any(
            self._log.ranges(kind) or self._log.waiting_bytes(kind) for kind in (READINGS, WINDOWS)
        )

    def _is_due(self, kind: str) -> bool:
        waiting = self._log.waiting_bytes(kind)
        if not waiting:
            self._waiting_since_s.pop(kind, None)
            return False
        now_s = self._clock.monotonic_s()
        waited_s = now_s - self._waiting_since_s.setdefault(kind, now_s)
        destination = self._destination
        flush_s = destination.window_flush_s if kind == WINDOWS else destination.flush_s
        due = waited_s >= flush_s or waiting >= destination.flush_bytes
        if due:
            del self._waiting_since_s[kind]
        return due

    def _prepare(self) -> None:
        """Make the message streams, and find out how far a crash or a new store left things."""
        size_bytes = self._destination.stream_bytes
        self._streams.ensure_s3_tasks(READINGS_STREAM, READINGS_STATUS_STREAM, size_bytes)
        self._streams.ensure_kinesis(WINDOWS_STREAM, self._destination.kinesis_stream, size_bytes)
        self._forget_lost_messages(READINGS, self._streams.progress(READINGS_STREAM))
        newest_status = self._streams.progress(READINGS_STATUS_STREAM).newest
        if newest_status < self._log.mark(_STATUS_MARK) - 1:
            self._log.set_mark(_STATUS_MARK, 0)
        progress = self._streams.progress(WINDOWS_STREAM)
        self._forget_lost_messages(WINDOWS, progress)
        if progress.newest < self._log.mark(_RECORD_MARK) - 1:
            self._log.set_mark(_RECORD_MARK, 0)
        self._find_appended_records(progress)
        orphans = self._files.remove_orphans(self._log.ranges(READINGS))
        if orphans:
            _log.info("export files without a range removed count=%d", orphans)
        self._ready = True

    def _forget_lost_messages(self, kind: str, progress: Progress) -> None:
        """A message stream that is shorter than we know was made anew: append again."""
        for fixed in self._log.ranges(kind):
            if fixed.sequence is not None and fixed.sequence > progress.newest:
                self._log.appended(fixed, None)

    def _find_appended_records(self, progress: Progress) -> None:
        """A record that was appended just before a crash is in the message stream: not again."""
        first = self._log.mark(_RECORD_MARK)
        missing = {
            _digest(self._record(fixed)): fixed
            for fixed in self._log.ranges(WINDOWS)
            if fixed.sequence is None
        }
        while missing and first <= progress.newest:
            found = self._streams.messages(WINDOWS_STREAM, first)
            if not found:
                break
            for sequence, data in found:
                fixed = missing.pop(_digest(data), None)
                if fixed is not None:
                    self._log.appended(fixed, sequence)
            first = found[-1][0] + 1

    def _export_readings(self, *, everything: bool) -> None:
        ranges = self._log.ranges(READINGS)
        if len(ranges) < OUTSTANDING and (everything or self._is_due(READINGS)):
            ranges = self._log.fix(READINGS)
        for fixed in ranges[:OUTSTANDING]:
            path = self._files.path(fixed)
            if fixed.sequence is not None and path.exists():
                continue
            if self._clock.monotonic_s() < self._upload_at_s:
                break
            if not self._files.write(fixed, self._log.payloads(fixed)):
                self._log.confirm([fixed])  # the quota took all of it
                continue
            key = object_key(self._thing, self._log.journal_id, fixed)
            bucket = self._destination.bucket
            sequence = self._streams.append_s3_task(READINGS_STREAM, path, bucket, key)
            self._log.appended(fixed, sequence)
        if ranges:
            self._read_statuses()

    def _read_statuses(self) -> None:
        while statuses := self._streams.statuses(
            READINGS_STATUS_STREAM, self._log.mark(_STATUS_MARK)
        ):
            by_key = {
                object_key(self._thing, self._log.journal_id, fixed): fixed
                for fixed in self._log.ranges(READINGS)
            }
            for status in statuses:
                fixed = by_key.get(status.key)
                if fixed is None:
                    continue
                if status.state == "success":
                    self._log.confirm([fixed])
                    self._files.remove(fixed)
                    self._uploads.succeeded()
                    self.objects += 1
                    del by_key[status.key]
                elif status.state in {"failure", "canceled"}:
                    self.failures += 1
                    self._upload_at_s = self._clock.monotonic_s() + self._uploads.failed(status)
                    _log.warning("upload failed key=%s reason=%s", status.key, status.reason)
                    self._log.appended(fixed, None)
            self._log.set_mark(_STATUS_MARK, statuses[-1].sequence + 1)

    def _export_windows(self, *, everything: bool) -> None:
        ranges = self._log.ranges(WINDOWS)
        if len(ranges) < OUTSTANDING_RECORDS and (everything or self._is_due(WINDOWS)):
            ranges = self._log.fix(
                WINDOWS,
                most_rows=ROWS_PER_RECORD,
                most_ranges=OUTSTANDING_RECORDS - len(ranges),
            )
        for fixed in ranges:
            if fixed.sequence is None:
                record = self._record(fixed)
                if not record:
                    self._log.confirm([fixed])  # the quota took all of it
                    continue
                sequence = self._streams.append(WINDOWS_STREAM, record)
                self._log.appended(fixed, sequence, following_mark=_RECORD_MARK)
        if ranges:
            exported = self._streams.progress(WINDOWS_STREAM).exported
            done = [
                fixed
                for fixed in self._log.ranges(WINDOWS)
                if fixed.sequence is not None and fixed.sequence <= exported
            ]
            self._log.confirm(done)
            self.records += len(done)

    def _record(self, fixed: Range) -> bytes:
        return b"".join(self._log.payloads(fixed))


def _digest(record: bytes) -> bytes:
    """What stands for a record: after a long outage all records together are more than memory."""
    return hashlib.sha256(record).digest()


class ExporterThread:
    """Steps an exporter until it is closed.

    Args:
        make: Makes the exporter, in the thread, as the journal's handle belongs to one; may raise
            `JournalError`.
    """

    def __init__(self, make: Callable[[], Exporter]) -> None:
        self.state: Literal["connected", "unreachable"] = "unreachable"
        self.exporter: Exporter | None = None
        self._make = make
        self._draining = threading.Event()
        self._drained = threading.Event()
        self._closing = threading.Event()
        self._wake = threading.Event()
        self._thread = threading.Thread(target=self._run, name="exporter", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def drain(self) -> None:
        """From now on export all that is committed, without waiting for what is due."""
        self._draining.set()
        self._wake.set()

    @property
    def drained(self) -> bool:
        """Whether, since `drain`, the last step left nothing."""
        return self._drained.is_set()

    def close(self) -> None:
        """End the thread after its current step; may be called again."""
        self._closing.set()
        self._wake.set()
        if self._thread.is_alive():
            self._thread.join()

    def _run(self) -> None:
        backoff = Backoff(base_s=0.5, cap_s=60.0, name="stream manager")
        while not self._closing.is_set():
            draining = self._draining.is_set()
            try:
                if self.exporter is None:
                    self.exporter = self._make()
                empty = self.exporter.step(everything=draining)
            except Exception as error:  # noqa: BLE001
                # Also what nobody thought of: a thread that ends is an exporter that is silent for
                # ever, and a process that ends for it is BROKEN after three.
                if not isinstance(error, StreamsError | JournalError | OSError):
                    _log.error("step failed reason=%r", error, exc_info=error)
                self.state = "unreachable"
                self._drained.clear()
                delay_s = backoff.failed(error)
                self._pause(min(delay_s, POLL_S) if draining else delay_s)
                continue
            backoff.succeeded()
            self.state = "connected"
            if draining and empty:
                self._drained.set()
            else:
                self._drained.clear()
            self._pause(DRAIN_POLL_S if draining else POLL_S)
        if self.exporter is not None:
            self.exporter.close()

    def _pause(self, seconds: float) -> None:
        self._wake.wait(seconds)
        self._wake.clear()
