"""Where a picture is shown: the Sense HAT's matrix, its emulator's, or a file.

All have one method, `show`, which raises `DisplayUnavailableError` with the reason when there is
nothing to show it on; the caller tries again. There is no fallback from one to another. The
hardware and its emulator are the same 128 bytes, written here as the sense-hat package writes them,
because that package brings numpy and pillow along: 15 MB of a budget of 28.
"""

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Final, Protocol

from write_sense_hat.matrix import Picture, dimmed, rgb565, turned

FRAME_BUFFER_NAME: Final = "RPi-Sense FB"
EMULATOR_SCREEN: Final = "rpi-sense-emu-screen"
EMULATOR_LOCK: Final = "rpi-sense-emu-pid"
"""The names that the sense-emu package uses: one emulator a machine."""


class DisplayUnavailableError(RuntimeError):
    """The picture cannot be shown now; the message says why and what would help."""


class LedMatrix(Protocol):
    """Something that shows pictures."""

    def show(self, picture: Picture) -> None:
        """Show it, or raise `DisplayUnavailableError`."""


class FrameBuffer:
    """A file of 64 pixels, found anew for each picture: it comes and goes with its device."""

    def __init__(self, find: Callable[[], Path], rotation: int, brightness_percent: int) -> None:
        self._find = find
        self._rotation = rotation
        self._brightness_percent = brightness_percent

    def show(self, picture: Picture) -> None:
        """Write the pixels."""
        frame = dimmed(turned(picture.frame, self._rotation), self._brightness_percent)
        path = self._find()
        try:
            # Not created and not truncated: the file belongs to the driver or the emulator.
            with path.open("r+b", buffering=0) as file:
                file.write(rgb565(frame))
        except PermissionError as error:
            raise DisplayUnavailableError(
                f"{path} may not be written: add this user to the group video"
            ) from error
        except OSError as error:
            raise DisplayUnavailableError(f"{path}: {error.strerror}") from error


class FrameFile:
    """A JSON file with the picture, replaced as a whole: for programs that draw it elsewhere."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def show(self, picture: Picture) -> None:
        """Replace the file."""
        content = {"v": 1, "kind": picture.kind, "text": picture.text, "pixels": picture.frame}
        fresh = self._path.with_name(f".{self._path.name}.new")
        try:
            fresh.write_text(json.dumps(content, separators=(",", ":")))
            fresh.replace(self._path)
        except OSError as error:
            raise DisplayUnavailableError(f"{self._path}: {error.strerror}") from error


def find_sense_hat(graphics: Path = Path("/sys/class/graphics"), dev: Path = Path("/dev")) -> Path:
    """The device file of the Sense HAT's matrix.

    Raises:
        DisplayUnavailableError: No Sense HAT is attached.
    """
    for folder in sorted(graphics.glob("fb*")):
        try:
            name = (folder / "name").read_text().strip()
        except OSError:
            continue
        if name == FRAME_BUFFER_NAME:
            return dev / folder.name
    raise DisplayUnavailableError(
        f"no frame buffer is called {FRAME_BUFFER_NAME!r}: attach a Sense HAT and start again, or "
        'set display to "emulator" or "terminal"'
    )


def find_emulator(folder: Path | None = None) -> Path:
    """The screen file of the emulator, when an emulator runs.

    Raises:
        DisplayUnavailableError: Nobody holds the emulator's lock.
    """
    if folder is None:
        folder = Path("/dev/shm") if Path("/dev/shm").exists() else Path("/tmp")  # noqa: S108
    lock = folder / EMULATOR_LOCK
    try:
        pid = int(lock.read_text("ascii").split("\n")[0])
        os.kill(pid, 0)
    except PermissionError:
        pass  # another user's process: it is there
    except (OSError, ValueError, OverflowError) as error:
        raise DisplayUnavailableError(
            f"no emulator holds {lock}: start one (sense_emu_gui, or localcore's device)"
        ) from error
    return folder / EMULATOR_SCREEN
