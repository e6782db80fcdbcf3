"""The log file of a component, in the Java nucleus's format.

`2026-01-02T03:04:05.678Z [INFO] (Copier) com.example.X: stdout. Hello. {scriptName=..., ...}`

A file that reaches the limit is renamed with the hour and a number, as
`com.example.X_2026_01_02_03_0.log`, and the oldest go when there are more than the total allows.
Limits are the Java nucleus's defaults: 1,024 KB a file, 10,240 KB in all.
"""

import os
import time
from collections.abc import Callable, Mapping
from pathlib import Path

FILE_LIMIT_BYTES = 1024 * 1024
TOTAL_FILES = 10


class RotatingFile:
    """Appends lines to a file and rotates it at its limit. The folder must exist."""

    def __init__(
        self,
        path: Path,
        limit_bytes: int = FILE_LIMIT_BYTES,
        now_s: Callable[[], float] = time.time,
    ) -> None:
        self.path = path
        self._limit_bytes = limit_bytes
        self._now_s = now_s
        self._fd = self._open()
        self._size_bytes = os.fstat(self._fd).st_size

    def write(self, line: str) -> None:
        """Append one line; its newline is added. A full disk loses the line, not the component."""
        data = line.encode(errors="replace") + b"\n"
        if self._size_bytes and self._size_bytes + len(data) > self._limit_bytes:
            self._rotate()
        try:
            self._size_bytes += os.write(self._fd, data)
        except OSError:
            return

    def close(self) -> None:
        """Close the file; may be called again."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def _open(self) -> int:
        return os.open(self.path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o644)

    def _rotate(self) -> None:
        hour = time.strftime("%Y_%m_%d_%H", time.gmtime(self._now_s()))
        number = 0
        while (rotated := self.path.with_name(f"{self.path.stem}_{hour}_{number}.log")).exists():
            number += 1
        os.close(self._fd)
        self.path.replace(rotated)
        self._fd = self._open()
        self._size_bytes = 0
        pattern = f"{self.path.stem}_[0-9][0-9][0-9][0-9]_*_*_*_*.log"
        old = sorted(self.path.parent.glob(pattern), key=lambda file: file.stat().st_mtime_ns)
        for file in old[: max(0, len(old) - (TOTAL_FILES - 1))]:
            file.unlink(missing_ok=True)


class ComponentLog:
    """What one component prints and what happens to it."""

    def __init__(
        self, folder: Path, component: str, now_s: Callable[[], float] = time.time
    ) -> None:
        self._component = component
        self._now_s = now_s
        self._file = RotatingFile(folder / f"{component}.log", now_s=now_s)

    def output(self, stream: str, line: str, script: str, state: str) -> None:
        """A line of ``stdout`` (INFO) or ``stderr`` (WARN) of a lifecycle script."""
        level = "INFO" if stream == "stdout" else "WARN"
        self._write(level, "Copier", f"{stream}. {line}.", script, {}, state)

    def event(
        self, level: str, text: str, script: str | None, state: str, **values: object
    ) -> None:
        """Something that happened, as ``shell-runner-start``."""
        self._write(level, "localcore", f"{text}.", script, values, state)

    def close(self) -> None:
        """Close the file; may be called again."""
        self._file.close()

    def _write(
        self,
        level: str,
        thread: str,
        text: str,
        script: str | None,
        values: Mapping[str, object],
        state: str,
    ) -> None:
        now_s = self._now_s()
        stamp = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(now_s))
        first = {} if script is None else {"scriptName": script}
        pairs = {**first, **values, "serviceName": self._component, "currentState": state}
        listed = ", ".join(f"{key}={value}" for key, value in pairs.items())
        self._file.write(
            f"{stamp}.{int(now_s % 1 * 1000):03d}Z [{level}] ({thread}) {self._component}: "
            f"{text} {{{listed}}}"
        )
