import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from read_sense_hat.sources import SourceError

pytest.importorskip("sense_emu")

from read_sense_hat.emulated_device import HELD_BY_ANOTHER
from read_sense_hat.sources.sensehat import EmulatorSource, emulator_pid

# sense_emu uses a method that Pillow will drop in version 14.
pytestmark = pytest.mark.filterwarnings("ignore:Image.Image.getdata:DeprecationWarning")

COMPONENTS = Path(__file__).resolve().parents[2] / "components"
FILES = "rpi-sense-emu-*"


def start() -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "read_sense_hat.emulated_device", "--period", "0.1"],
        env={**os.environ, "PYTHONPATH": str(COMPONENTS)},
        stderr=subprocess.PIPE,
        text=True,
    )


def registers() -> list[Path]:
    return sorted(Path("/dev/shm").glob(FILES))


def until(condition: Callable[[], Any], process: subprocess.Popen[str]) -> None:
    while not condition():
        assert process.poll() is None, process.stderr and process.stderr.read()
        time.sleep(0.01)


def opened(tmp_path: Path, process: subprocess.Popen[str]) -> EmulatorSource:
    source = EmulatorSource(tmp_path / "settings")

    def is_open() -> bool:
        try:
            source.open()
            return (source.read(0.0).values[5] or 0.0) > 0.9
        except SourceError:
            return False

    until(is_open, process)
    return source


@pytest.fixture
def device() -> Iterator[subprocess.Popen[str]]:
    if emulator_pid() is not None:
        pytest.skip("an emulator runs on this machine: its lock is held")
    with start() as process:
        until(lambda: emulator_pid() == process.pid, process)
        yield process
        process.terminate()


def test_the_emulated_hat_is_read_through_its_library(
    device: subprocess.Popen[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    source = opened(tmp_path, device)
    sample = source.read(7.0)
    temperature_c, humidity_pct, pressure_hpa, _, _, z_g = (value or 0.0 for value in sample.values)
    assert sample.time_s == 7.0
    assert 19.0 < temperature_c < 27.0
    assert 10.0 < humidity_pct < 80.0
    assert 980.0 < pressure_hpa < 1045.0
    assert 0.9 < z_g < 1.1
    seen = {source.read(0.0).values for _ in range(10)}
    assert len(seen) > 1, "the chips' noise is missing"
    source.close()
    assert not (tmp_path / "home").exists()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_nothing_is_left_behind_when_it_ends(
    device: subprocess.Popen[str], number: signal.Signals
) -> None:
    until(lambda: len(registers()) >= 5, device)
    device.send_signal(number)
    assert device.wait(10.0) == 0
    assert registers() == []


def test_a_second_one_says_in_one_line_that_there_is_one(device: subprocess.Popen[str]) -> None:
    with start() as second:
        assert second.wait(20.0) == HELD_BY_ANOTHER
        assert second.stderr is not None
        (line,) = second.stderr.read().splitlines()
    assert f"another emulator holds the lock, process {device.pid}" in line
    assert device.poll() is None


def test_an_emulator_that_went_away_and_came_back_is_found_again(
    device: subprocess.Popen[str], tmp_path: Path
) -> None:
    source = opened(tmp_path, device)
    device.kill()
    device.wait(10.0)
    with pytest.raises(SourceError, match="no emulator holds the lock"):
        source.read(0.0)
    with pytest.raises(SourceError, match="emulated_device"):
        source.open()
    with start() as again:
        until(lambda: emulator_pid() == again.pid, again)
        source.close()
        source = opened(tmp_path, again)
        assert source.read(0.0).quality == {}
        source.close()
        again.terminate()
        assert again.wait(10.0) == 0


def test_an_emulator_started_anew_is_opened_anew(
    device: subprocess.Popen[str], tmp_path: Path
) -> None:
    source = opened(tmp_path, device)
    device.terminate()
    assert device.wait(10.0) == 0
    with start() as again:
        until(lambda: emulator_pid() == again.pid and len(registers()) >= 5, again)
        with pytest.raises(SourceError, match="started anew"):
            source.read(0.0)
        source.close()
        again.terminate()
        again.wait(10.0)


def test_opening_again_and_again_leaves_no_thread_and_no_socket(
    device: subprocess.Popen[str], tmp_path: Path
) -> None:
    before = threading.active_count()
    for _ in range(3):
        opened(tmp_path, device).close()
    assert threading.active_count() == before
    assert not list(Path("/dev/shm").glob("rpi-sense-emu-client-*"))
