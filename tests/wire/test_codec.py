"""The codec against every byte that was recorded between a real nucleus and real clients."""

import uuid
from typing import Any

import pytest

from localcore.eventstream import Decoder, EventStreamError, Frame, HeaderType, encode

TYPE_NAMES = {
    HeaderType.TRUE: "true",
    HeaderType.FALSE: "false",
    HeaderType.BYTE: "byte",
    HeaderType.INT16: "int16",
    HeaderType.INT32: "int32",
    HeaderType.INT64: "int64",
    HeaderType.BYTES: "bytes",
    HeaderType.STRING: "string",
    HeaderType.TIMESTAMP: "timestamp",
    HeaderType.UUID: "uuid",
}


def described(frame: Frame) -> list[dict[str, Any]]:
    """The headers as the transcripts write them."""

    def plain(value: Any) -> Any:
        if isinstance(value, bytes):
            return value.hex()
        return str(value) if isinstance(value, uuid.UUID) else value

    return [
        {"name": header.name, "type": TYPE_NAMES[header.type], "value": plain(header.value)}
        for header in frame.headers
    ]


def test_every_recorded_frame_decodes_to_its_headers_and_encodes_to_its_bytes(
    recordings: Any,
) -> None:
    count = 0
    for recording in recordings.values():
        for event in recording.frames:
            if not event["crc_ok"]:
                continue
            data = bytes.fromhex(event["hex"])
            (frame,) = Decoder().feed(data)
            assert described(frame) == event["headers"], (recording.name, event["n"])
            assert len(frame.payload) == event["payload_length"]
            assert encode(frame) == data
            count += 1
    assert count > 900


def test_the_two_frames_with_bad_checksums_are_refused(recordings: Any) -> None:
    bad = [event for event in recordings["t18"].frames if not event["crc_ok"]]
    assert len(bad) == 2
    for event in bad:
        with pytest.raises(EventStreamError, match="checksum"):
            Decoder().feed(bytes.fromhex(event["hex"]))


def test_a_whole_conversation_in_one_piece_gives_the_same_frames(recordings: Any) -> None:
    pieces = [bytes.fromhex(e["hex"]) for e in recordings["t09"].frames]
    apart = [Decoder().feed(piece)[0] for piece in pieces]
    assert Decoder().feed(b"".join(pieces)) == apart


def test_a_whole_conversation_byte_by_byte_gives_the_same_frames(recordings: Any) -> None:
    data = b"".join(bytes.fromhex(e["hex"]) for e in recordings["t05"].frames)
    decoder = Decoder()
    frames = [frame for byte in data for frame in decoder.feed(bytes((byte,)))]
    assert frames == Decoder().feed(data)
