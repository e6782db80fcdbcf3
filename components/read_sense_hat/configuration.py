"""The configuration of com.hbs.hub.ReadSenseHAT.

Law: every tunable key is required, its default stands in the recipe. A device lists what its source
needs; what it leaves out is absent (no faults, the component's speed), not defaulted. The recipe's
defaults:

    devices:                one Sense HAT; a merge replaces the list whole
      - id: hat-1
        source: sensehat
        periodSeconds: 5
    speed: 1                event time runs that many times faster; simulated and replay only
    batchSeconds: 1         a reading is published at most so long after it was taken; 0 is at once
    ringKilobytes: 4096     per device: what can be replayed, 19 hours of one reading in 5 s
    volatileFolder: /dev/shm   where the rings are; "" is the work folder
    drainSeconds: 4         at the end, wait so long for acceptance; Java kills after 5 s
    logLevel: INFO
    healthSeconds: 10

Devices by source:

>>> configuration = convert(ReadSenseHatConfiguration, {
...     "devices": [
...         {"id": "hat-1", "source": "emulator", "periodSeconds": "1"},
...         {"id": "fridge", "source": "simulated", "periodSeconds": 1.0,
...          "appliance": "refrigerator", "seed": 7.0, "faults": ["leak@120"]},
...         {"id": "astro", "source": "replay", "file": "astro_pi.csv", "speed": 36000},
...         {"id": "mine", "source": "replay", "file": "mine.csv",
...          "columns": {"When": "time", "Temp": "temperature_c"}},
...     ],
...     "speed": "1", "batchSeconds": 1, "ringKilobytes": 4096.0, "volatileFolder": "",
...     "drainSeconds": 4, "logLevel": "INFO", "healthSeconds": 10})
>>> configuration.devices[1].faults
['leak@120']
>>> [configuration.speed_of(device) for device in configuration.devices]
[1.0, 1.0, 36000.0, 1.0]
"""

from typing import Annotated, Literal

import msgspec

from hubkit.config import Configuration, ConfigurationError, convert
from hubkit.payloads import METRIC
from hubkit.service import ServiceConfiguration
from read_sense_hat.appliances import ApplianceName
from read_sense_hat.appliances.faults import FaultError, parse_faults

__all__ = [
    "Device",
    "EmulatorDevice",
    "ReadSenseHatConfiguration",
    "ReplayDevice",
    "SenseHatDevice",
    "SimulatedDevice",
    "convert",
]

DeviceId = Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z0-9_-]{1,64}$")]
"""Safe in a topic, a path and an object key (hubkit.payloads.DEVICE_ID)."""
PeriodSeconds = Annotated[float, msgspec.Meta(ge=0.001, le=86_400)]
Speed = Annotated[float, msgspec.Meta(gt=0, le=1_000_000)]

TIME = "time"
"""The name that a `columns` mapping gives to the column of time stamps."""


class SenseHatDevice(Configuration, frozen=True, tag_field="source", tag="sensehat"):
    """The Sense HAT on this machine."""

    id: DeviceId
    period_seconds: PeriodSeconds


class EmulatorDevice(Configuration, frozen=True, tag_field="source", tag="emulator"):
    """The emulated Sense HAT on this machine: sense-emu's register files."""

    id: DeviceId
    period_seconds: PeriodSeconds


class SimulatedDevice(Configuration, frozen=True, tag_field="source", tag="simulated"):
    """A physical model of an appliance; `faults` such as `leak@120`, seconds of event time."""

    id: DeviceId
    period_seconds: PeriodSeconds
    appliance: ApplianceName
    seed: int
    faults: list[str] = msgspec.field(default_factory=list)
    speed: Speed | None = None


class ReplayDevice(Configuration, frozen=True, tag_field="source", tag="replay"):
    """A recording: a CSV file, its `columns` by header or by a mapping of column to metric.

    `period_seconds` spaces the rows of a recording that has no column of time stamps.
    """

    id: DeviceId
    file: Annotated[str, msgspec.Meta(min_length=1)]
    columns: dict[str, str] = msgspec.field(default_factory=dict)
    speed: Speed | None = None
    period_seconds: PeriodSeconds | None = None


Device = SenseHatDevice | EmulatorDevice | SimulatedDevice | ReplayDevice
SourceKind = Literal["sensehat", "emulator", "simulated", "replay"]


def source_kind(device: Device) -> SourceKind:
    """The `source` of a device's configuration.

    >>> source_kind(SenseHatDevice(id="a", period_seconds=1.0))
    'sensehat'
    """
    match device:
        case SenseHatDevice():
            return "sensehat"
        case EmulatorDevice():
            return "emulator"
        case SimulatedDevice():
            return "simulated"
        case ReplayDevice():
            return "replay"


class ReadSenseHatConfiguration(ServiceConfiguration, frozen=True):
    """Every key of the component; see the module for the recipe's defaults."""

    devices: list[Device]
    speed: Speed
    batch_seconds: Annotated[float, msgspec.Meta(ge=0, le=1)]
    ring_kilobytes: Annotated[int, msgspec.Meta(ge=128, le=65_536)]
    volatile_folder: str
    drain_seconds: Annotated[float, msgspec.Meta(ge=0, le=600)]

    def speed_of(self, device: Device) -> float:
        """How many times faster event time runs for a device; live hardware has no choice."""
        if isinstance(device, SimulatedDevice | ReplayDevice):
            return self.speed if device.speed is None else device.speed
        return 1.0

    def check(self) -> None:
        """Raise `ConfigurationError` where devices contradict each other or name what is not."""
        super().check()
        seen: set[str] = set()
        for index, device in enumerate(self.devices):
            where = f"devices[{index}]"
            if device.id in seen:
                raise ConfigurationError(f"{where}.id={device.id!r}: another device has this id")
            seen.add(device.id)
            if isinstance(device, SimulatedDevice):
                try:
                    parse_faults(device.appliance, device.faults)
                except FaultError as error:
                    raise ConfigurationError(
                        f"{where}.faults={device.faults!r}: {error}"
                    ) from error
            elif isinstance(device, ReplayDevice):
                _check_columns(where, device)


def _check_columns(where: str, device: ReplayDevice) -> None:
    """Refuse metric names that no reader of the hub accepts, and two columns of one name."""
    names = list(device.columns.values())
    for column, metric in device.columns.items():
        if not METRIC.fullmatch(metric):
            raise ConfigurationError(
                f"{where}.columns[{column!r}]={metric!r}: a metric name matches {METRIC.pattern}, "
                "with its unit, as temperature_c"
            )
        if names.count(metric) > 1:
            raise ConfigurationError(f"{where}.columns: two columns are named {metric!r}")
    if names == [TIME]:
        raise ConfigurationError(f"{where}.columns names the time only: name a metric too")
