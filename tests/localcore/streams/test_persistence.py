"""What survives: kill -9 in the middle of appends, SIGTERM, a restart, a damaged file."""

import contextlib
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import stream_manager as sdk

from localcore.streams.protocol import Operation
from localcore.streams.reader import ReaderError, StreamReader

OVERWRITE = sdk.StrategyOnFull.OverwriteOldestData


def definition(name: str, **options: Any) -> sdk.MessageStreamDefinition:
    return sdk.MessageStreamDefinition(name=name, strategy_on_full=OVERWRITE, **options)


@pytest.mark.parametrize("flush_on_write", [False, True])
def test_kill_9_in_the_middle_of_appends_loses_nothing_acknowledged(
    start_stream_manager: Callable[..., Any], flush_on_write: bool
) -> None:
    first = start_stream_manager()
    with StreamReader("127.0.0.1", first.port) as setup:
        setup._request(
            Operation.CREATE_MESSAGE_STREAM,
            {"definition": {"name": "log", "strategyOnFull": 1, "flushOnWrite": flush_on_write}},
        )
    acknowledged: list[list[tuple[int, bytes]]] = [[], [], []]
    enough = threading.Event()

    def append(writer: int) -> None:
        with contextlib.suppress(ReaderError), StreamReader("127.0.0.1", first.port) as client:
            for index in range(1_000_000):
                payload = f"{writer}:{index}:".encode() + bytes(500)
                response = client._request(
                    Operation.APPEND_MESSAGE, {"name": "log", "payload": payload}
                )
                acknowledged[writer].append((response["sequenceNumber"], payload))
                if len(acknowledged[writer]) >= 200:
                    enough.set()

    writers = [threading.Thread(target=append, args=(n,)) for n in range(3)]
    for writer in writers:
        writer.start()
    assert enough.wait(30)
    first.kill()
    for writer in writers:
        writer.join(timeout=30)
    second = start_stream_manager()
    with StreamReader("127.0.0.1", second.port) as reader:
        kept = {m.sequence_number: m.payload for m in reader.read("log", count=1_000_000)}
    expected = dict(pair for pairs in acknowledged for pair in pairs)
    assert {number: kept.get(number) for number in expected} == expected
    # At most one append a writer was written and not acknowledged.
    assert len(kept) <= len(expected) + 3
    assert sorted(kept) == list(range(len(kept)))


def test_everything_is_back_after_sigterm_and_the_exit_status_is_0(
    start_stream_manager: Callable[..., Any],
) -> None:
    first = start_stream_manager()
    client = first.client()
    client.create_message_stream(definition("kept", max_size=4096, stream_segment_size=1024))
    for index in range(30):
        client.append_message("kept", bytes([index]) * 200)
    before = client.describe_message_stream("kept").storage_status
    client.close()
    assert first.stop() == 0
    assert not (first.root / "endpoint.json").exists()
    client = start_stream_manager().client()
    after = client.describe_message_stream("kept").storage_status
    assert repr(after) == repr(before)
    assert client.append_message("kept", b"next") == 30
    assert client.read_messages("kept")[0].payload == bytes([before.oldest_sequence_number]) * 200
    client.close()


def test_a_stopping_server_ends_a_read_that_waits(
    start_stream_manager: Callable[..., Any],
) -> None:
    running = start_stream_manager()
    with StreamReader("127.0.0.1", running.port) as reader:
        reader._request(
            Operation.CREATE_MESSAGE_STREAM, {"definition": {"name": "s", "strategyOnFull": 1}}
        )
        ended: list[str] = []

        def wait() -> None:
            try:
                reader.read("s", timeout_s=60)
            except ReaderError as error:
                ended.append(str(error))

        waiting = threading.Thread(target=wait)
        waiting.start()
        assert running.stop() == 0
        waiting.join(timeout=30)
    assert len(ended) == 1


def test_memory_persistence_comes_back_empty(start_stream_manager: Callable[..., Any]) -> None:
    first = start_stream_manager()
    client = first.client()
    client.create_message_stream(definition("volatile", persistence=sdk.Persistence.Memory))
    client.append_message("volatile", b"x")
    client.close()
    assert not list((first.root / "volatile").glob("*.sqlite3*"))
    first.stop()
    client = start_stream_manager().client()
    assert client.list_streams() == ["volatile"]
    assert client.append_message("volatile", b"y") == 0
    client.close()


def test_a_damaged_message_stream_does_not_stop_the_others(
    start_stream_manager: Callable[..., Any],
) -> None:
    first = start_stream_manager()
    client = first.client()
    for name in ("good", "bad", "worse"):
        client.create_message_stream(definition(name))
        client.append_message(name, b"x")
    client.close()
    first.stop()
    (first.root / "bad" / "messages.sqlite3").write_bytes(b"no database" * 1000)
    (first.root / "worse" / "definition.json").write_bytes(b"{")
    client = start_stream_manager().client()
    assert client.list_streams() == ["good"]
    assert client.read_messages("good")[0].payload == b"x"
    client.create_message_stream(definition("bad"))
    assert client.append_message("bad", b"anew") == 0
    assert len(list(first.root.glob("%damaged-*"))) == 2
    client.close()


def test_a_second_stream_manager_on_the_same_folder_ends_with_2(
    start_stream_manager: Callable[..., Any],
) -> None:
    start_stream_manager()
    with pytest.raises(AssertionError, match="ended with 2"):
        start_stream_manager()


def test_a_taken_port_ends_with_2(
    start_stream_manager: Callable[..., Any], stream_manager: Any
) -> None:
    with pytest.raises(AssertionError, match="ended with 2"):
        start_stream_manager(port=stream_manager.port)


def test_the_port_file_holds_the_port(
    start_stream_manager: Callable[..., Any], tmp_path: Path
) -> None:
    running = start_stream_manager("--port-file", str(tmp_path / "port"))
    assert int((tmp_path / "port").read_text()) == running.port
