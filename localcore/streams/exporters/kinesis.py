"""Export to a Kinesis data stream: one message is one record, with a random partition key.

Every failure is tried again for ever, also of records one by one, except a record that Kinesis can
never take: it is given up with an error in the export's status.

Limits of PutRecords (API reference, Kinesis Data Streams): 500 records, 5 MiB in all and 1 MiB a
record, partition keys included.
"""

import logging
import uuid
from collections.abc import Sequence
from typing import Any, Final

from localcore.cloud.clients import AwsClients
from localcore.streams.exporters import Outcome
from localcore.streams.exporters.calls import BlockingCalls
from localcore.streams.message_log import Message
from localcore.streams.shapes import KinesisConfig

log = logging.getLogger(__name__)

_DEFAULT_BATCH_SIZE: Final = 500
_PARTITION_KEY_BYTES: Final = 36
_LARGEST_RECORD_BYTES: Final = 1024 * 1024
_LARGEST_REQUEST_BYTES: Final = 5 * 1024 * 1024


class KinesisDestination:
    """One Kinesis data stream."""

    def __init__(self, config: KinesisConfig, clients: AwsClients, calls: BlockingCalls):
        self._config = config
        self._clients = clients
        self._calls = calls

    @property
    def batch_size(self) -> int:
        """As configured; Kinesis takes 500 at most."""
        return self._config.batch_size or _DEFAULT_BATCH_SIZE

    @property
    def batch_interval_ms(self) -> int | None:
        """As configured."""
        return self._config.batch_interval_millis

    async def export(self, messages: Sequence[Message]) -> Outcome:
        """One PutRecords with as many of these as fit."""
        given_up, fitting, later = _split(messages)
        error = None
        if given_up:
            error = (
                f"message {given_up[-1].sequence_number} of {len(given_up[-1].payload)} bytes is"
                f" over the {_LARGEST_RECORD_BYTES - _PARTITION_KEY_BYTES} of a Kinesis record and"
                " was skipped: append smaller messages"
            )
            log.warning("message skipped export=%s reason=%s", self._config.identifier, error)
        if not fitting:
            return Outcome(remaining=later, error=error)
        try:
            response = await self._calls.run(self._config.priority, self._put, fitting)
        except Exception as failure:  # noqa: BLE001 - whatever the SDK raises, the data stays
            return Outcome(
                remaining=[*fitting, *later], error=f"PutRecords: {failure}", failed=True
            )
        exported = [m for m, r in zip(fitting, response, strict=True) if "ErrorCode" not in r]
        failed = [m for m, r in zip(fitting, response, strict=True) if "ErrorCode" in r]
        if failed:
            reason = next(r for r in response if "ErrorCode" in r)
            error = (
                f"PutRecords: {len(failed)} of {len(fitting)} records failed:"
                f" {reason['ErrorCode']}: {reason.get('ErrorMessage', '')}"
            )
        return Outcome(
            exported=exported, remaining=[*failed, *later], error=error, failed=bool(failed)
        )

    def _put(self, messages: Sequence[Message]) -> list[dict[str, Any]]:
        response = self._clients.get("kinesis").put_records(
            StreamName=self._config.kinesis_stream_name,
            Records=[
                {"Data": message.payload, "PartitionKey": str(uuid.uuid4())} for message in messages
            ],
        )
        records: list[dict[str, Any]] = response["Records"]
        return records

    def canceled(self, messages: Sequence[Message], reason: str) -> None:
        """A Kinesis export has nowhere to say so; the runner's log has."""


def _split(
    messages: Sequence[Message],
) -> tuple[list[Message], list[Message], list[Message]]:
    """Messages that no record can hold, those of one request, and those after it."""
    given_up: list[Message] = []
    fitting: list[Message] = []
    total_bytes = 0
    for index, message in enumerate(messages):
        size = len(message.payload) + _PARTITION_KEY_BYTES
        if size > _LARGEST_RECORD_BYTES:
            given_up.append(message)
            continue
        total_bytes += size
        if total_bytes > _LARGEST_REQUEST_BYTES:
            return given_up, fitting, list(messages[index:])
        fitting.append(message)
    return given_up, fitting, []
