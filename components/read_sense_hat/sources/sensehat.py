"""The Sense HAT, real or emulated: the same public API of two libraries over the same registers.

The libraries are imported when the source is opened and nowhere else: they bring numpy and
Pillow. `sense_hat` needs the system package's RTIMU, `/dev/i2c-*`, and a user in the groups i2c,
input, video.

What the library hides, and what is done about it:

- a chip that answers "not valid" is given as the integer 0: that is no number here (`not_finite`);
- an IMU that does not answer is given as its last value: `quality.py` sees that it stands still;
- it copies RTIMULib.ini into the user's home, which a service user may not have: the calibration
  lies in the work folder instead, copied from /etc by the library as ever.
"""

import contextlib
import importlib
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from read_sense_hat.sources import Flag, Sample, SourceError

METRICS = (
    "temperature_c",
    "humidity_pct",
    "pressure_hpa",
    "acceleration_x_g",
    "acceleration_y_g",
    "acceleration_z_g",
)
DIGITS = 5
"""Digits kept: finer than every register (HTS221 0.004 %, LPS25H 1/4096 hPa, LSM9DS1 0.00006 g)."""

DRIVER_ERRORS = (OSError, RuntimeError, ImportError, AttributeError, TypeError, ValueError)
"""What the libraries and RTIMU raise when a chip, a bus, a device file or a module is missing."""


class SenseHatSource:
    """The HAT on this machine's I2C bus, through the `sense_hat` library.

    Args:
        settings_folder: Where the IMU's calibration is kept.
    """

    metrics = METRICS
    library = "sense_hat"

    def __init__(self, settings_folder: Path) -> None:
        self._settings_folder = settings_folder
        self._hat: Any = None

    def open(self) -> None:
        """Import the library and find the HAT."""
        self.close()
        try:
            module = importlib.import_module(self.library)
            # An absolute path here replaces the home folder it is joined to.
            hat_class = type(
                "SenseHat",
                (module.SenseHat,),
                {"SETTINGS_HOME_PATH": str(self._settings_folder.absolute())},
            )
            self._hat = hat_class()
        except DRIVER_ERRORS as error:
            raise SourceError(
                f"open {self.library}: {type(error).__name__}: {error}; the Sense HAT needs I2C "
                "enabled, the system package sense-hat and the groups i2c, input and video"
            ) from error

    def close(self) -> None:
        """Forget the HAT; its files are closed with the object."""
        self._hat = None

    def read(self, now_s: float) -> Sample:
        """Ask every chip; one that fails is flagged, all failing is an error."""
        if self._hat is None:
            raise SourceError(f"read {self.library}: it is not open")
        quality: dict[str, Flag] = {}
        errors: list[str] = []
        values = [
            self._scalar("temperature_c", self._hat.get_temperature, quality, errors),
            self._scalar("humidity_pct", self._hat.get_humidity, quality, errors),
            self._scalar("pressure_hpa", self._hat.get_pressure, quality, errors),
            *self._acceleration(quality, errors),
        ]
        if len(quality) == len(METRICS) and errors:
            raise SourceError(f"read {self.library}: {errors[0]}")
        return Sample(now_s, tuple(values), quality)

    def _scalar(
        self,
        metric: str,
        get: Callable[[], Any],
        quality: dict[str, Flag],
        errors: list[str],
    ) -> float | None:
        try:
            value = get()
        except DRIVER_ERRORS as error:
            quality[metric] = "io_error"
            errors.append(f"{metric}: {type(error).__name__}: {error}")
            return None
        if type(value) is int and value == 0:
            quality[metric] = "not_finite"
            return None
        return round(float(value), DIGITS)

    def _acceleration(
        self, quality: dict[str, Flag], errors: list[str]
    ) -> tuple[float | None, float | None, float | None]:
        try:
            raw = self._hat.get_accelerometer_raw()
            x, y, z = (round(float(raw[axis]), DIGITS) for axis in ("x", "y", "z"))
        except (*DRIVER_ERRORS, KeyError) as error:
            for metric in METRICS[3:]:
                quality[metric] = "io_error"
            errors.append(f"acceleration: {type(error).__name__}: {error}")
            return None, None, None
        return x, y, z


class EmulatorSource(SenseHatSource):
    """The emulated HAT, through `sense_emu`: another process writes its registers.

    `sense_emu.SenseHat()` starts a GUI when nobody holds the lock, and keeps reading the
    registers of an emulator that went away: both are asked first.
    """

    library = "sense_emu"

    def open(self) -> None:
        """Find the emulator.

        Raises:
            SourceError: No emulator is running on this machine.
        """
        self.close()
        try:
            self._registers = _registers()
            _leave_the_joystick_alone()
        except ImportError as error:
            raise SourceError(f"open sense_emu: {error}; install the extra `emulator`") from error
        self._require_emulator()
        self._opened = self._identity()
        super().open()

    def read(self, now_s: float) -> Sample:
        """As the HAT, from registers that are still written."""
        if self._hat is None:
            raise SourceError("read sense_emu: it is not open")
        self._require_emulator()
        if self._identity() != self._opened:
            raise SourceError("read sense_emu: the emulator was started anew")
        return super().read(now_s)

    def close(self) -> None:
        """Forget the HAT and close the registers, which sense_emu leaves to the collector."""
        for chip in vars(self._hat).values() if self._hat is not None else ():
            for name in ("_map", "_fd"):
                if hasattr(chip, name):
                    getattr(chip, name).close()
        super().close()

    def _require_emulator(self) -> None:
        if emulator_pid() is None:
            raise SourceError(
                "no emulator holds the lock /dev/shm/rpi-sense-emu-pid: start "
                "`python -m read_sense_hat.emulated_device`, or sense_emu_gui"
            )

    def _identity(self) -> tuple[int, ...]:
        """The register files' inodes: a new emulator makes new files."""
        try:
            return tuple(path.stat().st_ino for path in self._registers)
        except OSError as error:
            raise SourceError(f"registers of the emulator: {error}") from error


def emulator_pid() -> int | None:
    """The process that holds the emulator's lock, None when there is none that lives."""
    from sense_emu.lock import lock_filename  # noqa: PLC0415

    try:
        pid = int(Path(lock_filename()).read_text(encoding="ascii"))
    except (OSError, ValueError):
        return None
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return None
    except PermissionError:
        return pid
    return pid


def _registers() -> tuple[Path, ...]:
    from sense_emu.humidity import humidity_filename  # noqa: PLC0415
    from sense_emu.imu import imu_filename  # noqa: PLC0415
    from sense_emu.pressure import pressure_filename  # noqa: PLC0415

    return Path(humidity_filename()), Path(pressure_filename()), Path(imu_filename())


def _leave_the_joystick_alone() -> None:
    """Keep `SenseHat()` from opening the joystick, which nothing here reads.

    Each one would leave a thread that never ends and a socket in /dev/shm behind, and a source is
    opened again after every error.
    """
    from sense_emu import SenseStick  # noqa: PLC0415

    with contextlib.suppress(AttributeError):
        SenseStick._stick_device = lambda self: None  # noqa: ARG005, SLF001
