"""`python -m workbench.run`: what `scripts/run` starts."""

import os
import signal
import sys
import threading
import time

from rich.console import Console
from rich.live import Live

from workbench.names import REPOSITORY
from workbench.run.arguments import Arguments, parse
from workbench.run.observation import Observation, Picture
from workbench.run.report import balance, write_report
from workbench.run.root_folder import RunError
from workbench.run.session import Session, StoppedError
from workbench.run.view import line, render, save_svg, summary

LINE_S = 2.0
FRAME_S = 0.25
HOPELESS_S = 3.0


def main(argv: list[str]) -> int:
    """Run the hub; 0 when every reading is where it should be, 1 when not, 2 when it cannot run."""
    arguments = parse(argv, REPOSITORY / ".hub")
    console = Console()
    observation = Observation()
    # A signal is looked at where every process is known: one more Ctrl-C leaves nothing behind.
    stop_wanted = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda *_: stop_wanted.set())
    session = Session(arguments, observation, stop_wanted)
    try:
        _say(console, arguments, f"starting the hub in {arguments.root}")
        session.start()
        _watch(console, arguments, observation, stop_wanted)
        _say(console, arguments, "stopping in order, delivering what is queued")
        session.look()
        final = observation.picture()
        session.stop()
        picture = observation.picture()
        picture.components, picture.seconds = final.components, final.seconds
    except StoppedError:
        console.print("interrupted before the hub was running")
        return 130
    except RunError as error:
        print(f"scripts/run: {error}", file=sys.stderr)
        return 2
    finally:
        session.close()
    _say_notes(arguments, observation)
    console.print(summary(picture), highlight=False)
    wrong = [*balance(picture), *_save(arguments, picture, final)]
    if wrong and arguments.quiet:
        wrong += [f"noted: {note}" for note in observation.new_notes()]
    for complaint in wrong:
        print(f"scripts/run: {complaint}", file=sys.stderr)
    return 1 if wrong else 0


def _save(arguments: Arguments, picture: Picture, final: Picture) -> list[str]:
    """Write the files that were asked for; what could not be written."""
    wrong = []
    if arguments.report is not None:
        try:
            write_report(picture, arguments.report)
        except OSError as error:
            wrong.append(f"--report {arguments.report}: {error.strerror}: name another file")
    if arguments.picture is not None:
        try:
            save_svg(final, headline(arguments), arguments.picture)
        except OSError as error:
            wrong.append(f"--picture {arguments.picture}: {error.strerror}: name another file")
    return wrong


class _End:
    """When a run is over: wanted, late, at its sources' end, or without hope of a reading."""

    def __init__(
        self, arguments: Arguments, observation: Observation, stop_wanted: threading.Event
    ) -> None:
        self._observation = observation
        self._stop_wanted = stop_wanted
        self._end_s = time.monotonic() + (arguments.seconds or float("inf"))
        # A recording that cannot be read now will not be better later; a sensor may be.
        self._patience_s = HOPELESS_S if arguments.source == "replay" else float("inf")
        self._hoped_s = time.monotonic()

    def is_reached(self) -> bool:
        now_s = time.monotonic()
        if not self._observation.is_without_readings():
            self._hoped_s = now_s
        return (
            self._stop_wanted.is_set()
            or now_s >= self._end_s
            or now_s - self._hoped_s >= self._patience_s
            or self._observation.sources_ended()
        )


def _watch(
    console: Console,
    arguments: Arguments,
    observation: Observation,
    stop_wanted: threading.Event,
) -> None:
    """Show what happens until it is time to stop."""
    end = _End(arguments, observation, stop_wanted)
    if console.is_terminal and not arguments.quiet:
        with Live(console=console, screen=False, auto_refresh=False) as live:
            while not end.is_reached():
                screen = render(
                    observation.picture(),
                    headline(arguments),
                    rows=console.height,
                    columns=console.width,
                )
                live.update(screen, refresh=True)
                stop_wanted.wait(FRAME_S)
        return
    said_s = time.monotonic()
    while not end.is_reached():
        stop_wanted.wait(FRAME_S)
        _say_notes(arguments, observation)
        if not arguments.quiet and time.monotonic() - said_s >= LINE_S:
            said_s = time.monotonic()
            print(line(observation.picture()), flush=True)


def headline(arguments: Arguments) -> str:
    """What this run is."""
    return f"source {arguments.source}, speed {arguments.speed:g}"


def _say_notes(arguments: Arguments, observation: Observation) -> None:
    """Print the notes that no screen has shown."""
    if not arguments.quiet:
        for note in observation.new_notes():
            print(f"  ! {note}", file=sys.stderr, flush=True)


def _say(console: Console, arguments: Arguments, text: str) -> None:
    if not arguments.quiet:
        console.print(text, highlight=False)


if __name__ == "__main__":
    os.environ.pop("LOCALCORE_ROOT", None)
    sys.exit(main(sys.argv[1:]))
