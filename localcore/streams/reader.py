"""A small synchronous client of the stream manager: list, describe, read. For the command line.

Own code over `protocol`: the AWS package needs a thread and an event loop a client, and is not a
dependency of localcore. One request at a time; not for several threads.
"""

import socket
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

import msgspec

from localcore.streams import shapes
from localcore.streams.protocol import (
    CONNECT_VERSION_BYTE,
    RESPONSE_TO,
    Frame,
    FrameDecoder,
    Operation,
    ProtocolError,
    StatusCode,
    encode_frame,
)
from localcore.streams.shapes import MessageStreamInfo, StreamMessage

_CHUNK_BYTES: Final = 64 * 1024
_REMEDY: Final = (
    "start localcore and deploy a component that depends on aws.greengrass.StreamManager; "
    "`localcore component list` shows its state"
)


class ReaderError(Exception):
    """The stream manager refused a request, or there is none; `status` is None in that case."""

    def __init__(self, message: str, status: StatusCode | None = None):
        super().__init__(message)
        self.status = status


class StreamReader:
    """One connection to a stream manager; a context manager."""

    def __init__(
        self, host: str, port: int, auth_token: str | None = None, timeout_s: float = 10.0
    ):
        """Connect.

        Raises:
            ReaderError: nobody listens there, or it refuses the connection.
        """
        self._timeout_s = timeout_s
        self._decoder = FrameDecoder()
        self._frames: list[Frame] = []
        self._requests = 0
        try:
            self._socket = socket.create_connection((host, port), timeout_s)
        except OSError as error:
            reason = error.strerror or error
            raise ReaderError(
                f"No stream manager at {host}:{port} ({reason}): {_REMEDY}"
            ) from error
        try:
            self._socket.sendall(CONNECT_VERSION_BYTE)
            request: dict[str, Any] = {"protocolVersion": shapes.PROTOCOL_VERSION}
            if auth_token is not None:
                request["authToken"] = auth_token
            self._request(Operation.CONNECT, request)
        except BaseException:
            self._socket.close()
            raise

    @classmethod
    def of_root(cls, root: Path, auth_token: str | None = None) -> Self:
        """Connect to the stream manager whose message streams are in this folder.

        Raises:
            ReaderError: it is not running.
        """
        try:
            endpoint = msgspec.json.decode((root / "endpoint.json").read_bytes())
        except (OSError, msgspec.DecodeError) as error:
            raise ReaderError(f"No stream manager runs on {root}: {_REMEDY}") from error
        return cls(endpoint["host"], endpoint["port"], auth_token)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connection; again does nothing."""
        self._socket.close()

    def list(self) -> list[str]:
        """The names of all message streams."""
        names: list[str] = self._request(Operation.LIST_STREAMS, {}).get("streams", [])
        return names

    def describe(self, name: str) -> MessageStreamInfo:
        """Definition, storage and exports of one message stream."""
        response = self._request(Operation.DESCRIBE_MESSAGE_STREAM, {"name": name})
        return shapes.convert(response["messageStreamInfo"], MessageStreamInfo)

    def read(
        self, name: str, start: int = 0, count: int = 1, timeout_s: float = 0.0
    ) -> Sequence[StreamMessage]:
        """Up to `count` messages from number `start` on; none when none comes within the time."""
        self._socket.settimeout(self._timeout_s + timeout_s)
        options = {
            "desiredStartSequenceNumber": start,
            "minMessageCount": 1,
            "maxMessageCount": count,
            "readTimeoutMillis": round(timeout_s * 1000),
        }
        request = {"streamName": name, "readMessagesOptions": options}
        try:
            response = self._request(Operation.READ_MESSAGES, request)
        except ReaderError as error:
            if error.status is StatusCode.NOT_ENOUGH_MESSAGES:
                return []
            raise
        finally:
            self._socket.settimeout(self._timeout_s)
        return [shapes.convert(message, StreamMessage) for message in response["messages"]]

    def _request(self, operation: Operation, fields: dict[str, Any]) -> dict[str, Any]:
        self._requests += 1
        payload = shapes.dumps({"requestId": f"reader-{self._requests}", **fields})
        try:
            self._socket.sendall(encode_frame(operation, payload))
            frame = self._next_frame()
        except (OSError, ProtocolError) as error:
            raise ReaderError(f"{operation.name}: {error}") from error
        response = shapes.loads(frame.payload)
        status = StatusCode(response["status"])
        if frame.operation != RESPONSE_TO[operation] or status is not StatusCode.SUCCESS:
            raise ReaderError(f"{status.name}: {response.get('errorMessage', '')}", status)
        return response

    def _next_frame(self) -> Frame:
        while not self._frames:
            data = self._socket.recv(_CHUNK_BYTES)
            if not data:
                raise ConnectionResetError("the stream manager closed the connection")
            self._frames += self._decoder.feed(data)
        return self._frames.pop(0)
