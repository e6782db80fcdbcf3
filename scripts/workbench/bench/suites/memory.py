"""Memory at work, as proportional set size: shared pages are divided among who shares them."""

import sys
import time
from collections.abc import Callable, Generator, Mapping
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


def measure(setting: Setting) -> Generator[Measured, None, None]:
    """Measure localcore idle, then every component of the suite, the suite, and localcore at work.

    localcore is its daemon and its stream manager, which at work holds the AWS SDK; the embedded
    cloud stands in for AWS and does not count.
    """
    samples: dict[str, list[float]] = {}

    def sample(look: Callable[[], Mapping[str, float]]) -> None:
        for _ in range(SAMPLES):
            time.sleep(BETWEEN_S)
            for name, size_mb in look().items():
                samples.setdefault(name, []).append(size_mb)

    with setting.device() as device:
        device.start()
        device.admit_client(streams=True)
        sample(lambda: {"memory.localcore_pss_mb": _localcore_mb(device)})
    with setting.device() as device:
        hub.start(device, Path(sys.prefix))
        time.sleep(setting.effort.settle_s)
        sample(lambda: _at_work_mb(device))
    for figure in FIGURES.values():
        if figure.name in samples:
            yield measured(figure.name, samples[figure.name])


def _at_work_mb(device: Device) -> dict[str, float]:
    sizes = {
        f"memory.{each['name'].removeprefix(PREFIX)}_pss_mb": (each["pss_bytes"] or 0) / 1e6
        for each in device.control.components()
        if each["name"].startswith(PREFIX)
    }
    suite_mb = sum(sizes.values())
    return sizes | {
        "memory.suite_pss_mb": suite_mb,
        "memory.localcore_at_work_pss_mb": _localcore_mb(device),
    }


def _localcore_mb(device: Device) -> float:
    streams = device.control.component(STREAM_MANAGER)["pss_bytes"]
    return (pss_bytes(device.pid) + (streams or 0)) / 1e6
