"""The Aggregator's core alone: decoded batches in, account and closed windows out.

Without IPC, decoding and the journal, but with what the service asks of the core at every tick.
Prints the new readings a second of each run; duplicates are work, and do not count.
"""

import time

import msgspec

from aggregator.core import Core
from aggregator.devices import Settings
from workbench.bench.programs.connection import read_order, say
from workbench.bench.programs.readings import READINGS, WINDOW_S, arrivals, batch

ARRIVALS_PER_TICK = 50
TICK_S = 0.25
ARRIVALS_PER_COMMIT = 300
"""The tail's `syncKilobytes` is full about then."""


class Order(msgspec.Struct):
    """`batches` batches, in `runs` runs."""

    batches: int
    runs: int


class LostError(Exception):
    """The core did not account for every reading: its speed says nothing."""


def main() -> None:
    """Do the order."""
    order = read_order(Order)
    batches = [batch("bench-1", number) for number in range(order.batches)]
    came = [batches[number] for number in arrivals(order.batches)]
    rates = []
    for _ in range(order.runs):
        core = Core(Settings(thing="bench", window_s=WINDOW_S, lateness_s=5.0))
        started_s = time.perf_counter()
        for number, each in enumerate(came):
            now_s = number / ARRIVALS_PER_TICK * TICK_S
            core.accept(each, now_s)
            if number % ARRIVALS_PER_TICK == 0:
                core.tick(now_s)
                core.requests(now_s)
                core.closed_windows()
            if number % ARRIVALS_PER_COMMIT == 0:
                core.committed()
        rates.append(order.batches * READINGS / (time.perf_counter() - started_s))
        _, total = core.ledger([])
        if total.accepted != order.batches * READINGS or not total.duplicates:
            raise LostError(f"{order.batches * READINGS} readings were given, it says {total}")
    say(rates)


if __name__ == "__main__":
    main()
