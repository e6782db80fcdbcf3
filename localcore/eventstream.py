"""AWS event-stream framing: bytes in, frames out, frames in, bytes out; no I/O.

A frame is total length, headers length, CRC-32 of those two, headers, payload, CRC-32 of all
before it; every number is big-endian and the lengths count themselves. A decoder gives the same
frames however the bytes were cut, and is finished for good after its first error, since nothing
tells where the next frame would begin.

>>> frame = Frame((Header(":stream-id", HeaderType.INT32, 7),), b"{}")
>>> Decoder().feed(encode(frame)) == [frame]
True
"""

import struct
import uuid
from collections.abc import Sequence
from enum import IntEnum
from typing import NamedTuple, TypeAlias
from zlib import crc32

# aws-c-event-stream, AWS_EVENT_STREAM_MAX_MESSAGE_SIZE: what the AWS clients refuse to send or
# read. Without it four bytes of noise would make us wait for 4 GB.
MAX_FRAME_BYTES = 24 * 1024 * 1024
# aws-c-event-stream, AWS_EVENT_STREAM_HEADER_NAME_LEN_MAX: the length is one byte on the wire.
MAX_HEADER_NAME_BYTES = 255
# aws-c-event-stream, AWS_EVENT_STREAM_HEADER_VALUE_LEN_MAX: two bytes, but signed in Java.
MAX_HEADER_VALUE_BYTES = 32767
# aws-c-event-stream, AWS_EVENT_STREAM_MESSAGE_MAX_HEADERS: a frame of 24 MB could otherwise hold
# eight million of them.
MAX_HEADERS = 1024

PRELUDE_BYTES = 12
TRAILER_BYTES = 4
MIN_FRAME_BYTES = PRELUDE_BYTES + TRAILER_BYTES


class HeaderType(IntEnum):
    """The ten types of header values, as on the wire."""

    TRUE = 0
    FALSE = 1
    BYTE = 2
    INT16 = 3
    INT32 = 4
    INT64 = 5
    BYTES = 6
    STRING = 7
    TIMESTAMP = 8
    UUID = 9


HeaderValue: TypeAlias = bool | int | str | bytes | uuid.UUID


class Header(NamedTuple):
    """A typed header. ``TIMESTAMP`` values are milliseconds since 1970, as int."""

    name: str
    type: HeaderType
    value: HeaderValue


class Frame(NamedTuple):
    """One event-stream message, its headers in wire order."""

    headers: tuple[Header, ...]
    payload: bytes = b""


class EventStreamError(Exception):
    """These bytes are no event-stream frame, or this frame cannot be put into bytes."""


class HeadersError(EventStreamError):
    """The frame is whole and its checksums are right, but its headers cannot be read.

    The peer speaks event-stream, so it can still be told what is wrong.
    """


_PRELUDE = struct.Struct(">III")
_LENGTHS = struct.Struct(">II")
_INT32 = struct.Struct(">i")
_INTEGERS = {
    HeaderType.BYTE: struct.Struct(">b"),
    HeaderType.INT16: struct.Struct(">h"),
    HeaderType.INT32: _INT32,
    HeaderType.INT64: struct.Struct(">q"),
    HeaderType.TIMESTAMP: struct.Struct(">q"),
}

# What every RPC frame carries, and the only thing that differs between the frames of one kind.
_STREAM_ID_NAME = ":stream-id"
_STREAM_ID_MARK = b"\n:stream-id\x04"
# Clients use about ten kinds of frame each; a client that invents headers empties the cache.
_CACHE_ENTRIES = 256
_CACHE_HEADERS_BYTES = 512


class Decoder:
    """Turns bytes into frames, keeping what is incomplete until the rest arrives.

    Args:
        max_frame_bytes: the longest frame accepted, prelude and checksums included.
    """

    def __init__(self, max_frame_bytes: int = MAX_FRAME_BYTES) -> None:
        self._max_frame_bytes = max_frame_bytes
        self._pending = bytearray()
        self._needed = PRELUDE_BYTES
        self.error: EventStreamError | None = None

    def feed(self, data: bytes | bytearray | memoryview) -> list[Frame]:
        """All frames that are complete now, in order.

        Raises:
            EventStreamError: something is wrong; every later call raises it again. Frames that
                came before it in the same bytes are returned first, and ``error`` is set.
        """
        if self.error is not None:
            raise self.error
        pending = self._pending
        if pending:
            pending += data
            if len(pending) < self._needed:
                return []
            data = bytes(pending)
            pending.clear()
        elif not isinstance(data, bytes):
            data = bytes(data)
        frames: list[Frame] = []
        position, end = 0, len(data)
        try:
            while True:
                if end - position < PRELUDE_BYTES:
                    self._needed = PRELUDE_BYTES
                    break
                total = self._check_prelude(data, position)
                if end - position < total:
                    self._needed = total
                    break
                frames.append(_decode_whole(data, position, total))
                position += total
        except EventStreamError as error:
            self.error = error
            if not frames:
                raise
            return frames
        if position < end:
            pending += data[position:] if position else data
        return frames

    def _check_prelude(self, data: bytes, position: int) -> int:
        total, headers_bytes, checksum = _PRELUDE.unpack_from(data, position)
        if total > self._max_frame_bytes:
            raise EventStreamError(
                f"a frame of {total} bytes is longer than the limit of {self._max_frame_bytes}"
            )
        if total < MIN_FRAME_BYTES:
            raise EventStreamError(
                f"a frame of {total} bytes is shorter than an empty one, {MIN_FRAME_BYTES}"
            )
        computed = crc32(data[position : position + 8])
        if computed != checksum:
            raise EventStreamError(
                f"the prelude's checksum is {checksum:#010x}, its bytes give {computed:#010x}"
            )
        if headers_bytes > total - MIN_FRAME_BYTES:
            raise EventStreamError(
                f"headers of {headers_bytes} bytes do not fit in a frame of {total} bytes"
            )
        return int(total)


def encode(frame: Frame) -> bytes:
    """The bytes of a frame.

    Raises:
        EventStreamError: a header or the whole is too long, or a value is not of its type.
    """
    headers = frame.headers
    if len(headers) > MAX_HEADERS:
        raise EventStreamError(f"{len(headers)} headers are more than the limit of {MAX_HEADERS}")
    return _assemble(b"".join(map(_encode_header, headers)), frame.payload)


class Template:
    """A frame whose last header is ``:stream-id``, everything before it encoded once.

    >>> template = Template([Header(":message-type", HeaderType.INT32, 0)])
    >>> Decoder().feed(template.fill(3, b"{}"))[0].headers[1]
    Header(name=':stream-id', type=<HeaderType.INT32: 4>, value=3)
    """

    def __init__(self, headers: Sequence[Header]) -> None:
        self._before = b"".join(map(_encode_header, headers)) + _STREAM_ID_MARK

    def fill(self, stream_id: int, payload: bytes) -> bytes:
        """The bytes of the frame with this stream id and payload."""
        return _assemble(self._before + _INT32.pack(stream_id), payload)


def _assemble(headers: bytes, payload: bytes) -> bytes:
    total = MIN_FRAME_BYTES + len(headers) + len(payload)
    if total > MAX_FRAME_BYTES:
        raise EventStreamError(
            f"a frame of {total} bytes is longer than the limit of {MAX_FRAME_BYTES}"
        )
    lengths = _LENGTHS.pack(total, len(headers))
    body = b"".join((lengths, crc32(lengths).to_bytes(4, "big"), headers, payload))
    return body + crc32(body).to_bytes(4, "big")


def _decode_whole(data: bytes, position: int, total: int) -> Frame:
    end = position + total - TRAILER_BYTES
    computed = crc32(memoryview(data)[position:end])
    checksum = int.from_bytes(data[end : end + TRAILER_BYTES], "big")
    if computed != checksum:
        raise EventStreamError(
            f"the frame's checksum is {checksum:#010x}, its bytes give {computed:#010x}"
        )
    headers_end = (
        position + PRELUDE_BYTES + int.from_bytes(data[position + 4 : position + 8], "big")
    )
    headers = data[position + PRELUDE_BYTES : headers_end]
    return Frame(_decode_headers(headers), data[headers_end:end])


# Header blocks seen before, with the four bytes of the stream id taken out, and what surrounds
# the stream id in them. The blocks of one client differ in nothing else, and parsing them anew
# would be the greater part of reading a frame.
_seen: dict[tuple[bytes, bytes], tuple[tuple[Header, ...], tuple[Header, ...]]] = {}


def _decode_headers(block: bytes) -> tuple[Header, ...]:
    mark = block.rfind(_STREAM_ID_MARK)
    hole = mark + len(_STREAM_ID_MARK)
    if mark < 0 or hole + 4 > len(block):
        return _parse_headers(block)[0]
    key = (block[:hole], block[hole + 4 :])
    around = _seen.get(key)
    if around is None:
        headers, starts = _parse_headers(block)
        # The mark may as well be part of another header's value: then there is nothing to learn.
        if mark in starts and len(block) <= _CACHE_HEADERS_BYTES:
            if len(_seen) >= _CACHE_ENTRIES:
                _seen.clear()
            index = starts.index(mark)
            _seen[key] = (headers[:index], headers[index + 1 :])
        return headers
    before, after = around
    (stream_id,) = _INT32.unpack_from(block, hole)
    return (*before, Header(_STREAM_ID_NAME, HeaderType.INT32, stream_id), *after)


def _parse_headers(block: bytes) -> tuple[tuple[Header, ...], list[int]]:
    headers: list[Header] = []
    starts: list[int] = []
    position, end = 0, len(block)
    while position < end:
        if len(headers) == MAX_HEADERS:
            raise HeadersError(f"more headers than the limit of {MAX_HEADERS}")
        starts.append(position)
        header, position = _parse_header(block, position)
        headers.append(header)
    return tuple(headers), starts


def _parse_header(block: bytes, position: int) -> tuple[Header, int]:
    name_end = position + 1 + block[position]
    if name_end >= len(block):
        raise HeadersError(f"a header's name of {block[position]} bytes runs past the headers' end")
    try:
        name = block[position + 1 : name_end].decode()
    except UnicodeDecodeError as error:
        raise HeadersError(f"a header's name is not UTF-8: {error}") from None
    try:
        kind = HeaderType(block[name_end])
    except ValueError:
        raise HeadersError(
            f"header {name!r} is of type {block[name_end]}; types are 0 to {max(HeaderType)}"
        ) from None
    value, end = _parse_value(block, name_end + 1, kind, name)
    if end > len(block):
        raise HeadersError(f"the value of header {name!r} runs past the headers' end")
    return Header(name, kind, value), end


def _parse_value(
    block: bytes, position: int, kind: HeaderType, name: str
) -> tuple[HeaderValue, int]:
    if kind is HeaderType.TRUE or kind is HeaderType.FALSE:
        return kind is HeaderType.TRUE, position
    if kind is HeaderType.STRING or kind is HeaderType.BYTES:
        start = position + 2
        size = int.from_bytes(block[position:start], "big")
        if size > MAX_HEADER_VALUE_BYTES:
            raise HeadersError(
                f"header {name!r} has {size} bytes; the limit is {MAX_HEADER_VALUE_BYTES}"
            )
        raw = block[start : start + size]
        if kind is HeaderType.BYTES:
            return raw, start + size
        try:
            return raw.decode(), start + size
        except UnicodeDecodeError as error:
            raise HeadersError(f"header {name!r} is not UTF-8: {error}") from None
    if kind is HeaderType.UUID:
        raw = block[position : position + 16]
        return uuid.UUID(bytes=raw.ljust(16, b"\0")), position + 16
    layout = _INTEGERS[kind]
    end = position + layout.size
    if end > len(block):
        return 0, end
    return int(layout.unpack_from(block, position)[0]), end


def _encode_header(header: Header) -> bytes:
    try:
        name = header.name.encode()
        value = _encode_value(HeaderType(header.type), header.value)
    except (struct.error, AttributeError, TypeError, ValueError) as error:
        raise EventStreamError(
            f"header {header.name!r}: {header.value!r} is no {header.type!r}: {error}"
        ) from None
    if len(name) > MAX_HEADER_NAME_BYTES:
        raise EventStreamError(
            f"a header's name of {len(name)} bytes is longer than {MAX_HEADER_NAME_BYTES}"
        )
    return bytes((len(name),)) + name + bytes((header.type,)) + value


def _encode_value(kind: HeaderType, value: HeaderValue) -> bytes:
    if kind is HeaderType.TRUE or kind is HeaderType.FALSE:
        if value is not (kind is HeaderType.TRUE):
            raise ValueError("the type of a boolean header is its value")
        return b""
    if kind is HeaderType.STRING or kind is HeaderType.BYTES:
        raw = value.encode() if isinstance(value, str) else value
        if not isinstance(raw, bytes) or (kind is HeaderType.STRING) != isinstance(value, str):
            raise TypeError("strings are str and byte arrays are bytes")
        if len(raw) > MAX_HEADER_VALUE_BYTES:
            raise ValueError(f"{len(raw)} bytes are more than {MAX_HEADER_VALUE_BYTES}")
        return len(raw).to_bytes(2, "big") + raw
    if kind is HeaderType.UUID:
        if not isinstance(value, uuid.UUID):
            raise TypeError("not a UUID")
        return value.bytes
    return _INTEGERS[kind].pack(value)
