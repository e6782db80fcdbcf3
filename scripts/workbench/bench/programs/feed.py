"""Batches in, windows out, through a nucleus and a deployed Aggregator.

Each run is a device of its own: whole windows of batches, published one after the other as they are
acknowledged, then the status of a source that has ended, which closes the last window. Prints the
readings a second of each run, from before the first publish to the arrival of the window that holds
the last reading.
"""

import queue
import time

import msgspec

from hubkit.ipc import Ipc
from hubkit.payloads import ProducerDevice, ProducerStatus, Window, decode, encode
from workbench.bench.programs.connection import connected, read_order, say
from workbench.bench.programs.readings import BOOT, READINGS, batch

STATUS_TOPIC = "hub/health/ReadSenseHAT"
WARM_UP_S = 20.0
ARRIVAL_S = 60.0


class Order(msgspec.Struct):
    """`batches` batches a run, which fill whole windows."""

    batches: int
    runs: int


class NoWindowError(Exception):
    """The window with the last reading did not come."""


Arrivals = queue.SimpleQueue[tuple[str, bytes]]


def main() -> None:
    """Do the order."""
    order = read_order(Order)
    devices = [f"bench-{number}" for number in range(1, order.runs + 1)]
    arrivals: Arrivals = queue.SimpleQueue()
    topics = [f"hub/windows/{device_id}" for device_id in ("bench-0", *devices)]
    with connected("bench", topics, lambda topic, payload: arrivals.put((topic, payload))) as ipc:
        _warm_up(ipc, arrivals)
        rates = []
        for device_id in devices:
            payloads = [encode(batch(device_id, number)) for number in range(order.batches)]
            started_s = time.perf_counter()
            for payload in payloads:
                ipc.publish(f"hub/readings/{device_id}", payload)
            _end(ipc, device_id, order.batches)
            if not _await(arrivals, device_id, order.batches * READINGS - 1, ARRIVAL_S):
                raise NoWindowError(f"{device_id}: no last window within {ARRIVAL_S:g} s")
            rates.append(order.batches * READINGS / (time.perf_counter() - started_s))
    say(rates)


def _warm_up(ipc: Ipc, arrivals: Arrivals) -> None:
    """Until the Aggregator has subscribed and has once done everything."""
    deadline_s = time.monotonic() + WARM_UP_S
    while time.monotonic() < deadline_s:
        ipc.publish("hub/readings/bench-0", encode(batch("bench-0", 0)))
        _end(ipc, "bench-0", 1)
        if _await(arrivals, "bench-0", READINGS - 1, 0.5):
            return
    raise NoWindowError(f"the Aggregator gives no window within {WARM_UP_S:g} s")


def _end(ipc: Ipc, device_id: str, batches: int) -> None:
    device = ProducerDevice(
        boot=BOOT, next_seq=batches * READINGS, oldest_seq=0, source="simulated", state="ended"
    )
    ipc.publish(STATUS_TOPIC, encode(ProducerStatus(devices={device_id: device})))


def _await(arrivals: Arrivals, device_id: str, last_seq: int, timeout_s: float) -> bool:
    deadline_s = time.monotonic() + timeout_s
    while True:
        try:
            topic, payload = arrivals.get(timeout=max(0.0, deadline_s - time.monotonic()))
        except queue.Empty:
            return False
        if topic.endswith(f"/{device_id}") and decode(Window, payload).last_seq == last_seq:
            return True


if __name__ == "__main__":
    main()
