"""The exports of all message streams: begun, changed and ended as their definitions say."""

import asyncio
import logging
from collections.abc import Callable

from localcore.cloud.clients import AwsClients
from localcore.streams.errors import RequestError
from localcore.streams.exporters import Destination
from localcore.streams.exporters.calls import BlockingCalls
from localcore.streams.exporters.kinesis import KinesisDestination
from localcore.streams.exporters.runner import RETRY_CAP_S, ExportRunner
from localcore.streams.exporters.s3_task import S3TaskDestination
from localcore.streams.message_stream import ExportConfig, MessageStream
from localcore.streams.shapes import KinesisConfig
from localcore.streams.store import Store

log = logging.getLogger(__name__)

# A deleted message stream tells its status stream about this many of its tasks, not about millions.
_MOST_CANCELED = 1_000


class CloudExports:
    """One `ExportRunner` for each export that is not disabled."""

    def __init__(
        self,
        store: Store,
        clients: AwsClients,
        now_ms: Callable[[], int],
        retry_cap_s: float = RETRY_CAP_S,
    ):
        self._store = store
        self._clients = clients
        self._now_ms = now_ms
        self._retry_cap_s = retry_cap_s
        self._calls = BlockingCalls()
        self._runners: dict[str, dict[str, ExportRunner]] = {}

    def start(self) -> None:
        """Go on with the exports of every message stream in the store."""
        for message_stream in self._store:
            self.refresh(message_stream)

    def refresh(self, message_stream: MessageStream) -> None:
        """Make the runners of a message stream those that its definition names."""
        configs = {c.identifier: c for c in message_stream.definition.export_definition.configs()}
        runners = self._runners.setdefault(message_stream.name, {})
        for identifier, runner in tuple(runners.items()):
            config = configs.get(identifier)
            if config == runner.config:
                continue
            runner.abandon()
            del runners[identifier]
        for identifier, config in configs.items():
            if identifier not in runners and not config.disabled:
                runners[identifier] = ExportRunner(
                    message_stream,
                    config,
                    self._destination(message_stream.name, config),
                    self._now_ms,
                    self._retry_cap_s,
                )

    def _destination(self, stream_name: str, config: ExportConfig) -> Destination:
        if isinstance(config, KinesisConfig):
            return KinesisDestination(config, self._clients, self._calls)
        return S3TaskDestination(
            stream_name, config, self._clients, self._calls, self._publish, self._now_ms
        )

    def _publish(self, status_stream_name: str, payload: bytes) -> None:
        status_stream = self._store.find(status_stream_name)
        if status_stream is None:
            log.warning("status not published reason=no message stream %r", status_stream_name)
            return
        try:
            status_stream.append(payload, self._now_ms())
        except RequestError as error:
            log.warning("status not published reason=%s", error)

    def remove(self, message_stream: MessageStream) -> None:
        """End the exports of a message stream that will be deleted."""
        for runner in self._runners.pop(message_stream.name, {}).values():
            runner.abandon()
            pending = message_stream.pending(runner.config, _MOST_CANCELED)
            runner.destination.canceled(pending, "The message stream was deleted")

    def expire(self) -> None:
        """Drop what is older than its message stream's time to live; its tasks are canceled."""
        for message_stream in self._store:
            runners = self._runners.get(message_stream.name, {})
            for identifier, message in message_stream.expire(self._now_ms()):
                if identifier in runners:
                    reason = "The task is older than timeToLiveMillis"
                    runners[identifier].destination.canceled([message], reason)

    async def close(self, timeout_s: float) -> None:
        """Let each attempt under way end and be recorded, for `timeout_s` at most."""
        runners = [runner for group in self._runners.values() for runner in group.values()]
        self._runners.clear()
        closing = [asyncio.create_task(runner.close()) for runner in runners]
        if not closing:
            return
        _, late = await asyncio.wait(closing, timeout=timeout_s)
        for runner in runners:
            runner.abandon()
        if late:
            log.warning("exports abandoned count=%d after_s=%s", len(late), timeout_s)
            await asyncio.wait(late)
