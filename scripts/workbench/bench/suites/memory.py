"""Memory at work, as proportional set size: shared pages are divided among who shares them."""

import sys
import time
from collections.abc import Iterator
from pathlib import Path

from localcore.built_in import STREAM_MANAGER
from workbench.bench.device import Device
from workbench.bench.figures import FIGURES, Measured, measured
from workbench.bench.programs.growth import pss_bytes
from workbench.bench.setting import Setting
from workbench.bench.suites import hub
from workbench.names import PREFIX

SAMPLES = 3
BETWEEN_S = 1.0


def measure(setting: Setting) -> Iterator[Measured]:
    """Measure every component of the suite, the suite, and localcore.

    localcore is its daemon and its stream manager; the embedded cloud stands in for AWS and does
    not count.
    """
    samples: dict[str, list[float]] = {}
    with setting.device() as device:
        hub.start(device, Path(sys.prefix))
        time.sleep(setting.effort.settle_s)
        for _ in range(SAMPLES):
            time.sleep(BETWEEN_S)
            for name, size_mb in _look(device).items():
                samples.setdefault(name, []).append(size_mb)
    for figure in FIGURES.values():
        if figure.name in samples:
            yield measured(figure.name, samples[figure.name])


def _look(device: Device) -> dict[str, float]:
    sizes = {each["name"]: (each["pss_bytes"] or 0) / 1e6 for each in device.control.components()}
    looked = {
        f"memory.{name.removeprefix(PREFIX)}_pss_mb": size
        for name, size in sizes.items()
        if name.startswith(PREFIX)
    }
    looked["memory.suite_pss_mb"] = sum(looked.values())
    looked["memory.localcore_pss_mb"] = pss_bytes(device.pid) / 1e6 + sizes[STREAM_MANAGER]
    return looked
