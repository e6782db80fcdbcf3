"""hubkit.streams against the real stream manager process, through a wire that can be slow."""

import os
import select
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from hubkit.streams import MessageStreamFullError, Progress, Streams, StreamsError
from localcore.cloud import endpoint

PATIENCE_S = 30.0
MEGABYTE = 1 << 20


class Manager:
    """The stream manager as a process."""

    def __init__(self, root: Path, url: str) -> None:
        self.root = root
        self.port = 0
        self._url = url
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        port_file = self.root / "port"
        port_file.unlink(missing_ok=True)
        command = [sys.executable, "-m", "localcore.streams", "--root", str(self.root)]
        command += ["--port", str(self.port), "--port-file", str(port_file)]
        command += ["--endpoint-url", self._url, "--region", "us-east-1"]
        command += ["--retry-cap-seconds", "0.2"]
        self._process = subprocess.Popen(command)
        wait_until(port_file.exists)
        self.port = int(port_file.read_text())

    def end(self, number: signal.Signals) -> None:
        if self._process is not None:
            self._process.send_signal(number)
            self._process.wait()
            self._process = None


class SlowWire:
    """Forwards one TCP port to another; while `held`, what the server says stays in the wire."""

    def __init__(self, port: int) -> None:
        self._target = ("127.0.0.1", port)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self.flowing = threading.Event()
        self.flowing.set()
        self._closing = threading.Event()
        self._threads = [threading.Thread(target=self._accept)]
        self._threads[0].start()

    def close(self) -> None:
        self._closing.set()
        self.flowing.set()
        for thread in self._threads:
            thread.join()
        self._listener.close()

    def _accept(self) -> None:
        while not self._closing.is_set():
            if not select.select([self._listener], [], [], 0.05)[0]:
                continue
            client = self._listener.accept()[0]
            server = socket.create_connection(self._target)
            thread = threading.Thread(target=self._forward, args=(client, server))
            self._threads.append(thread)
            thread.start()

    def _forward(self, client: socket.socket, server: socket.socket) -> None:
        with client, server:
            while not self._closing.is_set():
                wanted = [client, server] if self.flowing.is_set() else [client]
                for ready in select.select(wanted, [], [], 0.05)[0]:
                    try:
                        data = ready.recv(65_536)
                        if not data:
                            return
                        (server if ready is client else client).sendall(data)
                    except OSError:
                        return


def wait_until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < deadline, f"not within {PATIENCE_S} s"
        time.sleep(0.01)


@pytest.fixture(scope="module")
def cloud_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    root = tmp_path_factory.mktemp("cloud")
    yield endpoint.ensure(root, buckets=["history"], kinesis_streams=["windows"]).url
    endpoint.stop(root)


@pytest.fixture
def manager(tmp_path: Path, cloud_url: str) -> Iterator[Manager]:
    made = Manager(tmp_path / "streams", cloud_url)
    made.root.mkdir()
    made.start()
    yield made
    made.end(signal.SIGTERM)


@pytest.fixture
def wire(manager: Manager) -> Iterator[SlowWire]:
    made = SlowWire(manager.port)
    yield made
    made.close()


def connect(port: int, request_timeout_s: float = 10.0) -> Streams:
    return Streams("127.0.0.1", port, request_timeout_s)


def test_records_are_numbered_kept_and_exported(manager: Manager) -> None:
    streams = connect(manager.port)
    streams.ensure_kinesis("out", "windows", 20 * MEGABYTE)
    assert streams.progress("out") == Progress(newest=-1, exported=-1)
    assert streams.messages("out", 0) == []
    assert [streams.append("out", b"record %d" % n) for n in range(3)] == [0, 1, 2]
    assert streams.messages("out", 1) == [(1, b"record 1"), (2, b"record 2")]
    wait_until(lambda: streams.progress("out") == Progress(newest=2, exported=2))
    streams.ensure_kinesis("out", "windows", 30 * MEGABYTE)  # an update keeps what is there
    assert streams.progress("out").newest == 2
    streams.close()
    streams.close()


def test_the_status_of_each_upload_comes_with_its_key(manager: Manager, tmp_path: Path) -> None:
    streams = connect(manager.port)
    streams.ensure_s3_tasks("tasks", "tasks_status", 20 * MEGABYTE)
    good, missing = tmp_path / "good", tmp_path / "missing"
    good.write_bytes(b"content")
    assert streams.statuses("tasks_status", 0) == []
    first = streams.append_s3_task("tasks", good, "history", "a/good")
    second = streams.append_s3_task("tasks", missing, "history", "a/missing")
    ended = {"success", "failure", "canceled"}

    def finals() -> dict[tuple[str, int], str]:
        statuses = streams.statuses("tasks_status", 0)
        return {(s.key, s.task_sequence): s.state for s in statuses if s.state in ended}

    wait_until(lambda: len(finals()) == 2)
    assert finals() == {("a/good", first): "success", ("a/missing", second): "failure"}
    later = streams.statuses("tasks_status", 1)
    assert [status.sequence for status in later] == list(range(1, 1 + len(later)))
    streams.close()


def test_a_full_message_stream_says_so_and_the_client_stays(manager: Manager) -> None:
    streams = connect(manager.port)
    # A Kinesis stream that does not exist: nothing leaves, nothing frees its space.
    streams.ensure_kinesis("full", "no-such-stream", MEGABYTE)
    client = streams._client

    def fill() -> None:
        for _ in range(20):
            streams.append("full", b"x" * 100_000)

    with pytest.raises(MessageStreamFullError, match="append to full"):
        fill()
    assert streams._client is client is not None
    assert streams.progress("full").newest >= 5
    streams.close()


def test_a_reply_that_comes_too_late_costs_the_client_and_not_the_next_call(
    manager: Manager, wire: SlowWire
) -> None:
    patient = connect(manager.port)
    patient.ensure_kinesis("out", "windows", 20 * MEGABYTE)
    streams = connect(wire.port, request_timeout_s=0.3)
    wait_until(lambda: answers(streams))
    wire.flowing.clear()
    with pytest.raises(StreamsError, match="append to out: "):
        streams.append("out", b"late")
    wire.flowing.set()
    # The late append was done: who was not told has to look.
    wait_until(lambda: patient.messages("out", 0) == [(0, b"late")])
    wait_until(lambda: answers(streams))
    patient.close()
    streams.close()


def answers(streams: Streams) -> bool:
    """Three tenths of a second may be too little on a busy machine: tried again."""
    try:
        streams.progress("out")
    except StreamsError:
        return False
    return True


def test_a_killed_server_is_an_error_and_its_successor_goes_on(manager: Manager) -> None:
    streams = connect(manager.port)
    streams.ensure_kinesis("out", "windows", 20 * MEGABYTE)
    streams.append("out", b"before")
    manager.end(signal.SIGKILL)
    for _ in range(3):
        with pytest.raises(StreamsError):
            streams.append("out", b"lost")
    manager.start()
    assert streams.append("out", b"after") == 1
    assert [data for _, data in streams.messages("out", 0)] == [b"before", b"after"]
    streams.close()


def open_files() -> int:
    return len(os.listdir("/proc/self/fd"))  # noqa: PTH208


@pytest.mark.parametrize("failure", ["refused", "silent", "unknown message stream"])
def test_fifty_failures_leave_no_thread_and_no_file_behind(manager: Manager, failure: str) -> None:
    silent = socket.create_server(("127.0.0.1", 0), backlog=100)
    unused = socket.create_server(("127.0.0.1", 0))
    refused_port = unused.getsockname()[1]
    unused.close()
    ports = {
        "refused": refused_port,
        "silent": silent.getsockname()[1],
        "unknown message stream": manager.port,
    }
    streams = connect(ports[failure], request_timeout_s=0.02 if failure == "silent" else 10.0)

    def fail() -> None:
        with pytest.raises(StreamsError):
            streams.append("nobody", b"x")

    fail()
    threads, files = threading.active_count(), open_files()
    for _ in range(50):
        fail()
    assert threading.active_count() <= threads
    assert open_files() <= files
    streams.close()
    silent.close()
