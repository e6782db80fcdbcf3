"""The stream manager: one client a process, thrown away after whatever goes wrong.

Law: after any error the client is closed and the next call makes a new one. AWS's client looks
connected after a reply that came too late while its read loop is dead, so nothing less is safe.
A caller gets `StreamsError` and tries again later; `MessageStreamFullError` says that waiting for
exports, not trying at once, is the remedy.

All methods block for at most `request_timeout_s`, and belong to one thread.
"""

import asyncio
import contextlib
import logging
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import stream_manager as sdk
from stream_manager.util import Util

CONNECT_TIMEOUT_S = 3.0
SEGMENT_BYTES = 4 * 1024 * 1024
"""Exported data frees its space by whole segments, so a segment is a fraction of the stream."""

TaskState = Literal["success", "in_progress", "warning", "failure", "canceled"]

_TASK_STATES: dict[Any, TaskState] = {
    sdk.Status.Success: "success",
    sdk.Status.InProgress: "in_progress",
    sdk.Status.Warning: "warning",
    sdk.Status.Failure: "failure",
    sdk.Status.Canceled: "canceled",
}


_sdk_log = logging.getLogger("stream_manager")
"""AWS's client logs each failed attempt as an error; who calls decides what is worth a line."""
_sdk_log.setLevel(logging.CRITICAL)


class StreamsError(Exception):
    """The stream manager did not do it; the message names operation, message stream and reason."""


class MessageStreamFullError(StreamsError):
    """The message stream rejects new data until some of it is exported."""


@dataclass(frozen=True)
class TaskStatus:
    """One message of an S3 export's status stream.

    `sequence` is its own place there; `task_sequence` is the task's in its message stream.
    """

    sequence: int
    task_sequence: int
    key: str
    state: TaskState
    reason: str


@dataclass(frozen=True)
class Progress:
    """How far a message stream is: -1 stands for none.

    `newest` is the highest sequence number in it, `exported` the highest one confirmed by the
    export.
    """

    newest: int
    exported: int


class Streams:
    """The stream manager of this core device.

    Args:
        host: Usually 127.0.0.1.
        port: What its configuration `STREAM_MANAGER_SERVER_PORT` says; 8088 by default.
        request_timeout_s: Bound of every call.
    """

    def __init__(self, host: str, port: int, request_timeout_s: float = 15.0) -> None:
        self._host = host
        self._port = port
        self._request_timeout_s = request_timeout_s
        self._client: sdk.StreamManagerClient | None = None

    def close(self) -> None:
        """Close the client; the next call would make a new one."""
        client, self._client = self._client, None
        if client is not None:
            _discard(client)

    def ensure_kinesis(self, name: str, kinesis_stream: str, size_bytes: int) -> None:
        """Make the message stream that is exported to a Kinesis data stream, or update it.

        One append is one Kinesis record; records leave as soon as they are there.
        """
        export = sdk.ExportDefinition(
            kinesis=[sdk.KinesisConfig(identifier=name, kinesis_stream_name=kinesis_stream)]
        )
        self._ensure(name, size_bytes, export)

    def ensure_s3_tasks(self, name: str, status_name: str, size_bytes: int) -> None:
        """Make the message stream of S3 export tasks and the one of their statuses, or update."""
        self._ensure(status_name, size_bytes, None)
        status = sdk.StatusConfig(status_level=sdk.StatusLevel.INFO, status_stream_name=status_name)
        executor = sdk.S3ExportTaskExecutorConfig(identifier=name, status_config=status)
        self._ensure(name, size_bytes, sdk.ExportDefinition(s3_task_executor=[executor]))

    def append(self, name: str, data: bytes) -> int:
        """Append a message and return its sequence number.

        Raises:
            MessageStreamFullError: Full, and its strategy is to reject new data.
            StreamsError: Anything else.
        """
        with self._call(f"append to {name}") as client:
            return int(client.append_message(name, data))

    def append_s3_task(self, name: str, file: Path, bucket: str, key: str) -> int:
        """Append the task to upload `file` as s3://bucket/key; returns its sequence number."""
        task = sdk.S3ExportTaskDefinition(input_url=file.as_uri(), bucket=bucket, key=key)
        return self.append(name, Util.validate_and_serialize_to_json_bytes(task))

    def statuses(self, status_name: str, first: int, most: int = 100) -> list[TaskStatus]:
        """The status messages from sequence number `first` on, oldest first, without waiting."""
        return [
            _task_status(sequence, data)
            for sequence, data in self.messages(status_name, first, most)
        ]

    def messages(self, name: str, first: int, most: int = 100) -> list[tuple[int, bytes]]:
        """(sequence number, data) of messages from `first` on, without waiting."""
        options = sdk.ReadMessagesOptions(
            desired_start_sequence_number=first,
            min_message_count=1,
            max_message_count=most,
            read_timeout_millis=0,
        )
        with self._call(f"read {name}") as client:
            try:
                return [
                    (message.sequence_number, bytes(message.payload))
                    for message in client.read_messages(name, options)
                ]
            except sdk.NotEnoughMessagesException:
                return []

    def progress(self, name: str) -> Progress:
        """How much is in the message stream, and how much of it is exported."""
        with self._call(f"describe {name}") as client:
            info = client.describe_message_stream(name)
        newest = info.storage_status.newest_sequence_number
        exported = [
            status.last_exported_sequence_number
            for status in info.export_statuses or []
            if status.last_exported_sequence_number is not None
        ]
        return Progress(
            newest=-1 if newest is None else int(newest),
            exported=min(exported) if exported else -1,
        )

    def _ensure(self, name: str, size_bytes: int, export: sdk.ExportDefinition | None) -> None:
        definition = sdk.MessageStreamDefinition(
            name=name,
            max_size=size_bytes,
            stream_segment_size=min(SEGMENT_BYTES, size_bytes),
            strategy_on_full=sdk.StrategyOnFull.RejectNewData
            if export is not None
            else sdk.StrategyOnFull.OverwriteOldestData,
            persistence=sdk.Persistence.File,
            export_definition=export,
        )
        with self._call(f"create {name}") as client:
            if name in client.list_streams():
                client.update_message_stream(definition)
            else:
                client.create_message_stream(definition)

    @contextlib.contextmanager
    def _call(self, what: str) -> Iterator[sdk.StreamManagerClient]:
        try:
            yield self._connected()
        except sdk.StreamManagerException as error:
            reason = f"{what}: {_reason(error)}"
            if isinstance(error, sdk.ServerOutOfMemoryException) or _says_full(error):
                raise MessageStreamFullError(reason) from error
            self.close()
            raise StreamsError(reason) from error
        except (TimeoutError, asyncio.IncompleteReadError, OSError) as error:
            self.close()
            raise StreamsError(f"{what}: {_reason(error)}") from error

    def _connected(self) -> sdk.StreamManagerClient:
        if self._client is None:
            client = sdk.StreamManagerClient.__new__(sdk.StreamManagerClient)
            try:
                client.__init__(
                    host=self._host,
                    port=self._port,
                    connect_timeout=CONNECT_TIMEOUT_S,
                    request_timeout=self._request_timeout_s,
                    logger=_sdk_log,
                )
            except BaseException:
                # The constructor leaves a thread and an event loop behind when it cannot connect.
                _discard(client)
                raise
            # Left alone it would connect again by itself, and leak the connection before.
            client._StreamManagerClient__connect = _refuse_to_reconnect  # noqa: SLF001
            self._client = client
        return self._client


async def _refuse_to_reconnect() -> None:
    raise ConnectionError("the connection was lost")


def _discard(client: sdk.StreamManagerClient) -> None:
    """End a client in whatever state it is: its tasks, its connections, its loop, its thread.

    AWS's own `close` waits for a connection that may be dead, and is of no use when the constructor
    raised; so this takes the client's private parts.
    """
    loop: asyncio.AbstractEventLoop = client._StreamManagerClient__loop  # noqa: SLF001
    thread: threading.Thread = client._StreamManagerClient__event_loop_thread  # noqa: SLF001

    async def end() -> None:
        tasks = asyncio.all_tasks(loop) - {asyncio.current_task()}
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for transport in list(getattr(loop, "_transports", {}).values()):
            transport.abort()
        # Aborted transports give their sockets back in the loop's next turns.
        await asyncio.sleep(0)
        await asyncio.sleep(0)

    with contextlib.suppress(Exception):
        asyncio.run_coroutine_threadsafe(end(), loop).result(CONNECT_TIMEOUT_S)
    loop.call_soon_threadsafe(loop.stop)
    thread.join(CONNECT_TIMEOUT_S)


def _task_status(sequence: int, data: bytes) -> TaskStatus:
    status = Util.deserialize_json_bytes_to_obj(data, sdk.StatusMessage)
    context = status.status_context
    return TaskStatus(
        sequence=sequence,
        task_sequence=context.sequence_number,
        key=context.s3_export_task_definition.key,
        state=_TASK_STATES[status.status],
        reason=status.message or "",
    )


def _reason(error: BaseException) -> str:
    detail = str(error.args[0]) if error.args else str(error)
    return f"{type(error).__name__}: {detail}" if detail else type(error).__name__


def _says_full(error: Exception) -> bool:
    text = _reason(error).lower()
    return "full" in text or "not enough space" in text or "exceeds" in text
