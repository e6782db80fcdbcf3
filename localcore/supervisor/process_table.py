"""What the kernel knows about processes, read from /proc (see proc(5))."""

import os
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

_PROC = Path("/proc")


class Stat(NamedTuple):
    """A part of /proc/<pid>/stat. ``start_ticks``: clock ticks from boot to the process's start."""

    pid: int
    state: str
    group: int
    session: int
    start_ticks: int


class Launch(NamedTuple):
    """A process group leader as it was started, told apart from a later process of the same pid."""

    pid: int
    start_ticks: int
    boot_id: str


def stat(pid: int) -> Stat | None:
    """The process, None when there is none."""
    try:
        content = (_PROC / str(pid) / "stat").read_text(encoding="ascii", errors="replace")
    except OSError:
        return None
    # The name is in parentheses and may contain anything, so count from the last one.
    fields = content[content.rindex(")") + 2 :].split()
    return Stat(pid, fields[0], int(fields[2]), int(fields[3]), int(fields[19]))


def boot_id() -> str:
    """Different after every boot."""
    return (_PROC / "sys/kernel/random/boot_id").read_text(encoding="ascii").strip()


def launch_of(pid: int) -> Launch:
    """Identify a process that was just started."""
    found = stat(pid)
    return Launch(pid, 0 if found is None else found.start_ticks, boot_id())


def live_groups() -> dict[int, list[Stat]]:
    """All processes that are not zombies, by process group."""
    groups: dict[int, list[Stat]] = defaultdict(list)
    for name in os.listdir(_PROC):  # noqa: PTH208 (a thousand names, and speed matters)
        if name.isdecimal():
            found = stat(int(name))
            if found is not None and found.state not in ("Z", "X"):
                groups[found.group].append(found)
    return groups


def survivors(launch: Launch, groups: dict[int, list[Stat]]) -> list[int]:
    """The pids still alive of a group that was started in a session of its own.

    Empty when the pid belongs to someone else by now: another boot, another start time, or a
    session that is not the leader's.
    """
    if launch.boot_id != boot_id():
        return []
    leader = stat(launch.pid)
    if leader is not None and leader.start_ticks != launch.start_ticks:
        return []
    return [
        member.pid
        for member in groups.get(launch.pid, ())
        if member.session == launch.pid and member.start_ticks >= launch.start_ticks
    ]


def has_variable(pid: int, name: str, value: str) -> bool:
    """Whether a process was started with this environment variable."""
    try:
        environment = (_PROC / str(pid) / "environ").read_bytes()
    except OSError:
        return False
    return f"{name}={value}".encode() in environment.split(b"\0")


def pss_bytes(pids: Iterable[int]) -> int:
    """Proportional set size: memory of its own plus its share of what it shares with others."""
    total = 0
    for pid in pids:
        try:
            lines = (_PROC / str(pid) / "smaps_rollup").read_text(encoding="ascii").splitlines()
        except OSError:
            continue  # it ended, or belongs to another user
        total += sum(int(line.split()[1]) * 1024 for line in lines if line.startswith("Pss:"))
    return total
