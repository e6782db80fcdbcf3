"""What a client keeps of messages it has sent through hubkit.ipc. Prints the growth in bytes."""

import gc
from pathlib import Path

import msgspec

from hubkit.ipc import Ipc
from workbench.bench.programs.connection import connected, read_order, say
from workbench.bench.programs.publish import NEVER, stamped

WARM_UP = 1_000
"""The allocator's pools and the client's buffers are at their size by then."""


class Order(msgspec.Struct):
    """`count` messages to `topic`."""

    topic_prefix: str
    topic: str
    count: int


def pss_bytes(pid: int | str) -> int:
    """The proportional set size of a process (proc_pid_smaps_rollup(5))."""
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
        if line.startswith("Pss:"):
            return int(line.split()[1]) * 1024
    raise ValueError(f"/proc/{pid}/smaps_rollup has no Pss: the kernel is older than 4.14")


def main() -> None:
    """Do the order."""
    order = read_order(Order)
    with connected(order.topic_prefix) as ipc:
        _publish(ipc, order.topic, WARM_UP)
        before = pss_bytes("self")
        _publish(ipc, order.topic, order.count)
        say(pss_bytes("self") - before)


def _publish(ipc: Ipc, topic: str, count: int) -> None:
    for _ in range(count):
        ipc.publish(topic, stamped(NEVER))
    gc.collect()


if __name__ == "__main__":
    main()
