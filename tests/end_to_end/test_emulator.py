"""The default of `scripts/run`: the emulated Sense HAT, of which a machine has one."""

import os
from pathlib import Path

import pytest

from tests.end_to_end.conftest import StartHub
from tests.end_to_end.hub_process import LOCALCORE, READ_SENSE_HAT, HubProcess
from tests.end_to_end.test_run import assert_balanced

REGISTERS = Path("/dev/shm")
LOCK = REGISTERS / "rpi-sense-emu-pid"


def _registers() -> set[str]:
    return {path.name for path in REGISTERS.glob("rpi-sense-*")}


def _holder() -> int | None:
    """The process that holds the emulator's lock."""
    try:
        pid = int(LOCK.read_text())
        os.kill(pid, 0)
    except (OSError, ValueError):
        return None
    return pid


def _assert_refused(hub: HubProcess) -> None:
    assert hub.end() == 2, hub.output
    assert hub.output == (
        f"scripts/run: another emulator is at work, process {_holder()}, and a machine has one: "
        "stop it, or use --source simulated\n"
    )


def test_the_emulated_hat_is_read_shown_and_taken_away(start_hub: StartHub) -> None:
    if _holder() is not None:
        _assert_refused(start_hub("--quiet"))
        pytest.skip(f"another emulator holds {LOCK}: one machine has one")
    hub = start_hub("--quiet")
    hub.wait_until_running()
    first = _holder()
    assert first in hub.look().processes
    assert len(_registers()) > 3
    _assert_refused(start_hub("--quiet"))

    # Killed with localcore, it leaves its registers; the next one takes them over.
    hub.kill(LOCALCORE)
    hub.wait_for("another emulator", lambda: _holder() not in {None, first})
    hub.wait_for("the hat", lambda: hub.state(READ_SENSE_HAT) == "RUNNING")

    hub.look().written -= {path for path in hub.traces.written if path.parent == REGISTERS}
    hub.interrupt()
    assert hub.end() == 0, hub.output
    report = assert_balanced(hub)
    hat = report["devices"]["hat-1"]
    assert hat["source"] == "emulator"
    assert 10 < hat["last"]["temperature_c"] < 40
    assert 900 < hat["last"]["pressure_hpa"] < 1100
    assert report["devices"].keys() == {"hat-1", "refrigerator-1", "washing-machine-1"}
    assert _registers() == set()
