"""Messages through bare sockets, without AWS's client: what a nucleus does for cheap clients.

One publisher with many messages outstanding and one subscriber, in one process. A run is over when
all are answered and all have arrived. Prints the seconds of each run.
"""

import base64
import json
import os
import select
import socket
import time

import msgspec

from localcore.eventstream import Decoder, Frame, Header, HeaderType, Template, encode
from workbench.bench.programs.connection import read_order, say
from workbench.bench.programs.publish import NEVER, stamped

WARM_UP = 200
TIMEOUT_S = 10.0
_READ_BYTES = 256 * 1024
_APPLICATION_MESSAGE, _CONNECT, _CONNECT_ACK = 0, 4, 5
_ACCEPTED = 1


class Order(msgspec.Struct):
    """`count` messages to `topic`, in `runs` runs, `outstanding` of them unanswered."""

    topic: str
    count: int
    runs: int
    outstanding: int = 100


class RefusedError(Exception):
    """The nucleus answered something else than success."""


class _Client:
    def __init__(self, path: str, token: str) -> None:
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(TIMEOUT_S)
        self.socket.connect(path)
        self._stream_id = 0
        # Bytes of a frame that has not come to its end.
        self._rest = b""
        version = Header(":version", HeaderType.STRING, "0.1.0")
        headers = (version, *_kind(_CONNECT), Header(":stream-id", HeaderType.INT32, 0))
        self.socket.sendall(encode(Frame(headers, json.dumps({"authToken": token}).encode())))
        answer = self._frame()
        if (answer[":message-type"], answer[":message-flags"]) != (_CONNECT_ACK, _ACCEPTED):
            raise RefusedError(f"the nucleus refused the token: {answer}")

    def ask(self, operation: str, request: dict[str, object]) -> None:
        """Send one request and insist on success."""
        self.send(_template(operation), json.dumps(request).encode(), 1)
        answer = self._frame()
        if answer[":message-type"] != _APPLICATION_MESSAGE:
            raise RefusedError(f"{operation} {request} was refused: {answer}")

    def send(self, template: Template, payload: bytes, count: int) -> None:
        """Send the same request `count` times."""
        first, self._stream_id = self._stream_id + 1, self._stream_id + count
        ids = range(first, first + count)
        self.socket.sendall(b"".join(template.fill(number, payload) for number in ids))

    def receive(self) -> int:
        """Read what is there; how many frames came to their end.

        Only lengths are read: a client that costs next to nothing is the point.
        """
        data = self._rest + self.socket.recv(_READ_BYTES)
        at = frames = 0
        while len(data) - at >= 4:
            length = int.from_bytes(data[at : at + 4], "big")
            if len(data) - at < length:
                break
            at += length
            frames += 1
        self._rest = data[at:]
        return frames

    def _frame(self) -> dict[str, object]:
        decoder = Decoder()
        frames: list[Frame] = []
        while not frames:
            data = self.socket.recv(_READ_BYTES)
            if not data:
                raise RefusedError("the nucleus closed the connection without an answer")
            frames = decoder.feed(data)
        return {header.name: header.value for header in frames[0].headers}


def _kind(message_type: int) -> tuple[Header, Header]:
    return (
        Header(":message-type", HeaderType.INT32, message_type),
        Header(":message-flags", HeaderType.INT32, 0),
    )


def _template(operation: str) -> Template:
    name = f"aws.greengrass#{operation}"
    return Template(
        (
            Header("operation", HeaderType.STRING, name),
            Header("service-model-type", HeaderType.STRING, f"{name}Request"),
            Header(":content-type", HeaderType.STRING, "application/json"),
            *_kind(_APPLICATION_MESSAGE),
        )
    )


def _publish_all(publisher: _Client, subscriber: _Client, order: Order, count: int) -> None:
    template = _template("PublishToTopic")
    message = {"binaryMessage": {"message": base64.b64encode(stamped(NEVER)).decode()}}
    payload = json.dumps({"topic": order.topic, "publishMessage": message}).encode()
    sent = answered = arrived = 0
    while answered < count or arrived < count:
        free = min(order.outstanding - (sent - answered), count - sent)
        if free:
            publisher.send(template, payload, free)
            sent += free
        ready, _, _ = select.select([publisher.socket, subscriber.socket], [], [], TIMEOUT_S)
        if not ready:
            raise RefusedError(f"silence: sent={sent} answered={answered} arrived={arrived}")
        if publisher.socket in ready:
            answered += publisher.receive()
        if subscriber.socket in ready:
            arrived += subscriber.receive()


def main() -> None:
    """Do the order."""
    order = read_order(Order)
    path = os.environ["AWS_GG_NUCLEUS_DOMAIN_SOCKET_FILEPATH_FOR_COMPONENT"]
    publisher, subscriber = (_Client(path, os.environ["SVCUID"]) for _ in range(2))
    subscriber.ask("SubscribeToTopic", {"topic": order.topic})
    message = {"binaryMessage": {"message": base64.b64encode(stamped(NEVER)).decode()}}
    publisher.ask("PublishToTopic", {"topic": order.topic, "publishMessage": message})
    while not subscriber.receive():
        pass
    _publish_all(publisher, subscriber, order, WARM_UP)
    seconds = []
    for _ in range(order.runs):
        started_s = time.perf_counter()
        _publish_all(publisher, subscriber, order, order.count)
        seconds.append(time.perf_counter() - started_s)
    say(seconds)


if __name__ == "__main__":
    main()
