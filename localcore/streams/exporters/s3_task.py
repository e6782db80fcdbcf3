"""Export to S3: each message is a task, `S3ExportTaskDefinition` as JSON: upload this file there.

A task that can never succeed (bad JSON, no such file, no such bucket) is a Failure on the status
stream and the next task begins; what passes by itself (no network, throttling, credentials) is a
Warning once, and the task is tried until it succeeds. The same task again writes the same key.
"""

import logging
from collections.abc import Callable, Sequence
from typing import Final

import msgspec

from localcore.cloud.clients import AwsClients
from localcore.streams import shapes
from localcore.streams.exporters import Outcome
from localcore.streams.exporters.aws_errors import passes_by_itself
from localcore.streams.exporters.calls import BlockingCalls
from localcore.streams.exporters.s3_upload import TaskError, upload
from localcore.streams.message_log import Message
from localcore.streams.shapes import (
    EventType,
    S3ExportTaskDefinition,
    S3ExportTaskExecutorConfig,
    Status,
    StatusContext,
    StatusLevel,
    StatusMessage,
)

log = logging.getLogger(__name__)

_LEVELS: Final = {
    Status.SUCCESS: StatusLevel.INFO,
    Status.IN_PROGRESS: StatusLevel.INFO,
    Status.WARNING: StatusLevel.WARN,
    Status.CANCELED: StatusLevel.WARN,
    Status.FAILURE: StatusLevel.ERROR,
}
_DEFAULT_MULTIPART_BYTES: Final = 5 * 1024 * 1024


class S3TaskDestination:
    """Executes the tasks of one message stream, one after the other.

    `publish` appends to the status stream of this name, if it exists.
    """

    batch_size: Final = 1
    batch_interval_ms: Final = None

    def __init__(
        self,
        stream_name: str,
        config: S3ExportTaskExecutorConfig,
        clients: AwsClients,
        calls: BlockingCalls,
        publish: Callable[[str, bytes], None],
        now_ms: Callable[[], int],
    ):
        self._stream_name = stream_name
        self._config = config
        self._clients = clients
        self._calls = calls
        self._publish = publish
        self._now_ms = now_ms
        self._announced: set[tuple[int, Status]] = set()

    async def export(self, messages: Sequence[Message]) -> Outcome:
        """Execute the first task."""
        message, later = messages[0], list(messages[1:])
        try:
            task = shapes.decode_task(message.payload)
        except shapes.ShapeError as error:
            reason = f"not an S3ExportTaskDefinition: {error}"
            self._report(Status.FAILURE, message, None, reason)
            return Outcome(remaining=later, error=reason)
        self._announce(Status.IN_PROGRESS, message, task, "The upload has started")
        try:
            await self._calls.run(self._config.priority, self._upload, task)
        except Exception as error:  # noqa: BLE001 - whatever the SDK raises, the task is not lost
            return self._not_uploaded(message, task, error, later)
        self._report(Status.SUCCESS, message, task, "The upload has completed")
        return Outcome(exported=[message], remaining=later)

    def _upload(self, task: S3ExportTaskDefinition) -> None:
        upload(
            lambda: self._clients.get("s3"),
            task,
            self._now_ms(),
            self._config.size_threshold_for_multipart_upload_bytes or _DEFAULT_MULTIPART_BYTES,
        )

    def _not_uploaded(
        self,
        message: Message,
        task: S3ExportTaskDefinition,
        error: Exception,
        later: list[Message],
    ) -> Outcome:
        reason = f"{task.input_url} to s3://{task.bucket}/{task.key}: {error}"
        reason = "; ".join([reason, *getattr(error, "__notes__", ())])
        if isinstance(error, TaskError) or not passes_by_itself(error):
            log.warning(
                "task failed message_stream=%s sequence_number=%d reason=%s",
                self._stream_name,
                message.sequence_number,
                reason,
            )
            self._report(Status.FAILURE, message, task, reason)
            return Outcome(remaining=later, error=reason)
        self._announce(Status.WARNING, message, task, f"The upload will be retried: {reason}")
        return Outcome(remaining=[message, *later], error=reason, failed=True)

    def canceled(self, messages: Sequence[Message], reason: str) -> None:
        """Tell the status stream that these tasks will not be executed."""
        for message in messages:
            try:
                task = shapes.decode_task(message.payload)
            except shapes.ShapeError:
                task = None
            self._report(Status.CANCELED, message, task, reason)

    def _announce(
        self, status: Status, message: Message, task: S3ExportTaskDefinition, text: str
    ) -> None:
        """Report, but only once for a task, however often it is tried."""
        key = (message.sequence_number, status)
        if key not in self._announced:
            self._announced = {a for a in self._announced if a[0] == message.sequence_number}
            self._announced.add(key)
            self._report(status, message, task, text)

    def _report(
        self, status: Status, message: Message, task: S3ExportTaskDefinition | None, text: str
    ) -> None:
        config = self._config.status_config
        level = _LEVELS[status]
        wanted = StatusLevel.INFO if config is None else config.status_level
        wanted = StatusLevel.INFO if wanted is None else wanted
        if config is None or config.status_stream_name is None or level > wanted:
            return
        status_message = StatusMessage(
            event_type=EventType.S3_TASK,
            status_level=level,
            status=status,
            status_context=StatusContext(
                s3_export_task_definition=task,
                export_identifier=self._config.identifier,
                stream_name=self._stream_name,
                sequence_number=message.sequence_number,
            ),
            message=text,
            timestamp_epoch_ms=self._now_ms(),
        )
        payload = msgspec.json.encode(shapes.as_map(status_message))
        self._publish(config.status_stream_name, payload)
