"""hubkit.service.run as a process of its own, against a real IPC socket."""

import json
import os
import queue
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

PATIENCE_S = 30.0
COMPONENT = "lab.hub.Service"
GRANTED = ("lab/in/#", "lab/in/*", "hub/heartbeat/Service", "hub/health/Service")
DEFAULTS = {
    "logLevel": "INFO",
    "healthSeconds": 1,
    "name": "first",
    "needsFile": "",
    "drainPayloads": 0,
    "receiveSeconds": 0,
}


class Process:
    """One life of the component, and what it says."""

    def __init__(self, core: Any, work_folder: Path, token: str) -> None:
        program = Path(__file__).with_name("hub_component.py")
        self._process = subprocess.Popen(
            [sys.executable, str(program), COMPONENT],
            cwd=work_folder,
            env={
                **os.environ,
                "SVCUID": token,
                "AWS_GG_NUCLEUS_DOMAIN_SOCKET_FILEPATH_FOR_COMPONENT": str(core.socket_path),
                "AWS_IOT_THING_NAME": "lab-thing",
            },
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self.lines: list[str] = []
        self._events: queue.SimpleQueue[dict[str, Any] | None] = queue.SimpleQueue()
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            if line.startswith("{"):
                self._events.put(json.loads(line))
            else:
                self.lines.append(line.rstrip())
        self._events.put(None)

    def event(self) -> dict[str, Any] | None:
        """What it says next; None when it has ended."""
        return self._events.get(timeout=PATIENCE_S)

    def await_event(self, name: str, **values: Any) -> None:
        """Skip to an event."""
        wanted = {"event": name, **values}
        while (event := self.event()) != wanted:
            assert event is not None, f"ended without {wanted}: {self.lines}"

    def remaining(self) -> list[str]:
        """The names of all events to the end."""
        return [event["event"] for event in iter(self.event, None)]

    def signal(self, number: signal.Signals = signal.SIGTERM) -> None:
        self._process.send_signal(number)

    def exit_code(self) -> int:
        return self._process.wait(PATIENCE_S)

    def close(self) -> None:
        self._process.kill()
        self._process.wait()
        self._reader.join()
        assert self._process.stdout is not None
        self._process.stdout.close()


class Bench:
    """A core device with the component's configuration, and everything it publishes."""

    def __init__(self, core: Any, folder: Path) -> None:
        self.core = core
        self._folder = folder
        self._processes: list[Process] = []
        self.configuration: dict[str, Any] = {}
        self.health: queue.SimpleQueue[dict[str, Any]] = queue.SimpleQueue()
        self.configure()
        core.call(
            lambda: core.services.pubsub.subscribe(
                "hub/health/Service", self._on_health, "lab.Other"
            )
        )

    def _on_health(self, message: Any) -> None:
        self.health.put(json.loads(message.binary))

    def configure(self, *, granted: tuple[str, ...] = GRANTED, **changes: Any) -> None:
        policy = {"operations": ["*"], "resources": list(granted)}
        access = {"aws.greengrass.ipc.pubsub": {f"{COMPONENT}:1": policy}}
        self.configuration = {**DEFAULTS, **changes, "accessControl": access}
        self.core.configure(COMPONENT, self.configuration)

    def change(self, key: str, value: Any) -> None:
        """What UpdateConfiguration or a deployment does to one key, announced."""
        now_ms = time.time() * 1000
        config = self.core.services.config
        self.core.call(lambda: config.update(COMPONENT, [key], value, now_ms))

    def start(self, token: str | None = None) -> Process:
        token = token or self.core.supervisor.launch(COMPONENT)
        self._processes.append(Process(self.core, self._folder, token))
        return self._processes[-1]

    def publish(self, topic: str, *payloads: bytes) -> None:
        pubsub = self.core.services.pubsub
        self.core.call(lambda: [pubsub.publish(topic, each, "lab.Other") for each in payloads])

    def close(self) -> None:
        for process in self._processes:
            process.close()


@pytest.fixture
def bench(core: Any, tmp_path: Path) -> Iterator[Bench]:
    folder = tmp_path / "work"
    folder.mkdir()
    made = Bench(core, folder)
    yield made
    made.close()


def test_sigterm_finishes_drains_closes_and_exits_with_0(bench: Bench) -> None:
    bench.configure(drainPayloads=2)
    process = bench.start()
    assert process.event() == {"event": "built", "name": "first", "thing": "lab-thing"}
    process.await_event("begin")
    bench.publish("lab/in/a", b"1")
    process.await_event("receive", topic="lab/in/a", payload="1")
    process.signal()
    process.await_event("finish")
    bench.publish("lab/in/a", b"2")
    bench.publish("lab/in/a", b"3")
    assert process.remaining() == ["receive", "receive", "close"]
    assert process.exit_code() == 0


def test_a_second_sigterm_does_not_wait_for_the_drain(bench: Bench) -> None:
    bench.configure(drainPayloads=1000)
    process = bench.start()
    process.await_event("begin")
    process.signal()
    process.await_event("finish")
    process.signal(signal.SIGINT)
    assert process.remaining() == ["close"]
    assert process.exit_code() == 0


def test_sigterm_while_the_nucleus_is_away_is_an_end_like_any_other(bench: Bench) -> None:
    bench.core.stop()
    process = bench.start()
    while not any("lost what=nucleus" in line for line in process.lines):
        time.sleep(0.01)
    process.signal()
    assert process.remaining() == []
    assert process.exit_code() == 0
    bench.core.start()


def test_a_wrong_configuration_is_one_line_and_exit_code_1(bench: Bench) -> None:
    bench.configure(healthSeconds=0)
    process = bench.start()
    assert process.remaining() == []
    assert process.exit_code() == 1
    reason = "healthSeconds=0: Expected `float` >= 1.0"
    assert process.lines == [
        f"ERROR hubkit.service: ending component={COMPONENT} reason={reason}",
    ]


@pytest.mark.parametrize("granted", [("hub/*",), ("lab/in/#", "hub/heartbeat/*")])
def test_what_is_not_granted_is_one_line_and_exit_code_1(
    bench: Bench, granted: tuple[str, ...]
) -> None:
    bench.configure(granted=granted)
    process = bench.start()
    process.remaining()
    assert process.exit_code() == 1
    (line,) = [line for line in process.lines if line.startswith("ERROR")]
    topic = "lab/in/#" if granted == ("hub/*",) else "hub/health/Service"
    assert topic in line


def test_a_token_that_is_not_valid_is_exit_code_1(bench: Bench) -> None:
    process = bench.start("0" * 16)
    process.remaining()
    assert process.exit_code() == 1
    assert "SVCUID" in process.lines[-1]


def test_a_changed_configuration_is_a_new_service_in_the_same_process(bench: Bench) -> None:
    process = bench.start()
    process.await_event("begin")
    bench.change("name", "second")
    events = [process.event() for _ in range(4)]
    assert events == [
        {"event": "finish"},
        {"event": "close"},
        {"event": "built", "name": "second", "thing": "lab-thing"},
        {"event": "begin"},
    ]


@pytest.mark.parametrize(
    ("key", "value", "word"),
    [("healthSeconds", "never", "stays"), ("name", "impossible", "is back")],
)
def test_a_refused_change_leaves_the_service_of_before(
    bench: Bench, key: str, value: str, word: str
) -> None:
    process = bench.start()
    process.await_event("begin")
    bench.change(key, value)
    while not any("configuration refused, the one before" in line for line in process.lines):
        time.sleep(0.01)
    assert any(word in line for line in process.lines)
    bench.publish("lab/in/a", b"still here")
    process.await_event("receive", topic="lab/in/a", payload="still here")
    process.signal()
    assert process.remaining() == ["finish", "close"]
    assert process.exit_code() == 0


def test_what_cannot_begin_now_is_built_later(bench: Bench, tmp_path: Path) -> None:
    needed = tmp_path / "needed"
    bench.configure(needsFile=str(needed))
    process = bench.start()
    process.await_event("not now")
    process.await_event("not now")
    needed.touch()
    process.await_event("begin")
    assert [line for line in process.lines if "lost what=begin" in line]


def test_payloads_over_the_inbox_are_dropped_and_counted_and_health_says_so(bench: Bench) -> None:
    bench.configure(receiveSeconds=0.001)
    process = bench.start()
    process.await_event("begin")
    bench.publish("lab/in/a", *[b"x" * 4_000] * 3_000)  # 12 MB: the inbox holds 8
    while True:
        health = bench.health.get(timeout=PATIENCE_S)
        if health["values"]["inbox_dropped"]:
            break
    assert health["component"] == COMPONENT
    assert health["state"] == "running"
    assert health["values"]["name"] == "first"
    assert 0 < health["values"]["inbox_dropped"] < 3_000


def test_a_nucleus_that_restarts_is_connected_to_again(bench: Bench) -> None:
    process = bench.start()
    process.await_event("begin")
    bench.core.stop()
    bench.core.start()
    process.await_event("reconnected")
    bench.publish("lab/in/b", b"after")
    process.await_event("receive", topic="lab/in/b", payload="after")
    while bench.health.get(timeout=PATIENCE_S)["values"]["connections"] != 2:
        pass
    process.signal()
    assert process.remaining() == ["finish", "close"]
    assert process.exit_code() == 0


def test_odd_heartbeats_of_somebody_else_do_no_harm(bench: Bench) -> None:
    process = bench.start()
    process.await_event("begin")
    for payload in (b"", b"x", b"-1", b"9" * 4_000, b"\xff", "\u0663".encode()):
        bench.publish("hub/heartbeat/Service", payload)
    bench.publish("lab/in/b", b"after")
    process.await_event("receive", topic="lab/in/b", payload="after")
    assert not [line for line in process.lines if "Traceback" in line]
