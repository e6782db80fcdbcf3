"""One message stream: its definition, its log, the progress of its exports. No sockets, no threads.

Laws:
- A full message stream either refuses (RejectNewData) or drops its oldest segments
  (OverwriteOldestData). RejectNewData frees space only by dropping whole segments that every
  export, also a disabled one, has exported; without an export nothing is ever freed.
- Exports see messages in order, each at least once. What was dropped before it was exported is
  skipped, counted and logged.
- The clock is the wall clock, as on the real one: a clock set forward past the time to live expires
  what is older than that.
"""

import logging
from collections.abc import Callable
from pathlib import Path

from localcore.streams.errors import RequestError, invalid
from localcore.streams.message_log import ExportProgress, Message, MessageLog, size_of
from localcore.streams.protocol import StatusCode
from localcore.streams.shapes import (
    ExportStatus,
    KinesisConfig,
    MessageStreamDefinition,
    MessageStreamInfo,
    Persistence,
    S3ExportTaskExecutorConfig,
    StorageStatus,
    StrategyOnFull,
)

log = logging.getLogger(__name__)

ExportConfig = KinesisConfig | S3ExportTaskExecutorConfig

# A response is built in memory once as messages, once as CBOR.
LARGEST_READ_BYTES = 32 * 1024 * 1024
# No destination takes more at once.
LARGEST_BATCH_BYTES = 5 * 1024 * 1024


class MessageStream:
    """A message stream that is kept at `path`, or in memory.

    `observers` are called after each append, in the thread that appended.
    """

    def __init__(self, definition: MessageStreamDefinition, path: Path):
        self.definition = definition
        in_memory = definition.persistence is Persistence.MEMORY
        self._log = MessageLog(None if in_memory else path)
        self._progress = self._log.exports()
        self.observers: list[Callable[[], None]] = []
        self._match_progress_to(definition)

    @property
    def name(self) -> str:
        """The name its creator gave it."""
        return self.definition.name

    @property
    def oldest(self) -> int:
        """The number of the first message that is kept."""
        return self._log.oldest

    @property
    def newest(self) -> int:
        """The number of the last message; one below `oldest` when nothing is kept."""
        return self._log.newest

    @property
    def size_bytes(self) -> int:
        """What its messages take."""
        return self._log.size_bytes

    def append(self, payload: bytes, now_ms: int) -> int:
        """Keep a message and give it a number; it is written when this returns.

        Raises:
            RequestError: it does not fit.
        """
        definition = self.definition
        size = size_of(payload)
        if size > definition.max_size:
            raise RequestError(
                StatusCode.REQUEST_PAYLOAD_TOO_LARGE,
                f"a message of {len(payload)} bytes ({size} stored) can never fit in message stream"
                f" {self.name!r} with maxSize {definition.max_size}: send smaller messages or"
                " update the message stream",
            )
        if self._log.size_bytes + size > definition.max_size:
            self._make_room(size)
        sequence_number = self._log.append(
            payload,
            now_ms,
            segment_bytes=definition.stream_segment_size,
            flush=definition.flush_on_write,
        )
        for observer in tuple(self.observers):
            observer()
        return sequence_number

    def _make_room(self, size: int) -> None:
        limit = self.definition.max_size
        overwrite = self.definition.strategy_on_full is StrategyOnFull.OVERWRITE_OLDEST_DATA
        while self._log.size_bytes + size > limit:
            segment, last = self._log.oldest_segment()
            if not overwrite and not self._exported_everywhere(last):
                raise RequestError(
                    # The client has no status of its own for this; it is a failure of the server,
                    # not of the request, and the same request can succeed later.
                    StatusCode.UNKNOWN_FAILURE,
                    f"message stream {self.name!r} is full: {self._log.size_bytes} of {limit} bytes"
                    f" and {size} more do not fit; its strategy is RejectNewData and its oldest"
                    f" segment (messages {segment.first} to {last}) is not exported yet: wait for"
                    " the export, or raise maxSize",
                )
            self._drop_oldest_segment("full")

    def _exported_everywhere(self, sequence_number: int) -> bool:
        configs = self.definition.export_definition.configs()
        return bool(configs) and all(
            self._progress[config.identifier].last_exported >= sequence_number for config in configs
        )

    def expire(self, now_ms: int) -> list[tuple[str, Message]]:
        """Drop the segments whose every message is older than the time to live.

        Returns:
            the tasks that an S3 task executor had not executed yet, as (identifier, message).
        """
        time_to_live_ms = self.definition.time_to_live_millis
        lost: list[tuple[str, Message]] = []
        while time_to_live_ms is not None and self._log.newest >= self._log.oldest:
            segment, last = self._log.oldest_segment()
            newest_ms = max(segment.newest_ms, 0)
            if now_ms - newest_ms <= time_to_live_ms:
                break
            lost += self._unexported(last)
            self._drop_oldest_segment("expired")
        return lost

    def _unexported(self, last: int) -> list[tuple[str, Message]]:
        return [
            (config.identifier, message)
            for config in self.definition.export_definition.s3_task_executor or ()
            for message in self.pending(config, last - self.oldest + 1, LARGEST_READ_BYTES)
            if message.sequence_number <= last
        ]

    def _drop_oldest_segment(self, reason: str) -> None:
        segment, last = self._log.oldest_segment()
        behind = [
            identifier
            for identifier, progress in self._progress.items()
            if progress.last_exported < last
        ]
        report = log.warning if behind else log.info
        report(
            "segment dropped message_stream=%s reason=%s first=%d last=%d bytes=%d not_exported=%s",
            self.name,
            reason,
            segment.first,
            last,
            segment.size_bytes,
            ",".join(behind) or "-",
        )
        self._log.drop_oldest_segment()

    def read(self, start: int, minimum: int, maximum: int) -> list[Message] | None:
        """Between `minimum` and `maximum` messages from `start`, or None while there are too few.

        Raises:
            RequestError: `minimum` messages are more than a response can hold.
        """
        start = max(start, self._log.oldest)
        if self._log.newest - start + 1 < minimum:
            return None
        messages = self._log.read(start, maximum, LARGEST_READ_BYTES)
        if len(messages) < minimum:
            raise RequestError(
                StatusCode.RESPONSE_PAYLOAD_TOO_LARGE,
                f"{minimum} messages from {start} are over the {LARGEST_READ_BYTES} bytes of one"
                f" response, which holds {len(messages)} of them: ask for fewer",
            )
        return messages

    def pending(
        self, config: ExportConfig, count: int, largest_bytes: int = LARGEST_BATCH_BYTES
    ) -> list[Message]:
        """Up to `count` messages that this export has not exported."""
        start = self._progress[config.identifier].last_exported + 1
        return self._log.read(start, count, largest_bytes)

    def progress(self, identifier: str) -> ExportProgress:
        """How far an export has come."""
        return self._progress[identifier]

    def save_progress(self, identifier: str) -> None:
        """Keep what was changed in `progress(identifier)`; an export that is gone is not kept."""
        if identifier in self._progress:
            self._log.save_export(identifier, self._progress[identifier])

    def describe(self) -> MessageStreamInfo:
        """What DescribeMessageStream tells."""
        return MessageStreamInfo(
            definition=self.definition,
            storage_status=StorageStatus(
                oldest_sequence_number=self.oldest,
                newest_sequence_number=self.newest,
                total_bytes=self.size_bytes,
            ),
            export_statuses=[
                self._export_status(config.identifier)
                for config in self.definition.export_definition.configs()
            ],
        )

    def _export_status(self, identifier: str) -> ExportStatus:
        progress = self._progress[identifier]
        return ExportStatus(
            export_config_identifier=identifier,
            last_exported_sequence_number=progress.last_exported,
            last_export_time=progress.last_export_ms,
            error_message=progress.error,
            exported_bytes_from_stream=progress.exported_bytes,
            exported_messages_count=progress.exported_messages,
        )

    def update(self, definition: MessageStreamDefinition) -> None:
        """Take a definition that `check_update` allowed; exports it does not name are forgotten."""
        starts = {c.identifier: _start_of(c) for c in self.definition.export_definition.configs()}
        for config in definition.export_definition.configs():
            if starts.get(config.identifier) not in {None, _start_of(config)}:
                self._begin_export(config)
        self._match_progress_to(definition)
        self.definition = definition

    def _match_progress_to(self, definition: MessageStreamDefinition) -> None:
        configs = {config.identifier: config for config in definition.export_definition.configs()}
        for identifier in self._progress.keys() - configs.keys():
            del self._progress[identifier]
            self._log.forget_export(identifier)
        for identifier in configs.keys() - self._progress.keys():
            self._begin_export(configs[identifier])

    def check_update(self, definition: MessageStreamDefinition) -> None:
        """Whether this message stream can become that.

        Raises:
            RequestError: the change is not allowed.
        """
        if definition.persistence is not self.definition.persistence:
            raise RequestError(
                StatusCode.UPDATE_NOT_ALLOWED,
                f"the persistence of message stream {self.name!r} cannot change from"
                f" {self.definition.persistence.name} to {definition.persistence.name}: delete the"
                " message stream and create it again",
            )
        if definition.max_size < self._log.size_bytes:
            raise invalid(
                f"maxSize {definition.max_size} is below the {self._log.size_bytes} bytes that"
                f" message stream {self.name!r} holds: use at least that"
            )
        for config in definition.export_definition.configs():
            start = _start_of(config)
            unchanged = any(
                config.identifier == other.identifier and start == _start_of(other)
                for other in self.definition.export_definition.configs()
            )
            if start and not unchanged and start >= self.newest:
                raise invalid(
                    f"startSequenceNumber {start} of export {config.identifier!r} must be less than"
                    f" the newest sequence number {self.newest} of message stream {self.name!r}"
                )

    def _begin_export(self, config: ExportConfig) -> None:
        progress = ExportProgress(last_exported=_start_of(config) - 1)
        self._progress[config.identifier] = progress
        self._log.save_export(config.identifier, progress)

    def close(self) -> None:
        """Close the log; what is in memory is gone."""
        self._log.close()


def _start_of(config: ExportConfig) -> int:
    return (config.start_sequence_number or 0) if isinstance(config, KinesisConfig) else 0
