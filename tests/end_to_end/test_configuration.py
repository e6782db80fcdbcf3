"""The configuration of a running hub changes by deployments: the run goes on, nothing is lost."""

from typing import Any

from tests.end_to_end.conftest import StartHub
from tests.end_to_end.far_end import produced
from tests.end_to_end.hub_process import READ_SENSE_HAT, HubProcess
from workbench.run.deployment import COMPONENTS


def _deploy_devices(hub: HubProcess, devices: list[dict[str, Any]]) -> None:
    update = {READ_SENSE_HAT: {"MERGE": {"devices": devices}}}
    ended = hub.control.deploy(merge=COMPONENTS, update_config=update)
    assert ended["status"] == "SUCCEEDED", ended


def _produced(hub: HubProcess, device_id: str) -> int:
    """What the device's present boot has produced."""
    return sum(count for (device, _), count in produced(hub.root).items() if device == device_id)


def test_a_device_is_added_and_a_period_changed_without_a_loss(start_hub: StartHub) -> None:
    hub = start_hub("--source", "simulated", "--quiet")
    hub.wait_until_running()
    details = hub.component(READ_SENSE_HAT)
    devices = details["configuration"]["devices"]
    changed = str(devices[0]["id"])

    devices.append({**devices[0], "id": "added-1", "seed": 5})
    _deploy_devices(hub, devices)
    hub.wait_for("readings of the new device", lambda: _produced(hub, "added-1") > 1)
    before = sum(produced(hub.root).values())

    devices[0]["periodSeconds"] = 0.05
    _deploy_devices(hub, devices)
    # Twenty a second against one: a boot of its own, and soon ahead of the older one.
    hub.wait_for("the new period", lambda: _produced(hub, changed) > 2 * _produced(hub, "added-1"))
    now = hub.component(READ_SENSE_HAT)
    assert (now["pids"], now["restarts"]) == (details["pids"], 0), "the process is the same"

    hub.interrupt()
    assert hub.end() == 0, hub.output
    report = hub.report
    ledger, cloud, devices_reported = report["ledger"], report["cloud"], report["devices"]
    assert cloud["s3_readings"] == cloud["s3_keys"] == ledger["produced"] == ledger["delivered"]
    assert (ledger["queued"], ledger["dropped"]) == (0, {})
    # The rings have the present boots; the changed device had another one before.
    in_rings = sum(produced(hub.root).values())
    assert ledger["produced"] > in_rings > before
    for name in ("added-1", "refrigerator-1"):
        assert devices_reported[name]["produced"] == _produced(hub, name)
    assert devices_reported[changed]["produced"] > _produced(hub, changed)
