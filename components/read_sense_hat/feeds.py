"""From a device's configuration to what gives it readings: the only place that knows all sources.

Law: the configuration says which source it is; nothing here looks for another one.
"""

import hashlib
from collections import Counter
from pathlib import Path

import msgspec

from hubkit.clock import Clock
from read_sense_hat.batching import BatchBuilder
from read_sense_hat.configuration import (
    Device,
    EmulatorDevice,
    ReplayDevice,
    SenseHatDevice,
    SimulatedDevice,
    source_kind,
)
from read_sense_hat.quality import Judge
from read_sense_hat.reader import Reader
from read_sense_hat.sampling import Feed, LiveSampler, PacedSampler
from read_sense_hat.schedule import Schedule
from read_sense_hat.sources import Sample
from read_sense_hat.sources.replay import ReplaySource
from read_sense_hat.sources.sensehat import METRICS, EmulatorSource, SenseHatSource
from read_sense_hat.sources.simulated import SimulatedSource

CATCH_UP_S = 30 * 86_400.0
"""A live simulation computes its past when it starts, a second for a month. A wall clock that says
it is further from its origin was set: then the origin moves instead."""


def fingerprint(device: Device, speed: float) -> str:
    """A name for what the device's sequence numbers mean; another name begins another boot.

    Of hardware they mean nothing but order. Of a recording they are rows of that file, of a
    simulation steps of that model since its origin. How fast event time runs does not matter,
    whether it may wait does.
    """
    kind = source_kind(device)
    if isinstance(device, SenseHatDevice | EmulatorDevice):
        return kind
    settings = msgspec.to_builtins(device)
    settings["speed"] = "paced" if is_paced(device, speed) else "live"
    return f"{kind}-{hashlib.sha256(msgspec.json.encode(settings, order='sorted')).hexdigest()}"


def is_paced(device: Device, speed: float) -> bool:
    """Whether event time may wait for acceptance: recordings, and simulations at another speed."""
    return isinstance(device, ReplayDevice) or (
        isinstance(device, SimulatedDevice) and speed != 1.0
    )


def make_feed(
    device: Device,
    *,
    speed: float,
    first: int,
    origin_s: float,
    work_folder: Path,
    clock: Clock,
) -> Feed:
    """What gives `device` its readings, from number `first` on; `origin_s` is its boot's begin."""
    name = f"source of {device.id}"
    match device:
        case SenseHatDevice() | EmulatorDevice():
            folder = work_folder / "sense_hat"
            hat = (
                SenseHatSource(folder)
                if isinstance(device, SenseHatDevice)
                else EmulatorSource(folder)
            )
            schedule = Schedule(device.period_seconds, clock.monotonic_s())
            return Reader(device.id, LiveSampler(name, hat, schedule, Judge(METRICS), clock), clock)
        case SimulatedDevice():
            return _simulated(name, device, speed, first, origin_s, clock)
        case ReplayDevice():
            return _replay(name, device, speed, first, origin_s, work_folder, clock)


def _simulated(
    name: str, device: SimulatedDevice, speed: float, first: int, origin_s: float, clock: Clock
) -> Feed:
    period_s = device.period_seconds
    if speed == 1.0 and not 0.0 <= clock.now_s() - origin_s <= CATCH_UP_S:
        # The wall clock was set since the boot began: the appliance goes on where it may.
        origin_s = clock.now_s() - min(CATCH_UP_S, first * period_s)
    source = SimulatedSource(
        device.appliance, seed=device.seed, origin_s=origin_s, faults=device.faults
    )
    if speed == 1.0:
        return LiveSampler(name, source, Schedule(period_s, clock.monotonic_s()), None, clock)
    return PacedSampler(
        name,
        source,
        stamp="simulated",
        clock=clock,
        speed=speed,
        step=lambda number: round(origin_s + number * period_s, 6),
        first=first,
        refused=Counter(),
    )


def _replay(
    name: str,
    device: ReplayDevice,
    speed: float,
    first: int,
    origin_s: float,
    work_folder: Path,
    clock: Clock,
) -> Feed:
    period_s = device.period_seconds or 1.0
    builders: dict[tuple[str, ...], BatchBuilder] = {}

    def fits(sample: Sample) -> bool:
        metrics = source.metrics
        if metrics not in builders:
            builders[metrics] = BatchBuilder(device.id, "replay", metrics)
        return builders[metrics].fits(sample)

    source = ReplaySource(work_folder / device.file, device.columns, position=first, fits=fits)
    return PacedSampler(
        name,
        source,
        stamp="recording",
        clock=clock,
        speed=speed,
        step=lambda number: round(origin_s + number * period_s, 6),
        first=first,
        refused=source.refused,
    )
