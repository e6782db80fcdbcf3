"""The command line of `scripts/bench`."""

import argparse
from dataclasses import dataclass
from pathlib import Path

from workbench.bench.effort import FULL, QUICK, Effort

SUITES = ("ipc", "aggregator", "pipeline", "memory", "localcore", "book")

_DESCRIPTION = """\
Measure the hub and localcore against their budgets. Every figure is the median of its samples, with
their number and their range beside it. Nothing fails because it is slow.
"""
_EPILOG = """\
To measure another nucleus' IPC, deploy scripts/workbench/bench/recipes there, and give its socket
and the SVCUID in the environment of the process of com.hbs.bench.Client.
"""


@dataclass(frozen=True)
class Nucleus:
    """A nucleus that already runs: its IPC socket and the token of a component on it."""

    socket: Path
    token: str


@dataclass(frozen=True)
class Arguments:
    """What the user asked for; `nucleus` None stands for localcore, started here."""

    suites: tuple[str, ...]
    json: Path | None
    nucleus: Nucleus | None
    topic_prefix: str
    effort: Effort


def parse(argv: list[str]) -> Arguments:
    """Read the command line; ends the process with a reason where it cannot be."""
    parser = argparse.ArgumentParser(
        prog="scripts/bench",
        description=_DESCRIPTION,
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "suites", nargs="*", metavar="SUITE", help=f"{', '.join(SUITES)}; all when none is named"
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there")
    parser.add_argument(
        "--socket", type=Path, metavar="PATH", help="measure the nucleus that listens there"
    )
    parser.add_argument("--token", metavar="TOKEN", help="with --socket: a component's SVCUID")
    parser.add_argument(
        "--topic-prefix",
        default="bench",
        metavar="PREFIX",
        help="the ipc suite's topics are PREFIX/... (default bench)",
    )
    parser.add_argument("--quick", action="store_true", help="fewer and shorter measurements")
    given = parser.parse_args(argv)
    for name in given.suites:
        if name not in SUITES:
            parser.error(f"{name} is no suite: {', '.join(SUITES)}")
    if (given.socket is None) != (given.token is None):
        parser.error("--socket and --token go together: the one is no use without the other")
    nucleus = None
    suites = tuple(name for name in SUITES if name in given.suites) or SUITES
    if given.socket is not None:
        if set(given.suites) - {"ipc"}:
            parser.error("--socket measures the suite ipc only: the others start their own device")
        suites = ("ipc",)
        nucleus = Nucleus(given.socket.absolute(), given.token)
    if given.json is not None and not given.json.absolute().parent.is_dir():
        parser.error(f"--json {given.json}: there is no folder {given.json.absolute().parent}")
    return Arguments(
        suites=suites,
        json=given.json,
        nucleus=nucleus,
        topic_prefix=given.topic_prefix.rstrip("/"),
        effort=QUICK if given.quick else FULL,
    )
