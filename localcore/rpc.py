"""Greengrass IPC as one side of one connection sees it: frames in, events out; no I/O.

A connection opens with CONNECT and its acknowledgement. Then the client opens rpc_streams, each
with a request; the server answers on the same stream, and streaming operations send events on it
until either side sets TERMINATE_STREAM. The rules are those of aws-c-event-stream's RPC server
(event_stream_rpc_server.c) with the Java server of the device SDK above it; the lite nucleus's
differences are in its `Personality`.

The server must act on each event, calling ``accept``, ``respond`` and so on, before it asks for
the next one: what a frame means depends on what was answered to the one before.
"""

from collections.abc import Iterator
from enum import Enum, IntEnum, auto
from functools import cache
from typing import Final, NamedTuple, TypeAlias

from localcore.eventstream import (
    Decoder,
    EventStreamError,
    Frame,
    Header,
    HeadersError,
    HeaderType,
    Template,
    encode,
)
from localcore.personality import SERVICE, Personality

PROTOCOL_VERSION = "0.1.0"
MAX_STREAM_ID = 2**31 - 1


class MessageType(IntEnum):
    """`aws_event_stream_rpc_message_type`."""

    APPLICATION_MESSAGE = 0
    APPLICATION_ERROR = 1
    PING = 2
    PING_RESPONSE = 3
    CONNECT = 4
    CONNECT_ACK = 5
    PROTOCOL_ERROR = 6
    INTERNAL_ERROR = 7


CONNECTION_ACCEPTED: Final = 1
TERMINATE_STREAM: Final = 2

JSON = "application/json"
TEXT = "text/plain"

# The RPC server's own words (event_stream_rpc_priv.h); the stray semicolon is theirs.
_INVALID_STREAM_ID = (
    '{ "message": "non-zero stream-id field is only allowed for messages of '
    'type APPLICATION_MESSAGE. The stream id max value is INT32_MAX." }'
)
_OLD_STREAM_ID = (
    '{ "message": "stream-id values must be monotonically incrementing. A '
    'stream-id arrived that was lower than the last seen stream-id." }'
)
_SKIPPED_STREAM_ID = (
    '{ "message": "stream-id values must be monotonically incrementing. A new '
    'stream-id arrived that was incremented by more than 1." }'
)
_INVALID_MESSAGE_TYPE = '{ "message": "an invalid value for message-type field was received." }'
_MISSING_HEADERS = (
    '{ "message": "A message was received with missing required fields. Check that your client is '
    'sending at least, :message-type, :message-flags, and :stream-id" }'
)
_INTERNAL_ERROR = (
    '{ "message": "An error occurred on the peer endpoint. This is not likely caused by your '
    'endpoint." }'
)
_NOT_CONNECTED = (
    '{ "message": "A CONNECT message must be received, and the CONNECT_ACK must be sent in '
    "response, before any other message-types can be sent on this connection. In addition, only "
    'one CONNECT message is allowed on a connection." }'
)
_NO_OPERATION = (
    '{ "message": "The first message for on a non-zero :stream-id must contain an operation header '
    'value."; }'
)


class ConnectReceived(NamedTuple):
    """Answer with ``accept`` or ``refuse``. ``problem`` says why it can only be refused."""

    payload: bytes
    problem: str | None


class RequestReceived(NamedTuple):
    """The first message of a stream."""

    stream_id: int
    operation: str
    payload: bytes


class StreamMessageReceived(NamedTuple):
    """A further message on an open stream, of which no Greengrass operation has any use."""

    stream_id: int


class StreamClosed(NamedTuple):
    """The client closed the stream; nothing may be sent on it any more."""

    stream_id: int


class PingReceived(NamedTuple):
    """Send ``answer``."""

    answer: bytes


class ProtocolBroken(NamedTuple):
    """Send ``answer``, which may be empty, and close the connection."""

    reason: str
    answer: bytes


Event: TypeAlias = (
    ConnectReceived
    | RequestReceived
    | StreamMessageReceived
    | StreamClosed
    | PingReceived
    | ProtocolBroken
)


class State(Enum):
    """Of a connection."""

    NEW = auto()
    CONNECTING = auto()
    OPEN = auto()
    CLOSED = auto()


class ServerConnection:
    """The server's side of a connection."""

    def __init__(self, personality: Personality) -> None:
        self._personality = personality
        self._decoder = Decoder(personality.max_frame_bytes)
        self._state = State.NEW
        self._last_stream_id = 0
        self._open_streams: set[int] = set()

    def receive(self, data: bytes | memoryview) -> Iterator[Event]:
        """What these bytes mean. Take every event, and act on each before the next."""
        if self._closed():
            return
        error: EventStreamError | None = None
        frames: list[Frame] = []
        try:
            frames = self._decoder.feed(data)
        except EventStreamError as raised:
            error = raised
        for frame in frames:
            event = self._route(frame)
            if event is not None:
                yield event
            if self._closed():
                return
        error = error or self._decoder.error
        if error is not None:
            yield self._bad_bytes(error)

    def _closed(self) -> bool:
        return self._state is State.CLOSED

    # -- what the server says

    def accept(self, svcuid: str | None = None) -> bytes:
        """The connection is open from here on; ``svcuid`` tells the client its token."""
        self._state = State.OPEN
        if svcuid is None:
            return _protocol_message(MessageType.CONNECT_ACK, CONNECTION_ACCEPTED)
        routing = [*_routing(MessageType.CONNECT_ACK, CONNECTION_ACCEPTED), _stream_id(0)]
        return encode(Frame((*routing, Header("svcuid", HeaderType.STRING, svcuid))))

    def refuse(self) -> bytes:
        """Close the connection once these bytes, which may be none, are sent."""
        self._state = State.CLOSED
        if not self._personality.answers_refused_connect:
            return b""
        return _protocol_message(MessageType.CONNECT_ACK, 0)

    def respond(
        self, stream_id: int, shape: str | None, payload: bytes, *, streaming: bool
    ) -> bytes:
        """The answer to a request; of a one-shot operation it is the last word on the stream."""
        last = not streaming and self._personality.terminates_one_shot_replies
        if not streaming:
            self._open_streams.discard(stream_id)
        flags = TERMINATE_STREAM if last else 0
        return self._frame(MessageType.APPLICATION_MESSAGE, flags, shape, JSON, stream_id, payload)

    def send_event(self, stream_id: int, shape: str, payload: bytes) -> bytes:
        """An event on an open stream."""
        return self._frame(MessageType.APPLICATION_MESSAGE, 0, shape, JSON, stream_id, payload)

    def fail(
        self, stream_id: int, payload: bytes, *, shape: str | None = None, content_type: str = JSON
    ) -> bytes:
        """An error, which always closes the stream. ``shape`` names a modelled one."""
        self._open_streams.discard(stream_id)
        kind, flags = MessageType.APPLICATION_ERROR, TERMINATE_STREAM
        return self._frame(kind, flags, shape, content_type, stream_id, payload)

    def _frame(
        self,
        kind: MessageType,
        flags: int,
        shape: str | None,
        content_type: str,
        stream_id: int,
        payload: bytes,
    ) -> bytes:
        if not self._personality.routing_first:
            return _template(kind, flags, shape, content_type).fill(stream_id, payload)
        description = _description(shape, content_type)
        routing = (*_routing(kind, flags), _stream_id(stream_id))
        return encode(Frame((*routing, *description), payload))

    # -- what the client says

    def _route(self, frame: Frame) -> Event | None:
        metadata = self._read_metadata(frame.headers)
        if metadata is None:
            return self._break("required headers are missing or odd", _MISSING_HEADERS)
        kind, flags, stream_id, operation = metadata
        if self._state is not State.OPEN and kind != MessageType.CONNECT:
            return self._break("a message came before CONNECT was answered", _NOT_CONNECTED)
        if stream_id == 0:
            return self._protocol_message(kind, flags, frame)
        if not self._personality.counts_stream_ids and self._state is State.OPEN:
            return self._uncounted_stream(kind, flags, stream_id, operation, frame.payload)
        if kind not in _APPLICATION or not 0 < stream_id <= MAX_STREAM_ID:
            return self._break(f"message type {kind} on stream {stream_id}", _INVALID_STREAM_ID)
        terminates = bool(flags & TERMINATE_STREAM)
        if stream_id <= self._last_stream_id:
            return self._old_stream(stream_id, terminates=terminates)
        if stream_id != self._last_stream_id + 1:
            return self._break(
                f"stream {stream_id} came after {self._last_stream_id}", _SKIPPED_STREAM_ID
            )
        if not operation:
            return self._break(f"stream {stream_id} names no operation", _NO_OPERATION)
        self._last_stream_id = stream_id
        if terminates:
            # Hung up before the answer: nothing is done.
            return None
        self._open_streams.add(stream_id)
        return RequestReceived(stream_id, operation, frame.payload)

    def _old_stream(self, stream_id: int, *, terminates: bool) -> Event | None:
        if stream_id in self._open_streams:
            if not terminates:
                return StreamMessageReceived(stream_id)
            self._open_streams.discard(stream_id)
            return StreamClosed(stream_id)
        if terminates:
            # The client closes a stream while our last word is under way: nothing is wrong.
            return None
        return self._break(f"stream {stream_id} is closed", _OLD_STREAM_ID)

    def _uncounted_stream(
        self, kind: int, flags: int, stream_id: int, operation: str | None, payload: bytes
    ) -> Event | None:
        """A stream may carry any number of operations, and TERMINATE_STREAM may come at any
        time.
        """
        if flags & TERMINATE_STREAM:
            return StreamClosed(stream_id)
        if kind != MessageType.APPLICATION_MESSAGE or flags & CONNECTION_ACCEPTED:
            operation = None
        return RequestReceived(stream_id, operation or "", payload)

    def _protocol_message(self, kind: int, flags: int, frame: Frame) -> Event | None:
        match (self._state, kind):
            case (State.NEW, MessageType.CONNECT):
                self._state = State.CONNECTING
                return ConnectReceived(frame.payload, self._connect_problem(flags, frame.headers))
            case (_, MessageType.CONNECT):
                return self._break("CONNECT came twice", _NOT_CONNECTED)
            case (_, MessageType.PING) if self._personality.answers_pings:
                return PingReceived(_pong(frame))
            case (_, MessageType.PING_RESPONSE) if self._personality.answers_pings:
                return None
            case (
                _,
                MessageType.CONNECT_ACK | MessageType.PROTOCOL_ERROR | MessageType.INTERNAL_ERROR,
            ):
                # ServiceOperationMappingContinuationHandler.onProtocolMessage
                text = (
                    '{ "error": "Unrecognized Message Type" }"message": " message type value:'
                    f' {int(kind)} is not recognized as a valid request path." }}'
                )
                return self._break(
                    f"message type {kind} is not for servers", text, MessageType.INTERNAL_ERROR
                )
            case _:
                return self._break(f"message type {kind} on stream 0", _INVALID_MESSAGE_TYPE)

    def _connect_problem(self, flags: int, headers: tuple[Header, ...]) -> str | None:
        version = next(
            (h.value for h in headers if h.name == ":version" and h.type is HeaderType.STRING), None
        )
        if version is None and self._personality.requires_version:
            return f"CONNECT has no :version header; {PROTOCOL_VERSION} is wanted"
        if version is not None and version != PROTOCOL_VERSION:
            return f"CONNECT is of version {version!r}; {PROTOCOL_VERSION} is wanted"
        if flags and not self._personality.answers_refused_connect:
            return f"CONNECT has flags {flags}; 0 is wanted"
        return None

    def _bad_bytes(self, error: EventStreamError) -> ProtocolBroken:
        if isinstance(error, HeadersError):
            return self._break(str(error), _INTERNAL_ERROR, MessageType.INTERNAL_ERROR)
        # aws-c-event-stream shuts the channel without a word: framing is lost.
        self._state = State.CLOSED
        return ProtocolBroken(str(error), b"")

    def _break(
        self, reason: str, text: str, kind: MessageType = MessageType.PROTOCOL_ERROR
    ) -> ProtocolBroken:
        self._state = State.CLOSED
        if not self._personality.answers_protocol_errors:
            return ProtocolBroken(reason, b"")
        return ProtocolBroken(reason, _template(kind, 0, None, JSON).fill(0, text.encode()))

    def _read_metadata(self, headers: tuple[Header, ...]) -> "Metadata | None":
        strict = self._personality.strict_headers
        return _strict_metadata(headers) if strict else _metadata(headers)


_APPLICATION = (MessageType.APPLICATION_MESSAGE, MessageType.APPLICATION_ERROR)

Metadata: TypeAlias = tuple[int, int, int, str | None]


def _metadata(headers: tuple[Header, ...]) -> Metadata | None:
    """Type, flags, stream id and operation (`aws_event_stream_rpc_extract_message_metadata`)."""
    found: dict[str, int] = {}
    operation: str | None = None
    for name, kind, value in headers:
        if kind is HeaderType.INT32:
            found[name.lower()] = value  # type: ignore[assignment]
        elif kind is HeaderType.STRING and name.lower() == "operation":
            operation = value  # type: ignore[assignment]
    try:
        return found[":message-type"], found[":message-flags"], found[":stream-id"], operation
    except KeyError:
        return None


def _strict_metadata(headers: tuple[Header, ...]) -> Metadata | None:
    """As nucleus lite reads them: INT32 and STRING only, the last of equal names counts, what is
    absent is 0.
    """
    found = {":message-type": 0, ":message-flags": 0, ":stream-id": 0}
    operation: str | None = None
    for name, kind, value in headers:
        if isinstance(value, int) and kind is HeaderType.INT32:
            if name in found:
                found[name] = value
        elif isinstance(value, str) and kind is HeaderType.STRING:
            if name in found:
                return None
            if name == "operation":
                operation = value
        else:
            return None
    return found[":message-type"], found[":message-flags"], found[":stream-id"], operation


def _routing(kind: MessageType, flags: int) -> list[Header]:
    return [
        Header(":message-type", HeaderType.INT32, kind),
        Header(":message-flags", HeaderType.INT32, flags),
    ]


# Bounded by what the server says: a few shapes for each operation.
@cache
def _template(kind: MessageType, flags: int, shape: str | None, content_type: str) -> Template:
    return Template([*_description(shape, content_type), *_routing(kind, flags)])


def _description(shape: str | None, content_type: str) -> list[Header]:
    headers = [Header(":content-type", HeaderType.STRING, content_type)]
    if shape is not None:
        headers.append(Header("service-model-type", HeaderType.STRING, SERVICE + shape))
    return headers


def _stream_id(stream_id: int) -> Header:
    return Header(":stream-id", HeaderType.INT32, stream_id)


@cache
def _protocol_message(kind: MessageType, flags: int) -> bytes:
    return Template(_routing(kind, flags)).fill(0, b"")


def _pong(frame: Frame) -> bytes:
    echoed = [header for header in frame.headers if not header.name.startswith(":")]
    routing = [*_routing(MessageType.PING_RESPONSE, 0), _stream_id(0)]
    return encode(Frame((*echoed, *routing), frame.payload))
