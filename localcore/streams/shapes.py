"""The payloads of the protocol: what requests hold, and how they are checked.

Names, limits and defaults are those of AWS's client (`stream_manager.data` in `stream-manager`
1.1.2). Fields nobody knows are ignored, as a newer client may send them. A payload that breaks a
rule becomes a `ShapeError` that names the field.
"""

import re
from collections.abc import Mapping
from enum import IntEnum
from typing import Annotated, Any, Final, TypeVar

import cbor2
import msgspec

from localcore.streams.protocol import StatusCode

PROTOCOL_VERSION: Final = "1.1.0"
SUPPORTED_PROTOCOL_VERSIONS: Final = ("1.1.0", "1.0.0")

_NAME_PATTERN: Final = r"^[\w ,.\-_]*\Z"
_INT64_MAX: Final = (1 << 63) - 1
_INT32_MAX: Final = (1 << 31) - 1
# 2^63 nanoseconds in milliseconds: the server is written in Java and keeps durations so.
_LONGEST_MILLIS: Final = 9_223_372_036_854

Name = Annotated[str, msgspec.Meta(min_length=1, max_length=255, pattern=_NAME_PATTERN)]
RequestId = Annotated[str, msgspec.Meta(min_length=1, pattern=_NAME_PATTERN)]
SequenceNumber = Annotated[int, msgspec.Meta(ge=0, le=_INT64_MAX)]
Priority = Annotated[int, msgspec.Meta(ge=1, le=10)]
BatchInterval = Annotated[int, msgspec.Meta(ge=60_000, le=_LONGEST_MILLIS)]
Count = Annotated[int, msgspec.Meta(ge=1, le=_INT32_MAX)]


class ShapeError(Exception):
    """A payload breaks a rule of its shape; `request_id` says whose, where that could be read."""

    def __init__(self, message: str, request_id: str | None = None):
        super().__init__(message)
        self.request_id = request_id


class StrategyOnFull(IntEnum):
    """What an append to a full message stream does."""

    REJECT_NEW_DATA = 0
    OVERWRITE_OLDEST_DATA = 1


class Persistence(IntEnum):
    """Where the messages are."""

    FILE = 0
    MEMORY = 1


class StatusLevel(IntEnum):
    """How much a status stream is told; each level includes those before it."""

    ERROR = 0
    WARN = 1
    INFO = 2
    DEBUG = 3
    TRACE = 4


class Status(IntEnum):
    """How an S3 export task stands."""

    SUCCESS = 0
    FAILURE = 1
    IN_PROGRESS = 2
    WARNING = 3
    CANCELED = 4


class EventType(IntEnum):
    """What a status message is about."""

    S3_TASK = 0


class Shape(msgspec.Struct, rename="camel", kw_only=True, frozen=True):
    """Base of all shapes: snake_case here, camelCase on the wire."""


class StatusConfig(Shape, frozen=True):
    """Which status messages go to which message stream."""

    status_level: StatusLevel | None = None
    status_stream_name: Name | None = None


class KinesisConfig(Shape, frozen=True):
    """Export to a Kinesis data stream."""

    identifier: Name
    kinesis_stream_name: Annotated[str, msgspec.Meta(min_length=1)]
    batch_size: Annotated[int, msgspec.Meta(ge=1, le=500)] | None = None
    batch_interval_millis: BatchInterval | None = None
    priority: Priority | None = None
    start_sequence_number: SequenceNumber | None = None
    disabled: bool | None = None


class S3ExportTaskExecutorConfig(Shape, frozen=True):
    """Every message of the message stream is a task: upload this file to that key."""

    identifier: Name
    size_threshold_for_multipart_upload_bytes: Annotated[int, msgspec.Meta(ge=5_242_880)] | None = (
        None
    )
    priority: Priority | None = None
    disabled: bool | None = None
    status_config: StatusConfig | None = None


class ExportDefinition(Shape, frozen=True):
    """Where a message stream goes. The first three are known only to be refused by name."""

    http: list[dict[str, Any]] | None = None
    iot_analytics: list[dict[str, Any]] | None = None
    iot_sitewise: list[dict[str, Any]] | None = msgspec.field(default=None, name="IotSitewise")
    kinesis: list[KinesisConfig] | None = None
    s3_task_executor: list[S3ExportTaskExecutorConfig] | None = None

    def configs(self) -> list[KinesisConfig | S3ExportTaskExecutorConfig]:
        """Every export that has an implementation here."""
        return [*(self.kinesis or ()), *(self.s3_task_executor or ())]


class MessageStreamDefinition(Shape, frozen=True):
    """A message stream as its creator wants it; the defaults are those AWS documents."""

    name: Name
    strategy_on_full: StrategyOnFull
    max_size: Annotated[int, msgspec.Meta(ge=1024, le=_INT64_MAX)] = 268_435_456
    stream_segment_size: Annotated[int, msgspec.Meta(ge=1024, le=_INT32_MAX)] = 16_777_216
    time_to_live_millis: Annotated[int, msgspec.Meta(ge=60_000, le=_LONGEST_MILLIS)] | None = None
    persistence: Persistence = Persistence.FILE
    flush_on_write: bool = False
    export_definition: ExportDefinition = ExportDefinition()


class ConnectRequest(Shape, frozen=True):
    """The first frame of a connection."""

    request_id: RequestId
    protocol_version: str
    other_supported_protocol_versions: list[str] | None = None
    sdk_version: str | None = None
    auth_token: str | None = None


class DefinitionRequest(Shape, frozen=True):
    """Create or update a message stream."""

    request_id: RequestId
    definition: MessageStreamDefinition


class NameRequest(Shape, frozen=True):
    """Delete or describe a message stream."""

    request_id: RequestId
    name: Name


class AppendMessageRequest(Shape, frozen=True):
    """Append one message."""

    request_id: RequestId
    name: Name
    payload: Annotated[bytes, msgspec.Meta(min_length=1)]


class ReadMessagesOptions(Shape, frozen=True):
    """Where to start, how many, and how long to wait for them."""

    desired_start_sequence_number: SequenceNumber | None = None
    min_message_count: Count | None = None
    max_message_count: Count | None = None
    read_timeout_millis: Annotated[int, msgspec.Meta(ge=0, le=_LONGEST_MILLIS)] | None = None


class ReadMessagesRequest(Shape, frozen=True):
    """Read messages; without options, one from the beginning."""

    request_id: RequestId
    stream_name: Name
    read_messages_options: ReadMessagesOptions | None = None


class ListStreamsRequest(Shape, frozen=True):
    """List the names of the message streams."""

    request_id: RequestId


class StreamMessage(Shape, frozen=True):
    """One message of a message stream."""

    stream_name: str
    sequence_number: int
    ingest_time: int
    payload: bytes


class StorageStatus(Shape, frozen=True):
    """What is kept; an empty message stream's newest is one below its oldest."""

    oldest_sequence_number: int
    newest_sequence_number: int
    total_bytes: int


class ExportStatus(Shape, frozen=True):
    """How far one export has come; -1 before its first message."""

    export_config_identifier: str
    last_exported_sequence_number: int
    last_export_time: int | None = None
    error_message: str | None = None
    exported_bytes_from_stream: int = 0
    exported_messages_count: int = 0


class MessageStreamInfo(Shape, frozen=True):
    """What DescribeMessageStream tells."""

    definition: MessageStreamDefinition
    storage_status: StorageStatus
    export_statuses: list[ExportStatus]


class S3ExportTaskDefinition(Shape, frozen=True):
    """The payload of a message in a message stream with an S3 task executor, as JSON."""

    input_url: str
    bucket: Annotated[str, msgspec.Meta(min_length=3, max_length=63)]
    key: Annotated[str, msgspec.Meta(min_length=1, max_length=1024)]
    user_metadata: dict[str, str] | None = None


class StatusContext(Shape, frozen=True, omit_defaults=True):
    """Which task a status message is about."""

    s3_export_task_definition: S3ExportTaskDefinition | None = None
    export_identifier: str | None = None
    stream_name: str | None = None
    sequence_number: int | None = None


class StatusMessage(Shape, frozen=True):
    """The payload of a message in a status stream, as JSON."""

    event_type: EventType
    status_level: StatusLevel
    status: Status
    status_context: StatusContext
    message: str
    timestamp_epoch_ms: int


def decode_task(payload: bytes) -> S3ExportTaskDefinition:
    """The S3 export task in a message.

    Raises:
        ShapeError: it is none.
    """
    try:
        raw = msgspec.json.decode(payload)
    except msgspec.DecodeError as error:
        raise ShapeError(str(error)) from error
    if not isinstance(raw, dict):
        raise ShapeError(f"the task is a {type(raw).__name__}, not an object")
    return convert(raw, S3ExportTaskDefinition)


ShapeType = TypeVar("ShapeType")


def loads(payload: bytes) -> dict[str, Any]:
    """A payload as a map.

    Raises:
        ShapeError: it is not CBOR, or not a map.
    """
    try:
        raw = cbor2.loads(payload)
    except (cbor2.CBORDecodeError, ValueError, OverflowError, RecursionError, MemoryError) as error:
        raise ShapeError(f"the payload is not CBOR: {error}") from error
    if not isinstance(raw, dict):
        raise ShapeError(f"the payload is a {type(raw).__name__}, not a map")
    return raw


def convert(raw: Mapping[str, Any], shape: type[ShapeType]) -> ShapeType:
    """A map as a shape.

    Raises:
        ShapeError: a field is missing or breaks its rule; the message names it.
    """
    try:
        # A null is an absent field: some clients write their unset fields out.
        return msgspec.convert(_without_none(raw), shape, builtin_types=(bytes,))
    except msgspec.ValidationError as error:
        raise ShapeError(_explained(str(error)), request_id_of(raw)) from error


def request_id_of(raw: Mapping[str, Any]) -> str | None:
    """The request's id, if it has a usable one."""
    request_id = raw.get("requestId")
    return request_id if isinstance(request_id, str) and request_id else None


def dumps(response: Mapping[str, Any]) -> bytes:
    """A response as CBOR."""
    return cbor2.dumps(response)


def as_map(shape: msgspec.Struct) -> dict[str, Any]:
    """A shape as AWS's clients send it: absent fields are left out, not null."""
    builtins = msgspec.to_builtins(shape, builtin_types=(bytes,))
    pruned = _without_none(builtins)
    if not isinstance(pruned, dict):
        raise TypeError(f"{type(shape).__name__} is not a map on the wire")
    return pruned


def response(
    request_id: str | None, status: StatusCode, error: str | None = None
) -> dict[str, Any]:
    """The fields every response has."""
    fields: dict[str, Any] = {"status": int(status)}
    if request_id is not None:
        fields["requestId"] = request_id
    if error is not None:
        fields["errorMessage"] = error
    return fields


def _without_none(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_none(item) for key, item in value.items() if item is not None}
    if isinstance(value, list):
        return [_without_none(item) for item in value]
    return value


def _explained(reason: str) -> str:
    # msgspec ends its messages with the JSON path of the field: "... - at `$.definition.maxSize`".
    found = re.fullmatch(r"(.*) - at `\$\.(.*)`", reason)
    return f"field {found[2]}: {found[1]}" if found else reason
