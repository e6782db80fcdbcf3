"""The suite as `scripts/run --source simulated` deploys it."""

from pathlib import Path
from typing import Any

from workbench.bench.device import Device
from workbench.run.arguments import parse
from workbench.run.deployment import BUCKET, COMPONENTS, KINESIS_STREAM, configuration_update


def start(device: Device, environment: Path) -> tuple[float, float]:
    """Start a device and deploy the suite on it; how many seconds each took.

    `environment` is the Python environment that Runtime links to, so it is warm.
    """
    start_s = device.start()
    device.start_cloud(buckets=[BUCKET], kinesis_streams=[KINESIS_STREAM])
    return start_s, device.deploy(COMPONENTS, _update(device, environment))


def _update(device: Device, environment: Path) -> dict[str, Any]:
    arguments = parse(["--source", "simulated", "--quiet"], device.root)
    return configuration_update(arguments, environment, device.stream_manager_port)
