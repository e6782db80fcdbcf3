"""Blocking calls in threads, a few at a time, the most urgent first.

Threads are daemons: a call that hangs in the network does not keep the process from ending.
"""

import asyncio
import heapq
import itertools
import threading
from collections.abc import Callable
from typing import Any, TypeVar

Result = TypeVar("Result")

# Lower is more urgent; the client allows 1 to 10, and "not specified" is the least urgent.
LEAST_URGENT = 11
# Enough to hide the latency of a few exports; each thread holds one connection and one batch.
_THREADS = 4


class BlockingCalls:
    """Runs functions in threads, at most `threads` at once."""

    def __init__(self, threads: int = _THREADS):
        self._free = threads
        self._turn = itertools.count()
        self._queue: list[tuple[int, int, asyncio.Future[None]]] = []

    async def run(
        self, priority: int | None, function: Callable[..., Result], *arguments: Any
    ) -> Result:
        """Call `function(*arguments)` in a thread when it is its turn; raises what it raises."""
        await self._wait_for_turn(LEAST_URGENT if priority is None else priority)
        loop = asyncio.get_running_loop()
        done: asyncio.Future[Result] = loop.create_future()

        def settle(result: Result | None, error: BaseException | None) -> None:
            self._next_turn()
            if done.done():
                return
            if error is None:
                done.set_result(result)  # type: ignore[arg-type]
            else:
                done.set_exception(error)

        def call() -> None:
            result, error = None, None
            try:
                result = function(*arguments)
            except BaseException as raised:  # noqa: BLE001 - it is raised again by `run`
                error = raised
            try:
                loop.call_soon_threadsafe(settle, result, error)
            except RuntimeError:
                # The loop is closed: the process is ending and nobody waits for the result.
                return

        threading.Thread(target=call, name="export", daemon=True).start()
        return await done

    async def _wait_for_turn(self, priority: int) -> None:
        if self._free:
            self._free -= 1
            return
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        heapq.heappush(self._queue, (priority, next(self._turn), turn))
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():
                self._next_turn()
            raise

    def _next_turn(self) -> None:
        while self._queue:
            _, _, turn = heapq.heappop(self._queue)
            if not turn.done():
                turn.set_result(None)
                return
        self._free += 1
