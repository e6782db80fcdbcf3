"""`python -m workbench.run`: what `scripts/run` starts."""

import contextlib
import os
import signal
import sys
import time
from types import FrameType

from rich.console import Console
from rich.live import Live

from workbench.names import REPOSITORY
from workbench.run.arguments import Arguments, parse
from workbench.run.observation import Observation
from workbench.run.report import balance, write_report
from workbench.run.session import RunError, Session
from workbench.run.view import line, render, save_svg, summary

LINE_S = 2.0
FRAME_S = 0.25


class _Interrupted(BaseException):
    """Ctrl-C or SIGTERM."""


def main(argv: list[str]) -> int:
    """Run the hub; 0 when every reading is where it should be, 1 when not, 2 when it cannot run."""
    arguments = parse(argv, REPOSITORY / ".hub")
    console = Console()
    observation = Observation()
    session = Session(arguments, observation)
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _interrupt)
    try:
        _say(console, arguments, f"starting the hub in {arguments.root}")
        session.start()
        with contextlib.suppress(_Interrupted):
            _watch(console, arguments, observation)
        _ignore_signals()
        _say(console, arguments, "stopping in order, delivering what is queued")
        final = observation.picture()
        session.stop()
        picture = observation.picture()
        picture.components, picture.seconds = final.components, final.seconds
    except _Interrupted:
        console.print("interrupted before the hub was running")
        return 130
    except RunError as error:
        print(f"scripts/run: {error}", file=sys.stderr)
        return 2
    finally:
        _ignore_signals()
        session.close()
    console.print(summary(picture), highlight=False)
    if arguments.report is not None:
        write_report(picture, arguments.report)
    if arguments.picture is not None:
        save_svg(final, headline(arguments), arguments.picture)
    wrong = balance(picture)
    for complaint in wrong:
        print(f"scripts/run: {complaint}", file=sys.stderr)
    return 1 if wrong else 0


def _watch(console: Console, arguments: Arguments, observation: Observation) -> None:
    """Show what happens until it is time to stop."""
    end_s = None if arguments.seconds is None else time.monotonic() + arguments.seconds

    def is_over() -> bool:
        return (end_s is not None and time.monotonic() >= end_s) or observation.sources_ended()

    if console.is_terminal and not arguments.quiet:
        with Live(console=console, screen=False, auto_refresh=False) as live:
            while not is_over():
                screen = render(
                    observation.picture(),
                    headline(arguments),
                    rows=console.height,
                    columns=console.width,
                )
                live.update(screen, refresh=True)
                time.sleep(FRAME_S)
        return
    said_s = time.monotonic()
    while not is_over():
        time.sleep(FRAME_S)
        if not arguments.quiet and time.monotonic() - said_s >= LINE_S:
            said_s = time.monotonic()
            print(line(observation.picture()), flush=True)


def headline(arguments: Arguments) -> str:
    """What this run is."""
    return f"source {arguments.source}, speed {arguments.speed:g}"


def _say(console: Console, arguments: Arguments, text: str) -> None:
    if not arguments.quiet:
        console.print(text, highlight=False)


def _interrupt(number: int, frame: FrameType | None) -> None:  # noqa: ARG001
    raise _Interrupted


def _ignore_signals() -> None:
    """Stopping is under way: a second Ctrl-C must not leave processes behind."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)


if __name__ == "__main__":
    os.environ.pop("LOCALCORE_ROOT", None)
    sys.exit(main(sys.argv[1:]))
