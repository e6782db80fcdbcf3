"""Local publish/subscribe: at most once, nothing retained, in order for each subscriber.

A publish calls the subscribers before it returns, so each sees the messages of all publishers in
the order they were published. What a subscriber cannot take at once it has to queue itself.
Validation is the caller's on IPC's side; the command line uses the same two methods.
"""

from collections.abc import Callable
from typing import Any, NamedTuple, TypeAlias

import msgspec

from localcore import topics

Deliver: TypeAlias = Callable[["LocalMessage"], None]


class LocalMessage:
    """A published message: ``json`` (a map) or ``binary``, or neither, which Java lets pass too."""

    def __init__(
        self,
        topic: str,
        publisher: str,
        *,
        json: dict[str, Any] | None = None,
        binary: bytes | None = None,
    ) -> None:
        self.topic = topic
        self.publisher = publisher
        self.json = json
        self.binary = binary
        self._event_payload: bytes | None = None

    def event_payload(self) -> bytes:
        """As a SubscriptionResponseMessage; the same bytes for every subscriber."""
        if self._event_payload is None:
            self._event_payload = self._encode()
        return self._event_payload

    def _encode(self) -> bytes:
        content: dict[str, Any] = {}
        context = {"topic": self.topic}
        if self.json is not None:
            content["jsonMessage"] = {"message": self.json, "context": context}
        if self.binary is not None:
            content["binaryMessage"] = {"message": self.binary, "context": context}
        return msgspec.json.encode(content)


class _Subscriber(NamedTuple):
    component: str
    receive_own: bool
    deliver: Deliver


class PubSub:
    """The local broker; ``law`` says how a filter matches a topic."""

    def __init__(self, law: topics.Law = topics.LOCAL) -> None:
        self._subscribers: topics.Subscribers[_Subscriber] = topics.Subscribers(law)

    def __len__(self) -> int:
        return len(self._subscribers)

    def publish(self, topic: str, message: bytes | dict[str, Any], publisher: str) -> int:
        """Publish bytes or a JSON map; returns how many subscriptions it reached."""
        if isinstance(message, bytes):
            return self.send(LocalMessage(topic, publisher, binary=message))
        return self.send(LocalMessage(topic, publisher, json=message))

    def send(self, message: LocalMessage) -> int:
        """Deliver to every matching subscription but the publisher's own that want none."""
        reached = 0
        for subscriber in self._subscribers.matching(message.topic):
            if subscriber.receive_own or subscriber.component != message.publisher:
                reached += 1
                subscriber.deliver(message)
        return reached

    def subscribe(
        self, topic_filter: str, deliver: Deliver, component: str = "", *, receive_own: bool = True
    ) -> Callable[[], None]:
        """Call ``deliver`` for each message from now on.

        Args:
            topic_filter: `+` is one level, a last `#` one or more.
            deliver: must not block and must not raise.
            component: who subscribes.
            receive_own: whether messages that ``component`` publishes are delivered too.

        Returns:
            The function that ends the subscription; it may be called again.
        """
        return self._subscribers.add(topic_filter, _Subscriber(component, receive_own, deliver))

    def lose_subscriptions(self) -> None:
        """End every subscription and tell nobody: what a restart of lite's `ggpubsubd` does."""
        self._subscribers.clear()
