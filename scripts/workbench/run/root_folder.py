"""The folder of a run: empty at the start, and one run's at a time.

Law: nothing is deleted or stopped before the lock is held, so a run that is refused leaves the one
at work alone. Whoever holds the lock owns what an earlier run, killed, has left at work there.
"""

import contextlib
import fcntl
import os
import shutil
import signal
import time
from pathlib import Path

from localcore.cloud import endpoint
from localcore.control.client import Control
from localcore.errors import LocalcoreError

MARKER = "run.json"
STOP_S = 30.0
_LOOK_S = 0.05


class RunError(Exception):
    """The run cannot go on; the message is one line with the remedy."""


class RootFolder:
    """The folder, locked until `close`.

    Args:
        path: Made when missing; what an earlier run left in it is removed.

    Raises:
        RunError: Another run has it, it holds what no run made, or it cannot be made.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            if path.exists() and any(path.iterdir()) and not (path / MARKER).is_file():
                raise RunError(
                    f"--root {path} is not empty and no earlier run made it: name another"
                )
            path.mkdir(parents=True, exist_ok=True)
            self._lock = os.open(path / MARKER, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        except OSError as error:
            raise RunError(f"--root {path}: {error.strerror}: name a folder of your own") from error
        try:
            self._take()
        except BaseException:
            self.close()
            raise

    def _take(self) -> None:
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise RunError(
                f"another run is at work in {self.path}: stop it, or name another --root"
            ) from None
        _stop_leftovers(self.path)
        try:
            for entry in self.path.iterdir():
                if entry.name != MARKER:
                    shutil.rmtree(entry) if entry.is_dir() else entry.unlink()
        except OSError as error:
            raise RunError(f"--root {self.path} cannot be emptied: {error}: remove it") from error
        os.ftruncate(self._lock, 0)
        os.pwrite(self._lock, f'{{"pid": {os.getpid()}}}\n'.encode(), 0)

    def close(self) -> None:
        """Let others have it; may be called again."""
        if self._lock >= 0:
            os.close(self._lock)
            self._lock = -1


def _stop_leftovers(path: Path) -> None:
    """End localcore and cloud of a run that was killed.

    Raises:
        RunError: localcore does not end.
    """
    control = Control(path)
    deadline_s = time.monotonic() + STOP_S
    while True:
        try:
            control.shut_down()
            # What they would deliver first goes with the folder.
            for component in control.components():
                for pid in component["pids"]:
                    with contextlib.suppress(ProcessLookupError):
                        os.kill(pid, signal.SIGKILL)
        except LocalcoreError:
            break
        if time.monotonic() > deadline_s:
            raise RunError(
                f"localcore of an earlier run in {path} does not end: run "
                f"`localcore stop --root {path}`, or name another --root"
            )
        time.sleep(_LOOK_S)
    endpoint.stop(path / "cloud")
