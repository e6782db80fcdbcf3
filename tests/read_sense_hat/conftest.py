"""A bus that remembers, an Aggregator that answers, and devices to read."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from hubkit.clock import ManualClock
from hubkit.config import convert
from hubkit.ipc import IpcError
from hubkit.payloads import (
    Ledger,
    LedgerBoot,
    LedgerDevice,
    ProducerDevice,
    ProducerStatus,
    ReadingBatch,
    ReplayRequest,
    decode,
    encode,
)
from hubkit.service import Surroundings
from read_sense_hat.configuration import ReadSenseHatConfiguration
from read_sense_hat.service import ReadSenseHat

NOW_S = 1_700_000_000.0


@dataclass
class FakeBus:
    """Publishing as Greengrass does it: to whoever listens, and not at all while it is down."""

    heard: list[tuple[str, bytes]] = field(default_factory=list)
    down: bool = False
    deaf: bool = False

    def publish(self, topic: str, payload: bytes) -> None:
        if self.down:
            raise IpcError(f"publish to {topic}: not connected to the nucleus")
        assert len(payload) <= 4500
        if not self.deaf:
            self.heard.append((topic, payload))

    def batches(self, device_id: str | None = None) -> list[ReadingBatch]:
        wanted = None if device_id is None else f"hub/readings/{device_id}"
        return [
            decode(ReadingBatch, payload)
            for topic, payload in self.heard
            if topic.startswith("hub/readings/") and wanted in {None, topic}
        ]

    def status(self, device_id: str) -> ProducerDevice:
        for topic, payload in reversed(self.heard):
            if topic == "hub/health/ReadSenseHAT":
                devices = decode(ProducerStatus, payload).devices
                if device_id in devices:
                    return devices[device_id]
        raise AssertionError(f"no status of {device_id} was published")


class Bench:
    """A service on a manual clock, with everything around it."""

    def __init__(self, work_folder: Path, configuration: dict[str, Any]) -> None:
        self.bus = FakeBus()
        self.clock = ManualClock(NOW_S)
        self.work_folder = work_folder
        self.configuration = configuration
        self.service = self._new()

    def _new(self) -> ReadSenseHat:
        surroundings = Surroundings(
            bus=self.bus, clock=self.clock, work_folder=self.work_folder, thing_name="thing"
        )
        service = ReadSenseHat(convert(ReadSenseHatConfiguration, self.configuration), surroundings)
        service.begin()
        return service

    def run(self, seconds: float, step_s: float = 0.01) -> None:
        """Let time pass as the runner does: as long as the service wants, at most."""
        end_s = self.clock.monotonic_s() + seconds
        while self.clock.monotonic_s() < end_s:
            delay_s = self.service.tick()
            self.clock.advance(min(max(delay_s, step_s), end_s - self.clock.monotonic_s() + 1e-9))

    def die(self) -> None:
        """`kill -9`: what was not written is gone; the kernel closes the files."""
        self.service.close()

    def restart(self) -> None:
        self.service = self._new()

    def accept_all(self) -> None:
        """The ledger of an Aggregator that has everything it was sent without a gap."""
        upto: dict[tuple[str, str], int] = {}
        for batch in sorted(self.bus.batches(), key=lambda batch: batch.seq):
            key = batch.device_id, batch.boot
            if batch.seq <= upto.get(key, 0):
                upto[key] = max(upto.get(key, 0), batch.next_seq)
        for (device_id, boot), end in upto.items():
            self.accept(device_id, boot, end)

    def accept(self, device_id: str, boot: str, upto: int) -> None:
        entry = LedgerBoot(produced=upto, accepted=upto, accepted_upto=upto, delivered=0, queued=0)
        ledger = Ledger(
            thing="thing",
            devices={device_id: LedgerDevice(boots={boot: entry}, total=entry)},
            total=entry,
            exporter="none",
        )
        self.service.receive("hub/health/ledger", encode(ledger))

    def ask(self, device_id: str, boot: str, *ranges: tuple[int, int]) -> None:
        request = ReplayRequest(device_id=device_id, boot=boot, ranges=list(ranges))
        self.service.receive(f"hub/replay/{device_id}", encode(request))


MakeBench = Callable[..., Bench]


@pytest.fixture
def make_bench(tmp_path: Path) -> Iterator[MakeBench]:
    """Benches with the recipe's defaults but for what a test says."""
    made: list[Bench] = []

    def make(*devices: dict[str, Any], **changes: Any) -> Bench:
        work_folder = tmp_path / f"work{len(made)}"
        work_folder.mkdir()
        configuration = {
            "devices": list(devices),
            "speed": 1,
            "batchSeconds": 1,
            "ringKilobytes": 4096,
            "volatileFolder": "",
            "drainSeconds": 4,
            "logLevel": "INFO",
            "healthSeconds": 10,
        }
        made.append(Bench(work_folder, configuration | changes))
        return made[-1]

    yield make
    for bench in made:
        bench.service.close()
