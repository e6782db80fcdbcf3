"""Messages through AWS's client, many outstanding: what one awsiotsdk client can do at most.

Prints the seconds of each run.
"""

import time
from collections import deque
from typing import Any

# What is measured is AWS's client itself: hubkit has, on purpose, no way to publish unanswered.
import awsiot.greengrasscoreipc  # noqa: TID251
import msgspec
from awsiot.greengrasscoreipc import model  # noqa: TID251

from workbench.bench.programs.connection import read_order, say
from workbench.bench.programs.publish import NEVER, WARM_UP, stamped

ANSWER_S = 20.0


class Order(msgspec.Struct):
    """`count` messages to `topic`, in `runs` runs, `outstanding` of them unanswered."""

    topic: str
    count: int
    runs: int
    outstanding: int = 100


def main() -> None:
    """Do the order."""
    order = read_order(Order)
    client = awsiot.greengrasscoreipc.connect()
    request = model.PublishToTopicRequest(
        topic=order.topic,
        publish_message=model.PublishMessage(
            binary_message=model.BinaryMessage(message=stamped(NEVER))
        ),
    )
    waiting: deque[Any] = deque()

    def publish() -> None:
        operation = client.new_publish_to_topic()
        operation.activate(request)
        waiting.append(operation)

    def settle() -> None:
        operation = waiting.popleft()
        operation.get_response().result(ANSWER_S)
        # Nucleus lite ends no stream: without this the client keeps every one of them.
        operation.close()

    def publish_all(count: int) -> None:
        for _ in range(count):
            publish()
            if len(waiting) >= order.outstanding:
                settle()
        while waiting:
            settle()

    publish_all(WARM_UP)
    seconds = []
    for _ in range(order.runs):
        started_s = time.perf_counter()
        publish_all(order.count)
        seconds.append(time.perf_counter() - started_s)
    client.close()
    say(seconds)


if __name__ == "__main__":
    main()
