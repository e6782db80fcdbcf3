"""What `scripts/run` deploys: the suite as it is, and a configuration update as any user's.

Law: recipes and artifacts are those that a device gets. What differs on a laptop (the source, short
intervals so that something is seen, the destination) is configuration.
"""

import re
from pathlib import Path
from typing import Any

from workbench.run.arguments import APPLIANCES, Arguments

# Those that are configured below are roots too: the Java nucleus ignores a configuration update of
# a component that only came as a dependency.
COMPONENTS = {
    "com.hbs.hub.Hub": "1.0.0",
    "com.hbs.hub.Export": "1.0.0",
    "com.hbs.hub.Runtime": "1.0.0",
    "com.hbs.hub.ReadSenseHAT": "1.0.0",
    "com.hbs.hub.Aggregator": "1.0.0",
    "com.hbs.hub.WriteSenseHAT": "1.0.0",
}
BUCKET = "hbs-hub-history"
KINESIS_STREAM = "hbs-hub-windows"
THING_NAME = "laptop-hub"

_SAMPLES_PER_WINDOW = 5
_LIVE_PERIOD_S = 1.0


def configuration_update(
    arguments: Arguments, environment: Path, stream_manager_port: int
) -> dict[str, Any]:
    """The update, by component, as `greengrass-cli deployment create --update-config` takes it.

    Args:
        arguments: Which source and how fast.
        environment: The Python environment that Runtime links to instead of making one.
        stream_manager_port: Where the stream manager listens.
    """
    live = arguments.speed == 1 and arguments.source != "replay"
    # Everything stays below the run's folder, and nothing waits long.
    sensor = {
        "devices": devices(arguments),
        "speed": arguments.speed,
        "volatileFolder": "",
        "drainSeconds": 30,
        "healthSeconds": 2,
    }
    aggregator = {
        "export": "streamManager",
        "bucket": BUCKET,
        "kinesisStream": KINESIS_STREAM,
        "streamManager": {"host": "127.0.0.1", "port": stream_manager_port},
        "windowSeconds": _SAMPLES_PER_WINDOW * _LIVE_PERIOD_S if live else 60,
        "syncSeconds": 1,
        "flushSeconds": 5,
        "windowFlushSeconds": 3,
        "ledgerSeconds": 1,
        "drainSeconds": 60,
        "volatileFolder": "",
        "healthSeconds": 2,
    }
    display = {
        "display": "emulator" if arguments.source == "emulator" else "terminal",
        "frameFile": "frame.json",
        "healthSeconds": 2,
    }
    if arguments.source == "sensehat":
        display["display"] = "sensehat"
    return {
        "com.hbs.hub.Runtime": {"MERGE": {"environment": str(environment)}},
        "com.hbs.hub.ReadSenseHAT": {"MERGE": sensor},
        "com.hbs.hub.Aggregator": {"MERGE": aggregator},
        "com.hbs.hub.WriteSenseHAT": {"MERGE": display},
    }


def devices(arguments: Arguments) -> list[dict[str, Any]]:
    """The devices of a run."""
    match arguments.source:
        case "replay":
            return [
                {
                    "id": device_id,
                    "source": "replay",
                    "file": str(recording),
                    "columns": arguments.columns,
                }
                for device_id, recording in _named(arguments.recordings)
            ]
        case "emulator" | "sensehat":
            hat = {"id": "hat-1", "source": arguments.source, "periodSeconds": _LIVE_PERIOD_S}
            if arguments.source == "sensehat":
                return [hat]
            return [hat, *_appliances(arguments)]
        case "simulated":
            return _appliances(arguments)


def _appliances(arguments: Arguments) -> list[dict[str, Any]]:
    return [
        {
            "id": f"{name.replace('_', '-')}-1",
            "source": "simulated",
            "appliance": name,
            "periodSeconds": _LIVE_PERIOD_S,
            "seed": arguments.seed,
            "faults": [
                fault.partition(":")[2]
                for fault in arguments.faults
                if fault.partition(":")[0] == name
            ],
        }
        for name in APPLIANCES[arguments.source]
    ]


def _named(recordings: tuple[Path, ...]) -> list[tuple[str, Path]]:
    """A device id for each recording, from its name; numbered where two are alike.

    >>> [name for name, _ in _named((Path("a/valve 1.csv"), Path("b/valve 1.csv")))]
    ['valve-1', 'valve-1-2']
    """
    named: list[tuple[str, Path]] = []
    taken: set[str] = set()
    for recording in recordings:
        stem = re.sub(r"[^A-Za-z0-9_]+", "-", recording.stem).strip("-")[:56] or "recording"
        name, number = stem, 1
        while name in taken:
            number += 1
            name = f"{stem}-{number}"
        taken.add(name)
        named.append((name, recording))
    return named
