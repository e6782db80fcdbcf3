"""Greengrass IPC on a unix socket: connections over `rpc`, operations over `services`.

Everything runs in one thread, the event loop's, and no operation waits: a request is answered,
and its events are on their way to every subscriber, before the next one is read.
"""

import asyncio
import logging
from functools import partial
from pathlib import Path

from localcore.connection import Connection
from localcore.services import AnyOperation, Services
from localcore.services.registry import registry_of
from localcore.stall import Stall

log = logging.getLogger(__name__)

# One buffer for all: the loop fills it and it is emptied before anything else happens.
READ_BUFFER_BYTES = 256 * 1024
# sun_path of unix(7), less the closing zero.
MAX_SOCKET_PATH_BYTES = 107


class IpcServer:
    """The IPC socket of a core device. ``close`` may be called again."""

    def __init__(self, services: Services) -> None:
        self.services = services
        self._server: asyncio.Server | None = None
        self._path: Path | None = None
        self._connections: set[Connection] = set()
        self._buffer = memoryview(bytearray(READ_BUFFER_BYTES))
        self._unsent: list[Connection] = []
        self._reading = False
        self._registry = registry_of(services.personality)
        self.stall = Stall(self._pause, self._resume)

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
            partial(Connection, self), path=str(socket_path), backlog=128
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
        self.stall.close()
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

    def restart(self) -> int:
        """What a restart of lite's `ggipcd` is to components, which go on: they are cut off, and
        their tokens are not known any more. Returns how many connections there were.
        """
        self.services.identities.forget_tokens()
        connections = list(self._connections)
        for connection in connections:
            connection.abort()
        return len(connections)

    def connections(self) -> list[str]:
        """The component of each connection, once for each."""
        return [c.component for c in self._connections if c.component]

    # -- for its connections

    def admit(self, connection: "Connection") -> bool:
        """Whether there is room for it; then it is counted."""
        limit = self.services.personality.max_connections
        if limit is not None and len(self._connections) >= limit:
            log.warning("connection refused: connections=%s limit=%s", limit, limit)
            return False
        self._connections.add(connection)
        return True

    def forget(self, connection: "Connection") -> None:
        """It is gone."""
        self._connections.discard(connection)

    def operation(self, name: str) -> AnyOperation:
        """The operation of that full name; OperationError when there is none."""
        return self._registry.find(name)

    def subscriptions(self) -> int:
        """How many subscriptions all connections have."""
        return sum(connection.subscriptions for connection in self._connections)

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

    def wants_to_send(self, connection: "Connection") -> None:
        """Have its ``flush`` called soon."""
        if not self._unsent and not self._reading:
            asyncio.get_running_loop().call_soon(self._flush)
        self._unsent.append(connection)

    def _pause(self) -> None:
        for connection in self._connections:
            connection.pause()

    def _resume(self) -> None:
        for connection in self._connections:
            connection.resume()
        self._flush()

    def _flush(self) -> None:
        if self.stall.active:
            return
        unsent, self._unsent = self._unsent, []
        while unsent and not self.stall.active:
            unsent.pop(0).flush()
        self._unsent += unsent
