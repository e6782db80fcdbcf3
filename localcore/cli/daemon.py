"""`localcore start`, `stop` and `status`."""

import argparse
import contextlib
import logging
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from localcore.cli.output import print_json
from localcore.cli.parser import chosen_root
from localcore.control.client import Control
from localcore.errors import LocalcoreError, UnreachableError

_READY = b"ready\n"
_LOOK_S = 0.05


def start(options: argparse.Namespace) -> int:
    """Run the daemon here, or with --detach in a process of its own."""
    root = chosen_root(options)
    root.mkdir(parents=True, exist_ok=True)
    root = root.resolve()
    return _detached(root) if options.detach else _foreground(options, root)


def stop(options: argparse.Namespace) -> int:
    """Stop the daemon and wait for its end."""
    root = chosen_root(options).resolve()
    control = Control(root)
    try:
        pid = int(control.status()["pid"])
        control.shut_down()
        _wait_for_end(pid, options.timeout)
    except UnreachableError:
        if not options.cloud:
            raise
    if options.cloud:
        from localcore.cloud import endpoint  # noqa: PLC0415

        endpoint.stop(root / "cloud")
    return 0


def status(options: argparse.Namespace) -> int:
    """Show what the daemon says of itself."""
    answer = Control(chosen_root(options).resolve()).status()
    answer.pop("ok")
    if options.json:
        print_json(answer)
        return 0
    for name, value in answer.items():
        print(f"{name}: {value}")
    return 0


def _foreground(options: argparse.Namespace, root: Path) -> int:
    import asyncio  # noqa: PLC0415 (only the daemon needs these)

    from localcore.core_device import AlreadyRunningError, Settings, run  # noqa: PLC0415

    settings = Settings(
        root,
        options.nucleus,
        options.thing_name,
        options.region,
        options.stream_manager_port,
        tuple(options.device),
        options.record_access,
    )
    (root / "logs").mkdir(exist_ok=True)
    _set_up_logging(root)
    try:
        asyncio.run(run(settings, _announced(root, options.ready_descriptor)))
    except AlreadyRunningError as error:
        print(f"localcore: {error}", file=sys.stderr)
        return 2
    return 0


def _detached(root: Path) -> int:
    """Start the same command in a session of its own, and wait until it says that it is ready."""
    (root / "logs").mkdir(exist_ok=True)
    ready, announce = os.pipe()
    arguments = [argument for argument in sys.argv[1:] if argument != "--detach"]
    with (root / "logs" / "localcore.err").open("wb") as errors:
        daemon = subprocess.Popen(
            [*(sys.executable, "-m", "localcore"), *arguments, f"--ready-descriptor={announce}"],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=errors,
            pass_fds=(announce,),
            start_new_session=True,
            env={**os.environ, "LOCALCORE_ROOT": str(root)},
        )
    os.close(announce)
    with os.fdopen(ready, "rb") as pipe:
        if pipe.readline() == _READY:
            print(f"localcore is ready root={root} pid={daemon.pid}")
            daemon.returncode = 0  # it is not ours to wait for any more
            return 0
    code = daemon.wait()
    sys.stderr.write((root / "logs" / "localcore.err").read_text(errors="replace"))
    return code or 1


@contextlib.contextmanager
def _announced(root: Path, descriptor: int | None) -> Iterator[None]:
    if descriptor is None:
        print(f"localcore is ready root={root} pid={os.getpid()}", flush=True)
    else:
        os.write(descriptor, _READY)
        os.close(descriptor)
    yield


def _wait_for_end(pid: int, timeout_s: float) -> None:
    from localcore.supervisor import process_table  # noqa: PLC0415

    deadline_s = time.monotonic() + timeout_s
    while (found := process_table.stat(pid)) is not None and found.state != "Z":
        if time.monotonic() > deadline_s:
            raise LocalcoreError(
                f"localcore (pid {pid}) has not ended within {timeout_s:g} s: see `localcore logs "
                "get localcore`, or wait longer with --timeout"
            )
        time.sleep(_LOOK_S)


def _set_up_logging(root: Path) -> None:
    from localcore.supervisor.component_log import RotatingFile  # noqa: PLC0415

    file = RotatingFile(root / "logs" / "localcore.log")

    class FileHandler(logging.Handler):
        """Into the daemon's own log, which rotates like a component's."""

        def emit(self, record: logging.LogRecord) -> None:
            file.write(self.format(record))

    formatter = logging.Formatter(
        "%(asctime)s.%(msecs)03dZ [%(levelname)s] %(name)s: %(message)s", "%Y-%m-%dT%H:%M:%S"
    )
    formatter.converter = time.gmtime
    handler = FileHandler()
    handler.setFormatter(formatter)
    logging.basicConfig(level=logging.INFO, handlers=[handler])
