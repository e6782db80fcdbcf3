"""Where a suite measures."""

from dataclasses import dataclass, field
from pathlib import Path

from workbench.bench.arguments import Nucleus
from workbench.bench.device import Device
from workbench.bench.effort import Effort


@dataclass
class Setting:
    """What suites are given, and what they leave to be printed.

    `nucleus` None stands for localcore, started by the suite; `socket` becomes what the ipc suite
    measured, and `notes` what the reader of the table should know.
    """

    folder: Path
    effort: Effort
    nucleus: Nucleus | None = None
    topic_prefix: str = "bench"
    socket: Path | None = None
    notes: list[str] = field(default_factory=list)

    def device(self) -> Device:
        """A core device that is not started; always on the same root, so one at a time."""
        return Device(self.folder / "device")
