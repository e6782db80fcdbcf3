"""When messages arrive that say when they were sent.

Prints "ready" once subscribed, then the latencies in milliseconds of all messages, from before the
call that published one to the callback that got it, in another process.
"""

import threading
import time

import msgspec

from workbench.bench.programs.connection import connected, read_order, say
from workbench.bench.programs.publish import NEVER


class Order(msgspec.Struct):
    """Wait for `count` messages on `topic`, at most `timeout_s`."""

    topic_prefix: str
    topic: str
    count: int
    timeout_s: float


def main() -> None:
    """Do the order."""
    order = read_order(Order)
    latencies_ms: list[float] = []
    complete = threading.Event()

    def deliver(_topic: str, payload: bytes) -> None:
        arrived_ns, sent_ns = time.monotonic_ns(), int(payload[:20])
        if sent_ns == NEVER:
            return
        latencies_ms.append((arrived_ns - sent_ns) / 1e6)
        if len(latencies_ms) == order.count:
            complete.set()

    with connected(order.topic_prefix, [order.topic], deliver):
        say("ready")
        complete.wait(order.timeout_s)
        say(latencies_ms)


if __name__ == "__main__":
    main()
