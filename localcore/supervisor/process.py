"""One process in a session and process group of its own, watched by the event loop.

It is killed by the kernel when localcore dies (PR_SET_PDEATHSIG). Its output arrives line by
line. The group counts as gone when no process of it is left, whoever was its leader.
"""

import asyncio
import ctypes
import logging
import os
import signal
import subprocess
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from localcore.supervisor import process_table
from localcore.supervisor.process_table import Launch

log = logging.getLogger(__name__)

_PR_SET_PDEATHSIG = 1  # linux/prctl.h
_libc = ctypes.CDLL(None, use_errno=True)
# A longer line is cut into pieces of this size, so that one without an end cannot fill the memory.
LINE_LIMIT_BYTES = 64 * 1024
_READ_BYTES = 64 * 1024
# How often a group whose leader has gone is looked at, until the others have gone too.
_LOOK_S = 0.02
# SIGKILL cannot be refused; a process that is stuck in the kernel is left behind after this.
_KILL_S = 5.0


class ProcessGroup:
    """A running command. ``exit_code`` is None while its leader runs, negative for a signal.

    ``on_line(stream, line)`` is called with "stdout" or "stderr"; ``on_exit()`` once, after the
    leader's last line.
    """

    def __init__(
        self,
        command: Sequence[str],
        folder: Path,
        environment: Mapping[str, str],
        on_line: Callable[[str, str], None],
        on_exit: Callable[[], None],
    ) -> None:
        self.paused = False
        self._loop = asyncio.get_running_loop()
        self._on_line = on_line
        self._on_exit = on_exit
        self._exited = asyncio.Event()
        self.exit_code: int | None = None
        daemon = os.getpid()

        def die_with_localcore() -> None:
            _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
            if os.getppid() != daemon:  # it died before the line above
                os._exit(1)

        self._process = subprocess.Popen(
            command,
            cwd=folder,
            env=dict(environment),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            bufsize=0,
            start_new_session=True,
            preexec_fn=die_with_localcore,  # noqa: PLW1509 (one thread, and nothing else can do it)
        )
        self.launch: Launch = process_table.launch_of(self._process.pid)
        self._pidfd = os.pidfd_open(self._process.pid)
        self._loop.add_reader(self._pidfd, self._reap)
        self._partial: dict[int, bytes] = {}
        for stream, pipe in (("stdout", self._process.stdout), ("stderr", self._process.stderr)):
            if pipe is not None:
                os.set_blocking(pipe.fileno(), False)
                self._partial[pipe.fileno()] = b""
                self._loop.add_reader(pipe.fileno(), self._read, pipe.fileno(), stream)

    @property
    def pid(self) -> int:
        """The leader's process id, which is the group's too."""
        return self._process.pid

    async def wait(self) -> int:
        """The leader's exit code, once it has ended."""
        await self._exited.wait()
        return self._process.returncode

    async def stop(self, grace_s: float) -> bool:
        """End the whole group: SIGTERM, and SIGKILL when it is still there after ``grace_s``.

        Returns whether it went without SIGKILL. May be called again, and after the end.
        """
        try:
            self._signal(signal.SIGTERM)
            self.resume()
            if await self._gone(grace_s):
                return True
            self._signal(signal.SIGKILL)
            if not await self._gone(_KILL_S):
                log.warning("A process cannot be killed group=%d", self.pid)
            return False
        finally:
            self._close()

    def pause(self) -> None:
        """Freeze the whole group; it stays so until ``resume`` or ``stop``."""
        self.paused = True
        self._signal(signal.SIGSTOP)

    def resume(self) -> None:
        """Thaw the group, if it is frozen."""
        if self.paused:
            self.paused = False
            self._signal(signal.SIGCONT)

    def _members(self) -> list[int]:
        return process_table.survivors(self.launch, process_table.live_groups())

    def _signal(self, number: signal.Signals) -> None:
        try:
            if self.exit_code is None:
                # Not reaped yet, so the number is still ours.
                os.killpg(self.pid, number)
                return
            for pid in self._members():
                os.kill(pid, number)
        except ProcessLookupError:
            return

    async def _gone(self, limit_s: float) -> bool:
        deadline_s = self._loop.time() + limit_s
        try:
            async with asyncio.timeout_at(deadline_s):
                await self._exited.wait()
                while self._members():
                    await asyncio.sleep(_LOOK_S)
        except TimeoutError:
            return False
        return True

    def _reap(self) -> None:
        code = self._process.poll()
        if code is None:
            return
        self._loop.remove_reader(self._pidfd)
        os.close(self._pidfd)
        self._pidfd = -1
        for stream, pipe in (("stdout", self._process.stdout), ("stderr", self._process.stderr)):
            if pipe is not None and pipe.fileno() in self._partial:
                self._read(pipe.fileno(), stream)
        self.exit_code = code
        self._exited.set()
        self._on_exit()

    def _read(self, fd: int, stream: str) -> None:
        while True:
            try:
                data = os.read(fd, _READ_BYTES)
            except BlockingIOError:
                return
            if not data:
                self._end(fd, stream)
                return
            *lines, rest = (self._partial[fd] + data).split(b"\n")
            while len(rest) > LINE_LIMIT_BYTES:
                lines.append(rest[:LINE_LIMIT_BYTES])
                rest = rest[LINE_LIMIT_BYTES:]
            self._partial[fd] = rest
            for line in lines:
                self._tell(stream, line)
            if len(data) < _READ_BYTES:
                return

    def _tell(self, stream: str, line: bytes) -> None:
        text = line.decode(errors="replace").strip()
        if text:
            self._on_line(stream, text)

    def _end(self, fd: int, stream: str) -> None:
        self._loop.remove_reader(fd)
        self._tell(stream, self._partial.pop(fd, b""))

    def _close(self) -> None:
        for stream, pipe in (("stdout", self._process.stdout), ("stderr", self._process.stderr)):
            if pipe is not None and not pipe.closed:
                if pipe.fileno() in self._partial:
                    self._read(pipe.fileno(), stream)
                if pipe.fileno() in self._partial:
                    self._end(pipe.fileno(), stream)
                pipe.close()
        if self._pidfd >= 0:
            self._loop.remove_reader(self._pidfd)
            os.close(self._pidfd)
            self._pidfd = -1
