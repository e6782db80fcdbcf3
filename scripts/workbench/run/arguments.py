"""The command line of `scripts/run`."""

import argparse
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal, cast

from hubkit.payloads import METRIC
from read_sense_hat.appliances import ApplianceName
from read_sense_hat.appliances.faults import FaultError, parse_faults
from read_sense_hat.configuration import TIME

SourceKind = Literal["emulator", "simulated", "replay", "sensehat"]

APPLIANCES: Final[dict[SourceKind, tuple[ApplianceName, ...]]] = {
    "emulator": ("refrigerator", "washing_machine"),
    "simulated": ("hvac", "refrigerator", "washing_machine"),
}
"""The simulated appliances of a source: those that can have faults."""

_DESCRIPTION = """\
Run the hub on this machine: a source produces readings, the components of the suite measure,
aggregate and export them on localcore, and an embedded AWS endpoint receives them. Ctrl-C stops in
order: everything that was produced is delivered first.
"""


@dataclass(frozen=True)
class Arguments:
    """What the user asked for; `recordings` and `columns` only with the source `replay`."""

    source: SourceKind
    recordings: tuple[Path, ...]
    columns: dict[str, str]
    speed: float
    seconds: float | None
    report: Path | None
    picture: Path | None
    root: Path
    quiet: bool
    seed: int
    faults: tuple[str, ...]


def parse(argv: list[str], default_root: Path) -> Arguments:
    """Read the command line; ends the process with a reason where it cannot be."""
    parser = argparse.ArgumentParser(
        prog="scripts/run",
        description=_DESCRIPTION,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--source",
        default="emulator",
        metavar="emulator|simulated|replay:FILE|sensehat",
        help="where readings come from (default: the emulated Sense HAT and two simulated "
        "appliances); replay:FILE[,FILE...] plays recordings",
    )
    parser.add_argument(
        "--columns",
        default="",
        metavar="COLUMN=METRIC,...",
        help="what the columns of a recording are, where its header does not tell: "
        "When=time,Temp=temperature_c",
    )
    parser.add_argument(
        "--speed",
        type=float,
        default=1.0,
        metavar="X",
        help="event time runs X times faster, for simulated and replay (default 1)",
    )
    parser.add_argument("--seconds", type=float, metavar="N", help="stop after N seconds")
    parser.add_argument(
        "--report", type=Path, metavar="FILE", help="write the final figures there, as JSON"
    )
    parser.add_argument(
        "--picture", type=Path, metavar="FILE", help="save the last screen there, as SVG"
    )
    parser.add_argument(
        "--root", type=Path, metavar="DIR", help=f"the core device's folder ({default_root})"
    )
    parser.add_argument("--quiet", action="store_true", help="print the final ledger only")
    parser.add_argument(
        "--seed",
        type=int,
        default=1,
        metavar="N",
        help="of the simulated appliances and their noise (default 1); their course also "
        "depends on the time of day",
    )
    parser.add_argument(
        "--fault",
        action="append",
        default=[],
        metavar="APPLIANCE:FAULT@SECONDS",
        help="a fault that begins at that event time, as refrigerator:leak@120; it develops over "
        "hours of event time, so give --speed too; may repeat",
    )
    given = parser.parse_args(argv)
    source, recordings = _source(parser, given.source)
    if not 0 < given.speed <= 1_000_000:
        parser.error(f"--speed {given.speed:g}: must be above 0 and at most 1000000")
    if given.speed != 1 and source in {"sensehat", "emulator"}:
        parser.error(
            f"--speed {given.speed:g} with --source {source}: a sensor cannot be hurried; use "
            "simulated or replay:FILE"
        )
    if given.seconds is not None and not given.seconds > 0:
        parser.error(f"--seconds {given.seconds:g}: must be above 0")
    if given.seconds is not None and math.isinf(given.seconds):
        parser.error(f"--seconds {given.seconds:g}: leave it out to run until Ctrl-C")
    for option, file in (("--report", given.report), ("--picture", given.picture)):
        if file is not None and not file.absolute().parent.is_dir():
            parser.error(f"{option} {file}: there is no folder {file.absolute().parent}")
        if file is not None and file.is_dir():
            parser.error(f"{option} {file} is a folder: name a file")
    root = (given.root or default_root).resolve()
    if unfit := set(str(root)) & set('"`$\\\n'):
        parser.error(f"--root {root}: {' '.join(sorted(unfit))!r} cannot be in a recipe's script")
    if root.exists() and not root.is_dir():
        parser.error(f"--root {root} is no folder: name another")
    _check_faults(parser, source, given.fault)
    return Arguments(
        source=source,
        recordings=recordings,
        columns=_columns(parser, source, given.columns),
        speed=given.speed,
        seconds=given.seconds,
        report=given.report,
        picture=given.picture,
        root=root,
        quiet=given.quiet,
        seed=given.seed,
        faults=tuple(given.fault),
    )


def _columns(parser: argparse.ArgumentParser, source: SourceKind, text: str) -> dict[str, str]:
    """`parser.error` ends the process."""
    columns: dict[str, str] = {}
    for pair in filter(None, text.split(",")):
        column, _, metric = pair.rpartition("=")
        if not column or not (METRIC.fullmatch(metric) or metric == TIME):
            parser.error(
                f"--columns {pair}: write COLUMN=METRIC, as Temp=temperature_c or When=time"
            )
        columns[column] = metric
    if columns and source != "replay":
        parser.error(f"--columns {text}: only --source replay:FILE has columns")
    return columns


def _check_faults(parser: argparse.ArgumentParser, source: SourceKind, faults: list[str]) -> None:
    """`parser.error` ends the process."""
    appliances = APPLIANCES.get(source, ())
    for fault in faults:
        name, _, text = fault.partition(":")
        appliance = next((known for known in appliances if known == name), None)
        if appliance is None:
            known = ", ".join(appliances) or "no simulated appliance"
            parser.error(f"--fault {fault}: the source {source} has {known}")
        try:
            parse_faults(appliance, [text])
        except FaultError as error:
            parser.error(f"--fault {fault}: {error}")


def _source(parser: argparse.ArgumentParser, text: str) -> tuple[SourceKind, tuple[Path, ...]]:
    """The kind and its files; `parser.error` ends the process."""
    kind, _, files = text.partition(":")
    if kind == "replay":
        recordings = tuple(Path(name).absolute() for name in files.split(",") if name)
        if not recordings:
            parser.error(f"--source {text}: name a recording, as replay:FILE")
        for recording in recordings:
            if not recording.is_file():
                parser.error(f"--source {text}: {recording} is no file")
        return "replay", recordings
    if kind not in {"emulator", "simulated", "sensehat"}:
        parser.error(f"--source {text}: emulator, simulated, replay:FILE or sensehat")
    if files:
        parser.error(f"--source {text}: only replay takes a file")
    return cast("SourceKind", kind), ()
