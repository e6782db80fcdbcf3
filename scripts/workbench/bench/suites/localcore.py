"""How long a core device on a laptop takes to start, and to deploy the suite."""

import sys
from collections.abc import Generator
from pathlib import Path

from workbench.bench.figures import Measured, measured
from workbench.bench.setting import Setting
from workbench.bench.suites import hub


def measure(setting: Setting) -> Generator[Measured, None, None]:
    """Measure on new roots, with a warm environment."""
    starts_s, deployments_s = [], []
    for _ in range(setting.effort.deployments):
        with setting.device() as device:
            start_s, deployment_s = hub.start(device, Path(sys.prefix))
        starts_s.append(start_s)
        deployments_s.append(deployment_s)
    while len(starts_s) < setting.effort.repeats:
        with setting.device() as device:
            starts_s.append(device.start())
    yield measured("localcore.start_s", starts_s)
    yield measured("localcore.deploy_suite_s", deployments_s)
