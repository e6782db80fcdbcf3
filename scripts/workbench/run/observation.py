"""What the hub and the cloud say, gathered into one picture.

Law: the ledger is the Aggregator's, produced counts are the producer's, and everything under
`cloud` was counted in the cloud. Nothing here is computed from what should be.
"""

import dataclasses
import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import msgspec

from hubkit.payloads import (
    Ledger,
    LedgerBoot,
    Payload,
    PayloadError,
    ProducerStatus,
    Window,
    decode,
)
from localcore.cloud.contents import CloudCounts

NOTHING = LedgerBoot(produced=0, accepted=0, accepted_upto=0, delivered=0, queued=0)
TOPICS = ("hub/health/ledger", "hub/health/ReadSenseHAT", "hub/windows/#", "hub/alerts")


@dataclass(frozen=True)
class ComponentPicture:
    """One component of the core device."""

    name: str
    state: str
    restarts: int
    pss_bytes: int
    reason: str = ""


@dataclass(frozen=True)
class LedPicture:
    """What the LED matrix shows: 64 RGB pixels, row by row, and the words."""

    pixels: tuple[tuple[int, int, int], ...] = ((0, 0, 0),) * 64
    text: str = ""


@dataclass
class DevicePicture:
    """One device of the hub."""

    produced: int = 0
    windows: int = 0
    state: str = "starting"
    source: str = ""
    accepted: bool = False
    """Whether the Aggregator has everything that the producer says it has published."""
    refused: dict[str, int] = field(default_factory=dict)
    last: dict[str, float | None] = field(default_factory=dict)
    last_time_s: float | None = None


@dataclass
class Picture:
    """All of it, at one moment."""

    seconds: float
    ledger: LedgerBoot
    exporter: str
    devices: dict[str, DevicePicture]
    components: dict[str, ComponentPicture]
    cloud: CloudCounts
    led: LedPicture
    notes: list[str]


class Observation:
    """Collects from several threads; `picture` gives a consistent copy."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._started_s = time.monotonic()
        self._ledger = NOTHING
        self._exporter = "none"
        self._devices: dict[str, DevicePicture] = {}
        self._published: dict[str, dict[str, int]] = {}
        self._boots: dict[str, str] = {}
        self._accepted: dict[str, dict[str, int]] = {}
        self._components: dict[str, ComponentPicture] = {}
        self._cloud = CloudCounts()
        self._led = LedPicture()
        self._notes: list[str] = []
        self._unsaid: list[str] = []
        self._restarts_before: Counter[str] = Counter()
        self._heard: Counter[type[Payload]] = Counter()

    def started(self) -> None:
        """The hub is deployed: seconds count from here."""
        self._started_s = time.monotonic()

    def note(self, text: str) -> None:
        """Something the user should see."""
        with self._lock:
            self._notes = [*self._notes[-4:], text]
            self._unsaid.append(text)

    def new_notes(self) -> list[str]:
        """The notes since the last call, for who cannot see the picture."""
        with self._lock:
            unsaid, self._unsaid = self._unsaid, []
            return unsaid

    def receive(self, topic: str, payload: bytes) -> None:
        """A payload of one of `TOPICS`; what cannot be read is left out."""
        kinds: dict[str, type[Payload]] = {
            "hub/health/ledger": Ledger,
            "hub/health/ReadSenseHAT": ProducerStatus,
        }
        kind = kinds.get(topic, Window if topic.startswith("hub/windows/") else None)
        if kind is None:
            return
        try:
            parsed = decode(kind, payload)
        except PayloadError:
            return
        with self._lock:
            self._heard[kind] += 1
            if isinstance(parsed, Ledger):
                self._learn_ledger(parsed)
            elif isinstance(parsed, ProducerStatus):
                self._learn_status(parsed)
            elif isinstance(parsed, Window):
                self._learn_window(parsed)

    def heard(self, kind: type[Payload]) -> int:
        """How many payloads of this kind have come."""
        with self._lock:
            return self._heard[kind]

    def set_components(self, components: list[ComponentPicture]) -> None:
        """The core device's components now; a new core device counts restarts from 0 again."""
        with self._lock:
            for component in components:
                before = self._components.get(component.name)
                counted = self._restarts_before[component.name]
                if before is not None and component.restarts + counted < before.restarts:
                    # Killed with its nucleus, it was started again too.
                    self._restarts_before[component.name] = before.restarts + 1
            self._components = {
                component.name: dataclasses.replace(
                    component,
                    restarts=component.restarts + self._restarts_before[component.name],
                )
                for component in components
            }

    def set_cloud(self, cloud: CloudCounts) -> None:
        """What the cloud holds now."""
        with self._lock:
            self._cloud = cloud

    def set_led(self, frame: bytes) -> None:
        """The frame file that WriteSenseHAT keeps; a half-written one is left out."""
        try:
            parsed: dict[str, Any] = msgspec.json.decode(frame)
            pixels = tuple((int(r), int(g), int(b)) for r, g, b in parsed["pixels"])
            text = str(parsed["text"])
        except (msgspec.DecodeError, KeyError, TypeError, ValueError):
            return
        if len(pixels) == 64:
            with self._lock:
                self._led = LedPicture(pixels, text)

    def picture(self) -> Picture:
        """A copy of everything."""
        with self._lock:
            return Picture(
                seconds=time.monotonic() - self._started_s,
                ledger=self._known_ledger(),
                exporter=self._exporter,
                devices={
                    device_id: dataclasses.replace(device)
                    for device_id, device in sorted(self._devices.items())
                },
                components=dict(sorted(self._components.items())),
                cloud=self._cloud,
                led=self._led,
                notes=list(self._notes),
            )

    def is_without_readings(self) -> bool:
        """Whether every source is known and none has given a reading or has ended."""
        with self._lock:
            devices = list(self._devices.values())
            produced = self._known_ledger().produced
        return bool(devices) and not produced and all(d.state == "retrying" for d in devices)

    def sources_ended(self) -> bool:
        """Whether every device's source has nothing more to give.

        A sensor that has stopped has not ended: it does for each change of its configuration.
        """
        with self._lock:
            states = [device.state for device in self._devices.values()]
        return bool(states) and all(state == "ended" for state in states)

    def _known_ledger(self) -> LedgerBoot:
        """The Aggregator's ledger, with what it has not heard of as queued."""
        boots = [next_seq for seen in self._published.values() for next_seq in seen.values()]
        unheard = max(0, sum(boots) - self._ledger.produced)
        return msgspec.structs.replace(
            self._ledger,
            produced=self._ledger.produced + unheard,
            queued=self._ledger.queued + unheard,
        )

    def _device(self, device_id: str) -> DevicePicture:
        return self._devices.setdefault(device_id, DevicePicture())

    def _learn_ledger(self, ledger: Ledger) -> None:
        self._ledger = ledger.total
        self._exporter = ledger.exporter
        for device_id, entry in ledger.devices.items():
            device = self._device(device_id)
            device.windows = entry.windows
            device.produced = max(device.produced, entry.total.produced)
            self._accepted[device_id] = {b: of.accepted_upto for b, of in entry.boots.items()}
            self._compare(device_id)

    def _learn_status(self, status: ProducerStatus) -> None:
        for device_id, entry in status.devices.items():
            device = self._device(device_id)
            device.state, device.source = entry.state, entry.source
            device.refused = entry.refused
            self._published.setdefault(device_id, {})[entry.boot] = entry.next_seq
            self._boots[device_id] = entry.boot
            device.produced = max(device.produced, sum(self._published[device_id].values()))
            self._compare(device_id)

    def _compare(self, device_id: str) -> None:
        boot = self._boots.get(device_id, "")
        next_seq = self._published.get(device_id, {}).get(boot, 1)
        accepted_upto = self._accepted.get(device_id, {}).get(boot, 0)
        self._device(device_id).accepted = accepted_upto >= next_seq

    def _learn_window(self, window: Window) -> None:
        device = self._device(window.device_id)
        device.last = {metric: summary.last for metric, summary in window.metrics.items()}
        device.last_time_s = window.start_s + window.length_s
