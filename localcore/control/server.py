"""The daemon's end of the control channel: connections, lines and errors; `verbs` does the work.

A connection carries one request. When the client closes it, what the request began is given up (a
deployment that was asked for goes on).
"""

import asyncio
import contextlib
import logging
from collections.abc import Coroutine
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from localcore.control.verbs import VERBS, RequestError
from localcore.errors import LocalcoreError

if TYPE_CHECKING:
    from localcore.core_device import CoreDevice

log = logging.getLogger(__name__)

# A deployment's configuration update travels in one line.
LINE_LIMIT_BYTES = 16 * 1024 * 1024


class ControlServer:
    """Serves the command line of one device."""

    def __init__(self, device: "CoreDevice") -> None:
        self._device = device
        self._server: asyncio.Server | None = None
        self._connections: set[asyncio.Task[None]] = set()

    async def start(self, path: Path) -> None:
        """Listen, in place of a socket that a killed daemon left."""
        path.unlink(missing_ok=True)
        self._server = await asyncio.start_unix_server(
            self._connected, str(path), limit=LINE_LIMIT_BYTES
        )
        path.chmod(0o600)

    async def close(self) -> None:
        """Stop listening and cut every connection."""
        if self._server is None:
            return
        self._server.close()
        for connection in self._connections:
            connection.cancel()
        await asyncio.gather(*self._connections, return_exceptions=True)
        self._server = None

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        if task is not None:
            self._connections.add(task)
            task.add_done_callback(self._connections.discard)
        with contextlib.suppress(ConnectionError, asyncio.CancelledError):
            await self._serve(reader, writer)
        writer.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        async def send(answer: dict[str, Any]) -> None:
            writer.write(msgspec.json.encode(answer) + b"\n")
            await writer.drain()

        try:
            request = msgspec.json.decode(await reader.readline(), type=dict[str, Any])
            verb = str(request.pop("verb", ""))
            perform = VERBS.get(verb)
            if perform is None:
                raise RequestError(f"unknown verb {verb!r}; known: {', '.join(VERBS)}")
            result = await _unless_gone(perform(self._device, request, send), reader)
            await send({"ok": True, **result})
        except (LocalcoreError, msgspec.DecodeError) as error:
            await send({"ok": False, "error": str(error)})


async def _unless_gone(
    work: Coroutine[Any, Any, dict[str, Any]], reader: asyncio.StreamReader
) -> dict[str, Any]:
    """Do the work, but give it up when the client closes its end."""
    working, gone = asyncio.create_task(work), asyncio.create_task(reader.read())
    try:
        await asyncio.wait((working, gone), return_when=asyncio.FIRST_COMPLETED)
        if not working.done():
            raise ConnectionResetError("the client has gone")
        return working.result()
    finally:
        gone.cancel()
        working.cancel()
        await asyncio.wait((working, gone))
