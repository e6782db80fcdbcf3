"""Greengrass IPC on a unix socket: connections over `rpc`, operations over `services`.

Everything runs in one thread, the event loop's, and no operation waits: a request is answered,
and its events are on their way to every subscriber, before the next one is read.

A client that does not read what is sent to it harms no other: its bytes wait here, up to
`MAX_UNREAD_BYTES`, then it is disconnected with a line in the log. The Java nucleus queues
without limit instead, until its heap is full; the lite one blocks every publisher.
"""

import asyncio
import logging
from collections.abc import Callable
from functools import partial
from pathlib import Path

import msgspec

from localcore.eventstream import EventStreamError
from localcore.personality import SERVICE
from localcore.rpc import (
    TEXT,
    ConnectReceived,
    Event,
    PingReceived,
    ProtocolBroken,
    RequestReceived,
    ServerConnection,
    StreamClosed,
    StreamMessageReceived,
)
from localcore.services import AnyOperation, OperationError, Services, UnreadableRequest
from localcore.services.registry import OPERATIONS

log = logging.getLogger(__name__)

# Some 3,000 messages of the 4,500 bytes that the design allows, far more than a stalled client
# can catch up with. A message longer than this still passes when nothing waits before it.
MAX_UNREAD_BYTES = 16 * 1024 * 1024
# One buffer for all: the loop fills it and it is emptied before anything else happens.
READ_BUFFER_BYTES = 256 * 1024
# Between a last word, such as the refusal of a CONNECT, and the end of the connection. The AWS
# clients' I/O library drops what it has not read when the socket closes, and then reports a closed
# socket instead of AccessDeniedError.
LAST_WORD_S = 0.1
# sun_path of unix(7), less the closing zero.
MAX_SOCKET_PATH_BYTES = 107


class IpcServer:
    """The IPC socket of a core device. ``close`` may be called again."""

    def __init__(self, services: Services) -> None:
        self.services = services
        self._server: asyncio.Server | None = None
        self._path: Path | None = None
        self._connections: set[_Connection] = set()
        self._buffer = memoryview(bytearray(READ_BUFFER_BYTES))
        self._unsent: list[_Connection] = []
        self._reading = False
        # Operations that the personality has, served here or not.
        self._known = {SERVICE + name for name in services.personality.operations}

    async def start(self, socket_path: Path) -> None:
        """Listen; a socket left there by a killed daemon is replaced.

        Raises:
            ValueError: the path is longer than a unix socket's may be.
        """
        path_bytes = len(str(socket_path).encode())
        if path_bytes > MAX_SOCKET_PATH_BYTES:
            raise ValueError(
                f"the socket path {socket_path} has {path_bytes} bytes, a unix socket's may have"
                f" {MAX_SOCKET_PATH_BYTES}; use a shorter --root"
            )
        socket_path.unlink(missing_ok=True)
        self._path = socket_path
        loop = asyncio.get_running_loop()
        self._server = await loop.create_unix_server(
            partial(_Connection, self), path=str(socket_path), backlog=128
        )
        # Tokens travel over it: for this user only.
        socket_path.chmod(0o600)
        log.info("listening: socket=%s nucleus=%s", socket_path, self.services.personality.name)

    async def close(self) -> None:
        """Disconnect everybody and remove the socket."""
        if self._server is None:
            return
        server, self._server = self._server, None
        server.close()
        for connection in list(self._connections):
            connection.abort()
        await server.wait_closed()
        if self._path is not None:
            self._path.unlink(missing_ok=True)

    def disconnect(self, component: str) -> int:
        """Cut a component's connections without a word; returns how many there were."""
        mine = [c for c in self._connections if c.component == component]
        for connection in mine:
            connection.abort()
        return len(mine)

    def connections(self) -> list[str]:
        """The component of each connection, once for each."""
        return [c.component for c in self._connections if c.component]

    # -- for its connections

    def admit(self, connection: "_Connection") -> bool:
        """Whether there is room for it; then it is counted."""
        limit = self.services.personality.max_connections
        if limit is not None and len(self._connections) >= limit:
            log.warning("connection refused: connections=%s limit=%s", limit, limit)
            return False
        self._connections.add(connection)
        return True

    def forget(self, connection: "_Connection") -> None:
        """It is gone."""
        self._connections.discard(connection)

    def operation(self, name: str) -> AnyOperation | None:
        """The operation of that full name, None when it is not served."""
        return OPERATIONS.get(name) if name in self._known else None

    def knows(self, name: str) -> bool:
        """Whether the nucleus has the operation, served here or not."""
        return name in self._known

    def read_buffer(self) -> memoryview:
        """Where to read into; to be used up before returning to the loop."""
        return self._buffer

    def begin_reading(self) -> None:
        """Until ``end_reading``, what is sent waits, to go out in one piece per connection."""
        self._reading = True

    def end_reading(self) -> None:
        """Send what has gathered."""
        self._reading = False
        self._flush()

    def wants_to_send(self, connection: "_Connection") -> None:
        """Have its ``flush`` called soon."""
        if not self._unsent and not self._reading:
            asyncio.get_running_loop().call_soon(self._flush)
        self._unsent.append(connection)

    def _flush(self) -> None:
        unsent, self._unsent = self._unsent, []
        for connection in unsent:
            connection.flush()


class _Connection(asyncio.BufferedProtocol):
    """One client."""

    def __init__(self, server: IpcServer) -> None:
        self.component: str | None = None
        self._server = server
        self.services = server.services
        self._rpc = ServerConnection(server.services.personality)
        self._transport: asyncio.Transport | None = None
        self._unsent: list[bytes] = []
        # What to undo when a stream closes.
        self._releases: dict[int, list[Callable[[], None]]] = {}

    # -- for asyncio

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        if not isinstance(transport, asyncio.Transport):
            raise TypeError(f"{transport!r} is no stream transport")
        self._transport = transport
        if not self._server.admit(self):
            self.abort()

    def get_buffer(self, sizehint: int) -> memoryview:  # noqa: ARG002 (asyncio's signature)
        return self._server.read_buffer()

    def buffer_updated(self, nbytes: int) -> None:
        self._server.begin_reading()
        try:
            for event in self._rpc.receive(self._server.read_buffer()[:nbytes]):
                self._act(event)
        finally:
            self._server.end_reading()

    def connection_lost(self, exc: Exception | None) -> None:
        self._server.forget(self)
        self._release_all()
        log.debug("disconnected: component=%s reason=%s", self.component, exc)

    # -- events

    def _act(self, event: Event) -> None:
        match event:
            case RequestReceived():
                self._request(event)
            case StreamClosed(stream_id):
                self._release(stream_id)
            case ConnectReceived():
                self._connect(event)
            case StreamMessageReceived(stream_id):
                # No operation of the service model takes events from the client.
                self._internal_error(stream_id)
            case PingReceived(answer):
                self._send(answer)
            case ProtocolBroken(reason, answer):
                log.warning("protocol broken: component=%s reason=%s", self.component, reason)
                self._finish(answer)

    def _connect(self, event: ConnectReceived) -> None:
        problem = event.problem
        if problem is None:
            token = _auth_token(event.payload)
            if token is None:
                problem = "CONNECT carries no authToken; it is the component's SVCUID"
            else:
                self.component = self.services.identities.component_for_token(token)
                if self.component is None:
                    problem = "the authToken belongs to no component that runs now"
        if problem is None:
            log.debug("connected: component=%s", self.component)
            self._send(self._rpc.accept())
        else:
            log.warning("connection refused: reason=%s", problem)
            self._finish(self._rpc.refuse())

    def _request(self, request: RequestReceived) -> None:
        stream_id = request.stream_id
        operation = self._server.operation(request.operation)
        if operation is None:
            self._unsupported(request)
            return
        call = _Call(self, stream_id)
        try:
            if operation.streaming:
                self._require_room()
            payload = operation(request.payload, call)
            answer = self._rpc.respond(
                stream_id, operation.response_shape, payload, streaming=operation.streaming
            )
        except OperationError as error:
            log.debug("refused: component=%s %s", self.component, error)
            self._send(self._rpc.fail(stream_id, error.payload(), shape=error.code))
        except UnreadableRequest as error:
            log.warning(
                "unreadable request: component=%s operation=%s reason=%s",
                self.component, operation.name, error,
            )  # fmt: skip
            self._internal_error(stream_id)
        else:
            self._send(answer)

    def _require_room(self) -> None:
        limit = self.services.personality.max_subscriptions
        if limit is not None and len(self._releases) >= limit:
            raise OperationError("ServiceError", "Failed to bind subscription.")

    def _unsupported(self, request: RequestReceived) -> None:
        name, stream_id = request.operation, request.stream_id
        log.info("operation not supported: component=%s operation=%s", self.component, name)
        if self.services.personality.name == "lite":
            error = OperationError("ServiceError", "")
        elif self._server.knows(name):
            # DefaultOperationHandler
            error = OperationError(
                "ServiceError", f"Operation {name} is not supported by Greengrass"
            )
        else:
            # ServiceOperationMappingContinuationHandler.onIncomingStream, which quotes nothing.
            text = (
                '{ "error": "Unsupported Operation", '
                f'"message": "{name} is an unsupported operation." }}'
            )
            self._send(self._rpc.fail(stream_id, text.encode()))
            return
        self._send(self._rpc.fail(stream_id, error.payload(), shape=error.code))

    def _internal_error(self, stream_id: int) -> None:
        self._release(stream_id)
        # OperationContinuationHandler.handleAndSendError, for what the model has no error for.
        self._send(self._rpc.fail(stream_id, b"InternalServerError", content_type=TEXT))

    # -- streams

    def when_closed(self, stream_id: int, release: Callable[[], None]) -> None:
        self._releases.setdefault(stream_id, []).append(release)

    def send_event(self, stream_id: int, shape: str, payload: bytes) -> None:
        if stream_id not in self._releases:
            return
        try:
            self._send(self._rpc.send_event(stream_id, shape, payload))
        except EventStreamError as error:
            log.warning("event dropped: component=%s reason=%s", self.component, error)

    def _release(self, stream_id: int) -> None:
        for release in self._releases.pop(stream_id, ()):
            release()

    def _release_all(self) -> None:
        for stream_id in list(self._releases):
            self._release(stream_id)

    # -- bytes

    def _send(self, data: bytes) -> None:
        if not self._unsent:
            self._server.wants_to_send(self)
        self._unsent.append(data)

    def flush(self) -> None:
        """Hand what is unsent to the transport, unless the client has stopped reading."""
        data = b"".join(self._unsent)
        self._unsent.clear()
        transport = self._transport
        if transport is None or transport.is_closing():
            return
        waiting = transport.get_write_buffer_size()
        if waiting > MAX_UNREAD_BYTES:
            log.warning(
                "client disconnected, it does not read: component=%s unread_bytes=%s limit=%s",
                self.component, waiting, MAX_UNREAD_BYTES,
            )  # fmt: skip
            self.abort()
            return
        transport.write(data)

    def _finish(self, answer: bytes) -> None:
        """Say a last word, if there is one, and close."""
        self._release_all()
        if self._transport is None:
            return
        if not answer:
            self._transport.close()
            return
        self._send(answer)
        asyncio.get_running_loop().call_later(LAST_WORD_S, self._transport.close)

    def abort(self) -> None:
        """Cut the connection now; what was not sent is lost."""
        self._release_all()
        if self._transport is not None:
            self._transport.abort()


class _Call:
    """What an operation sees of its stream."""

    __slots__ = ("_connection", "_stream_id")

    def __init__(self, connection: _Connection, stream_id: int) -> None:
        self._connection = connection
        self._stream_id = stream_id

    @property
    def component(self) -> str:
        # Requests come only after a component was recognised.
        return self._connection.component or ""

    @property
    def services(self) -> Services:
        return self._connection.services

    def send_event(self, shape: str, payload: bytes) -> None:
        self._connection.send_event(self._stream_id, shape, payload)

    def when_closed(self, release: Callable[[], None]) -> None:
        self._connection.when_closed(self._stream_id, release)


def _auth_token(payload: bytes) -> str | None:
    """The token of a CONNECT, None when there is none (`ipcAuthenticationHandler`)."""
    try:
        content = msgspec.json.decode(payload)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    token = content.get("authToken") if isinstance(content, dict) else None
    return token if isinstance(token, str) and token else None
