"""The edges of a connection, with raw frames where the client would not go there."""

import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import cbor2
import pytest
import stream_manager as sdk

from localcore.streams.protocol import Frame, FrameDecoder, Operation, StatusCode, encode_frame
from localcore.streams.reader import ReaderError, StreamReader


@contextmanager
def connection(port: int) -> Iterator["RawClient"]:
    with socket.create_connection(("127.0.0.1", port), timeout=10) as raw:
        yield RawClient(raw)


class RawClient:
    def __init__(self, raw: socket.socket):
        self.socket = raw
        self._decoder = FrameDecoder()
        self._frames: list[Frame] = []

    def open(self, **fields: Any) -> tuple[int, dict[str, Any]]:
        self.socket.sendall(b"\x01")
        return self.ask(Operation.CONNECT, {"requestId": "1", "protocolVersion": "1.1.0", **fields})

    def ask(self, operation: int, request: object) -> tuple[int, dict[str, Any]]:
        self.socket.sendall(encode_frame(operation, cbor2.dumps(request)))
        return self.answer()

    def answer(self) -> tuple[int, dict[str, Any]]:
        while not self._frames:
            data = self.socket.recv(65536)
            assert data, "closed without an answer"
            self._frames += self._decoder.feed(data)
        frame = self._frames.pop(0)
        return frame.operation, cbor2.loads(frame.payload)

    def closed(self) -> bool:
        return self.socket.recv(1) == b""


def test_connecting_tells_the_versions(stream_manager: Any) -> None:
    with connection(stream_manager.port) as client:
        operation, response = client.open()
        assert operation == Operation.CONNECT_RESPONSE
        assert response["status"] == StatusCode.SUCCESS
        assert response["protocolVersion"] == "1.1.0"
        assert response["supportedProtocolVersions"] == ["1.1.0", "1.0.0"]
        assert response["requestId"] == "1"


@pytest.mark.parametrize(
    ("fields", "status"),
    [
        ({"protocolVersion": "9.0.0"}, StatusCode.UNSUPPORTED_PROTOCOL_VERSION),
        ({"protocolVersion": "nine"}, StatusCode.INVALID_PROTOCOL_VERSION),
        ({"protocolVersion": None}, StatusCode.INVALID_REQUEST),
    ],
)
def test_another_protocol_version_is_refused(
    stream_manager: Any, fields: dict[str, Any], status: StatusCode
) -> None:
    with connection(stream_manager.port) as client:
        _, response = client.open(**fields)
        assert response["status"] == status
        assert client.closed()


def test_an_older_version_that_the_client_also_speaks_is_agreed_on(stream_manager: Any) -> None:
    with connection(stream_manager.port) as client:
        _, response = client.open(protocolVersion="2.0.0", otherSupportedProtocolVersions=["1.0.0"])
        assert (response["status"], response["protocolVersion"]) == (StatusCode.SUCCESS, "1.0.0")


def test_another_connect_version_is_answered_and_closed(stream_manager: Any) -> None:
    with connection(stream_manager.port) as client:
        client.socket.sendall(b"GET / HTTP/1.1\r\n\r\n")
        operation, response = client.answer()
        assert operation == Operation.CONNECT_RESPONSE
        assert response["status"] == StatusCode.UNSUPPORTED_CONNECT_VERSION
        assert client.closed()


def test_a_request_before_connect_is_unexpected(stream_manager: Any) -> None:
    with connection(stream_manager.port) as client:
        client.socket.sendall(b"\x01")
        _, response = client.ask(Operation.LIST_STREAMS, {"requestId": "1"})
        assert response["status"] == StatusCode.UNEXPECTED_OPERATION
        assert client.closed()


@pytest.mark.parametrize("operation", [99, -1, Operation.CONNECT, Operation.CONNECT_RESPONSE])
def test_an_operation_we_do_not_know_is_answered_and_the_connection_lives(
    stream_manager: Any, operation: int
) -> None:
    with connection(stream_manager.port) as client:
        client.open()
        answer, response = client.ask(operation, {"requestId": "7"})
        assert answer == Operation.UNKNOWN_OPERATION_ERROR
        assert (response["requestId"], response["status"]) == ("7", StatusCode.UNKNOWN_OPERATION)
        _, response = client.ask(Operation.LIST_STREAMS, {"requestId": "8"})
        assert response["status"] == StatusCode.SUCCESS


@pytest.mark.parametrize(
    ("request_fields", "reason"),
    [
        ({"name": "x"}, "missing required field `payload`"),
        ({"name": "", "payload": b"x"}, "field name"),
        ({"name": "a/b", "payload": b"x"}, "field name"),
        ({"name": "x\n", "payload": b"x"}, "field name"),
        ({"name": "x", "payload": b""}, "field payload"),
        ({"name": "x", "payload": "text"}, "field payload"),
    ],
)
def test_a_request_that_breaks_a_rule_is_answered_with_the_field(
    stream_manager: Any, request_fields: dict[str, Any], reason: str
) -> None:
    with connection(stream_manager.port) as client:
        client.open()
        operation, response = client.ask(
            Operation.APPEND_MESSAGE, {"requestId": "3", **request_fields}
        )
        assert operation == Operation.APPEND_MESSAGE_RESPONSE
        assert (response["requestId"], response["status"]) == ("3", StatusCode.INVALID_REQUEST)
        assert reason in response["errorMessage"]


@pytest.mark.parametrize("payload", [b"\xff", b"", cbor2.dumps([1])])
def test_a_payload_without_a_request_id_ends_the_connection(
    stream_manager: Any, payload: bytes
) -> None:
    with connection(stream_manager.port) as client:
        client.open()
        client.socket.sendall(encode_frame(Operation.LIST_STREAMS, payload))
        assert client.closed()


def test_many_requests_in_one_write_are_answered_in_order(stream_manager: Any, name: str) -> None:
    with connection(stream_manager.port) as client:
        client.open()
        definition = {"name": name, "strategyOnFull": 0}
        client.ask(Operation.CREATE_MESSAGE_STREAM, {"requestId": "c", "definition": definition})
        requests = [{"requestId": str(i), "name": name, "payload": b"x"} for i in range(100)]
        client.socket.sendall(
            b"".join(encode_frame(Operation.APPEND_MESSAGE, cbor2.dumps(r)) for r in requests)
        )
        answers = [client.answer()[1] for _ in requests]
        assert [(a["requestId"], a["sequenceNumber"]) for a in answers] == [
            (str(i), i) for i in range(100)
        ]


def test_only_a_client_with_the_token_connects(
    start_stream_manager: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    running = start_stream_manager("--auth-token", "secret", "--auth-token", "other")
    # AWS's client leaks its thread and socket when it is refused: raw frames ask instead.
    for refused in ({}, {"authToken": "wrong"}):
        with connection(running.port) as raw:
            _, response = raw.open(**refused)
            assert response["status"] == StatusCode.UNAUTHORIZED
            assert raw.closed()
    monkeypatch.setenv("AWS_CONTAINER_AUTHORIZATION_TOKEN", "other")
    client = running.client()
    assert client.list_streams() == []
    client.close()
    with pytest.raises(ReaderError, match="UNAUTHORIZED"):
        StreamReader("127.0.0.1", running.port)


def test_the_reader_lists_describes_and_reads(
    stream_manager: Any, client: sdk.StreamManagerClient, name: str
) -> None:
    client.create_message_stream(
        sdk.MessageStreamDefinition(
            name=name, strategy_on_full=sdk.StrategyOnFull.OverwriteOldestData
        )
    )
    client.append_message(name, b"a")
    client.append_message(name, b"b")
    with StreamReader.of_root(stream_manager.root) as reader:
        assert name in reader.list()
        assert reader.describe(name).storage_status.newest_sequence_number == 1
        assert [m.payload for m in reader.read(name, start=1, count=10)] == [b"b"]
        assert reader.read(name, start=2, timeout_s=0.02) == []
        with pytest.raises(ReaderError, match="RESOURCE_NOT_FOUND: message stream 'none'"):
            reader.describe("none")


def test_the_reader_says_that_nothing_is_running(tmp_path: Path) -> None:
    with pytest.raises(ReaderError, match="No stream manager runs on"):
        StreamReader.of_root(tmp_path)
