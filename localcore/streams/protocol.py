r"""The stream manager's wire protocol: bytes in, frames out; no I/O.

A client opens with one version byte, 0x01, and the server answers with the same. Then both send
frames: `[int32 big-endian: payload length + 1][int8 operation][payload]`, the payload in CBOR.

The source is AWS's client (`stream-manager` 1.1.2 on PyPI): frames, operations, status codes.

>>> encode_frame(Operation.LIST_STREAMS, b"abc")
b'\x00\x00\x00\x04\x0babc'
>>> decoder = FrameDecoder()
>>> decoder.feed(b"\x01\x00\x00\x00\x04\x0ba") + decoder.feed(b"bc")
[Frame(operation=11, payload=b'abc')]
"""

from enum import IntEnum
from typing import Final, NamedTuple

CONNECT_VERSION: Final = 1
CONNECT_VERSION_BYTE: Final = bytes([CONNECT_VERSION])

# The client refuses to send more (`_MAX_PACKET_SIZE` in its `utilinternal`).
LARGEST_FRAME_BYTES: Final = 1 << 30

_LENGTH_BYTES: Final = 4


class Operation(IntEnum):
    """What a frame asks for or answers."""

    UNKNOWN = 0
    CONNECT = 1
    CREATE_MESSAGE_STREAM = 2
    DELETE_MESSAGE_STREAM = 3
    APPEND_MESSAGE = 4
    READ_MESSAGES = 5
    CONNECT_RESPONSE = 6
    CREATE_MESSAGE_STREAM_RESPONSE = 7
    DELETE_MESSAGE_STREAM_RESPONSE = 8
    APPEND_MESSAGE_RESPONSE = 9
    READ_MESSAGES_RESPONSE = 10
    LIST_STREAMS = 11
    LIST_STREAMS_RESPONSE = 12
    DESCRIBE_MESSAGE_STREAM = 13
    DESCRIBE_MESSAGE_STREAM_RESPONSE = 14
    UPDATE_MESSAGE_STREAM = 15
    UPDATE_MESSAGE_STREAM_RESPONSE = 16
    UNKNOWN_OPERATION_ERROR = 17


RESPONSE_TO: Final = {
    Operation.CONNECT: Operation.CONNECT_RESPONSE,
    Operation.CREATE_MESSAGE_STREAM: Operation.CREATE_MESSAGE_STREAM_RESPONSE,
    Operation.DELETE_MESSAGE_STREAM: Operation.DELETE_MESSAGE_STREAM_RESPONSE,
    Operation.APPEND_MESSAGE: Operation.APPEND_MESSAGE_RESPONSE,
    Operation.READ_MESSAGES: Operation.READ_MESSAGES_RESPONSE,
    Operation.LIST_STREAMS: Operation.LIST_STREAMS_RESPONSE,
    Operation.DESCRIBE_MESSAGE_STREAM: Operation.DESCRIBE_MESSAGE_STREAM_RESPONSE,
    Operation.UPDATE_MESSAGE_STREAM: Operation.UPDATE_MESSAGE_STREAM_RESPONSE,
}


class StatusCode(IntEnum):
    """How a request ended; each becomes an exception of its own in AWS's clients."""

    SUCCESS = 0
    UNKNOWN_FAILURE = 1
    UNAUTHORIZED = 2
    INVALID_REQUEST = 3
    REQUEST_PAYLOAD_TOO_LARGE = 4
    RESOURCE_NOT_FOUND = 5
    SERVER_TIMEOUT = 6
    RESPONSE_PAYLOAD_TOO_LARGE = 7
    UNSUPPORTED_CONNECT_VERSION = 8
    UNEXPECTED_OPERATION = 9
    UNSUPPORTED_PROTOCOL_VERSION = 10
    INVALID_PROTOCOL_VERSION = 11
    FAILED_TO_CONNECT = 12
    NOT_ENOUGH_MESSAGES = 13
    MESSAGE_STORE_READ_ERROR = 14
    OUT_OF_MEMORY = 15
    UPDATE_FAILED = 16
    UPDATE_NOT_ALLOWED = 17
    UNKNOWN_OPERATION = 18


class ProtocolError(Exception):
    """The peer does not speak this protocol; the connection can only be closed."""


class WrongVersionError(ProtocolError):
    """The peer opened with another version byte; it is told so before the connection closes."""


class Frame(NamedTuple):
    """One frame; `operation` is a plain number because a peer may send one we do not know."""

    operation: int
    payload: bytes


def encode_frame(operation: int, payload: bytes) -> bytes:
    """One frame as bytes.

    Raises:
        ProtocolError: the payload is larger than the protocol allows.
    """
    length = len(payload) + 1
    if length > LARGEST_FRAME_BYTES:
        raise ProtocolError(_too_large(length, LARGEST_FRAME_BYTES))
    header = length.to_bytes(_LENGTH_BYTES, "big", signed=True)
    return header + operation.to_bytes(1, "big", signed=True) + payload


class FrameDecoder:
    """The receiving half of one connection: the version byte, then frames.

    Takes bytes in pieces of any size and gives every frame once, whole, in order.
    """

    def __init__(self, largest_frame_bytes: int = LARGEST_FRAME_BYTES):
        self._largest_frame_bytes = largest_frame_bytes
        self._buffer = bytearray()
        self._opened = False

    @property
    def opened(self) -> bool:
        """Whether the peer's version byte has been seen."""
        return self._opened

    def feed(self, data: bytes) -> list[Frame]:
        """The frames that `data` completes.

        Raises:
            WrongVersionError: the first byte is not 0x01.
            ProtocolError: a frame's length is impossible or over the limit.
        """
        buffer = self._buffer
        buffer += data
        if not self._opened:
            if not buffer:
                return []
            if buffer[0] != CONNECT_VERSION:
                raise WrongVersionError(
                    f"the connection began with byte {buffer[0]:#04x}, not {CONNECT_VERSION:#04x}: "
                    "this port speaks the stream manager protocol only"
                )
            self._opened = True
            del buffer[:1]
        frames: list[Frame] = []
        position = 0
        while len(buffer) - position >= _LENGTH_BYTES:
            start = position + _LENGTH_BYTES
            length = int.from_bytes(buffer[position:start], "big", signed=True)
            if length < 1:
                raise ProtocolError(f"a frame says its length is {length}; the smallest is 1")
            if length > self._largest_frame_bytes:
                raise ProtocolError(_too_large(length, self._largest_frame_bytes))
            if len(buffer) - start < length:
                break
            operation = int.from_bytes(buffer[start : start + 1], "big", signed=True)
            frames.append(Frame(operation, bytes(buffer[start + 1 : start + length])))
            position = start + length
        if position:
            del buffer[:position]
        return frames


def _too_large(length: int, limit: int) -> str:
    return f"a frame of {length} bytes is over the limit of {limit} bytes: send smaller messages"
