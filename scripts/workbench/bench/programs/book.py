"""A reading a message, and a stream manager client for each: the way of the book.

For every message the book makes a client of the stream manager, deletes the message stream, makes
it anew with an export to Kinesis, and appends. Publisher and receiver are one process here, which
spares the book nothing that counts. Prints the readings a second of each run, from before the first
publish to the acknowledgement of the last append.
"""

import contextlib
import json
import queue
import time

import msgspec

# What is measured is AWS's client, used as the book does; hubkit's keeps one for all messages.
import stream_manager as sdk  # noqa: TID251

from workbench.bench.programs.connection import connected, read_order, say
from workbench.bench.programs.readings import START_S, batch

MESSAGE_STREAM = "book"
TOPIC = "bench/book"
ARRIVAL_S = 10.0


class Order(msgspec.Struct):
    """`count` readings a run, exported to `kinesis_stream`."""

    stream_manager_port: int
    kinesis_stream: str
    count: int
    runs: int


def main() -> None:
    """Do the order."""
    order = read_order(Order)
    readings = batch("book", 0).values
    arrivals: queue.SimpleQueue[bytes] = queue.SimpleQueue()
    rates = []
    with connected("bench", [TOPIC], lambda _topic, payload: arrivals.put(payload)) as ipc:
        for _ in range(order.runs):
            started_s = time.perf_counter()
            for number in range(order.count):
                reading = {metric: column[number % 100] for metric, column in readings.items()}
                message = {"timestamp": START_S + number, **reading}
                ipc.publish(TOPIC, json.dumps(message).encode())
                _append(order, arrivals.get(timeout=ARRIVAL_S))
            rates.append(order.count / (time.perf_counter() - started_s))
    say(rates)


def _append(order: Order, payload: bytes) -> None:
    client = sdk.StreamManagerClient(port=order.stream_manager_port)
    with contextlib.suppress(sdk.ResourceNotFoundException):
        client.delete_message_stream(MESSAGE_STREAM)
    kinesis = sdk.KinesisConfig(identifier=MESSAGE_STREAM, kinesis_stream_name=order.kinesis_stream)
    client.create_message_stream(
        sdk.MessageStreamDefinition(
            name=MESSAGE_STREAM,
            strategy_on_full=sdk.StrategyOnFull.OverwriteOldestData,
            export_definition=sdk.ExportDefinition(kinesis=[kinesis]),
        )
    )
    client.append_message(MESSAGE_STREAM, payload)
    client.close()


if __name__ == "__main__":
    main()
