"""The embedded AWS endpoint, seen from outside: start it, find it again, stop it.

    ROOT/endpoint.json   {pid, started, port, url}: there while it answers
    ROOT/lock            held (flock) by the process, from before it answers until it is gone
    ROOT/cloud.log       what it says
    ROOT/tmp/            its temporary files

The port is bound here and handed over, so that the URL is known at once: a client that calls before
the process is ready waits in the queue of the socket instead of being refused.
"""

import fcntl
import http.client
import os
import select
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Final
from urllib.parse import urlencode

import msgspec

HOST: Final = "127.0.0.1"
ENDPOINT_FILE: Final = "endpoint.json"
LOCK_FILE: Final = "lock"
CREATE_PATH: Final = "/localcore/create"

# Starting takes about a second on a laptop; a loaded machine may take ten times that.
_START_TIMEOUT_S: Final = 30.0
_POLL_S: Final = 0.02

# Processes started here: kept so that they can be waited for when they end.
_started: dict[int, subprocess.Popen[bytes]] = {}


class CloudError(Exception):
    """The embedded cloud could not be started or does not answer; the message says what to do."""


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where the embedded cloud answers."""

    url: str
    pid: int


class EndpointFile(msgspec.Struct):
    """What `endpoint.json` holds; `started` tells the process from a later one with its number."""

    pid: int
    started: int
    port: int
    url: str


def find(root: Path) -> Endpoint | None:
    """The embedded cloud of this folder, if it is alive and answers."""
    try:
        known = msgspec.json.decode((root / ENDPOINT_FILE).read_bytes(), type=EndpointFile)
    except (OSError, msgspec.DecodeError):
        return None
    if start_time(known.pid) != known.started:
        return None
    return Endpoint(known.url, known.pid)


def ensure(
    root: Path,
    *,
    port: int = 0,
    buckets: Sequence[str] = (),
    kinesis_streams: Sequence[str] = (),
    wait: bool = True,
) -> Endpoint:
    """The embedded cloud of this folder, started if it is not alive, with these in it.

    Without `wait` a new one may not answer yet: calls to its URL wait until it does.

    Raises:
        CloudError: it does not start, or the port is taken.
    """
    _wait_for_ended()
    root.mkdir(parents=True, exist_ok=True)
    deadline = time.monotonic() + _START_TIMEOUT_S
    with (root / LOCK_FILE).open("w") as lock:
        while not held(lock):
            found = find(root)
            if found is not None:
                _create(found, buckets, kinesis_streams)
                return found
            _pause(deadline, root)
        started = _start(root, lock, port, buckets, kinesis_streams)
    while wait and find(root) is None:
        if start_time(started.pid) is None:
            raise CloudError(f"the embedded cloud ended at once: see {root / 'cloud.log'}")
        _pause(deadline, root)
    return started


def stop(root: Path, timeout_s: float = 10.0) -> bool:
    """End the embedded cloud of this folder; what it held is gone. False: there was none."""
    _wait_for_ended()
    found = find(root)
    if found is None:
        return False
    try:
        process = os.pidfd_open(found.pid)
    except ProcessLookupError:
        return False
    try:
        for number in (signal.SIGTERM, signal.SIGKILL):
            signal.pidfd_send_signal(process, number)
            if select.select([process], [], [], timeout_s)[0]:
                break
    finally:
        os.close(process)
    ours = _started.pop(found.pid, None)
    if ours is not None:
        ours.wait()
    (root / ENDPOINT_FILE).unlink(missing_ok=True)
    return True


def _wait_for_ended() -> None:
    """Take the exit status of those that were killed: until then each stays a zombie."""
    for pid, process in list(_started.items()):
        if process.poll() is not None:
            del _started[pid]


def start_time(pid: int) -> int | None:
    """When a process started, in clock ticks since the machine did; None: it is gone."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="ascii", errors="replace")
    except OSError:
        return None
    # The name in parentheses may hold spaces; state is the first field after it, start the 20th.
    fields = stat.rpartition(")")[2].split()
    return None if fields[0] in {"Z", "X"} else int(fields[19])


def held(lock: IO[str]) -> bool:
    """Take the lock of a folder, if it is free; it is held until the file is closed."""
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _start(
    root: Path, lock: IO[str], port: int, buckets: Sequence[str], kinesis_streams: Sequence[str]
) -> Endpoint:
    (root / ENDPOINT_FILE).unlink(missing_ok=True)
    (root / "tmp").mkdir(exist_ok=True)
    try:
        listening = socket.create_server((HOST, port))
    except OSError as error:
        raise CloudError(f"port {port} of {HOST} is taken ({error}): name another") from error
    source = str(Path(__file__).resolve().parents[2])
    search_path = [source, *filter(None, [os.environ.get("PYTHONPATH")])]
    with listening, (root / "cloud.log").open("ab") as output:
        process = subprocess.Popen(
            [
                *(sys.executable, "-m", "localcore.cloud", "--root", str(root)),
                *("--listening-descriptor", str(listening.fileno())),
                *(argument for name in buckets for argument in ("--bucket", name)),
                *(argument for name in kinesis_streams for argument in ("--kinesis", name)),
            ],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            # The lock is inherited: it is free again when the process is gone, however it ended.
            pass_fds=(listening.fileno(), lock.fileno()),
            start_new_session=True,
            env={
                **os.environ,
                "PYTHONPATH": os.pathsep.join(search_path),
                # moto spools large objects to temporary files.
                "TMPDIR": str((root / "tmp").resolve()),
            },
        )
        bound_port = listening.getsockname()[1]
    _started[process.pid] = process
    return Endpoint(f"http://{HOST}:{bound_port}", process.pid)


def _create(endpoint: Endpoint, buckets: Sequence[str], kinesis_streams: Sequence[str]) -> None:
    if not buckets and not kinesis_streams:
        return
    query = urlencode({"bucket": buckets, "kinesis": kinesis_streams}, doseq=True)
    connection = http.client.HTTPConnection(
        endpoint.url.removeprefix("http://"), timeout=_START_TIMEOUT_S
    )
    try:
        connection.request("POST", f"{CREATE_PATH}?{query}")
        answer = connection.getresponse()
        reason = answer.read().decode(errors="replace")
    except OSError as error:
        raise CloudError(
            f"the embedded cloud at {endpoint.url} does not answer: {error}"
        ) from error
    finally:
        connection.close()
    if answer.status != http.HTTPStatus.NO_CONTENT:
        raise CloudError(f"the embedded cloud at {endpoint.url} refused {query!r}: {reason}")


def _pause(deadline: float, root: Path) -> None:
    if time.monotonic() > deadline:
        raise CloudError(
            f"the embedded cloud did not answer within {_START_TIMEOUT_S:.0f} s: see"
            f" {root / 'cloud.log'}"
        )
    time.sleep(_POLL_S)
