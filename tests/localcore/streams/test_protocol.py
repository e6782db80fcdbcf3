"""Frames: whole, byte by byte, glued together, and against the bytes of AWS's own encoder."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from stream_manager.data import (
    MessageFrame,
    ResponseStatusCode,
)
from stream_manager.data import Operation as SdkOperation
from stream_manager.utilinternal import UtilInternal

from localcore.streams.protocol import (
    Frame,
    FrameDecoder,
    Operation,
    ProtocolError,
    StatusCode,
    WrongVersionError,
    encode_frame,
)

frames = st.lists(st.tuples(st.integers(-128, 127), st.binary(max_size=300)), max_size=8)


@given(frames, st.data())
def test_frames_come_out_as_they_went_in_however_the_bytes_are_cut(
    sent: list[tuple[int, bytes]], data: st.DataObject
) -> None:
    octets = b"\x01" + b"".join(encode_frame(*frame) for frame in sent)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(octets)), max_size=10)))
    pieces = [
        octets[start:end] for start, end in zip([0, *cuts], [*cuts, len(octets)], strict=True)
    ]
    decoder = FrameDecoder()
    received = [frame for piece in pieces for frame in decoder.feed(piece)]
    assert received == [Frame(*frame) for frame in sent]


@given(frames)
def test_frames_come_out_byte_by_byte(sent: list[tuple[int, bytes]]) -> None:
    decoder = FrameDecoder()
    octets = b"\x01" + b"".join(encode_frame(*frame) for frame in sent)
    received = [frame for octet in octets for frame in decoder.feed(bytes([octet]))]
    assert received == [Frame(*frame) for frame in sent]


@given(st.binary(max_size=200))
def test_any_bytes_give_frames_or_a_protocol_error(octets: bytes) -> None:
    decoder = FrameDecoder(largest_frame_bytes=1000)
    try:
        for frame in decoder.feed(b"\x01" + octets):
            assert len(frame.payload) < 1000
    except ProtocolError:
        return


@pytest.mark.parametrize("operation", list(SdkOperation))
def test_the_clients_encoder_writes_the_same_bytes(operation: SdkOperation) -> None:
    theirs = UtilInternal.encode_frame(MessageFrame(operation=operation, payload=b"payload"))
    assert b"".join(theirs) == encode_frame(operation.value, b"payload")


def test_operations_and_status_codes_are_the_clients() -> None:
    def number_set(enumeration: type) -> set[int]:
        return {member.value for member in enumeration}  # type: ignore[attr-defined]

    assert number_set(Operation) == number_set(SdkOperation)
    assert number_set(StatusCode) == number_set(ResponseStatusCode)


def test_another_version_byte_is_refused_with_the_reason() -> None:
    with pytest.raises(WrongVersionError, match="0x47, not 0x01"):
        FrameDecoder().feed(b"GET / HTTP/1.1")


@pytest.mark.parametrize("length", [0, -1])
def test_an_impossible_length_is_refused(length: int) -> None:
    with pytest.raises(ProtocolError, match=f"length is {length}"):
        FrameDecoder().feed(b"\x01" + length.to_bytes(4, "big", signed=True))


def test_a_length_over_the_limit_is_refused_before_the_payload_arrives() -> None:
    with pytest.raises(ProtocolError, match="1001 bytes is over the limit of 1000"):
        FrameDecoder(largest_frame_bytes=1000).feed(b"\x01" + (1001).to_bytes(4, "big"))
