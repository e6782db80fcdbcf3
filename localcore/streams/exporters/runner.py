"""When an export sends, and what it does when that fails: one task per export.

Laws:
- A batch is sent when it is full, or when its oldest message has waited for the batch interval; an
  export without an interval never waits.
- A batch is finished before the next begins: order is kept.
- Failure is retried for ever, after a random time between 0 and a limit that doubles up to a cap
  (full jitter). The real stream manager's cap is five minutes; here it is seconds, as a laptop's
  cloud comes back at once.
- Progress is written after each batch: killing the process repeats one batch at most.
"""

import asyncio
import contextlib
import logging
import random
import sqlite3
from collections.abc import Callable, Sequence
from typing import Final

from localcore.streams.exporters import Destination, Outcome
from localcore.streams.message_log import Message
from localcore.streams.message_stream import ExportConfig, MessageStream

log = logging.getLogger(__name__)

_FIRST_RETRY_S: Final = 0.25
RETRY_CAP_S: Final = 10.0


def retry_limit_s(failures: int, cap_s: float) -> float:
    """The longest wait after so many failures in a row.

    >>> [retry_limit_s(failures, 10.0) for failures in (1, 2, 3, 7, 1000)]
    [0.25, 0.5, 1.0, 10.0, 10.0]
    """
    return min(cap_s, _FIRST_RETRY_S * 2.0 ** min(failures - 1, 30))


class ExportRunner:
    """Runs one export of one message stream until it is closed."""

    def __init__(
        self,
        message_stream: MessageStream,
        config: ExportConfig,
        destination: Destination,
        now_ms: Callable[[], int],
        retry_cap_s: float = RETRY_CAP_S,
    ):
        self.config = config
        self.destination = destination
        self._message_stream = message_stream
        self._now_ms = now_ms
        self._retry_cap_s = retry_cap_s
        self._wake = asyncio.Event()
        self._closing = False
        self._failures = 0
        message_stream.observers.append(self._wake.set)
        self._task = asyncio.create_task(self._run())
        self._task.add_done_callback(self._ended)

    async def close(self) -> None:
        """Finish the attempt under way and write its progress, then stop."""
        self._closing = True
        self._wake.set()
        with contextlib.suppress(asyncio.CancelledError):
            await self._task

    def abandon(self) -> None:
        """Stop at once; what is under way in a thread is not waited for."""
        self._closing = True
        self._task.cancel()

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._message_stream.observers.remove(self._wake.set)
        if not task.cancelled() and (error := task.exception()):
            log.error("export ended export=%s", self.config.identifier, exc_info=error)

    async def _run(self) -> None:
        while not self._closing:
            self._wake.clear()
            wait_s = self._wait_s()
            if wait_s is None or wait_s > 0:
                await self._sleep(wait_s)
                continue
            batch = self._message_stream.pending(self.config, self.destination.batch_size)
            try:
                await self._export(batch)
            except (sqlite3.Error, OSError) as error:
                # A full disk, most likely: the batch is sent again when progress can be written.
                await self._back_off(f"storage: {error}")

    def _wait_s(self) -> float | None:
        """How long until a batch is due: None, until something is appended."""
        progress = self._message_stream.progress(self.config.identifier)
        first = max(progress.last_exported + 1, self._message_stream.oldest)
        count = self._message_stream.newest - first + 1
        if count <= 0:
            return None
        interval_ms = self.destination.batch_interval_ms
        if interval_ms is None or count >= self.destination.batch_size:
            return 0.0
        oldest = self._message_stream.pending(self.config, 1)[0]
        return max(0.0, (oldest.ingest_ms + interval_ms - self._now_ms()) / 1000)

    async def _sleep(self, wait_s: float | None) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(wait_s):
                await self._wake.wait()

    async def _export(self, batch: Sequence[Message]) -> None:
        last = batch[-1].sequence_number
        remaining = batch
        while remaining:
            outcome = await self.destination.export(remaining)
            remaining = outcome.remaining
            done = remaining[0].sequence_number - 1 if remaining else last
            self._record(outcome, done)
            if outcome.failed:
                await self._back_off(outcome.error)
            if self._closing:
                return
        self._recovered()

    def _record(self, outcome: Outcome, done: int) -> None:
        identifier = self.config.identifier
        progress = self._message_stream.progress(identifier)
        progress.last_export_ms = self._now_ms()
        progress.error = outcome.error
        progress.exported_messages += len(outcome.exported)
        progress.exported_bytes += sum(len(message.payload) for message in outcome.exported)
        moved = done > progress.last_exported
        progress.last_exported = max(progress.last_exported, done)
        if moved or outcome.exported:
            self._message_stream.save_progress(identifier)

    async def _back_off(self, error: object) -> None:
        self._failures += 1
        if self._failures == 1:
            log.warning("export failing export=%s error=%s", self.config.identifier, error)
        # Not for secrets: the jitter keeps several exports from returning all at once.
        wait_s = random.uniform(0, retry_limit_s(self._failures, self._retry_cap_s))  # noqa: S311
        deadline = asyncio.get_running_loop().time() + wait_s
        while not self._closing:
            self._wake.clear()
            remaining_s = deadline - asyncio.get_running_loop().time()
            if remaining_s <= 0:
                return
            await self._sleep(remaining_s)

    def _recovered(self) -> None:
        if self._failures:
            log.info(
                "export recovered export=%s failures=%d", self.config.identifier, self._failures
            )
            self._failures = 0
