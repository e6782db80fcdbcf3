"""Connection and stream states, without a socket."""

from typing import Any

import pytest

from localcore.eventstream import Decoder, Frame, Header, HeaderType, encode
from localcore.personality import JAVA, LITE, Personality
from localcore.rpc import (
    ConnectReceived,
    Event,
    MessageType,
    PingReceived,
    ProtocolBroken,
    RequestReceived,
    ServerConnection,
    StreamClosed,
    StreamMessageReceived,
)

TERMINATE = 2


def message(
    kind: int,
    stream_id: int = 0,
    flags: int = 0,
    payload: bytes = b"",
    strings: dict[str, str] | None = None,
) -> bytes:
    headers = [Header(name, HeaderType.STRING, value) for name, value in (strings or {}).items()]
    routing = ((":message-type", kind), (":message-flags", flags), (":stream-id", stream_id))
    headers += [Header(name, HeaderType.INT32, value) for name, value in routing]
    return encode(Frame(tuple(headers), payload))


CONNECT = message(MessageType.CONNECT, payload=b"{}", strings={":version": "0.1.0"})


def request(stream_id: int, flags: int = 0) -> bytes:
    return message(0, stream_id, flags, b"{}", {"operation": "aws.greengrass#X"})


def connected(personality: Personality = JAVA) -> ServerConnection:
    connection = ServerConnection(personality)
    assert events(connection, CONNECT) == [ConnectReceived(b"{}", None)]
    connection.accept()
    return connection


def events(connection: ServerConnection, data: bytes) -> list[Event]:
    return list(connection.receive(data))


def read(data: bytes) -> tuple[dict[str, Any], bytes]:
    (frame,) = Decoder().feed(data)
    return {header.name: header.value for header in frame.headers}, frame.payload


def broken(connection: ServerConnection, data: bytes) -> tuple[int, str]:
    """The type and text with which the server ends the connection."""
    (event,) = events(connection, data)
    assert isinstance(event, ProtocolBroken)
    headers, payload = read(event.answer)
    assert headers[":stream-id"] == 0
    assert headers[":content-type"] == "application/json"
    assert events(connection, request(1)) == []
    return headers[":message-type"], payload.decode()


def test_connect_is_accepted_with_its_flag() -> None:
    connection = ServerConnection(JAVA)
    events(connection, CONNECT)
    assert read(connection.accept()) == (
        {":message-type": 5, ":message-flags": 1, ":stream-id": 0},
        b"",
    )


def test_a_refused_connect_is_answered_by_java_and_not_by_lite() -> None:
    for personality, answered in ((JAVA, True), (LITE, False)):
        connection = ServerConnection(personality)
        events(connection, CONNECT)
        answer = connection.refuse()
        assert bool(answer) is answered
        if answered:
            assert read(answer)[0][":message-flags"] == 0


@pytest.mark.parametrize(
    ("personality", "headers", "accepted"),
    [
        (JAVA, {":version": "0.1.0"}, True),
        (JAVA, {}, False),
        (JAVA, {":version": "0.2.0"}, False),
        (LITE, {}, True),
        (LITE, {":version": "0.2.0"}, False),
    ],
)
def test_the_version_is_checked(
    personality: Personality, headers: dict[str, str], accepted: bool
) -> None:
    connect = message(MessageType.CONNECT, payload=b"{}", strings=headers)
    (event,) = events(ServerConnection(personality), connect)
    assert isinstance(event, ConnectReceived)
    assert (event.problem is None) is accepted


def test_a_request_glued_to_the_connect_is_taken_once_that_is_accepted() -> None:
    connection = ServerConnection(JAVA)
    receiving = connection.receive(CONNECT + request(1))
    assert isinstance(next(receiving), ConnectReceived)
    connection.accept()
    assert list(receiving) == [RequestReceived(1, "aws.greengrass#X", b"{}")]


def test_a_request_before_the_connect_ends_the_connection() -> None:
    kind, text = broken(ServerConnection(JAVA), request(1))
    assert kind == MessageType.PROTOCOL_ERROR
    assert "A CONNECT message must be received" in text


def test_a_second_connect_ends_the_connection() -> None:
    kind, text = broken(connected(), CONNECT)
    assert kind == MessageType.PROTOCOL_ERROR
    assert "only one CONNECT message is allowed" in text


def test_lite_ends_a_connection_without_a_word() -> None:
    (event,) = events(ServerConnection(LITE), request(1))
    assert isinstance(event, ProtocolBroken)
    assert event.answer == b""


@pytest.mark.parametrize(
    ("data", "kind", "text"),
    [
        (request(2), 6, "incremented by more than 1"),
        (request(-1), 6, "max value is INT32_MAX"),
        (message(2, 1), 6, "only allowed for messages of type APPLICATION_MESSAGE"),
        (message(0, 1), 6, "must contain an operation header"),
        (message(0, 0), 6, "an invalid value for message-type"),
        (message(99, 0), 6, "an invalid value for message-type"),
        (message(5, 0), 7, "message type value: 5 is not recognized"),
        (encode(Frame(())), 6, "missing required fields"),
    ],
)
def test_what_breaks_the_protocol_is_answered_and_ends_the_connection(
    data: bytes, kind: int, text: str
) -> None:
    got_kind, got_text = broken(connected(), data)
    assert got_kind == kind
    assert text in got_text


def test_a_closed_stream_cannot_be_used_again() -> None:
    connection = connected()
    events(connection, request(1))
    connection.respond(1, "XResponse", b"{}", streaming=False)
    kind, text = broken(connection, request(1))
    assert kind == MessageType.PROTOCOL_ERROR
    assert "lower than the last seen stream-id" in text


def test_unreadable_headers_are_answered_and_a_bad_checksum_is_not() -> None:
    bad_utf8 = encode(Frame((Header("a", HeaderType.BYTES, b"\xff"),))).hex()
    (frame,) = Decoder().feed(bytes.fromhex(bad_utf8))
    assert frame.headers[0].value == b"\xff"
    damaged = bytearray(request(1))
    damaged[-1] ^= 1
    (event,) = events(connected(), bytes(damaged))
    assert isinstance(event, ProtocolBroken)
    assert event.answer == b""


def test_replies_of_one_shot_operations_close_the_stream_on_java_alone() -> None:
    for personality, flags in ((JAVA, TERMINATE), (LITE, 0)):
        connection = connected(personality)
        events(connection, request(1))
        reply = connection.respond(1, "XResponse", b"{}", streaming=False)
        assert read(reply) == (
            {
                ":content-type": "application/json",
                "service-model-type": "aws.greengrass#XResponse",
                ":message-type": 0,
                ":message-flags": flags,
                ":stream-id": 1,
            },
            b"{}",
        )


def test_a_streaming_operation_leaves_its_stream_open_until_the_client_closes_it() -> None:
    connection = connected()
    events(connection, request(1))
    assert read(connection.respond(1, "S", b"", streaming=True))[0][":message-flags"] == 0
    assert read(connection.send_event(1, "E", b"{}"))[0][":message-flags"] == 0
    assert events(connection, message(0, 1)) == [StreamMessageReceived(1)]
    assert events(connection, message(0, 1, TERMINATE)) == [StreamClosed(1)]
    # Both sides closed it at the same time: nothing is wrong.
    assert events(connection, message(0, 1, TERMINATE)) == []


def test_a_request_that_hangs_up_at_once_is_not_done_but_counts() -> None:
    connection = connected()
    assert events(connection, request(1, TERMINATE)) == []
    assert events(connection, request(2)) == [RequestReceived(2, "aws.greengrass#X", b"{}")]


def test_an_error_closes_the_stream() -> None:
    connection = connected()
    events(connection, request(1))
    headers, payload = read(connection.fail(1, b"oops", content_type="text/plain"))
    assert (headers[":message-type"], headers[":message-flags"]) == (1, TERMINATE)
    assert "service-model-type" not in headers
    assert payload == b"oops"
    assert events(connection, message(0, 1, TERMINATE)) == []


def test_a_ping_comes_back_with_its_payload_and_its_own_headers() -> None:
    connection = connected()
    (event,) = events(
        connection, message(2, payload=b"here", strings={"mine": "yes", ":theirs": "no"})
    )
    assert isinstance(event, PingReceived)
    assert read(event.answer) == (
        {"mine": "yes", ":message-type": 3, ":message-flags": 0, ":stream-id": 0},
        b"here",
    )
    assert events(connection, message(3)) == []


def test_header_names_are_found_in_any_case() -> None:
    headers = (
        Header(":Message-Type", HeaderType.INT32, 0),
        Header(":MESSAGE-FLAGS", HeaderType.INT32, 0),
        Header(":Stream-Id", HeaderType.INT32, 1),
        Header("Operation", HeaderType.STRING, "aws.greengrass#X"),
    )
    assert events(connected(), encode(Frame(headers))) == [
        RequestReceived(1, "aws.greengrass#X", b"")
    ]


def test_lite_takes_any_stream_id_and_missing_types() -> None:
    connection = connected(LITE)
    headers = (
        Header("operation", HeaderType.STRING, "aws.greengrass#X"),
        Header(":stream-id", HeaderType.INT32, 50),
    )
    assert events(connection, encode(Frame(headers))) == [
        RequestReceived(50, "aws.greengrass#X", b"")
    ]
    assert events(connection, request(-5)) == [RequestReceived(-5, "aws.greengrass#X", b"{}")]
    assert events(connection, message(0, 50, TERMINATE)) == [StreamClosed(50)]


def test_lite_ends_a_connection_at_a_frame_over_its_limit() -> None:
    connection = connected(LITE)
    too_long = message(0, 1, payload=bytes(10_012), strings={"operation": "aws.greengrass#X"})
    (event,) = events(connection, too_long)
    assert isinstance(event, ProtocolBroken)
    assert "10012" in event.reason
