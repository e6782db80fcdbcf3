"""What a run leaves on the machine, read from /proc and by nothing of the product.

A process belongs to a run when its command line, its environment or its working folder names the
run's root.
"""

import contextlib
import os
from dataclasses import dataclass, field
from pathlib import Path

_LISTEN = "0A"  # net/tcp's number of the state TCP_LISTEN, include/net/tcp_states.h
_ACCESS_MODE = 0o3
_PROC = Path("/proc")


@dataclass
class Traces:
    """What processes of a run were seen with."""

    processes: set[int] = field(default_factory=set)
    ports: dict[str, int] = field(default_factory=dict)
    """Listening sockets: inode to port; an inode is never another socket's."""
    written: set[Path] = field(default_factory=set)
    """Regular files that were open for writing."""


def processes_of(root: Path) -> set[int]:
    """The living processes of the run on this root, but for our own."""
    return {
        int(folder.name)
        for folder in _PROC.iterdir()
        if folder.name.isdigit() and int(folder.name) != os.getpid() and _names(folder, root)
    }


def look(root: Path, traces: Traces) -> None:
    """Add what the run's processes hold now."""
    pids = processes_of(root)
    traces.processes |= pids
    listening = listening_sockets()
    for pid in pids:
        for descriptor in _list(_PROC / str(pid) / "fd"):
            with contextlib.suppress(OSError):
                target = str(descriptor.readlink())
                inode = target.removeprefix("socket:[").removesuffix("]")
                if inode in listening:
                    traces.ports[inode] = listening[inode]
                elif target.startswith("/") and Path(target).is_file() and _writes(descriptor):
                    traces.written.add(Path(target))


def listening_sockets() -> dict[str, int]:
    """Every listening TCP socket of the machine: inode to port."""
    found = {}
    for name in ("tcp", "tcp6"):
        with contextlib.suppress(OSError):
            for line in (_PROC / "net" / name).read_text().splitlines()[1:]:
                fields = line.split()
                if fields[3] == _LISTEN:
                    found[fields[9]] = int(fields[1].rpartition(":")[2], 16)
    return found


def left_behind(root: Path, traces: Traces) -> dict[str, object]:
    """What of a run that has ended is still there; empty when all is well."""
    alive = {pid: _command(pid) for pid in processes_of(root)}
    listening = listening_sockets()
    ports = [port for inode, port in traces.ports.items() if inode in listening]
    outside = sorted(path for path in traces.written if not path.is_relative_to(root))
    found = {"processes": alive, "ports": ports, "files outside": outside}
    return {kind: what for kind, what in found.items() if what}


def _names(folder: Path, root: Path) -> bool:
    name = os.fsencode(root)
    for file in ("cmdline", "environ"):
        with contextlib.suppress(OSError):
            if name in (folder / file).read_bytes():
                return _state(folder) not in {"Z", "X"}
    with contextlib.suppress(OSError):
        return (folder / "cwd").readlink().is_relative_to(root)
    return False


def _state(folder: Path) -> str:
    with contextlib.suppress(OSError):
        return (folder / "stat").read_text(errors="replace").rpartition(")")[2].split()[0]
    return "X"


def _command(pid: int) -> str:
    with contextlib.suppress(OSError):
        return (_PROC / str(pid) / "cmdline").read_bytes().replace(b"\0", b" ").decode().strip()
    return ""


def _list(folder: Path) -> list[Path]:
    try:
        return list(folder.iterdir())
    except OSError:
        return []


def _writes(descriptor: Path) -> bool:
    info = (descriptor.parents[1] / "fdinfo" / descriptor.name).read_text()
    flags = next(line.split()[1] for line in info.splitlines() if line.startswith("flags:"))
    return int(flags, 8) & _ACCESS_MODE != os.O_RDONLY
