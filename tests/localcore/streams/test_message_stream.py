"""Time to live and overwriting against exports, with a clock of the test's own."""

import asyncio
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from localcore.cloud.clients import AwsClients
from localcore.streams.exporters.exports import CloudExports
from localcore.streams.message_stream import MessageStream
from localcore.streams.shapes import KinesisConfig, MessageStreamDefinition, Status, convert
from localcore.streams.store import Store

MINUTE_MS = 60_000


def definition(**fields: Any) -> MessageStreamDefinition:
    raw = {"name": "s", "strategyOnFull": 1, "maxSize": 1 << 20, "streamSegmentSize": 1024}
    return convert({**raw, **fields}, MessageStreamDefinition)


@pytest.fixture
def opened(tmp_path: Path) -> Iterator[Callable[..., MessageStream]]:
    streams: list[MessageStream] = []

    def open_it(**fields: Any) -> MessageStream:
        streams.append(MessageStream(definition(**fields), tmp_path / "log"))
        return streams[-1]

    yield open_it
    for each in streams:
        each.close()


def test_segments_expire_when_their_newest_message_is_older_than_the_time_to_live(
    opened: Callable[..., MessageStream],
) -> None:
    message_stream = opened(timeToLiveMillis=MINUTE_MS)
    for now_ms in range(8):
        message_stream.append(bytes(200), now_ms)
    message_stream.expire(MINUTE_MS + 3)
    assert message_stream.oldest == 0
    message_stream.expire(MINUTE_MS + 4)
    assert message_stream.oldest == 4
    message_stream.expire(MINUTE_MS + 8)
    assert (message_stream.oldest, message_stream.newest) == (8, 7)
    assert message_stream.append(b"next", 0) == 8


def test_without_a_time_to_live_nothing_expires(opened: Callable[..., MessageStream]) -> None:
    message_stream = opened()
    message_stream.append(b"x", 0)
    message_stream.expire(1 << 60)
    assert message_stream.oldest == 0


def test_an_update_with_the_same_start_goes_on_and_with_another_begins_there(
    opened: Callable[..., MessageStream],
) -> None:
    def exporting(start: int | None) -> dict[str, Any]:
        config = {"identifier": "k", "kinesisStreamName": "k", "startSequenceNumber": start}
        return {"exportDefinition": {"kinesis": [config]}}

    message_stream = opened(**exporting(0))
    for _ in range(10):
        message_stream.append(b"x", 0)
    message_stream.progress("k").last_exported = 7
    message_stream.update(definition(**exporting(None)))
    assert message_stream.progress("k").last_exported == 7
    message_stream.update(definition(**exporting(3)))
    assert message_stream.progress("k").last_exported == 2
    message_stream.update(definition())
    message_stream.update(definition(**exporting(None)))
    assert message_stream.progress("k").last_exported == -1


def test_an_export_skips_what_was_overwritten_before_it_came_there(
    opened: Callable[..., MessageStream],
) -> None:
    message_stream = opened(
        maxSize=2048, exportDefinition={"kinesis": [{"identifier": "k", "kinesisStreamName": "k"}]}
    )
    for _ in range(20):
        message_stream.append(bytes(200), 0)
    (config,) = message_stream.definition.export_definition.configs()
    assert isinstance(config, KinesisConfig)
    pending = message_stream.pending(config, 100)
    assert [message.sequence_number for message in pending] == list(
        range(message_stream.oldest, 20)
    )


def test_tasks_that_expire_are_canceled_on_the_status_stream(tmp_path: Path) -> None:
    now = [0]

    async def scenario() -> list[dict[str, Any]]:
        store = Store(tmp_path)
        # Port 9 (discard) is closed: no task ever succeeds.
        exports = CloudExports(store, AwsClients("http://127.0.0.1:9", "us-east-1"), lambda: now[0])
        store.create(definition(name="status"))
        executor = {"identifier": "s3", "statusConfig": {"statusStreamName": "status"}}
        tasks = store.create(
            definition(
                name="tasks",
                timeToLiveMillis=MINUTE_MS,
                exportDefinition={"s3TaskExecutor": [executor]},
            )
        )
        task = {"inputUrl": "file:///etc/hostname", "bucket": "bucket", "key": "k"}
        tasks.append(json.dumps(task).encode(), 0)
        exports.refresh(tasks)
        now[0] = MINUTE_MS + 1
        exports.expire()
        statuses = [m.payload for m in store.get("status").read(0, 1, 10) or []]
        await exports.close(5)
        store.close()
        return [json.loads(payload) for payload in statuses]

    (status,) = asyncio.run(scenario())
    assert status["status"] == Status.CANCELED
    assert status["statusContext"]["sequenceNumber"] == 0
    assert "older than timeToLiveMillis" in status["message"]
