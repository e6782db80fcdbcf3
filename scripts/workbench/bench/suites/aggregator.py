"""The Aggregator without a nucleus: its core's speed, and what it writes to flash."""

import tempfile
from collections.abc import Generator

from workbench.bench.figures import Measured, measured
from workbench.bench.launch import run
from workbench.bench.programs import core, flash
from workbench.bench.setting import Setting
from workbench.names import REPOSITORY, select

TMPFS = "/dev/shm"  # noqa: S108 (where every Linux has its tmpfs)


def measure(setting: Setting) -> Generator[Measured, None, None]:
    """Measure its code in processes of its own."""
    effort = setting.effort
    rates = run("core", core.Order(effort.core_batches, effort.repeats))
    yield measured("aggregator.core_readings_per_s", rates)

    (component,) = select(REPOSITORY, ["Aggregator"])
    folder = setting.folder / "journal"
    folder.mkdir()
    with tempfile.TemporaryDirectory(dir=TMPFS) as volatile:
        recipe = str(REPOSITORY / component.recipe)
        order = flash.Order(recipe, str(folder), volatile, effort.flash_hours)
        yield measured("flash.mb_per_day", [run("flash", order)])
    if effort.flash_hours < 24:
        setting.notes.append(f"flash: {effort.flash_hours:g} hours measured, scaled to a day")
