"""Every operation through the unmodified client, over TCP."""

import threading
from typing import Any

import pytest
import stream_manager as sdk

REJECT = sdk.StrategyOnFull.RejectNewData
OVERWRITE = sdk.StrategyOnFull.OverwriteOldestData


def create(client: sdk.StreamManagerClient, name: str, **options: Any) -> None:
    options.setdefault("strategy_on_full", REJECT)
    client.create_message_stream(sdk.MessageStreamDefinition(name=name, **options))


def read(client: sdk.StreamManagerClient, name: str, **options: Any) -> list[tuple[int, bytes]]:
    messages = client.read_messages(name, sdk.ReadMessagesOptions(**options))
    assert {message.stream_name for message in messages} == {name}
    return [(message.sequence_number, message.payload) for message in messages]


def test_what_is_appended_is_read(client: sdk.StreamManagerClient, name: str) -> None:
    create(client, name)
    assert [client.append_message(name, bytes([i])) for i in range(3)] == [0, 1, 2]
    assert read(client, name, max_message_count=10) == [(0, b"\0"), (1, b"\1"), (2, b"\2")]


def test_a_read_without_options_gives_the_first_message(
    client: sdk.StreamManagerClient, name: str
) -> None:
    create(client, name)
    client.append_message(name, b"first")
    client.append_message(name, b"second")
    assert [message.payload for message in client.read_messages(name)] == [b"first"]


def test_a_read_starts_where_it_is_told_and_takes_no_more_than_it_is_told(
    client: sdk.StreamManagerClient, name: str
) -> None:
    create(client, name)
    for index in range(10):
        client.append_message(name, bytes([index]))
    options = {"desired_start_sequence_number": 4, "min_message_count": 2, "max_message_count": 3}
    assert [number for number, _ in read(client, name, **options)] == [4, 5, 6]


def test_too_few_messages_are_an_error_at_once(client: sdk.StreamManagerClient, name: str) -> None:
    create(client, name)
    client.append_message(name, b"only")
    with pytest.raises(sdk.NotEnoughMessagesException, match="no 2 messages"):
        read(client, name, min_message_count=2)
    with pytest.raises(sdk.NotEnoughMessagesException):
        read(client, name, desired_start_sequence_number=1)


def test_a_read_waits_for_the_message_that_completes_it(
    stream_manager: Any, client: sdk.StreamManagerClient, name: str
) -> None:
    create(client, name)
    received: list[tuple[int, bytes]] = []

    def wait() -> None:
        received.extend(read(client, name, min_message_count=2, read_timeout_millis=20_000))

    waiting = threading.Thread(target=wait)
    waiting.start()
    other = stream_manager.client()
    other.append_message(name, b"a")
    other.append_message(name, b"b")
    waiting.join(timeout=20)
    other.close()
    assert received == [(0, b"a"), (1, b"b")]


def test_a_read_that_waits_in_vain_ends_with_its_time_out(
    client: sdk.StreamManagerClient, name: str
) -> None:
    create(client, name)
    with pytest.raises(sdk.NotEnoughMessagesException):
        read(client, name, read_timeout_millis=30)
    client.append_message(name, b"the connection lives")


def test_other_requests_overtake_a_read_that_waits(
    client: sdk.StreamManagerClient, name: str
) -> None:
    create(client, name)
    waiting = threading.Thread(
        target=lambda: read(client, name, min_message_count=2, read_timeout_millis=20_000)
    )
    waiting.start()
    client.append_message(name, b"a")
    assert waiting.is_alive()
    client.append_message(name, b"b")
    waiting.join(timeout=20)
    assert not waiting.is_alive()


def test_a_definition_comes_back_with_its_defaults(
    client: sdk.StreamManagerClient, name: str
) -> None:
    create(client, name)
    definition = client.describe_message_stream(name).definition
    assert definition.max_size == 268_435_456
    assert definition.stream_segment_size == 16_777_216
    assert definition.time_to_live_millis is None
    assert definition.strategy_on_full is REJECT
    assert definition.persistence is sdk.Persistence.File
    assert definition.flush_on_write is False
    assert not definition.export_definition.kinesis


def test_the_storage_status_counts(client: sdk.StreamManagerClient, name: str) -> None:
    create(client, name)
    status = client.describe_message_stream(name).storage_status
    assert (status.oldest_sequence_number, status.newest_sequence_number) == (0, -1)
    client.append_message(name, bytes(100))
    status = client.describe_message_stream(name).storage_status
    assert (status.oldest_sequence_number, status.newest_sequence_number) == (0, 0)
    assert status.total_bytes == 124


def test_message_streams_are_listed_until_they_are_deleted(
    client: sdk.StreamManagerClient, name: str
) -> None:
    create(client, name)
    assert name in client.list_streams()
    client.delete_message_stream(name)
    assert name not in client.list_streams()
    with pytest.raises(sdk.ResourceNotFoundException, match="does not exist"):
        client.append_message(name, b"x")


@pytest.mark.parametrize("operation", ["append", "read", "describe", "delete", "update"])
def test_a_message_stream_that_does_not_exist_is_not_found(
    client: sdk.StreamManagerClient, operation: str
) -> None:
    calls = {
        "append": lambda: client.append_message("nowhere", b"x"),
        "read": lambda: client.read_messages("nowhere"),
        "describe": lambda: client.describe_message_stream("nowhere"),
        "delete": lambda: client.delete_message_stream("nowhere"),
        "update": lambda: client.update_message_stream(
            sdk.MessageStreamDefinition(name="nowhere", strategy_on_full=REJECT)
        ),
    }
    with pytest.raises(sdk.ResourceNotFoundException, match="'nowhere' does not exist"):
        calls[operation]()


def test_a_name_is_taken_once(client: sdk.StreamManagerClient, name: str) -> None:
    create(client, name)
    with pytest.raises(sdk.InvalidRequestException, match="already exists"):
        create(client, name)


@pytest.mark.parametrize("spelling", [".", "..", " , ", "a.b-c_d", "ä日本", "..hidden"])
def test_every_name_the_client_allows_can_be_kept(
    client: sdk.StreamManagerClient, spelling: str
) -> None:
    create(client, spelling)
    client.append_message(spelling, b"kept")
    assert read(client, spelling) == [(0, b"kept")]
    client.delete_message_stream(spelling)


def test_a_deleted_message_stream_begins_anew(client: sdk.StreamManagerClient, name: str) -> None:
    create(client, name)
    client.append_message(name, b"old")
    client.delete_message_stream(name)
    create(client, name)
    assert client.append_message(name, b"new") == 0
    assert read(client, name) == [(0, b"new")]


def test_a_full_message_stream_without_exports_rejects_for_good(
    client: sdk.StreamManagerClient, name: str
) -> None:
    create(client, name, max_size=4096, stream_segment_size=1024)
    for _ in range(4096 // 224):
        client.append_message(name, bytes(200))
    for _ in range(2):
        with pytest.raises(sdk.StreamManagerException, match=r"is full: .* RejectNewData"):
            client.append_message(name, bytes(200))
    assert [number for number, _ in read(client, name)] == [0]


def test_a_full_message_stream_overwrites_whole_segments(
    client: sdk.StreamManagerClient, name: str
) -> None:
    create(client, name, max_size=4096, stream_segment_size=1024, strategy_on_full=OVERWRITE)
    for _ in range(30):
        client.append_message(name, bytes(200))
    status = client.describe_message_stream(name).storage_status
    # Four messages of 224 bytes are a segment of 1,024.
    assert status.oldest_sequence_number % 4 == 0
    assert 0 < status.oldest_sequence_number < status.newest_sequence_number == 29
    assert status.total_bytes <= 4096
    # A start before the oldest is the oldest.
    assert read(client, name)[0][0] == status.oldest_sequence_number


def test_a_message_that_can_never_fit_is_too_large(
    client: sdk.StreamManagerClient, name: str
) -> None:
    create(client, name, max_size=2048, stream_segment_size=1024, strategy_on_full=OVERWRITE)
    with pytest.raises(sdk.RequestPayloadTooLargeException, match="can never fit"):
        client.append_message(name, bytes(2048))
    client.append_message(name, bytes(2024))


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"max_size": 2048, "stream_segment_size": 4096}, "is over maxSize 2048"),
        (
            {"export_definition": sdk.ExportDefinition(http=[sdk.HTTPConfig("i", "http://x")])},
            "export to HTTP",
        ),
        (
            {"export_definition": sdk.ExportDefinition(iot_sitewise=[sdk.IoTSiteWiseConfig("i")])},
            "export to IoT SiteWise",
        ),
        (
            {
                "export_definition": sdk.ExportDefinition(
                    iot_analytics=[sdk.IoTAnalyticsConfig("i", "c")]
                )
            },
            "export to IoT Analytics",
        ),
        (
            {
                "export_definition": sdk.ExportDefinition(
                    kinesis=[sdk.KinesisConfig("same", "k"), sdk.KinesisConfig("same", "k")]
                )
            },
            "two exports have the identifier 'same'",
        ),
        (
            {
                "export_definition": sdk.ExportDefinition(
                    s3_task_executor=[
                        sdk.S3ExportTaskExecutorConfig(
                            "s3", status_config=sdk.StatusConfig(status_stream_name="missing")
                        )
                    ]
                )
            },
            "status stream 'missing' of export 's3' does not exist",
        ),
    ],
)
def test_a_definition_that_cannot_be_served_is_refused_with_the_reason(
    client: sdk.StreamManagerClient, name: str, options: dict[str, Any], reason: str
) -> None:
    with pytest.raises(sdk.InvalidRequestException, match=reason):
        create(client, name, **options)
    assert name not in client.list_streams()


def test_an_update_takes_effect_and_persistence_cannot_change(
    client: sdk.StreamManagerClient, name: str
) -> None:
    create(client, name, max_size=2048, stream_segment_size=1024)
    definition = client.describe_message_stream(name).definition
    definition.max_size = 8192
    definition.flush_on_write = True
    client.update_message_stream(definition)
    changed = client.describe_message_stream(name).definition
    assert (changed.max_size, changed.flush_on_write) == (8192, True)
    definition.persistence = sdk.Persistence.Memory
    with pytest.raises(sdk.UpdateNotAllowedException, match="cannot change from FILE to MEMORY"):
        client.update_message_stream(definition)


def test_the_size_cannot_go_below_what_is_stored(
    client: sdk.StreamManagerClient, name: str
) -> None:
    create(client, name)
    client.append_message(name, bytes(3000))
    smaller = sdk.MessageStreamDefinition(
        name=name, strategy_on_full=REJECT, max_size=2048, stream_segment_size=1024
    )
    with pytest.raises(sdk.InvalidRequestException, match="below the 3024 bytes"):
        client.update_message_stream(smaller)


def test_memory_persistence_works_the_same(client: sdk.StreamManagerClient, name: str) -> None:
    create(client, name, persistence=sdk.Persistence.Memory)
    client.append_message(name, b"in memory")
    assert read(client, name) == [(0, b"in memory")]


def test_a_large_message_crosses_many_reads_of_the_socket(
    client: sdk.StreamManagerClient, name: str
) -> None:
    create(client, name)
    payload = bytes(range(256)) * 20_000
    client.append_message(name, payload)
    assert read(client, name) == [(0, payload)]
