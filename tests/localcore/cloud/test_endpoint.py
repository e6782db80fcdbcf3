"""The embedded cloud: started once, found again, outliving who started it, gone without a trace."""

import os
import select
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from localcore.cloud import endpoint
from localcore.cloud.clients import AwsClients

REPOSITORY = Path(__file__).resolve().parents[3]
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(REPOSITORY)}


@pytest.fixture
def root(tmp_path: Path) -> Iterator[Path]:
    yield tmp_path / "cloud"
    endpoint.stop(tmp_path / "cloud")


def buckets(url: str) -> list[str]:
    found = AwsClients(url, "us-east-1").get("s3").list_buckets()["Buckets"]
    return sorted(bucket["Name"] for bucket in found)


def kinesis_streams(url: str) -> list[str]:
    names: list[str] = AwsClients(url, "us-east-1").get("kinesis").list_streams()["StreamNames"]
    return names


def test_a_second_ensure_finds_the_first_and_adds_what_is_asked_for(root: Path) -> None:
    assert endpoint.find(root) is None
    first = endpoint.ensure(root, buckets=["bucket-one"], kinesis_streams=["one"])
    second = endpoint.ensure(root, buckets=["bucket-one", "bucket-two"], kinesis_streams=["two"])
    assert first == second == endpoint.find(root)
    assert buckets(first.url) == ["bucket-one", "bucket-two"]
    assert kinesis_streams(first.url) == ["one", "two"]
    assert msgspec.json.decode((root / "endpoint.json").read_bytes())["pid"] == first.pid


def test_a_client_that_calls_before_it_is_ready_is_answered(root: Path) -> None:
    started = endpoint.ensure(root, buckets=["bucket-one"], wait=False)
    assert buckets(started.url) == ["bucket-one"]


def test_two_that_start_it_at_once_get_the_same_one(root: Path) -> None:
    first = endpoint.ensure(root, wait=False)
    assert endpoint.ensure(root) == first


def test_it_outlives_the_process_that_started_it(root: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from localcore.cloud import endpoint;"
        "print(endpoint.ensure(Path(sys.argv[1]), buckets=['bucket-one']).pid)"
    )
    starter = subprocess.run(
        [sys.executable, "-c", code, str(root)],
        env=ENVIRONMENT,
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        check=True,
    )
    found = endpoint.find(root)
    assert found is not None
    assert found.pid == int(starter.stdout)
    assert buckets(found.url) == ["bucket-one"]


def test_stopping_leaves_no_process_no_port_and_no_temporary_file(root: Path) -> None:
    started = endpoint.ensure(root, buckets=["bucket-one"])
    # moto spools objects over 5 MB to temporary files.
    s3 = AwsClients(started.url, "us-east-1").get("s3")
    s3.put_object(Bucket="bucket-one", Key="large", Body=bytes(6_000_000))
    assert endpoint.stop(root)
    assert not endpoint.stop(root)
    assert endpoint.start_time(started.pid) is None
    assert endpoint.find(root) is None
    assert sorted(path.name for path in root.iterdir()) == ["cloud.log", "lock"]
    port = int(started.url.rpartition(":")[2])
    again = endpoint.ensure(root, port=port)
    assert again.url == started.url


def test_a_process_with_the_same_number_is_not_mistaken_for_it(root: Path) -> None:
    root.mkdir()
    stale = endpoint.EndpointFile(pid=os.getpid(), started=1, port=1, url="http://127.0.0.1:1")
    (root / "endpoint.json").write_bytes(msgspec.json.encode(stale))
    assert endpoint.find(root) is None
    assert not endpoint.stop(root)


def test_after_kill_9_another_is_started(root: Path) -> None:
    first = endpoint.ensure(root)
    process = os.pidfd_open(first.pid)
    os.kill(first.pid, 9)
    assert select.select([process], [], [], 30)[0]
    os.close(process)
    second = endpoint.ensure(root)
    assert second.pid != first.pid
    assert endpoint.find(root) == second
    assert not Path(f"/proc/{first.pid}").exists()  # no zombie either


def test_a_taken_port_is_said(root: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(endpoint.CloudError, match=f"port {port} of 127.0.0.1 is taken"):
            endpoint.ensure(root, port=port)


def test_a_name_that_cannot_be_a_bucket_is_said(root: Path) -> None:
    endpoint.ensure(root)
    with pytest.raises(endpoint.CloudError, match="refused"):
        endpoint.ensure(root, buckets=["x"])


def test_run_by_hand_it_takes_its_folder_and_its_port(root: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        command = [sys.executable, "-m", "localcore.cloud", "--root", str(root)]
        port = str(taken.getsockname()[1])
        refused = subprocess.run(
            [*command, "--port", port], env=ENVIRONMENT, capture_output=True, text=True, check=False
        )
    assert refused.returncode == 2
    assert f"port {port} is taken" in refused.stderr
    endpoint.ensure(root)
    refused = subprocess.run(command, env=ENVIRONMENT, capture_output=True, text=True, check=False)
    assert refused.returncode == 2
    assert "another embedded cloud uses" in refused.stderr
