"""The way to the cloud: one runner per export, destinations that send, threads that block.

`runner` decides when and retries, `kinesis` and `s3_task` know their service, `calls` runs what
blocks by priority. Nothing here imports botocore before the first export
that is not disabled has something to send: a stream manager without exports stays small.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

from localcore.streams.message_log import Message


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a batch; a message in neither list was given up, as `error` says.

    `remaining` must be tried again before anything after it is sent; `failed` says that waiting is
    needed before that.
    """

    exported: Sequence[Message] = ()
    remaining: Sequence[Message] = field(default=())
    error: str | None = None
    failed: bool = False


class Destination(Protocol):
    """Where an export goes."""

    @property
    def batch_size(self) -> int:
        """The most messages that `export` takes."""

    @property
    def batch_interval_ms(self) -> int | None:
        """How old the first message of a batch that is not full must be; None: send at once."""

    async def export(self, messages: Sequence[Message]) -> Outcome:
        """Try once to send these."""

    def canceled(self, messages: Sequence[Message], reason: str) -> None:
        """These will never be sent."""
