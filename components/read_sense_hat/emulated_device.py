"""The emulated Sense HAT as a process: it stands in the room of the simulated HVAC, in real time.

`python -m read_sense_hat.emulated_device [--seed N] [--period S]` takes sense-emu's lock, writes
its registers from `RoomHvac` each period, with the chips' noise, until SIGTERM or SIGINT, and then
removes its register files. There is one emulator a machine, as the names of the files are fixed:
when another process holds the lock, it says so in one line and ends with 3.

Readers open the same files through `sense_emu.SenseHat`, so the LED matrix is a file here, too.
"""

import argparse
import contextlib
import os
import signal
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from read_sense_hat.appliances.room_hvac import RoomHvac

HELD_BY_ANOTHER = 3
SCREEN_BYTES = 128
"""64 pixels of 16 bits; the gamma table behind them stays."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the device until it is told to stop; the exit code."""
    parser = argparse.ArgumentParser(prog="python -m read_sense_hat.emulated_device")
    parser.add_argument("--seed", type=int, default=1, help="of the room and its weather")
    parser.add_argument("--period", type=_period_s, default=0.5, help="seconds between two writes")
    options = parser.parse_args(arguments)
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    try:
        with _lock():
            _write_registers(options.seed, options.period, stop)
    except HeldByAnotherError as error:
        sys.stderr.write(f"emulated_device: {error}\n")
        return HELD_BY_ANOTHER
    return 0


class HeldByAnotherError(Exception):
    """Another emulator runs on this machine; the message names its process."""


def _period_s(text: str) -> float:
    period_s = float(text)
    if not 0.01 <= period_s <= 60.0:
        raise argparse.ArgumentTypeError(f"{text}: 0.01 to 60 seconds")
    return period_s


@contextlib.contextmanager
def _lock() -> Iterator[None]:
    """Hold the emulator's lock, and leave nothing behind."""
    from sense_emu.lock import EmulatorLock  # noqa: PLC0415

    from read_sense_hat.sources.sensehat import emulator_pid  # noqa: PLC0415

    lock = EmulatorLock("hbs-hub")
    try:
        lock.acquire()
    except FileExistsError:
        raise HeldByAnotherError(
            f"another emulator holds the lock, process {emulator_pid()}: one machine has one; stop "
            "it, or run this hub with another source"
        ) from None
    try:
        yield
    finally:
        for path in _register_files():
            path.unlink(missing_ok=True)
        lock.release()


def _write_registers(seed: int, period_s: float, stop: threading.Event) -> None:
    """Put the room's values into the registers; sense-emu's servers add the chips' noise."""
    from sense_emu.humidity import HumidityServer  # noqa: PLC0415
    from sense_emu.imu import IMUServer  # noqa: PLC0415
    from sense_emu.pressure import PressureServer  # noqa: PLC0415
    from sense_emu.screen import init_screen  # noqa: PLC0415

    start_s, number = time.monotonic(), 0
    origin_s = time.time()
    room = RoomHvac(seed=seed, origin_s=origin_s)
    # A server's noise is a mean over a second that begins with what the registers hold: they are
    # written without noise first, so that nobody reads a room that warms up from nothing. Only the
    # IMU's mean begins at zero whatever one does, and stands upright after 0.2 s.
    temperature_c, humidity_pct, pressure_hpa, *_ = room.at(origin_s)
    with contextlib.closing(HumidityServer(simulate_noise=False)) as humidity:
        humidity.set_values(humidity_pct, temperature_c)
    with contextlib.closing(PressureServer(simulate_noise=False)) as pressure:
        pressure.set_values(pressure_hpa, temperature_c)
    with contextlib.ExitStack() as stack:
        screen = stack.enter_context(init_screen())
        screen.seek(0)
        screen.write(bytes(SCREEN_BYTES))
        humidity = stack.enter_context(contextlib.closing(HumidityServer()))
        pressure = stack.enter_context(contextlib.closing(PressureServer()))
        imu = stack.enter_context(contextlib.closing(IMUServer()))
        imu.set_orientation((0.0, 0.0, 0.0))
        while True:
            # Not the wall clock: it jumps when the machine is synchronised, the room does not.
            elapsed_s = time.monotonic() - start_s
            temperature_c, humidity_pct, pressure_hpa, *_ = room.at(origin_s + elapsed_s)
            humidity.set_values(humidity_pct, temperature_c)
            pressure.set_values(pressure_hpa, temperature_c)
            number += 1
            if stop.wait(max(0.0, start_s + number * period_s - time.monotonic())):
                return


def _register_files() -> list[Path]:
    """The emulator's files, and the sockets that killed readers left."""
    from sense_emu.humidity import humidity_filename  # noqa: PLC0415
    from sense_emu.imu import imu_filename  # noqa: PLC0415
    from sense_emu.pressure import pressure_filename  # noqa: PLC0415
    from sense_emu.screen import screen_filename  # noqa: PLC0415

    names = (humidity_filename(), pressure_filename(), imu_filename(), screen_filename())
    files = [Path(name) for name in names]
    for socket in files[0].parent.glob("rpi-sense-emu-client-*"):
        pid = socket.name.rpartition("-")[2]
        if pid.isdigit() and not _is_alive(int(pid)):
            files.append(socket)
    return files


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


if __name__ == "__main__":
    sys.exit(main())
