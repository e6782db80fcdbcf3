"""From publish to window: one deployed Aggregator, fed over real IPC by a process of its own."""

import sys
from collections.abc import Generator

from workbench.bench.device import RUNTIME
from workbench.bench.figures import Measured, measured
from workbench.bench.launch import run
from workbench.bench.programs import feed
from workbench.bench.programs.readings import whole_windows
from workbench.bench.setting import Setting

AGGREGATOR = "com.hbs.hub.Aggregator"


def measure(setting: Setting) -> Generator[Measured, None, None]:
    """Measure the Aggregator with its recipe's configuration."""
    effort = setting.effort
    with setting.device() as device:
        device.start()
        nucleus = device.admit_client()
        device.deploy(
            {RUNTIME: "1.0.0", AGGREGATOR: "1.0.0"},
            {
                RUNTIME: {"MERGE": {"environment": sys.prefix}},
                # Below the device's folder, so that nothing is left behind.
                AGGREGATOR: {"MERGE": {"volatileFolder": ""}},
            },
        )
        batches = whole_windows(effort.pipeline_batches)
        runs = run("feed", feed.Order(batches, effort.pipeline_repeats), nucleus)
    replayed = sum(again for _, again in runs)
    if replayed:
        setting.notes.append(f"pipeline: {replayed} batches were asked for again")
    yield measured("pipeline.readings_per_s", [rate for rate, _ in runs])
