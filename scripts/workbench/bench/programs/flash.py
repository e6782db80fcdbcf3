"""What the Aggregator writes in a day at one reading in 5 s, with its recipe's configuration.

The service as deployed, its journal on a disk and its tail on tmpfs; the bus is a dummy and the
clock is turned by hand, so that a day of commits takes seconds. Prints the bytes that the kernel
counts as this process' writes to storage (`write_bytes`, proc_pid_io(5)), as MB a day. What the
file system writes for itself at each sync is not in it.
"""

from pathlib import Path

import msgspec
import yaml

from aggregator.configuration import AggregatorConfiguration
from aggregator.service import STATUS_TOPIC, AggregatorService
from hubkit.clock import ManualClock
from hubkit.config import convert
from hubkit.payloads import ProducerDevice, ProducerStatus, ReadingBatch, encode
from hubkit.service import Surroundings
from workbench.bench.programs.connection import read_order, say
from workbench.bench.programs.readings import BOOT, START_S, batch

PERIOD_S = 5.0
READINGS_PER_STATUS = 2
"""ReadSenseHAT's `healthSeconds` is 10."""
DEVICE = "hat-1"


class Order(msgspec.Struct):
    """`hours` of readings; the journal comes into `folder`, what is volatile into `volatile`."""

    recipe: str
    folder: str
    volatile: str
    hours: float


class NoStorageError(Exception):
    """Nothing written is counted in that folder."""


class _Nobody:
    """A bus without subscribers."""

    def publish(self, topic: str, payload: bytes) -> None:
        """Nothing comes of it."""


def main() -> None:
    """Do the order."""
    order = read_order(Order)
    recipe = yaml.safe_load(Path(order.recipe).read_text())
    given = recipe["ComponentConfiguration"]["DefaultConfiguration"]
    configuration = convert(AggregatorConfiguration, {**given, "volatileFolder": order.volatile})
    clock = ManualClock(START_S)
    service = AggregatorService(
        configuration, Surroundings(_Nobody(), clock, Path(order.folder), "bench")
    )
    service.begin()
    before = _written_bytes()
    count = round(order.hours * 3600 / PERIOD_S)
    for seq in range(count):
        service.receive(f"hub/readings/{DEVICE}", encode(_reading(seq)))
        if seq % READINGS_PER_STATUS == 0:
            service.receive(STATUS_TOPIC, encode(_status(seq + 1)))
        clock.advance(PERIOD_S)
        service.tick()
    service.finish()
    service.close()
    written = _written_bytes() - before
    if not written:
        raise NoStorageError(f"{order.folder} is on no storage (tmpfs?): nothing is counted there")
    say(written / 1e6 * 24 / order.hours)


def _reading(seq: int) -> ReadingBatch:
    whole = batch(DEVICE, seq // 100)
    return msgspec.structs.replace(
        whole,
        seq=seq,
        t0_s=START_S + seq * PERIOD_S,
        dt_s=[0.0],
        values={metric: [column[seq % 100]] for metric, column in whole.values.items()},
    )


def _status(next_seq: int) -> ProducerStatus:
    device = ProducerDevice(
        boot=BOOT, next_seq=next_seq, oldest_seq=0, source="simulated", state="running"
    )
    return ProducerStatus(devices={DEVICE: device})


def _written_bytes() -> int:
    lines = Path("/proc/self/io").read_text().splitlines()
    return int(dict(line.split(": ") for line in lines)["write_bytes"])


if __name__ == "__main__":
    main()
