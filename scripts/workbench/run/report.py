"""The picture as JSON: what `scripts/run --report FILE` writes."""

import json
from pathlib import Path
from typing import Any

from workbench.run.observation import Picture


def report(picture: Picture) -> dict[str, Any]:
    """The figures of a run; `ledger`, `devices`, `cloud`, `components`, `seconds`."""
    ledger, cloud = picture.ledger, picture.cloud
    return {
        "ledger": {
            "produced": ledger.produced,
            "delivered": ledger.delivered,
            "queued": ledger.queued,
            "dropped": ledger.dropped,
            "duplicates": ledger.duplicates,
        },
        "devices": {
            device_id: {
                "produced": device.produced,
                "windows": device.windows,
                "last": device.last,
                "source": device.source,
                "refused": device.refused,
            }
            for device_id, device in picture.devices.items()
        },
        "cloud": {
            "s3_objects": cloud.s3_objects,
            "s3_readings": cloud.s3_readings,
            "s3_keys": cloud.s3_keys,
            "kinesis_records": cloud.kinesis_records,
            "kinesis_windows": cloud.kinesis_windows,
            "bytes": cloud.bytes,
            "bad_lines": cloud.bad_lines,
        },
        "components": {
            component.name: {
                "state": component.state,
                "restarts": component.restarts,
                "pss_mb": round(component.pss_bytes / 1e6, 1),
            }
            for component in picture.components.values()
        },
        "seconds": round(picture.seconds, 1),
    }


def write_report(picture: Picture, path: Path) -> None:
    """Write the report.

    Raises:
        OSError: The file cannot be written.
    """
    path.write_text(json.dumps(report(picture), indent=2) + "\n")


def is_accepted(picture: Picture) -> bool:
    """Whether every sensor has said its last word and the Aggregator has heard it."""
    devices = picture.devices.values()
    return all(device.state == "stopped" and device.accepted for device in devices)


def is_delivered(picture: Picture) -> bool:
    """Whether nothing is left to deliver, as far as is known at the end of a run."""
    ledger, cloud = picture.ledger, picture.cloud
    return (
        is_accepted(picture)
        and ledger.queued == 0
        and cloud.s3_keys >= ledger.produced - sum(ledger.dropped.values())
        and cloud.kinesis_windows >= sum(device.windows for device in picture.devices.values())
    )


def balance(picture: Picture) -> list[str]:
    """What does not agree at the end of a run; nothing when all is well.

    Every reading that was produced is in the cloud once, or counted as dropped.
    """
    ledger, cloud = picture.ledger, picture.cloud
    wrong = [
        f"{component.name} is BROKEN: {component.reason}"
        for component in picture.components.values()
        if component.state == "BROKEN"
    ]
    wanted = ledger.produced - sum(ledger.dropped.values())
    if not ledger.produced:
        wrong.append("no reading was produced")
    for device_id, device in picture.devices.items():
        if device.last and all(value is None for value in device.last.values()):
            wrong.append(f"{device_id} has no value to give: its last readings are empty")
    if ledger.queued:
        wrong.append(
            f"{ledger.queued} readings are not delivered: they are in the run's folder, which the "
            "next run there empties"
        )
    elif cloud.s3_keys != wanted:
        wrong.append(f"{wanted} readings should be in S3, {cloud.s3_keys} are")
    if cloud.s3_readings != cloud.s3_keys:
        wrong.append(f"{cloud.s3_readings - cloud.s3_keys} rows are in S3 more than once")
    windows = sum(device.windows for device in picture.devices.values())
    if cloud.kinesis_windows != windows:
        wrong.append(f"{windows} windows should be in Kinesis, {cloud.kinesis_windows} are")
    if cloud.bad_lines:
        wrong.append(f"{cloud.bad_lines} lines in the cloud cannot be read")
    return wrong
