"""One client of the IPC socket: bytes in, operations called, answers and events out.

A client that does not read what is sent to it harms no other: its bytes wait here, up to
`MAX_UNREAD_BYTES`, then it is disconnected with a line in the log. The Java nucleus queues
without limit instead, until its heap is full. With the lite one's personality everybody waits, as
on a device, and what could not be sent in time is lost.
"""

import asyncio
import logging
import socket
import struct
from collections.abc import Callable
from typing import Any, Protocol

import msgspec

from localcore.eventstream import EventStreamError
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
from localcore.stall import Stall

log = logging.getLogger(__name__)

# Some 3,000 messages of the 4,500 bytes that the design allows, far more than a stalled client
# can catch up with. A message longer than this still passes when nothing waits before it.
MAX_UNREAD_BYTES = 16 * 1024 * 1024
# Between a last word, such as the refusal of a CONNECT, and the end of the connection. The AWS
# clients' I/O library drops what it has not read when the socket closes, and then reports a closed
# socket instead of AccessDeniedError.
LAST_WORD_S = 0.1
# struct ucred: process, user and group.
_PEER = struct.Struct("3i")


class Host(Protocol):
    """What a connection needs of the server."""

    @property
    def services(self) -> Services:
        """What operations act on."""

    @property
    def stall(self) -> Stall:
        """What holds up every connection."""

    def admit(self, connection: "Connection") -> bool:
        """Whether there is room for it; then it is counted."""

    def forget(self, connection: "Connection") -> None:
        """It is gone."""

    def operation(self, name: str) -> AnyOperation:
        """The operation of that full name; OperationError when there is none."""

    def subscriptions(self) -> int:
        """How many subscriptions all connections have."""

    def read_buffer(self) -> memoryview:
        """Where to read into; to be used up before returning to the loop."""

    def begin_reading(self) -> None:
        """Until ``end_reading``, what is sent waits, to go out in one piece per connection."""

    def end_reading(self) -> None:
        """Send what has gathered."""

    def wants_to_send(self, connection: "Connection") -> None:
        """Have its ``flush`` called soon."""


class Connection(asyncio.BufferedProtocol):
    """One client."""

    def __init__(self, server: Host) -> None:
        self.component: str | None = None
        self._server = server
        self.services = server.services
        self._rpc = ServerConnection(server.services.personality)
        self._transport: asyncio.Transport | None = None
        self._unsent: list[bytes] = []
        # What to undo when a stream closes.
        self._releases: dict[int, list[Callable[[], None]]] = {}
        self._stall_s = server.services.personality.unread_stall_s
        self._unread = False

    # -- for asyncio

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """For asyncio."""
        if not isinstance(transport, asyncio.Transport):
            raise TypeError(f"{transport!r} is no stream transport")
        self._transport = transport
        if self._stall_s is not None:
            # Being told of the first byte that the client leaves in its socket.
            transport.set_write_buffer_limits(high=0)
        if not self._server.admit(self):
            self.abort()
        elif self._server.stall.active:
            self.pause()

    def get_buffer(self, sizehint: int) -> memoryview:  # noqa: ARG002 (asyncio's signature)
        """For asyncio."""
        return self._server.read_buffer()

    def buffer_updated(self, nbytes: int) -> None:
        """For asyncio: act on what was read."""
        self._server.begin_reading()
        try:
            for event in self._rpc.receive(self._server.read_buffer()[:nbytes]):
                self._act(event)
        finally:
            self._server.end_reading()

    def connection_lost(self, exc: Exception | None) -> None:
        """For asyncio: undo what the streams did."""
        self._server.forget(self)
        self._server.stall.end(self)
        self._release_all()
        log.debug("disconnected: component=%s reason=%s", self.component, exc)

    def pause_writing(self) -> None:
        """For asyncio: the client's socket is full."""
        if self._stall_s is not None:
            self._unread = True
            self._stall(self._stall_s)

    def resume_writing(self) -> None:
        """For asyncio: the client reads again."""
        self._unread = False
        self._server.stall.end(self)

    def _stall(self, seconds: float) -> None:
        self._server.stall.begin(self, seconds, f"{self.component} does not read its messages")

    # -- events

    def _act(self, event: Event) -> None:
        match event:
            case RequestReceived():
                self._request(event)
            case StreamClosed(stream_id):
                self._close_stream(stream_id)
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
        svcuid = problem = None
        if event.problem is None:
            svcuid, problem = self._identify(event.payload)
        problem = event.problem or problem
        if problem is None:
            log.debug("connected: component=%s", self.component)
            self._send(self._rpc.accept(svcuid))
        else:
            log.warning("connection refused: reason=%s", problem)
            self._finish(self._rpc.refuse())

    def _identify(self, payload: bytes) -> tuple[str | None, str | None]:
        """Who it is. Returns the token that the client is to be told, and what is wrong."""
        content = _connect_content(payload)
        token, name = content.get("authToken"), content.get("componentName")
        identities = self.services.identities
        told = None
        if self.services.personality.connects_by_name:
            if not {type(token), type(name)} <= {str, type(None)}:
                return None, "authToken and componentName of CONNECT must be strings"
            if token is None and name is not None:
                token = told = identities.token_of_process(self._peer_pid(), name)
                if token is None:
                    return None, f"the process that says it is {name} is none of its own"
        if not isinstance(token, str) or not token:
            return None, "CONNECT carries no authToken; it is the component's SVCUID"
        component = identities.component_for_token(token)
        if component is None:
            return None, "the authToken belongs to no component that runs now"
        if self.services.personality.connects_by_name and name not in (None, component):
            return None, f"the authToken is of {component}, not of {name}"
        self.component = component
        return told, None

    def _peer_pid(self) -> int:
        connection: socket.socket | None = None
        if self._transport is not None:
            connection = self._transport.get_extra_info("socket")
        if connection is None:
            return 0
        packed = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _PEER.size)
        pid: int = _PEER.unpack(packed)[0]
        return pid

    def _request(self, request: RequestReceived) -> None:
        stream_id = request.stream_id
        call = _Call(self, stream_id)
        try:
            operation = self._server.operation(request.operation)
            payload = operation(request.payload, call)
            answer = self._rpc.respond(
                stream_id, operation.response_shape, payload, streaming=operation.streaming
            )
        except OperationError as error:
            log.debug("refused: component=%s %s", self.component, error)
            self._send(self._rpc.fail(stream_id, error.payload(), shape=error.shape))
        except UnreadableRequest as error:
            log.warning(
                "unreadable request: component=%s operation=%s reason=%s",
                self.component, request.operation, error,
            )  # fmt: skip
            self._internal_error(stream_id)
        else:
            self._send(answer)

    def _internal_error(self, stream_id: int) -> None:
        self._release(stream_id)
        # OperationContinuationHandler.handleAndSendError, for what the model has no error for.
        self._send(self._rpc.fail(stream_id, b"InternalServerError", content_type=TEXT))

    # -- streams

    def device_subscriptions(self) -> int:
        """How many subscriptions all connections have."""
        return self._server.subscriptions()

    def stall_all(self, cause: object, seconds: float, reason: str) -> None:
        """Answer nobody for that long."""
        self._server.stall.begin(cause, seconds, reason)

    @property
    def subscriptions(self) -> int:
        """How many subscriptions this connection has."""
        return sum(map(len, self._releases.values()))

    def when_closed(self, stream_id: int, release: Callable[[], None]) -> Callable[[], None]:
        """Call ``release`` when the stream closes; returns what does it at once."""
        releases = self._releases.setdefault(stream_id, [])
        releases.append(release)

        def end() -> None:
            if release in releases:
                releases.remove(release)
                release()

        return end

    def send_event(self, stream_id: int, shape: str, payload: bytes) -> None:
        """Send an event, unless the stream is closed."""
        if stream_id not in self._releases:
            return
        try:
            self._send(self._rpc.send_event(stream_id, shape, payload))
        except EventStreamError as error:
            log.warning("event dropped: component=%s reason=%s", self.component, error)

    def _close_stream(self, stream_id: int) -> None:
        releases = self._releases.get(stream_id, [])
        if self.services.personality.counts_stream_ids or len(releases) < 2:
            self._release(stream_id)
        else:
            # `ggl_ipc_terminate_stream` ends the first of several subscriptions on a stream.
            releases.pop(0)()

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
        if self._stall_s is not None and self._unread:
            log.warning(
                "messages lost, the client does not read: component=%s bytes=%s",
                self.component, len(data),
            )  # fmt: skip
            self._stall(self._stall_s)
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

    def pause(self) -> None:
        """Read nothing more for now."""
        if self._transport is not None:
            self._transport.pause_reading()

    def resume(self) -> None:
        """Read again."""
        if self._transport is not None:
            self._transport.resume_reading()

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

    def __init__(self, connection: Connection, stream_id: int) -> None:
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

    def when_closed(self, release: Callable[[], None]) -> Callable[[], None]:
        return self._connection.when_closed(self._stream_id, release)

    @property
    def device_subscriptions(self) -> int:
        return self._connection.device_subscriptions()

    def stall(self, seconds: float, reason: str) -> None:
        self._connection.stall_all(self, seconds, reason)


def _connect_content(payload: bytes) -> dict[str, Any]:
    """The members of a CONNECT's payload, empty when it is none (`ipcAuthenticationHandler`)."""
    try:
        content = msgspec.json.decode(payload)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return {}
    return content if isinstance(content, dict) else {}
