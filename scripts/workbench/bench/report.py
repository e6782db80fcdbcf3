"""The table and the JSON."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich.table import Table
from rich.text import Text

from workbench.bench.figures import Measured

_UNDECIDED = "-"


def table(results: Sequence[Measured]) -> Table:
    """Name, value, unit, goal, whether it is reached, and the samples behind the value."""
    drawn = Table(title_justify="left")
    drawn.add_column("figure", no_wrap=True)
    for column in ("value", "unit", "goal", "reached", "value / goal", "median of"):
        drawn.add_column(column, justify="left" if column in {"unit", "median of"} else "right")
    for result in results:
        figure = result.figure
        drawn.add_row(
            figure.name,
            shown(result.value),
            figure.unit,
            _UNDECIDED if figure.goal is None else shown(figure.goal),
            _reached(result),
            f"{result.value / figure.goal:.2f}" if figure.goal else _UNDECIDED,
            f"{len(result.samples)}: {shown(min(result.samples))}..{shown(max(result.samples))}",
        )
    return drawn


def document(results: Sequence[Measured], socket: Path | None) -> dict[str, Any]:
    """The figures by name, and the socket of the ipc suite, if any was measured."""
    written: dict[str, Any] = {}
    if socket is not None:
        written["socket"] = {"value": str(socket), "unit": "path", "goal": None}
    for result in results:
        written[result.figure.name] = {
            "value": rounded(result.value),
            "unit": result.figure.unit,
            "goal": result.figure.goal,
            "reached": result.reached,
            "samples": [rounded(sample) for sample in result.samples],
        }
    return written


def write(results: Sequence[Measured], socket: Path | None, path: Path) -> None:
    """Write the JSON.

    Raises:
        OSError: The file cannot be written.
    """
    path.write_text(json.dumps(document(results, socket), indent=2) + "\n")


def rounded(value: float) -> float:
    """Four significant digits, and no fraction above a thousand: no measurement here has more.

    >>> rounded(61234.56), rounded(0.0123456), rounded(12.3456)
    (61235, 0.01235, 12.35)
    """
    return round(value) if abs(value) >= 1_000 else float(f"{value:.4g}")


def shown(value: float) -> str:
    """As the table has it.

    >>> shown(61234.56), shown(12.3456), shown(20.0)
    ('61,235', '12.3', '20')
    """
    return f"{value:,.0f}" if abs(value) >= 1_000 else f"{value:.3g}"


def _reached(result: Measured) -> Text:
    if result.reached is None:
        return Text(_UNDECIDED, style="dim")
    return Text("yes", style="green") if result.reached else Text("no", style="bold red")
