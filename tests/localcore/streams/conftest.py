"""A real stream manager process, the real client, and the embedded cloud."""

import os
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import stream_manager as sdk

from localcore.cloud import endpoint

REPOSITORY = Path(__file__).resolve().parents[3]
REGION = "us-east-1"
BUCKET = "hub-readings"
KINESIS_STREAM = "hub-windows"


class StreamManager:
    """`python -m localcore.streams` as a child process, listening once it is constructed."""

    def __init__(self, root: Path, *arguments: str, port: int = 0):
        self.root = root
        self._process = subprocess.Popen(
            [
                *(sys.executable, "-m", "localcore.streams"),
                *("--root", str(root), "--port", str(port), "--region", REGION),
                *arguments,
            ],
            cwd=REPOSITORY,
            env={**os.environ, "PYTHONPATH": str(REPOSITORY)},
            stdout=subprocess.PIPE,
            text=True,
        )
        if self._process.stdout is None:
            raise TypeError("no pipe")
        for line in self._process.stdout:
            if "listening" in line:
                self.port = int(line.partition("port=")[2].split()[0])
                return
        raise AssertionError(f"the stream manager ended with {self._wait()}")

    @property
    def pid(self) -> int:
        return self._process.pid

    def client(self, **options: Any) -> sdk.StreamManagerClient:
        return sdk.StreamManagerClient(port=self.port, **options)

    def kill(self) -> None:
        """kill -9."""
        self._process.kill()
        self._wait()

    def stop(self) -> int:
        """SIGTERM; the exit status."""
        self._process.terminate()
        return self._wait()

    def _wait(self) -> int:
        self._process.communicate(timeout=30)
        return self._process.returncode


@pytest.fixture(scope="session")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The URL of an embedded cloud with a bucket and a data stream."""
    root = tmp_path_factory.mktemp("cloud")
    yield endpoint.ensure(root, buckets=[BUCKET], kinesis_streams=[KINESIS_STREAM]).url
    endpoint.stop(root)


@pytest.fixture(scope="session")
def stream_manager(cloud: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[StreamManager]:
    """One stream manager for all tests that do not stop it: they use names of their own."""
    running = StreamManager(
        tmp_path_factory.mktemp("streams"), "--endpoint-url", cloud, "--retry-cap-seconds", "0.5"
    )
    yield running
    assert running.stop() == 0


@pytest.fixture
def start_stream_manager(tmp_path: Path) -> Iterator[Callable[..., StreamManager]]:
    """Starts stream managers on one folder, one after the other."""
    running: list[StreamManager] = []

    def start(*arguments: str, port: int = 0) -> StreamManager:
        running.append(StreamManager(tmp_path / "streams", *arguments, port=port))
        return running[-1]

    yield start
    for each in running:
        each.stop()


@pytest.fixture
def client(stream_manager: StreamManager) -> Iterator[sdk.StreamManagerClient]:
    """The unmodified client, connected."""
    connected = stream_manager.client()
    yield connected
    connected.close()


@pytest.fixture
def name(request: pytest.FixtureRequest) -> str:
    """A name for a message stream that no other test uses."""
    return re.sub(r"[^\w.-]", "_", request.node.name)[:200]


def wait_until(condition: Callable[[], bool], timeout_s: float = 30.0) -> None:
    """Until it holds: for what happens in another process and tells nobody."""
    deadline = time.monotonic() + timeout_s
    while not condition():
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {timeout_s} s")
        time.sleep(0.02)


@pytest.fixture
def eventually() -> Callable[..., None]:
    return wait_until
