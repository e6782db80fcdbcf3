"""`python -m workbench.bench`: what `scripts/bench` starts."""

import contextlib
import os
import shutil
import signal
import sys
import tempfile
from pathlib import Path
from types import FrameType

from rich.console import Console

from workbench.bench.arguments import Arguments, parse
from workbench.bench.device import BenchError
from workbench.bench.figures import Measured, measured
from workbench.bench.report import shown, table, write
from workbench.bench.setting import Setting
from workbench.bench.suites import SUITES
from workbench.names import REPOSITORY

_PIPELINE, _BOOK = "pipeline.readings_per_s", "book.readings_per_s"


class _Interrupted(BaseException):
    """Ctrl-C or SIGTERM."""


def main(argv: list[str]) -> int:
    """Measure; 0 when all suites could be measured, 1 when not."""
    arguments = parse(argv)
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _interrupt)
    # On a disk, not on the temporary folder's tmpfs: what is written to flash is a figure.
    parent = REPOSITORY / "build"
    parent.mkdir(exist_ok=True)
    folder = Path(tempfile.mkdtemp(prefix="bench-", dir=parent))
    setting = Setting(folder, arguments.effort, arguments.nucleus, arguments.topic_prefix)
    try:
        return _measure(arguments, setting)
    except _Interrupted:
        print("interrupted: nothing is left running", file=sys.stderr)
        return 130
    finally:
        _end_children()
        shutil.rmtree(folder, ignore_errors=True)


def _end_children() -> None:
    """Kill what was just being started when the signal came: no object knows its process yet."""
    # A thread that ends meanwhile takes its list away, and its children go to another.
    for task in Path("/proc/self/task").iterdir():
        with contextlib.suppress(FileNotFoundError):
            for pid in map(int, (task / "children").read_text().split()):
                with contextlib.suppress(ProcessLookupError, ChildProcessError):
                    os.kill(pid, signal.SIGKILL)
                    os.waitpid(pid, 0)


def _measure(arguments: Arguments, setting: Setting) -> int:
    results: list[Measured] = []
    failures = 0
    for name in arguments.suites:
        try:
            # Closed here and now: a suite that is interrupted between two figures has processes.
            with contextlib.closing(SUITES[name](setting)) as measuring:
                for result in measuring:
                    results.append(result)
                    value, unit = shown(result.value), result.figure.unit
                    print(f"{result.figure.name} {value} {unit}", file=sys.stderr, flush=True)
        except BenchError as error:
            failures += 1
            print(f"scripts/bench: {name}: {error}", file=sys.stderr)
    results += _compared(results)
    console = Console(width=None if sys.stdout.isatty() else 140)
    console.print(table(results))
    if setting.socket is not None:
        print(f"ipc was measured on the socket {setting.socket}")
    for note in setting.notes:
        print(note)
    if arguments.json is not None:
        write(results, setting.socket, arguments.json)
    return 1 if failures else 0


def _compared(results: list[Measured]) -> list[Measured]:
    """How many times faster than the book's way the hub's is, where both were measured."""
    values = {result.figure.name: result.value for result in results}
    if not {_PIPELINE, _BOOK} <= values.keys():
        return []
    return [measured("ratio.pipeline_to_book", [values[_PIPELINE] / values[_BOOK]])]


def _interrupt(number: int, frame: FrameType | None) -> None:  # noqa: ARG001
    # Stopping is under way then: a second Ctrl-C must not leave processes behind.
    for each in (signal.SIGINT, signal.SIGTERM):
        signal.signal(each, signal.SIG_IGN)
    raise _Interrupted


if __name__ == "__main__":
    os.environ.pop("LOCALCORE_ROOT", None)
    sys.exit(main(sys.argv[1:]))
