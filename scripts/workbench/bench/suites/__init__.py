"""One module a suite: which programs on which device give which figures.

A suite is a function from a `Setting` to its figures; `SUITES` has them by name. It may raise
`BenchError`, and leaves no process behind.
"""

from collections.abc import Callable, Generator, Mapping
from typing import Final, TypeAlias

from workbench.bench.figures import Measured
from workbench.bench.setting import Setting
from workbench.bench.suites import aggregator, book, ipc, localcore, memory, pipeline

Suite: TypeAlias = Callable[[Setting], Generator[Measured, None, None]]

SUITES: Final[Mapping[str, Suite]] = {
    "ipc": ipc.measure,
    "aggregator": aggregator.measure,
    "pipeline": pipeline.measure,
    "memory": memory.measure,
    "localcore": localcore.measure,
    "book": book.measure,
}
