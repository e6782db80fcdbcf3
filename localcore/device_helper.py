"""A program that stands in for hardware: runs as long as localcore does, restarted when it dies."""

import asyncio
import os
import secrets
from pathlib import Path

from localcore.supervisor.component_log import ComponentLog
from localcore.supervisor.process import ProcessGroup
from localcore.supervisor.supervisor import Supervisor

_STATE = "RUNNING"
# Between a death and the next launch: first, longest; one that lived this long begins with the
# first again.
_BACK_OFF_S = (0.2, 5.0)
_LIVED_S = 10.0
_GRACE_S = 15.0


class DeviceHelper:
    """Runs ``command`` in a shell in ``root``; what it prints goes to `logs/<name>.log`."""

    def __init__(self, name: str, command: str, root: Path, supervisor: Supervisor) -> None:
        self.name = name
        self.command = command
        self._root = root
        self._supervisor = supervisor
        self._group: ProcessGroup | None = None

    @property
    def pid(self) -> int | None:
        """Its process, None between two launches."""
        return None if self._group is None else self._group.pid

    async def live(self) -> None:
        """Run it until cancelled, then stop it."""
        loop = asyncio.get_running_loop()
        log = ComponentLog(self._root / "logs", self.name)
        back_off_s = _BACK_OFF_S[0]
        try:
            while True:
                started_s = loop.time()
                self._group = self._launch(log)
                code = await self._group.wait()
                log.event("ERROR", "Device helper ended", None, _STATE, exitCode=code)
                await self._end()
                if loop.time() - started_s > _LIVED_S:
                    back_off_s = _BACK_OFF_S[0]
                await asyncio.sleep(back_off_s)
                back_off_s = min(back_off_s * 2, _BACK_OFF_S[1])
        finally:
            await self._end()
            log.close()

    def _launch(self, log: ComponentLog) -> ProcessGroup:
        token = secrets.token_hex(16)
        group = ProcessGroup(
            ["sh", "-c", self.command],
            self._root,
            {**os.environ, "LOCALCORE_ROOT": str(self._root), "SVCUID": token},
            lambda stream, line: log.output(stream, line, self.name, _STATE),
            lambda: None,
        )
        self._supervisor.process_started(self.name, group, token)
        return group

    async def _end(self) -> None:
        group, self._group = self._group, None
        if group is not None:
            await group.stop(_GRACE_S)
            self._supervisor.process_ended(group)
