"""Local messages on nucleus lite's core bus, between `ggipcd` and `ggpubsubd`.

A message is published when `ggpubsubd` can hold it, and delivered when `ggipcd` can, which holds
much less. Between the two lies the trap: a list of 43 numbers is acknowledged, reaches nobody, and
every subscription it was for is gone without a word.
"""

import base64
import binascii
from typing import Any

from localcore.pubsub import LocalMessage
from localcore.services.lite.objects import ITEM_BYTES, MAX_DEPTH, held_bytes, levels

# PAYLOAD_VALUE_MAX_SUBOBJECTS of the core bus's server, PAYLOAD_MAX_SUBOBJECTS of its client.
PUBLISHED_BYTES = 200 * ITEM_BYTES
DELIVERED_BYTES = 50 * ITEM_BYTES
# GGL_PUBSUB_MAX_TOPIC_LENGTH
MAX_TOPIC_BYTES = 256
# NestingState: one level for the value itself, one for the map with the topic.
MAX_MESSAGE_LEVELS = MAX_DEPTH - 2


class LiteMessage(LocalMessage):
    """A message as the core bus carries it.

    Args:
        content: any JSON value, or with ``binary`` base64 text that nobody has checked.
    """

    def __init__(self, topic: str, publisher: str, content: Any, *, binary: bool) -> None:
        super().__init__(
            topic,
            publisher,
            json=content if isinstance(content, dict) and not binary else None,
            binary=_decoded(content) if binary else None,
        )
        self.content = content
        self.is_binary = binary

    @classmethod
    def of(cls, message: LocalMessage) -> "LiteMessage":
        """A message that came from elsewhere, such as the command line."""
        if isinstance(message, LiteMessage):
            return message
        if message.binary is not None:
            text = base64.b64encode(message.binary).decode()
            return cls(message.topic, message.publisher, text, binary=True)
        return cls(message.topic, message.publisher, message.json, binary=False)

    def held_bytes(self) -> int:
        """What it takes on the core bus."""
        kind = "base64" if self.is_binary else "json"
        return held_bytes({"topic": self.topic, "type": kind, "message": self.content})

    def refusal(self) -> str | None:
        """Why `ggpubsubd` does not take it, None when it does."""
        if len(self.topic.encode()) > MAX_TOPIC_BYTES:
            return f"the topic is longer than {MAX_TOPIC_BYTES} bytes"
        depth = levels(self.content)
        if depth > MAX_MESSAGE_LEVELS:
            return f"nested {depth} deep, the limit is {MAX_MESSAGE_LEVELS}"
        held = self.held_bytes()
        if held > PUBLISHED_BYTES:
            return f"its values take {held} bytes, the limit is {PUBLISHED_BYTES}"
        return None

    def event(self) -> dict[str, Any]:
        """As a SubscriptionResponseMessage."""
        context = {"topic": self.topic}
        name = "binaryMessage" if self.is_binary else "jsonMessage"
        return {name: {"message": self.content, "context": context}}


def _decoded(text: str) -> bytes:
    try:
        return base64.b64decode(text)
    except (binascii.Error, ValueError):
        return text.encode()
