"""The Aggregator without a nucleus: its core's speed, and what it writes to flash."""

from collections.abc import Iterator

from workbench.bench.figures import Measured, measured
from workbench.bench.launch import run
from workbench.bench.programs import core, flash
from workbench.bench.setting import Setting
from workbench.names import REPOSITORY, select


def measure(setting: Setting) -> Iterator[Measured]:
    """Measure its code in processes of its own."""
    effort = setting.effort
    rates = run("core", core.Order(effort.core_batches, effort.repeats))
    yield measured("aggregator.core_readings_per_s", rates)

    (component,) = select(REPOSITORY, ["Aggregator"])
    folder, volatile = setting.folder / "journal", setting.folder / "tail"
    folder.mkdir()
    volatile.mkdir()
    order = flash.Order(
        str(REPOSITORY / component.recipe), str(folder), str(volatile), effort.flash_hours
    )
    yield measured("flash.mb_per_day", [run("flash", order)])
    if effort.flash_hours < 24:
        setting.notes.append(f"flash: {effort.flash_hours:g} hours measured, scaled to a day")
