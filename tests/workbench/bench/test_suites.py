"""Suites, on a real device, with tiny efforts; and what an interrupted run leaves: nothing."""

import dataclasses
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from workbench.bench.arguments import Nucleus
from workbench.bench.device import BenchError, Device
from workbench.bench.effort import QUICK
from workbench.bench.setting import Setting
from workbench.bench.suites import SUITES

TINY = dataclasses.replace(
    QUICK,
    repeats=2,
    publishes=20,
    latency_s={100: 0.2},
    raw_publishes=300,
    growth_publishes=50,
    book_readings=2,
)


def descendants(pid: int) -> set[int]:
    found = set()
    for task in Path(f"/proc/{pid}/task").iterdir():
        for child in (task / "children").read_text().split():
            found |= {int(child)} | descendants(int(child))
    return found


def alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return False
    return state != "Z"


@pytest.fixture
def device(tmp_path: Path) -> Iterator[Device]:
    with Device(tmp_path / "device") as started:
        started.start()
        yield started


def test_the_ipc_suite_measures_what_it_names_and_where(tmp_path: Path) -> None:
    setting = Setting(tmp_path, TINY)
    results = {result.figure.name: result for result in SUITES["ipc"](setting)}
    assert list(results) == [
        "ipc.publish_sync_per_s",
        "ipc.publish_pipelined_per_s",
        "ipc.publish_raw_per_s",
        "ipc.latency_100_p50_ms",
        "ipc.latency_100_p99_ms",
        "ipc.memory_growth_20000_kb",
    ]
    assert all(result.value > 0 for name, result in results.items() if "memory" not in name)
    assert len(results["ipc.publish_raw_per_s"].samples) == TINY.repeats
    assert setting.socket is not None
    assert setting.notes == ["memory growth: 50 publishes measured, scaled to 20000"]
    assert list(tmp_path.iterdir()) == []


def test_a_nucleus_that_runs_is_measured_by_its_socket_and_token(
    device: Device, tmp_path: Path
) -> None:
    nucleus = device.admit_client()
    setting = Setting(tmp_path, TINY, nucleus, topic_prefix="bench/other")
    assert next(SUITES["ipc"](setting)).value > 0
    assert setting.socket == nucleus.socket


def test_a_token_that_is_refused_ends_the_suite_with_the_reason(
    device: Device, tmp_path: Path
) -> None:
    setting = Setting(tmp_path, TINY, Nucleus(device.socket, "wrong"))
    with pytest.raises(BenchError, match=r"the program publish ended with 1: .*token"):
        next(SUITES["ipc"](setting))


def test_the_way_of_the_book_is_measured_against_the_stream_manager(tmp_path: Path) -> None:
    (result,) = SUITES["book"](Setting(tmp_path, TINY))
    assert result.figure.name == "book.readings_per_s"
    assert result.value > 0


def test_ctrl_c_leaves_no_process_and_no_folder() -> None:
    bench = subprocess.Popen(
        [sys.executable, "-m", "workbench.bench", "ipc", "--quick"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
    )
    assert bench.stderr is not None
    assert bench.stderr.readline().startswith(b"ipc.publish_sync_per_s ")
    started = descendants(bench.pid)
    roots = [Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0") for pid in started]
    (root,) = {words[words.index(b"--root") + 1] for words in roots if b"--root" in words}
    bench.send_signal(signal.SIGINT)
    assert b"nothing is left running" in bench.stderr.read()
    bench.stderr.close()
    assert bench.wait() == 130
    assert [pid for pid in started if alive(pid)] == []
    assert not Path(root.decode()).parent.exists()
