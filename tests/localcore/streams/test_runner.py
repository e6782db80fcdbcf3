"""The runner against a scripted destination: order, retries, progress."""

import asyncio
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from localcore.streams.exporters import Outcome
from localcore.streams.exporters.runner import ExportRunner
from localcore.streams.message_log import Message
from localcore.streams.message_stream import MessageStream
from localcore.streams.shapes import MessageStreamDefinition, convert

Answer = Callable[[Sequence[Message]], Outcome]


def all_of_them(messages: Sequence[Message]) -> Outcome:
    return Outcome(exported=messages)


def none_of_them(messages: Sequence[Message]) -> Outcome:
    return Outcome(remaining=messages, error="no network", failed=True)


def all_but_the_first(messages: Sequence[Message]) -> Outcome:
    return Outcome(exported=messages[1:], remaining=messages[:1], error="throttled", failed=True)


def skip_the_first(messages: Sequence[Message]) -> Outcome:
    return Outcome(exported=messages[1:], error="too large")


class Scripted:
    """A destination that answers from a script, then takes everything."""

    batch_size = 3
    batch_interval_ms: int | None = None

    def __init__(self, message_stream: MessageStream, *script: Answer):
        self._message_stream = message_stream
        self._script = list(script)
        self.attempts: list[list[int]] = []
        self.finished = asyncio.Event()

    async def export(self, messages: Sequence[Message]) -> Outcome:
        self.attempts.append([message.sequence_number for message in messages])
        answer = self._script.pop(0) if self._script else all_of_them
        outcome = answer(messages)
        if not outcome.remaining and messages[-1].sequence_number == self._message_stream.newest:
            self.finished.set()
        return outcome

    def canceled(self, messages: Sequence[Message], reason: str) -> None:
        raise AssertionError("nothing was canceled")


@pytest.fixture
def message_stream(tmp_path: Path) -> Iterator[MessageStream]:
    raw = {
        "name": "s",
        "strategyOnFull": 1,
        "exportDefinition": {"kinesis": [{"identifier": "k", "kinesisStreamName": "k"}]},
    }
    opened = MessageStream(convert(raw, MessageStreamDefinition), tmp_path / "log")
    yield opened
    opened.close()


def attempts_of(message_stream: MessageStream, count: int, *script: Answer) -> list[list[int]]:
    async def scenario() -> list[list[int]]:
        (config,) = message_stream.definition.export_definition.configs()
        destination = Scripted(message_stream, *script)
        for _ in range(count):
            message_stream.append(b"12345", 0)
        runner = ExportRunner(message_stream, config, destination, lambda: 77, 0.001)
        async with asyncio.timeout(30):
            await destination.finished.wait()
        await runner.close()
        return destination.attempts

    return asyncio.run(scenario())


def progress_of(message_stream: MessageStream) -> dict[str, Any]:
    progress = message_stream.progress("k")
    return {
        "last_exported": progress.last_exported,
        "messages": progress.exported_messages,
        "bytes": progress.exported_bytes,
        "error": progress.error,
    }


def test_batches_go_in_order(message_stream: MessageStream) -> None:
    assert attempts_of(message_stream, 7) == [[0, 1, 2], [3, 4, 5], [6]]
    assert progress_of(message_stream) == {
        "last_exported": 6,
        "messages": 7,
        "bytes": 35,
        "error": None,
    }


def test_a_failed_batch_is_tried_until_it_succeeds_and_nothing_overtakes_it(
    message_stream: MessageStream,
) -> None:
    attempts = attempts_of(message_stream, 4, none_of_them, none_of_them, none_of_them)
    assert attempts == [[0, 1, 2]] * 4 + [[3]]
    assert progress_of(message_stream)["error"] is None


def test_only_what_failed_is_sent_again(message_stream: MessageStream) -> None:
    attempts = attempts_of(message_stream, 4, all_but_the_first, none_of_them)
    assert attempts == [[0, 1, 2], [0], [0], [3]]
    assert progress_of(message_stream)["messages"] == 4


def test_what_was_given_up_is_passed_but_not_counted(message_stream: MessageStream) -> None:
    assert attempts_of(message_stream, 3, skip_the_first) == [[0, 1, 2]]
    assert progress_of(message_stream) == {
        "last_exported": 2,
        "messages": 2,
        "bytes": 10,
        "error": "too large",
    }
