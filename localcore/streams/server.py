"""The sockets: asyncio on loopback, one `_Session` a client. One thread owns everything.

A session answers requests in the order they come, except a read that waits for messages: its answer
comes when it has them or its time is over, and others overtake it.
"""

import asyncio
import hmac
import logging
import re
import secrets
from collections.abc import Callable, Collection
from typing import Any, Final

from localcore.streams import shapes
from localcore.streams.operations import Operations, Response, Waiting
from localcore.streams.protocol import (
    CONNECT_VERSION_BYTE,
    RESPONSE_TO,
    Frame,
    FrameDecoder,
    Operation,
    ProtocolError,
    StatusCode,
    WrongVersionError,
    encode_frame,
)

log = logging.getLogger(__name__)

SERVER_VERSION: Final = "2.2.0"

# A message stream is 256 MB unless its creator says otherwise: a frame near that is a mistake, and
# each byte of it is held in memory until the frame is whole.
LARGEST_REQUEST_BYTES: Final = 256 * 1024 * 1024

# A client that does not read must not keep the server from ending.
_CLOSE_TIMEOUT_S: Final = 2.0


class StreamServer:
    """Listens and serves; `auth_tokens` None means that anybody may connect."""

    def __init__(self, operations: Operations, auth_tokens: Collection[str] | None = None):
        self._operations = operations
        self._auth_tokens = auth_tokens
        self._sessions: set[_Session] = set()
        self._server: asyncio.Server | None = None

    async def start(self, host: str, port: int) -> int:
        """Listen; port 0 takes a free one. Returns the port.

        Raises:
            OSError: the port is taken.
        """
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(self._session, host, port)
        bound_port: int = self._server.sockets[0].getsockname()[1]
        return bound_port

    def _session(self) -> "_Session":
        return _Session(self._operations, self._auth_tokens, self._sessions)

    async def close(self) -> None:
        """Stop listening, send what is answered, close every connection."""
        if self._server is None:
            return
        self._server.close()
        closing = [session.close() for session in self._sessions]
        if closing:
            _, stuck = await asyncio.wait(closing, timeout=_CLOSE_TIMEOUT_S)
            for session in tuple(self._sessions) if stuck else ():
                session.abort()
        self._server = None


class _Session(asyncio.Protocol):
    def __init__(
        self,
        operations: Operations,
        auth_tokens: Collection[str] | None,
        sessions: "set[_Session]",
    ):
        self._operations = operations
        self._auth_tokens = auth_tokens
        self._sessions = sessions
        self._decoder = FrameDecoder(LARGEST_REQUEST_BYTES)
        self._connected = False
        self._reads: set[_WaitingRead] = set()
        self._closed: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        if not isinstance(transport, asyncio.Transport):
            raise TypeError(f"{transport!r} cannot be written to")
        self._transport = transport
        self._sessions.add(self)

    def connection_lost(self, exc: Exception | None) -> None:
        del exc
        self._sessions.discard(self)
        if not self._closed.done():
            self._closed.set_result(None)
        for read in tuple(self._reads):
            read.cancel()

    def close(self) -> asyncio.Future[None]:
        """Send what is answered, then close; the result is done when it is closed."""
        self._transport.close()
        return self._closed

    def abort(self) -> None:
        """Close although the client has not taken its answers."""
        self._transport.abort()

    def pause_writing(self) -> None:
        # A client that does not take its answers sends no more requests either.
        self._transport.pause_reading()

    def resume_writing(self) -> None:
        self._transport.resume_reading()

    def data_received(self, data: bytes) -> None:
        opened = self._decoder.opened
        try:
            frames = self._decoder.feed(data)
        except WrongVersionError as error:
            self._refuse(StatusCode.UNSUPPORTED_CONNECT_VERSION, None, str(error))
            return
        except ProtocolError as error:
            log.warning("connection closed reason=%s", error)
            self.close()
            return
        if self._decoder.opened and not opened:
            self._transport.write(CONNECT_VERSION_BYTE)
        for frame in frames:
            if self._transport.is_closing():
                return
            self._receive(frame)

    def _receive(self, frame: Frame) -> None:
        try:
            raw = shapes.loads(frame.payload)
        except shapes.ShapeError as error:
            # Without the request's id nobody could match an answer to it.
            log.warning("connection closed reason=%s operation=%d", error, frame.operation)
            self.close()
            return
        if not self._connected:
            self._connect(frame.operation, raw)
        elif self._operations.knows(frame.operation):
            self._perform(Operation(frame.operation), raw)
        else:
            self._send(
                Operation.UNKNOWN_OPERATION_ERROR,
                shapes.response(
                    shapes.request_id_of(raw),
                    StatusCode.UNKNOWN_OPERATION,
                    f"operation {frame.operation} is unknown to this server ({SERVER_VERSION})",
                ),
            )

    def _connect(self, operation: int, raw: dict[str, Any]) -> None:
        request_id = shapes.request_id_of(raw)
        if operation != Operation.CONNECT:
            reason = f"operation {operation} before the connection was opened with Connect (1)"
            self._refuse(StatusCode.UNEXPECTED_OPERATION, request_id, reason)
            return
        try:
            request = shapes.convert(raw, shapes.ConnectRequest)
        except shapes.ShapeError as error:
            self._refuse(StatusCode.INVALID_REQUEST, request_id, str(error))
            return
        if not self._authorised(request.auth_token):
            reason = "the auth token is missing or wrong (AWS_CONTAINER_AUTHORIZATION_TOKEN)"
            self._refuse(StatusCode.UNAUTHORIZED, request_id, reason)
            return
        wanted = [request.protocol_version, *(request.other_supported_protocol_versions or ())]
        agreed = next((v for v in wanted if v in shapes.SUPPORTED_PROTOCOL_VERSIONS), None)
        if agreed is None:
            well_formed = re.fullmatch(r"\d+\.\d+\.\d+", request.protocol_version)
            self._refuse(
                StatusCode.UNSUPPORTED_PROTOCOL_VERSION
                if well_formed
                else StatusCode.INVALID_PROTOCOL_VERSION,
                request_id,
                f"none of the protocol versions {', '.join(wanted)} is served here; served:"
                f" {', '.join(shapes.SUPPORTED_PROTOCOL_VERSIONS)}",
            )
            return
        self._connected = True
        self._send(
            Operation.CONNECT_RESPONSE,
            shapes.response(request_id, StatusCode.SUCCESS)
            | {
                "protocolVersion": agreed,
                "supportedProtocolVersions": list(shapes.SUPPORTED_PROTOCOL_VERSIONS),
                "serverVersion": SERVER_VERSION,
                "clientIdentifier": secrets.token_hex(8),
            },
        )

    def _authorised(self, token: str | None) -> bool:
        if self._auth_tokens is None:
            return True
        given = (token or "").encode()
        return any(hmac.compare_digest(given, known.encode()) for known in self._auth_tokens)

    def _refuse(self, status: StatusCode, request_id: str | None, reason: str) -> None:
        log.warning("connection refused status=%s reason=%s", status.name, reason)
        if not self._decoder.opened:
            self._transport.write(CONNECT_VERSION_BYTE)
        response = shapes.response(request_id, status, reason)
        response["supportedProtocolVersions"] = list(shapes.SUPPORTED_PROTOCOL_VERSIONS)
        self._send(Operation.CONNECT_RESPONSE, response)
        self.close()

    def _perform(self, operation: Operation, raw: dict[str, Any]) -> None:
        outcome = self._operations.perform(operation, raw)
        respond_with = RESPONSE_TO[operation]
        if isinstance(outcome, Waiting):
            self._reads.add(
                _WaitingRead(
                    outcome,
                    lambda read, response: self._finish(read, respond_with, response),
                )
            )
        else:
            self._send(respond_with, outcome)

    def _finish(self, read: "_WaitingRead", operation: Operation, response: Response) -> None:
        self._reads.discard(read)
        self._send(operation, response)

    def _send(self, operation: Operation, response: Response) -> None:
        if not self._transport.is_closing():
            self._transport.write(encode_frame(operation, shapes.dumps(response)))


class _WaitingRead:
    """A read that waits: for an append that completes it, for its time-out, or for `cancel`."""

    def __init__(
        self,
        waiting: Waiting,
        finish: Callable[["_WaitingRead", Response], None],
    ):
        self._waiting = waiting
        self._finish = finish
        self._observers = waiting.message_stream.observers
        self._observers.append(self._appended)
        loop = asyncio.get_running_loop()
        self._timer = loop.call_later(waiting.timeout_s, self._timed_out)

    def cancel(self) -> None:
        """Stop waiting without an answer."""
        self._timer.cancel()
        self._observers.remove(self._appended)

    def _appended(self) -> None:
        response = self._waiting.attempt()
        if response is not None:
            self.cancel()
            self._finish(self, response)

    def _timed_out(self) -> None:
        self.cancel()
        self._finish(self, self._waiting.give_up())
