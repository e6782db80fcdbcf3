"""Exports to the embedded endpoint: in order, exactly, through outages; status streams."""

import json
import socket
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import stream_manager as sdk
from stream_manager.util import Util

from localcore.cloud import endpoint
from localcore.cloud.clients import AwsClients

REGION = "us-east-1"
BUCKET = "hub-readings"
OVERWRITE = sdk.StrategyOnFull.OverwriteOldestData
REJECT = sdk.StrategyOnFull.RejectNewData
Eventually = Callable[..., None]


def records(url: str, kinesis_stream: str) -> list[bytes]:
    kinesis = AwsClients(url, REGION).get("kinesis")
    found: list[bytes] = []
    for shard in kinesis.list_shards(StreamName=kinesis_stream)["Shards"]:
        iterator = kinesis.get_shard_iterator(
            StreamName=kinesis_stream,
            ShardId=shard["ShardId"],
            ShardIteratorType="TRIM_HORIZON",
        )["ShardIterator"]
        while batch := kinesis.get_records(ShardIterator=iterator):
            found += [record["Data"] for record in batch["Records"]]
            iterator = batch["NextShardIterator"]
            if not batch["Records"]:
                break
    return found


def kinesis_export(kinesis_stream: str, **options: Any) -> sdk.ExportDefinition:
    config = sdk.KinesisConfig(identifier="k", kinesis_stream_name=kinesis_stream, **options)
    return sdk.ExportDefinition(kinesis=[config])


def create(
    client: sdk.StreamManagerClient,
    name: str,
    export: sdk.ExportDefinition | None = None,
    **options: Any,
) -> None:
    options.setdefault("strategy_on_full", OVERWRITE)
    client.create_message_stream(
        sdk.MessageStreamDefinition(name=name, export_definition=export, **options)
    )


def export_status(client: sdk.StreamManagerClient, name: str) -> Any:
    return client.describe_message_stream(name).export_statuses[0]


def exported(client: sdk.StreamManagerClient, name: str) -> int:
    number: int = export_status(client, name).last_exported_sequence_number
    return number


@pytest.fixture
def kinesis_stream(cloud: str, name: str) -> str:
    short = f"k-{abs(hash(name))}"
    AwsClients(cloud, REGION).get("kinesis").create_stream(StreamName=short, ShardCount=1)
    return short


def test_messages_arrive_in_kinesis_in_order_and_once(
    cloud: str,
    client: sdk.StreamManagerClient,
    name: str,
    kinesis_stream: str,
    eventually: Eventually,
) -> None:
    create(client, name, kinesis_export(kinesis_stream, batch_size=7))
    sent = [f"message {index}".encode() for index in range(100)]
    for payload in sent:
        client.append_message(name, payload)
    eventually(lambda: exported(client, name) == 99)
    assert records(cloud, kinesis_stream) == sent
    status = export_status(client, name)
    assert status.export_config_identifier == "k"
    assert status.exported_messages_count == 100
    assert status.exported_bytes_from_stream == sum(map(len, sent))
    assert status.last_export_time > 1_600_000_000_000
    assert not status.error_message


def test_an_export_begins_at_its_start_sequence_number(
    cloud: str,
    client: sdk.StreamManagerClient,
    name: str,
    kinesis_stream: str,
    eventually: Eventually,
) -> None:
    create(client, name)
    for index in range(10):
        client.append_message(name, b"%d" % index)
    definition = client.describe_message_stream(name).definition
    definition.export_definition = kinesis_export(kinesis_stream, start_sequence_number=7)
    client.update_message_stream(definition)
    eventually(lambda: exported(client, name) == 9)
    assert records(cloud, kinesis_stream) == [b"7", b"8", b"9"]
    definition.export_definition = kinesis_export(kinesis_stream, start_sequence_number=10)
    with pytest.raises(sdk.InvalidRequestException, match="must be less than the newest"):
        client.update_message_stream(definition)


def test_a_disabled_export_waits_and_an_update_lets_it_go(
    cloud: str,
    client: sdk.StreamManagerClient,
    name: str,
    kinesis_stream: str,
    eventually: Eventually,
) -> None:
    create(client, name, kinesis_export(kinesis_stream, disabled=True))
    client.append_message(name, b"a")
    assert exported(client, name) == -1
    definition = client.describe_message_stream(name).definition
    definition.export_definition = kinesis_export(kinesis_stream, disabled=False)
    client.update_message_stream(definition)
    eventually(lambda: exported(client, name) == 0)
    assert records(cloud, kinesis_stream) == [b"a"]


def test_a_batch_interval_holds_back_until_the_batch_is_full(
    cloud: str,
    client: sdk.StreamManagerClient,
    name: str,
    kinesis_stream: str,
    eventually: Eventually,
) -> None:
    export = kinesis_export(kinesis_stream, batch_size=5, batch_interval_millis=60_000)
    create(client, name, export)
    for index in range(7):
        client.append_message(name, b"%d" % index)
    eventually(lambda: exported(client, name) == 4)
    assert records(cloud, kinesis_stream) == [b"0", b"1", b"2", b"3", b"4"]


def test_a_record_that_kinesis_can_never_take_is_skipped_with_an_error(
    cloud: str,
    client: sdk.StreamManagerClient,
    name: str,
    kinesis_stream: str,
    eventually: Eventually,
) -> None:
    create(client, name, kinesis_export(kinesis_stream, disabled=True))
    for payload in (b"before", bytes(1024 * 1024), b"after"):
        client.append_message(name, payload)
    definition = client.describe_message_stream(name).definition
    definition.export_definition = kinesis_export(kinesis_stream)
    client.update_message_stream(definition)
    eventually(lambda: exported(client, name) == 2)
    assert records(cloud, kinesis_stream) == [b"before", b"after"]
    status = export_status(client, name)
    assert "message 1 of 1048576 bytes" in status.error_message
    assert status.exported_messages_count == 2


def test_a_request_never_exceeds_what_kinesis_takes_at_once(
    cloud: str,
    client: sdk.StreamManagerClient,
    name: str,
    kinesis_stream: str,
    eventually: Eventually,
) -> None:
    create(client, name, kinesis_export(kinesis_stream))
    sent = [bytes([index]) * 900_000 for index in range(12)]
    for payload in sent:
        client.append_message(name, payload)
    eventually(lambda: exported(client, name) == 11)
    assert records(cloud, kinesis_stream) == sent


def test_a_full_message_stream_takes_new_data_when_its_segments_are_exported(
    client: sdk.StreamManagerClient,
    name: str,
    kinesis_stream: str,
    eventually: Eventually,
) -> None:
    sizes = {"max_size": 4096, "stream_segment_size": 1024, "strategy_on_full": REJECT}
    create(client, name, kinesis_export(kinesis_stream, disabled=True), **sizes)
    for _ in range(4096 // 224):
        client.append_message(name, bytes(200))
    with pytest.raises(sdk.StreamManagerException, match="is not exported yet"):
        client.append_message(name, bytes(200))
    newest = client.describe_message_stream(name).storage_status.newest_sequence_number
    definition = client.describe_message_stream(name).definition
    definition.export_definition = kinesis_export(kinesis_stream)
    client.update_message_stream(definition)
    eventually(lambda: exported(client, name) == newest)
    # Exported data stays until its space is needed.
    storage = client.describe_message_stream(name).storage_status
    assert storage.oldest_sequence_number == 0
    assert client.append_message(name, bytes(200)) == newest + 1
    storage = client.describe_message_stream(name).storage_status
    assert storage.oldest_sequence_number == 4


def test_an_outage_loses_nothing_and_repeats_nothing(
    start_stream_manager: Callable[..., Any], tmp_path: Path, eventually: Eventually
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    url = f"http://127.0.0.1:{port}"
    running = start_stream_manager("--endpoint-url", url, "--retry-cap-seconds", "0.2")
    client = running.client()
    create(client, "out", kinesis_export("k1", batch_size=10))
    for index in range(25):
        client.append_message("out", b"%d" % index)
    eventually(lambda: export_status(client, "out").error_message is not None)
    assert "PutRecords" in export_status(client, "out").error_message
    endpoint.ensure(tmp_path / "cloud", port=port, kinesis_streams=["k1"])
    eventually(lambda: exported(client, "out") == 24)
    assert records(url, "k1") == [b"%d" % index for index in range(25)]
    assert not export_status(client, "out").error_message
    # Down again, with the stream manager killed meanwhile, and up again.
    endpoint.stop(tmp_path / "cloud")
    for index in range(25, 40):
        client.append_message("out", b"%d" % index)
    client.close()
    running.kill()
    client = start_stream_manager("--endpoint-url", url, "--retry-cap-seconds", "0.2").client()
    endpoint.ensure(tmp_path / "cloud", port=port, kinesis_streams=["k1"])
    eventually(lambda: exported(client, "out") == 39)
    assert records(url, "k1") == [b"%d" % index for index in range(25, 40)]
    client.close()
    endpoint.stop(tmp_path / "cloud")


def test_appends_while_exporting_arrive_in_order_and_once(
    cloud: str,
    stream_manager: Any,
    client: sdk.StreamManagerClient,
    name: str,
    kinesis_stream: str,
    eventually: Eventually,
) -> None:
    create(client, name, kinesis_export(kinesis_stream))

    def append(writer: int) -> None:
        own = stream_manager.client()
        for index in range(100):
            own.append_message(name, f"{writer}-{index}".encode())
        own.close()

    writers = [threading.Thread(target=append, args=(n,)) for n in range(3)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join(timeout=60)
    eventually(lambda: exported(client, name) == 299)
    kept = client.read_messages(name, sdk.ReadMessagesOptions(0, 300, 300))
    assert records(cloud, kinesis_stream) == [message.payload for message in kept]


class Tasks:
    """A message stream with an S3 task executor, and its status stream."""

    def __init__(
        self,
        client: sdk.StreamManagerClient,
        name: str,
        status_level: sdk.StatusLevel = sdk.StatusLevel.INFO,
        **executor: Any,
    ):
        self._client = client
        self.name, self.status_stream = name, f"{name}-status"
        self._next_status = 0
        create(client, self.status_stream)
        status_config = sdk.StatusConfig(
            status_level=status_level, status_stream_name=self.status_stream
        )
        config = sdk.S3ExportTaskExecutorConfig(
            identifier="s3", status_config=status_config, **executor
        )
        create(client, name, sdk.ExportDefinition(s3_task_executor=[config]))

    def append(self, url: str, key: str, bucket: str = BUCKET, **options: Any) -> int:
        task = sdk.S3ExportTaskDefinition(input_url=url, bucket=bucket, key=key, **options)
        number: int = self._client.append_message(
            self.name, Util.validate_and_serialize_to_json_bytes(task)
        )
        return number

    def next_status(self) -> sdk.StatusMessage:
        options = sdk.ReadMessagesOptions(
            desired_start_sequence_number=self._next_status, read_timeout_millis=20_000
        )
        (message,) = self._client.read_messages(self.status_stream, options)
        self._next_status += 1
        return Util.deserialize_json_bytes_to_obj(message.payload, sdk.StatusMessage)


def object_of(cloud: str, key: str) -> Any:
    return AwsClients(cloud, REGION).get("s3").get_object(Bucket=BUCKET, Key=key)


def test_a_task_uploads_its_file_and_the_status_stream_says_so(
    cloud: str, client: sdk.StreamManagerClient, name: str, tmp_path: Path, eventually: Eventually
) -> None:
    file = tmp_path / "a file.gz"
    file.write_bytes(b"content")
    tasks = Tasks(client, name)
    number = tasks.append(file.as_uri(), f"{name}/key", user_metadata={"Device": "hat-1"})
    for wanted in (sdk.Status.InProgress, sdk.Status.Success):
        status = tasks.next_status()
        assert status.status is wanted
        assert status.event_type is sdk.EventType.S3Task
        assert status.status_level is sdk.StatusLevel.INFO
        assert status.timestamp_epoch_ms > 1_600_000_000_000
        context = status.status_context
        assert (context.stream_name, context.sequence_number) == (name, number)
        assert context.export_identifier == "s3"
        assert context.s3_export_task_definition.input_url == file.as_uri()
        assert context.s3_export_task_definition.user_metadata == {"Device": "hat-1"}
    found = object_of(cloud, f"{name}/key")
    assert found["Body"].read() == b"content"
    assert found["Metadata"] == {"device": "hat-1"}
    eventually(lambda: exported(client, name) == number)


@pytest.mark.parametrize(
    ("url", "key", "bucket", "reason"),
    [
        ("file:///does/not/exist", "key", BUCKET, "cannot read /does/not/exist: No such file"),
        ("https://example.org/x", "key", BUCKET, "is not the URL of a local file"),
        ("{file}", "key", "no-such-bucket", "NoSuchBucket"),
        ("{file}", "!{timestamp:QQQ}", BUCKET, "timestamp 'QQQ' is none of"),
    ],
)
def test_a_task_that_can_never_succeed_is_a_failure_and_the_next_one_runs(
    client: sdk.StreamManagerClient,
    name: str,
    tmp_path: Path,
    url: str,
    key: str,
    bucket: str,
    reason: str,
) -> None:
    file = tmp_path / "file"
    file.write_bytes(b"x")
    tasks = Tasks(client, name, sdk.StatusLevel.ERROR)
    tasks.append(url.format(file=file.as_uri()), key, bucket)
    tasks.append(file.as_uri(), f"{name}/next")
    tasks.append("file:///last", f"{name}/last")
    status = tasks.next_status()
    assert (status.status, status.status_level) == (sdk.Status.Failure, sdk.StatusLevel.ERROR)
    assert reason in status.message
    # At level ERROR the success between them is not told.
    assert tasks.next_status().status_context.sequence_number == 2


def test_a_message_that_is_no_task_is_a_failure(client: sdk.StreamManagerClient, name: str) -> None:
    tasks = Tasks(client, name)
    client.append_message(name, b"not json")
    status = tasks.next_status()
    assert status.status is sdk.Status.Failure
    assert "not an S3ExportTaskDefinition" in status.message


def test_a_bucket_name_that_the_client_refuses_is_a_failure(
    client: sdk.StreamManagerClient, name: str, tmp_path: Path
) -> None:
    file = tmp_path / "file"
    file.write_bytes(b"x")
    tasks = Tasks(client, name, sdk.StatusLevel.ERROR)
    # AWS's own client would not send it; another one might.
    task = {"inputUrl": file.as_uri(), "bucket": "no bucket!", "key": "k"}
    client.append_message(name, json.dumps(task).encode())
    assert "Invalid bucket name" in tasks.next_status().message


def test_a_large_file_is_uploaded_in_parts(
    cloud: str, client: sdk.StreamManagerClient, name: str, tmp_path: Path
) -> None:
    file = tmp_path / "large"
    file.write_bytes(bytes(range(256)) * (12 * 4096))
    tasks = Tasks(client, name, size_threshold_for_multipart_upload_bytes=5 * 1024 * 1024)
    tasks.append(file.as_uri(), f"{name}/large")
    assert tasks.next_status().status is sdk.Status.InProgress
    assert tasks.next_status().status is sdk.Status.Success
    found = object_of(cloud, f"{name}/large")
    assert found["ETag"].strip('"').endswith("-3")
    assert found["Body"].read() == file.read_bytes()


def test_deleting_the_message_stream_cancels_its_tasks(
    start_stream_manager: Callable[..., Any], tmp_path: Path
) -> None:
    # Port 9 (discard) is closed: the upload cannot begin.
    running = start_stream_manager(
        "--endpoint-url", "http://127.0.0.1:9", "--retry-cap-seconds", "0.2"
    )
    client = running.client()
    file = tmp_path / "file"
    file.write_bytes(b"x")
    tasks = Tasks(client, "doomed")
    tasks.append(file.as_uri(), "key")
    assert tasks.next_status().status is sdk.Status.InProgress
    assert tasks.next_status().status is sdk.Status.Warning
    client.delete_message_stream("doomed")
    status = tasks.next_status()
    assert (status.status, status.message) == (
        sdk.Status.Canceled,
        "The message stream was deleted",
    )
    client.close()


def test_a_status_message_is_json_as_the_sdks_read_it(
    client: sdk.StreamManagerClient, name: str
) -> None:
    tasks = Tasks(client, name)
    tasks.append("file:///missing", "key")
    tasks.next_status()
    options = sdk.ReadMessagesOptions(read_timeout_millis=20_000)
    (message,) = client.read_messages(tasks.status_stream, options)
    status = json.loads(message.payload)
    assert status.pop("timestampEpochMs") > 0
    assert status.pop("message")
    assert status == {
        "eventType": 0,
        "statusLevel": 2,
        "status": 2,
        "statusContext": {
            "s3ExportTaskDefinition": {
                "inputUrl": "file:///missing",
                "bucket": BUCKET,
                "key": "key",
            },
            "exportIdentifier": "s3",
            "streamName": name,
            "sequenceNumber": 0,
        },
    }


def test_the_stream_manager_stops_while_the_cloud_is_away(
    start_stream_manager: Callable[..., Any], eventually: Eventually
) -> None:
    running = start_stream_manager("--endpoint-url", "http://127.0.0.1:9")
    client = running.client()
    create(client, "s", kinesis_export("k"))
    client.append_message("s", b"x")
    eventually(lambda: export_status(client, "s").error_message is not None)
    client.close()
    assert running.stop() == 0
