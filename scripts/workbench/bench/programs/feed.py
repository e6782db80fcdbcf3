"""Batches in, windows out, through a nucleus and a deployed Aggregator.

Each run is a device of its own: whole windows of batches, published one after the other as they are
acknowledged, then the status of a source that has ended, which closes the last window. What the
Aggregator asks for again is published again, as a sensor's ring does. Prints, for each run, the
readings a second from before the first publish to the arrival of the window that holds the last
reading, and how many batches were published again.
"""

import queue
import time

import msgspec

from hubkit.ipc import Ipc
from hubkit.payloads import (
    ProducerDevice,
    ProducerStatus,
    ReplayRequest,
    Window,
    decode,
    encode,
)
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
REPLAY = "hub/replay/"


def main() -> None:
    """Do the order."""
    order = read_order(Order)
    devices = [f"bench-{number}" for number in range(1, order.runs + 1)]
    arrivals: Arrivals = queue.SimpleQueue()
    topics = [
        f"hub/{kind}/{device_id}"
        for device_id in ("bench-0", *devices)
        for kind in ("windows", "replay")
    ]
    with connected("bench", topics, lambda topic, payload: arrivals.put((topic, payload))) as ipc:
        _warm_up(ipc, arrivals)
        runs = []
        for device_id in devices:
            payloads = [encode(batch(device_id, number)) for number in range(order.batches)]
            started_s = time.perf_counter()
            for payload in payloads:
                ipc.publish(f"hub/readings/{device_id}", payload)
            _end(ipc, device_id, order.batches)
            replayed = _await(ipc, arrivals, device_id, payloads, ARRIVAL_S)
            seconds = time.perf_counter() - started_s
            runs.append((order.batches * READINGS / seconds, replayed))
    say(runs)


def _warm_up(ipc: Ipc, arrivals: Arrivals) -> None:
    """Until the Aggregator has subscribed and has once done everything."""
    deadline_s = time.monotonic() + WARM_UP_S
    payload = encode(batch("bench-0", 0))
    while True:
        ipc.publish("hub/readings/bench-0", payload)
        _end(ipc, "bench-0", 1)
        try:
            _await(ipc, arrivals, "bench-0", [payload], 0.5)
        except NoWindowError:
            if time.monotonic() > deadline_s:
                raise
        else:
            return


def _end(ipc: Ipc, device_id: str, batches: int) -> None:
    device = ProducerDevice(
        boot=BOOT, next_seq=batches * READINGS, oldest_seq=0, source="simulated", state="ended"
    )
    ipc.publish(STATUS_TOPIC, encode(ProducerStatus(devices={device_id: device})))


def _await(
    ipc: Ipc, arrivals: Arrivals, device_id: str, payloads: list[bytes], timeout_s: float
) -> int:
    """Wait for the last window and answer replay requests; how many batches that took."""
    replayed = 0
    deadline_s = time.monotonic() + timeout_s
    while True:
        try:
            topic, payload = arrivals.get(timeout=max(0.0, deadline_s - time.monotonic()))
        except queue.Empty:
            raise NoWindowError(
                f"{device_id}: no last window within {timeout_s:g} s replayed={replayed}: see the "
                "Aggregator's log"
            ) from None
        if not topic.endswith(f"/{device_id}"):
            continue
        if topic.startswith(REPLAY):
            for first, end in decode(ReplayRequest, payload).ranges:
                for number in range(first // READINGS, (end - 1) // READINGS + 1):
                    ipc.publish(f"hub/readings/{device_id}", payloads[number])
                    replayed += 1
            _end(ipc, device_id, len(payloads))
        elif decode(Window, payload).last_seq == len(payloads) * READINGS - 1:
            return replayed


if __name__ == "__main__":
    main()
