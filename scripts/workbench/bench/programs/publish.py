"""Messages through hubkit.ipc, one after the other: the path that every component publishes on.

Prints the seconds of each run. With a rate, messages leave on a fixed grid, each with the time
(CLOCK_MONOTONIC, the same in all processes of a machine) at which it was published.
"""

import time

import msgspec

from workbench.bench.programs.connection import connected, read_order, say

WARM_UP = 50
NEVER = 0
"""The time that messages of the warm-up carry: a receiver leaves them out."""
PAYLOAD_BYTES = 200
"""A reading or an alert as small JSON; the same size as the figures of nucleus lite were taken."""


class Order(msgspec.Struct):
    """`count` messages to `topic`, in `runs` runs; `per_s` None is as fast as they are answered."""

    topic_prefix: str
    topic: str
    count: int
    runs: int = 1
    per_s: float | None = None


def stamped(time_ns: int) -> bytes:
    """A payload of PAYLOAD_BYTES that carries a time.

    >>> len(stamped(1)), int(stamped(1234)[:20])
    (200, 1234)
    """
    return b"%020d" % time_ns + b" " * (PAYLOAD_BYTES - 20)


def main() -> None:
    """Do the order."""
    order = read_order(Order)
    with connected(order.topic_prefix) as ipc:
        for _ in range(WARM_UP):
            ipc.publish(order.topic, stamped(NEVER))
        seconds = []
        for _ in range(order.runs):
            started_s = time.perf_counter()
            for number in range(order.count):
                if order.per_s is not None:
                    due_s = started_s + number / order.per_s
                    time.sleep(max(0.0, due_s - time.perf_counter()))
                ipc.publish(order.topic, stamped(time.monotonic_ns()))
            seconds.append(time.perf_counter() - started_s)
    say(seconds)


if __name__ == "__main__":
    main()
