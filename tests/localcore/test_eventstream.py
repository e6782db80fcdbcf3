"""The event-stream codec alone: any cut, any header, any garbage."""

import contextlib
import struct
import uuid
from zlib import crc32

import pytest
from hypothesis import given
from hypothesis import strategies as st

from localcore.eventstream import (
    MAX_FRAME_BYTES,
    MAX_HEADER_NAME_BYTES,
    MAX_HEADER_VALUE_BYTES,
    MAX_HEADERS,
    Decoder,
    EventStreamError,
    Frame,
    Header,
    HeadersError,
    HeaderType,
    Template,
    encode,
)

BITS = {
    HeaderType.BYTE: 8,
    HeaderType.INT16: 16,
    HeaderType.INT32: 32,
    HeaderType.INT64: 64,
    HeaderType.TIMESTAMP: 64,
}
NAMES = st.text(max_size=20) | st.sampled_from([":stream-id", ":message-type", "operation"])


def integers(kind: HeaderType) -> st.SearchStrategy[Header]:
    limit = 2 ** (BITS[kind] - 1)
    return st.builds(Header, NAMES, st.just(kind), st.integers(-limit, limit - 1))


HEADERS = st.one_of(
    *(integers(kind) for kind in BITS),
    st.builds(Header, NAMES, st.just(HeaderType.TRUE), st.just(value=True)),
    st.builds(Header, NAMES, st.just(HeaderType.FALSE), st.just(value=False)),
    st.builds(Header, NAMES, st.just(HeaderType.BYTES), st.binary(max_size=60)),
    st.builds(Header, NAMES, st.just(HeaderType.STRING), st.text(max_size=30)),
    st.builds(Header, NAMES, st.just(HeaderType.UUID), st.uuids()),
    # Values that look like a stream id header, which the decoder has a fast path for.
    st.builds(
        Header,
        NAMES,
        st.just(HeaderType.BYTES),
        st.binary(max_size=6).map(lambda tail: b"\n:stream-id\x04" + tail),
    ),
)
FRAMES = st.builds(Frame, st.lists(HEADERS, max_size=6).map(tuple), st.binary(max_size=100))


def frame_of(headers: bytes, payload: bytes = b"") -> bytes:
    """The bytes of a frame, put together without the codec."""
    lengths = struct.pack(">II", 16 + len(headers) + len(payload), len(headers))
    body = lengths + struct.pack(">I", crc32(lengths)) + headers + payload
    return body + struct.pack(">I", crc32(body))


@given(FRAMES)
def test_what_is_encoded_decodes_to_itself(frame: Frame) -> None:
    assert Decoder().feed(encode(frame)) == [frame]


@given(st.lists(FRAMES, max_size=5), st.data())
def test_cut_anywhere_and_glued_the_frames_are_the_same(
    frames: list[Frame], data: st.DataObject
) -> None:
    whole = b"".join(map(encode, frames))
    cuts = sorted(data.draw(st.lists(st.integers(0, len(whole)), max_size=8)))
    decoder = Decoder()
    got: list[Frame] = []
    for start, end in zip([0, *cuts], [*cuts, len(whole)], strict=True):
        got += decoder.feed(memoryview(whole)[start:end])
    assert got == frames


@given(st.binary(max_size=300))
def test_garbage_raises_nothing_but_the_codecs_error(garbage: bytes) -> None:
    with contextlib.suppress(EventStreamError):
        Decoder().feed(garbage)


@given(st.binary(max_size=80), st.binary(max_size=10))
def test_garbage_headers_in_a_sound_frame_raise_nothing_but_the_headers_error(
    headers: bytes, payload: bytes
) -> None:
    data = frame_of(headers, payload)
    try:
        (frame,) = Decoder().feed(data)
    except HeadersError:
        return
    assert encode(frame) == data


@given(FRAMES, st.data())
def test_a_flipped_bit_is_never_taken_for_the_frame(frame: Frame, data: st.DataObject) -> None:
    damaged = bytearray(encode(frame))
    damaged[data.draw(st.integers(0, len(damaged) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    try:
        got = Decoder().feed(bytes(damaged))
    except EventStreamError:
        return
    assert got == []


@given(st.integers(-(2**31), 2**31 - 1), st.binary(max_size=50))
def test_a_template_gives_the_bytes_of_the_whole_frame(stream_id: int, payload: bytes) -> None:
    headers = (Header("operation", HeaderType.STRING, "x"), Header("n", HeaderType.INT32, 5))
    last = Header(":stream-id", HeaderType.INT32, stream_id)
    expected = encode(Frame((*headers, last), payload))
    assert Template(headers).fill(stream_id, payload) == expected


def test_the_layout_is_the_documented_one() -> None:
    value = uuid.UUID("12345678-1234-5678-1234-567812345678")
    headers = b"\x01a\x00" + b"\x01b\x07\x00\x02hi" + b"\x01c\x09" + value.bytes
    assert Decoder().feed(frame_of(headers, b"payload")) == [
        Frame(
            (
                Header("a", HeaderType.TRUE, value=True),
                Header("b", HeaderType.STRING, "hi"),
                Header("c", HeaderType.UUID, value),
            ),
            b"payload",
        )
    ]


def test_frames_before_an_error_are_given_first_and_the_error_stays() -> None:
    good, bad = encode(Frame((), b"x")), bytearray(encode(Frame((), b"y")))
    bad[-1] ^= 1
    decoder = Decoder()
    assert decoder.feed(good + bytes(bad)) == [Frame((), b"x")]
    for _ in range(2):
        with pytest.raises(EventStreamError, match="checksum"):
            decoder.feed(good)


def test_a_length_over_the_limit_is_refused_from_the_prelude_alone() -> None:
    lengths = struct.pack(">II", MAX_FRAME_BYTES + 1, 0)
    with pytest.raises(EventStreamError, match=f"limit of {MAX_FRAME_BYTES}"):
        Decoder().feed(lengths + struct.pack(">I", crc32(lengths)))
    with pytest.raises(EventStreamError, match="limit of 20"):
        Decoder(max_frame_bytes=20).feed(encode(Frame((), b"12345")))


def test_a_length_below_an_empty_frames_is_refused() -> None:
    lengths = struct.pack(">II", 15, 0)
    with pytest.raises(EventStreamError, match="shorter"):
        Decoder().feed(lengths + struct.pack(">I", crc32(lengths)))


def test_headers_longer_than_their_frame_are_refused() -> None:
    lengths = struct.pack(">II", 16, 1)
    with pytest.raises(EventStreamError, match="do not fit"):
        Decoder().feed(lengths + struct.pack(">I", crc32(lengths)))


def test_too_many_headers_are_refused_both_ways() -> None:
    headers = tuple(Header("", HeaderType.TRUE, value=True) for _ in range(MAX_HEADERS + 1))
    with pytest.raises(EventStreamError, match=f"limit of {MAX_HEADERS}"):
        encode(Frame(headers))
    with pytest.raises(HeadersError, match=f"limit of {MAX_HEADERS}"):
        Decoder().feed(frame_of(b"\x00\x00" * (MAX_HEADERS + 1)))


@pytest.mark.parametrize(
    "header",
    [
        Header("x" * (MAX_HEADER_NAME_BYTES + 1), HeaderType.TRUE, value=True),
        Header("a", HeaderType.STRING, "x" * (MAX_HEADER_VALUE_BYTES + 1)),
        Header("a", HeaderType.STRING, b"bytes"),
        Header("a", HeaderType.BYTES, "text"),
        Header("a", HeaderType.INT32, 2**31),
        Header("a", HeaderType.INT16, "1"),
        Header("a", HeaderType.TRUE, value=False),
        Header("a", HeaderType.UUID, b"x" * 16),
        Header("\ud800", HeaderType.TRUE, value=True),
    ],
)
def test_a_header_that_has_no_bytes_is_refused(header: Header) -> None:
    with pytest.raises(EventStreamError):
        encode(Frame((header,)))


def test_a_header_value_over_the_limit_is_refused_when_read() -> None:
    headers = b"\x01a\x07" + struct.pack(">H", MAX_HEADER_VALUE_BYTES + 1)
    with pytest.raises(HeadersError, match=f"limit is {MAX_HEADER_VALUE_BYTES}"):
        Decoder().feed(frame_of(headers + bytes(MAX_HEADER_VALUE_BYTES + 1)))


def test_an_unknown_header_type_is_refused() -> None:
    with pytest.raises(HeadersError, match="type 10"):
        Decoder().feed(frame_of(b"\x01a\x0a"))


def test_a_stream_id_that_differs_is_read_anew_from_a_known_block() -> None:
    template = Template([Header("operation", HeaderType.STRING, "same")])
    decoder = Decoder()
    ids = [1, 2, -1, 2**31 - 1, 1]
    got = decoder.feed(b"".join(template.fill(n, b"") for n in ids))
    assert [frame.headers[-1].value for frame in got] == ids
