"""A connection to the nucleus as components have it, and the programs' way to speak."""

import contextlib
import json
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from typing import Any, TypeVar

import msgspec

from hubkit.ipc import Ipc

CONNECT_S = 20.0

AnyOrder = TypeVar("AnyOrder", bound=msgspec.Struct)


class NoConnectionError(Exception):
    """The nucleus does not take this program."""


class _Events:
    def __init__(self, deliver: Callable[[str, bytes], None]) -> None:
        self.settled = threading.Event()
        self.reason: str | None = None
        self._deliver = deliver

    def delivered(self, topic: str, payload: bytes) -> None:
        self._deliver(topic, payload)

    def connected(self) -> None:
        self.settled.set()

    def disconnected(self) -> None:
        """The client connects again by itself; what is measured shows the loss."""

    def configuration_changed(self) -> None:
        """The bench's component has nothing to configure."""

    def refused(self, reason: str) -> None:
        self.reason = reason
        self.settled.set()


@contextlib.contextmanager
def connected(
    topic_prefix: str,
    topic_filters: Sequence[str] = (),
    deliver: Callable[[str, bytes], None] = lambda _topic, _payload: None,
) -> Iterator[Ipc]:
    """The client of hubkit, connected and subscribed; `deliver` is called on its thread.

    Raises:
        NoConnectionError: The nucleus refuses, or does not answer.
    """
    events = _Events(deliver)
    # Its own topic: programs that run side by side would hear each other's heartbeats.
    ipc = Ipc(events, topic_filters, f"{topic_prefix}/heartbeat/{threading.get_native_id()}")
    ipc.start()
    try:
        if not events.settled.wait(CONNECT_S):
            raise NoConnectionError(f"no connection within {CONNECT_S:g} s: is the socket right?")
        if events.reason is not None:
            raise NoConnectionError(events.reason)
        yield ipc
    finally:
        ipc.close()


def read_order(cls: type[AnyOrder]) -> AnyOrder:
    """The order on the command line."""
    return msgspec.json.decode(sys.argv[1], type=cls)


def say(document: Any) -> None:
    """Print one document."""
    print(json.dumps(document), flush=True)
