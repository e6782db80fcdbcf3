"""Ends what a killed localcore left running.

The kernel kills the direct children of a killed localcore; their own children live on. Every
process group is therefore recorded in the store when it starts. A process is ended only when it
is certainly of a recorded group: same boot, same session, and either the group's leader is still
there with the start time it had, or the process carries the group's token in its environment.
"""

import asyncio
import contextlib
import logging
import os
import signal

from localcore.config_store import ConfigStore, JsonValue
from localcore.supervisor import process_table
from localcore.supervisor.process_table import Launch, Stat

log = logging.getLogger(__name__)

PROCESS_RECORD = "process:"
_LOOK_S = 0.02


async def end_leftovers(store: ConfigStore, grace_s: float = 2.0) -> int:
    """SIGTERM, and SIGKILL after ``grace_s``, to what is left; forget it. How many processes."""
    records = store.records(PROCESS_RECORD)
    pids = _remaining(records)
    for number in (signal.SIGTERM, signal.SIGKILL):
        for pid in _remaining(records):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, number)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(grace_s):
                while _remaining(records):
                    await asyncio.sleep(_LOOK_S)
    if pids:
        log.warning("Ended processes of an earlier run that was killed pids=%s", pids)
    with store.transaction():
        for name in records:
            store.set_record(name, None)
    return len(pids)


def _remaining(records: dict[str, JsonValue]) -> list[int]:
    if not records:
        return []
    groups = process_table.live_groups()
    return [pid for record in records.values() for pid in _of_record(record, groups)]


def _of_record(record: JsonValue, groups: dict[int, list[Stat]]) -> list[int]:
    match record:
        case {"token": str(token), "launch": [int(pid), int(start_ticks), str(boot_id)]}:
            launch = Launch(pid, start_ticks, boot_id)
        case _:
            return []
    alive = process_table.survivors(launch, groups)
    if launch.pid in alive:
        return alive
    return [each for each in alive if process_table.has_variable(each, "SVCUID", token)]
