"""The picture in the terminal: components, ledger, cloud, devices and the LED matrix."""

import os
import re
from datetime import UTC, datetime
from pathlib import Path

from rich.align import Align
from rich.columns import Columns
from rich.console import Console, Group, RenderableType
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from hubkit.health import short_name
from workbench.run.observation import DevicePicture, LedPicture, Picture

_STATE_STYLES = {
    "RUNNING": "green",
    "FINISHED": "green",
    "BROKEN": "bold red",
    "ERRORED": "red",
    "running": "green",
    "ended": "cyan",
    "stopped": "cyan",
    "retrying": "yellow",
}
_OFF = (38, 38, 38)
"""An LED that is off is a dark dot, so that the matrix is seen."""
_MAIN_METRICS = 3
_PICTURE_COLUMNS = 128
_ROOMY_ROWS = 36
_ROOMY_COLUMNS = 118


def render(
    picture: Picture, headline: str, *, rows: int = 50, columns: int = _PICTURE_COLUMNS
) -> RenderableType:
    """The whole screen; without the devices where a terminal has no room for them."""
    ledger, cloud, led = _ledger(picture), _cloud(picture), _led(picture.led)
    if rows >= _ROOMY_ROWS and columns >= _ROOMY_COLUMNS:
        left = Group(_components(picture), _devices(picture))
        middle: RenderableType = Columns([left, Group(ledger, cloud, led)])
    else:
        middle = Group(Columns([_components(picture), ledger]), Columns([led, cloud]))
    return Group(
        Text.assemble((" HBS Hub ", "bold reverse"), f"  {headline}   {picture.seconds:.0f} s"),
        middle,
        *(Text(f" {note}", style="yellow") for note in picture.notes),
        Text(" Ctrl-C stops in order and delivers what is queued", style="dim"),
    )


def save_svg(picture: Picture, headline: str, path: Path) -> None:
    """The screen as a picture.

    Raises:
        OSError: The file cannot be written.
    """
    with Path(os.devnull).open("w") as nowhere:
        console = Console(record=True, width=_PICTURE_COLUMNS, file=nowhere)
        console.print(render(picture, headline))
        svg = console.export_svg(title="./scripts/run")
    # The reader's own monospaced font: a picture loads nothing from elsewhere.
    path.write_text(re.sub(r"@font-face \{.*?\}\s*", "", svg, flags=re.DOTALL))


def line(picture: Picture) -> str:
    """The picture in one line, where there is no terminal to draw in."""
    ledger, cloud = picture.ledger, picture.cloud
    running = sum(c.state in {"RUNNING", "FINISHED"} for c in picture.components.values())
    return (
        f"{picture.seconds:6.1f} s  components {running}/{len(picture.components)}  "
        f"produced {ledger.produced}  delivered {ledger.delivered}  queued {ledger.queued}  "
        f"dropped {sum(ledger.dropped.values())}  "
        f"S3 {cloud.s3_readings} in {cloud.s3_objects} objects  "
        f"Kinesis {cloud.kinesis_windows} windows in {cloud.kinesis_records} records"
    )


def summary(picture: Picture) -> str:
    """The final ledger in words."""
    ledger, cloud = picture.ledger, picture.cloud
    dropped = ", ".join(f"{reason} {count}" for reason, count in ledger.dropped.items()) or "none"
    lines = [
        f"produced    {ledger.produced:>9}   counted by the producers",
        f"delivered   {ledger.delivered:>9}   confirmed to the Aggregator",
        f"queued      {ledger.queued:>9}",
        f"dropped     {sum(ledger.dropped.values()):>9}   {dropped}",
        f"duplicates  {ledger.duplicates:>9}   received again, written once",
        f"in S3       {cloud.s3_keys:>9}   keys in {cloud.s3_readings} rows, read back",
        f"in Kinesis  {cloud.kinesis_windows:>9}   windows, read back",
    ]
    for device_id, device in picture.devices.items():
        for reason, count in device.refused.items():
            lines.append(f"refused     {count:>9}   {device_id}: {reason}")
    return "\n".join(lines)


def _table(title: str, *columns: str) -> Table:
    table = Table(title=title, title_justify="left", title_style="bold", expand=False)
    table.add_column(columns[0])
    for column in columns[1:]:
        table.add_column(column, justify="right")
    return table


def _components(picture: Picture) -> Table:
    table = _table("Components", "name", "state", "restarts", "MB")
    for component in picture.components.values():
        state = Text(component.state, style=_STATE_STYLES.get(component.state, "yellow"))
        memory = f"{component.pss_bytes / 1e6:.0f}" if component.pss_bytes else ""
        table.add_row(short_name(component.name), state, str(component.restarts), memory)
    return table


def _devices(picture: Picture) -> Table:
    table = _table("Devices", "device", "source", "state", "readings", "windows", "last")
    for device_id, device in picture.devices.items():
        state = Text(device.state, style=_STATE_STYLES.get(device.state, ""))
        table.add_row(
            device_id,
            device.source,
            state,
            str(device.produced),
            str(device.windows),
            _last(device),
        )
    return table


def _last(device: DevicePicture) -> str:
    if device.last_time_s is None:
        return ""
    words = [f"{datetime.fromtimestamp(device.last_time_s, UTC):%m-%d %H:%M:%S}"]
    for metric, value in list(device.last.items())[:_MAIN_METRICS]:
        if value is not None:
            words.append(f"{metric} {value:.4g}")
    return "\n".join(words)


def _ledger(picture: Picture) -> Table:
    table = _table("Ledger", "readings", "count")
    ledger = picture.ledger
    table.add_row("produced", str(ledger.produced))
    table.add_row("delivered", Text(str(ledger.delivered), style="green"))
    table.add_row("queued", str(ledger.queued))
    for reason, count in ledger.dropped.items():
        table.add_row(f"dropped: {reason}", Text(str(count), style="red"))
    if not ledger.dropped:
        table.add_row("dropped", "0")
    table.add_row("duplicates", str(ledger.duplicates))
    table.add_row("exporter", picture.exporter)
    return table


def _cloud(picture: Picture) -> Table:
    table = _table("Cloud", "counted there", "count")
    cloud = picture.cloud
    table.add_row("S3 objects", str(cloud.s3_objects))
    table.add_row("S3 readings", str(cloud.s3_readings))
    table.add_row("Kinesis records", str(cloud.kinesis_records))
    table.add_row("Kinesis windows", str(cloud.kinesis_windows))
    table.add_row("kB", f"{cloud.bytes / 1e3:.1f}")
    return table


def _led(led: LedPicture) -> Panel:
    text = Text()
    for row in range(8):
        for red, green, blue in led.pixels[row * 8 : row * 8 + 8]:
            lit = (red, green, blue) if red or green or blue else _OFF
            text.append("██", style="#{:02x}{:02x}{:02x}".format(*lit))
        if row < 7:
            text.append("\n")
    return Panel(Align.center(text), title="LED matrix", subtitle=led.text[:24], width=26)
