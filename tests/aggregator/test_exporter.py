"""The exporter against the real stream manager client, server and AWS endpoint."""

import gzip
import json
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import botocore.session
import pytest

from aggregator.core import Core
from aggregator.devices import EMPTY_STATE, Settings
from aggregator.exporter import OUTSTANDING, Destination, Exporter, ExporterThread
from aggregator.lines import READINGS, WINDOWS
from hubkit.clock import ManualClock
from hubkit.export_log import ExportLog
from hubkit.journal import Journal
from hubkit.journal_file import JournalError
from hubkit.payloads import ReadingBatch
from hubkit.streams import Streams, StreamsError
from localcore.cloud import endpoint

BOOT = "00000001-00000001"
DESTINATION = Destination(
    bucket="hub-history",
    kinesis_stream="hub-windows",
    stream_bytes=20_000_000,
    flush_s=3600.0,
    flush_bytes=500_000,
    window_flush_s=300.0,
)


class StreamManager:
    """The stream manager as a process that can be killed and started again on its files."""

    def __init__(self, root: Path, url: str) -> None:
        self.root = root
        self.port = 0
        self._url = url
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        command = [sys.executable, "-m", "localcore.streams", "--root", str(self.root)]
        command += ["--port", str(self.port), "--endpoint-url", self._url]
        command += ["--region", "us-east-1", "--retry-cap-seconds", "0.2"]
        announced = self.root / "port"
        announced.unlink(missing_ok=True)
        self._process = subprocess.Popen([*command, "--port-file", str(announced)])
        while not announced.exists():
            assert self._process.poll() is None
            time.sleep(0.01)
        self.port = int(announced.read_text())

    def kill(self) -> None:
        assert self._process is not None
        self._process.kill()
        self._process.wait()

    def stop(self) -> None:
        if self._process is not None and self._process.poll() is None:
            self._process.send_signal(signal.SIGTERM)
            self._process.wait()


@pytest.fixture(scope="module")
def cloud_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    root = tmp_path_factory.mktemp("cloud")
    found = endpoint.ensure(root, buckets=["hub-history"], kinesis_streams=["hub-windows"])
    yield found.url
    endpoint.stop(root)


@pytest.fixture
def stream_manager(tmp_path: Path, cloud_url: str) -> Iterator[StreamManager]:
    root = tmp_path / "streams"
    root.mkdir()
    made = StreamManager(root, cloud_url)
    made.start()
    yield made
    made.stop()


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    made = Journal(tmp_path, tmp_path, quota_bytes=10_000_000, initial_state=EMPTY_STATE)
    yield made
    made.close()


def client(service: str, url: str) -> Any:
    return botocore.session.get_session().create_client(
        service,
        endpoint_url=url,
        region_name="us-east-1",
        aws_access_key_id="x",
        aws_secret_access_key="x",
    )


def fill(journal: Journal, first: int, count: int) -> None:
    """Commit readings, and the windows they close."""
    core = Core(Settings("pi-1", 10.0, 5.0), journal.state)
    core.accept(
        ReadingBatch(
            device_id="hat-1",
            source="simulated",
            boot=BOOT,
            seq=first,
            t0_s=1.7e9 + first,
            clock="synchronised",
            dt_s=[float(n) for n in range(count)],
            values={"temperature_c": [20.0 + n for n in range(count)]},
        ),
        0.0,
    )
    journal.commit(core.rows(), core.state())


def exporter(journal: Journal, manager: StreamManager, tmp_path: Path) -> Exporter:
    return Exporter(
        ExportLog(journal.path),
        Streams("127.0.0.1", manager.port, 5.0),
        tmp_path / "exports",
        DESTINATION,
        "pi-1",
        ManualClock(),
    )


def export_all(tested: Exporter) -> None:
    deadline = time.monotonic() + 30
    while True:
        try:
            if tested.step(everything=True):
                return
        except StreamsError:
            if time.monotonic() > deadline:
                raise
        assert time.monotonic() < deadline, "not exported within 30 s"
        time.sleep(0.02)


def exported_readings(url: str, journal_id: str) -> list[int]:
    s3 = client("s3", url)
    listed = s3.list_objects_v2(Bucket="hub-history").get("Contents", [])
    keys = [entry["Key"] for entry in listed if journal_id in entry["Key"]]
    lines = [
        json.loads(line)
        for key in keys
        for line in gzip.decompress(
            s3.get_object(Bucket="hub-history", Key=key)["Body"].read()
        ).splitlines()
    ]
    return sorted(line["seq"] for line in lines)


def exported_windows(url: str, since: str) -> list[int]:
    kinesis = client("kinesis", url)
    shards = kinesis.list_shards(StreamName="hub-windows")["Shards"]
    found = []
    for shard in shards:
        iterator = kinesis.get_shard_iterator(
            StreamName="hub-windows", ShardId=shard["ShardId"], ShardIteratorType="TRIM_HORIZON"
        )["ShardIterator"]
        for record in kinesis.get_records(ShardIterator=iterator)["Records"]:
            found += [json.loads(line) for line in record["Data"].splitlines()]
    return sorted(w["first_seq"] for w in found if w["thing"] == since)


def test_everything_arrives_once_and_leaves_the_journal(
    journal: Journal, stream_manager: StreamManager, cloud_url: str, tmp_path: Path
) -> None:
    fill(journal, 0, 95)
    fill(journal, 95, 30)
    tested = exporter(journal, stream_manager, tmp_path)
    export_all(tested)
    assert exported_readings(cloud_url, journal.id) == list(range(125))
    assert journal.size_bytes == 0
    assert list((tmp_path / "exports").iterdir()) == []
    delivered = {account.kind: account.delivered for account in journal.accounts()}
    assert delivered == {READINGS: 125, WINDOWS: 12}
    tested.close()


def test_nothing_leaves_before_it_is_due(
    journal: Journal, stream_manager: StreamManager, tmp_path: Path
) -> None:
    tested = exporter(journal, stream_manager, tmp_path)
    fill(journal, 0, 95)
    assert tested.step() is False
    log = ExportLog(journal.path)
    assert log.ranges(READINGS) == []
    clock = tested._clock
    assert isinstance(clock, ManualClock)
    clock.advance(DESTINATION.flush_s)
    tested.step()
    (fixed,) = log.ranges(READINGS)
    assert fixed.sequence is not None
    log.close()
    tested.close()


def test_a_killed_stream_manager_and_a_killed_exporter_double_and_lose_nothing(
    journal: Journal, stream_manager: StreamManager, cloud_url: str, tmp_path: Path
) -> None:
    already = len(exported_windows(cloud_url, "pi-1"))
    fill(journal, 0, 95)
    tested = exporter(journal, stream_manager, tmp_path)
    tested.step(everything=True)
    stream_manager.kill()
    fill(journal, 95, 30)
    with pytest.raises(StreamsError):
        tested.step(everything=True)
    # The exporter dies too, and does not know any more that its windows were appended.
    tested.close()
    log = ExportLog(journal.path)
    for fixed in log.ranges(WINDOWS):
        log.appended(fixed, None)
    log.set_mark("records appended", 0)
    log.close()
    stream_manager.start()
    again = exporter(journal, stream_manager, tmp_path)
    export_all(again)
    assert exported_readings(cloud_url, journal.id) == list(range(125))
    assert len(exported_windows(cloud_url, "pi-1")) - already == 12
    again.close()


def test_a_stream_manager_that_lost_its_store_gets_everything_again(
    journal: Journal, stream_manager: StreamManager, cloud_url: str, tmp_path: Path
) -> None:
    fill(journal, 0, 95)
    tested = exporter(journal, stream_manager, tmp_path)
    # Appended to a message stream whose upload will never be confirmed: the store is deleted.
    tested.step(everything=True)
    stream_manager.kill()
    shutil.rmtree(stream_manager.root)
    stream_manager.root.mkdir()
    stream_manager.start()
    export_all(tested)
    assert exported_readings(cloud_url, journal.id) == list(range(95))
    tested.close()


def test_a_file_that_vanished_is_written_again(
    journal: Journal, stream_manager: StreamManager, cloud_url: str, tmp_path: Path
) -> None:
    stray = tmp_path / "exports"
    stray.mkdir()
    (stray / "stray.ndjson.gz").write_bytes(b"of an earlier life")
    fill(journal, 0, 20)
    log = ExportLog(journal.path)
    (fixed,) = log.fix(READINGS)
    log.appended(fixed, None)
    log.close()
    tested = exporter(journal, stream_manager, tmp_path)
    export_all(tested)
    assert exported_readings(cloud_url, journal.id) == list(range(20))
    assert list(stray.iterdir()) == []
    tested.close()


def test_a_bucket_that_does_not_exist_keeps_the_readings(
    journal: Journal, stream_manager: StreamManager, tmp_path: Path
) -> None:
    fill(journal, 0, 20)
    tested = Exporter(
        ExportLog(journal.path),
        Streams("127.0.0.1", stream_manager.port, 5.0),
        tmp_path / "exports",
        Destination("no-such-bucket", "hub-windows", 20_000_000, 1.0, 1, 1.0),
        "pi-1",
        ManualClock(),
    )
    deadline = time.monotonic() + 20
    while tested.failures == 0 and time.monotonic() < deadline:
        assert tested.step(everything=True) is False
        time.sleep(0.05)
    assert tested.failures == 1, "failed uploads are spaced out, and were tried at all"
    assert sum(a.delivered for a in journal.accounts() if a.kind == READINGS) == 0
    tested.close()


def wait_until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline, "not within 30 s"
        time.sleep(0.01)


def test_the_thread_drains_on_demand_and_reports_an_unreachable_stream_manager(
    journal: Journal, stream_manager: StreamManager, cloud_url: str, tmp_path: Path
) -> None:
    thread = ExporterThread(lambda: exporter(journal, stream_manager, tmp_path))
    thread.start()
    fill(journal, 0, 20)
    thread.drain()
    wait_until(lambda: thread.drained)
    assert thread.state == "connected"
    assert exported_readings(cloud_url, journal.id) == list(range(20))
    stream_manager.kill()
    fill(journal, 20, 20)
    wait_until(lambda: thread.state == "unreachable" and not thread.drained)
    stream_manager.start()
    wait_until(lambda: thread.drained)
    assert exported_readings(cloud_url, journal.id) == list(range(40))
    thread.close()


def test_a_journal_that_cannot_be_read_is_an_error_with_its_path(tmp_path: Path) -> None:
    with pytest.raises(JournalError, match=r"journal\.sqlite"):
        ExportLog(tmp_path / "missing" / "journal.sqlite")


def test_what_nobody_thought_of_does_not_end_the_thread(
    journal: Journal, stream_manager: StreamManager, cloud_url: str, tmp_path: Path
) -> None:
    surprises: list[Exception] = [ValueError("not foreseen"), KeyError("neither")]

    def make() -> Exporter:
        if surprises:
            raise surprises.pop()
        return exporter(journal, stream_manager, tmp_path)

    thread = ExporterThread(make)
    thread.start()
    fill(journal, 0, 20)
    thread.drain()
    wait_until(lambda: thread.drained)
    assert exported_readings(cloud_url, journal.id) == list(range(20))
    thread.close()


def test_a_thread_that_was_never_started_can_be_closed(journal: Journal) -> None:
    ExporterThread(lambda: pytest.fail("not started")).close()


def test_while_the_cloud_is_away_no_more_is_fixed_than_may_be_outstanding(
    journal: Journal, stream_manager: StreamManager, tmp_path: Path
) -> None:
    tested = Exporter(
        ExportLog(journal.path),
        Streams("127.0.0.1", stream_manager.port, 5.0),
        tmp_path / "exports",
        Destination("no-such-bucket", "no-such-stream", 20_000_000, 1.0, 1, 1.0),
        "pi-1",
        ManualClock(),
    )
    for n in range(OUTSTANDING + 5):
        fill(journal, 20 * n, 20)
        assert tested.step(everything=True) is False
    log = ExportLog(journal.path)
    assert len(log.ranges(READINGS)) == OUTSTANDING
    assert log.waiting_bytes(READINGS) > 0
    assert len(list((tmp_path / "exports").iterdir())) <= OUTSTANDING
    log.close()
    tested.close()
