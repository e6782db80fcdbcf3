"""AWS IoT Core as the device sees it: for now a topic tree in this process, no broker.

A publish is delivered to the subscriptions on this device. While ``connected`` is False nothing
is: QoS 0 messages are refused, and QoS 1 messages wait in the spooler, which refuses the newest
when it is full, as the Java nucleus does by default.
"""

import logging
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeAlias

from localcore import topics

log = logging.getLogger(__name__)

# MqttClient.DEFAULT_MQTT_MAX_OF_MESSAGE_SIZE_IN_BYTES, IoT Core's own quota.
MAX_PAYLOAD_BYTES = 128 * 1024
# IotCoreTopicValidator, IoT Core's own quotas.
MAX_TOPIC_CHARACTERS = 256
MAX_TOPIC_SLASHES = 7
MAX_RESERVED_TOPIC_CHARACTERS = 512
# Spool: DEFAULT_GG_SPOOL_MAX_MESSAGE_QUEUE_SIZE_IN_BYTES, 2.5 MB in memory.
MAX_SPOOL_BYTES = int(2.5 * 1024 * 1024)

_TOO_LONG = (
    f"The topic size of request must be no larger than {MAX_TOPIC_CHARACTERS} bytes of UTF-8"
    " encoded characters. This excludes the first 3 mandatory segments for Basic Ingest topics"
    " ($AWS/rules/rule-name/)"
)


class MqttRefused(Exception):  # noqa: N818 (the answer to the component is the error)
    """The message or subscription is refused; the text is the nucleus's."""


@dataclass(frozen=True, slots=True)
class MqttMessage:
    """A message to or from IoT Core; ``properties`` are MQTT 5's, named as on IPC."""

    topic: str
    payload: bytes
    qos: int = 1
    retain: bool = False
    properties: dict[str, Any] | None = None


Deliver: TypeAlias = Callable[[MqttMessage], None]


class Mqtt:
    """The topic tree."""

    def __init__(self) -> None:
        self._subscribers: topics.Subscribers[Deliver] = topics.Subscribers(topics.MQTT)
        self._connected = True
        self._spool: deque[MqttMessage] = deque()
        self._spool_bytes = 0

    @property
    def connected(self) -> bool:
        """Whether IoT Core is there; connecting again sends what was spooled, in order."""
        return self._connected

    @connected.setter
    def connected(self, connected: bool) -> None:
        if connected != self._connected:
            log.info("iot core connection: connected=%s spooled=%s", connected, len(self._spool))
        self._connected = connected
        while self._connected and self._spool:
            message = self._spool.popleft()
            self._spool_bytes -= len(message.payload)
            self._deliver(message)

    @property
    def spooled(self) -> int:
        """How many messages wait for the connection."""
        return len(self._spool)

    def publish(self, message: MqttMessage) -> None:
        """Send, spool or drop the message.

        Raises:
            MqttRefused: the topic or the size is not IoT Core's, or the spooler is full.
        """
        if len(message.payload) > MAX_PAYLOAD_BYTES:
            raise MqttRefused(
                f"The publishing message size {len(message.payload)} bytes exceeds the configured"
                f" limit of {MAX_PAYLOAD_BYTES} bytes"
            )
        validate_topic(message.topic, publishing=True)
        if self._connected:
            self._deliver(message)
        elif message.qos == 0:
            # keepQos0WhenOffline is false by default.
            raise MqttRefused("Device is offline. Dropping QoS 0 message.")
        else:
            if self._spool_bytes + len(message.payload) > MAX_SPOOL_BYTES:
                raise MqttRefused("Message spool is full. Message could not be added.")
            self._spool.append(message)
            self._spool_bytes += len(message.payload)

    def subscribe(self, topic_filter: str, deliver: Deliver) -> Callable[[], None]:
        """Call ``deliver`` for each message from now on; returns what ends that.

        Raises:
            MqttRefused: the filter is not one of IoT Core's.
        """
        validate_topic(topic_filter, publishing=False)
        return self._subscribers.add(topic_filter, deliver)

    def _deliver(self, message: MqttMessage) -> None:
        for deliver in self._subscribers.matching(message.topic):
            deliver(message)


def validate_topic(topic: str, *, publishing: bool) -> None:
    """Check a topic or filter against IoT Core's quotas (`IotCoreTopicValidator`, MQTT 5).

    Raises:
        MqttRefused: with the nucleus's words.
    """
    if not topic:
        raise MqttRefused("Topic must not be empty")
    if publishing and ("#" in topic or "+" in topic):
        raise MqttRefused("Publish topics must not contain wildcard characters of '#' or '+'")
    counted = topic
    lowered = topic.lower()
    parts = topic.split("/", 3)
    if lowered.startswith("$aws/rules/") and len(parts) == 4:
        counted = parts[3]
    elif lowered.startswith("$share/") and len(parts) > 2:
        counted = topic if publishing else topic.split("/", 2)[2]
    elif topic.startswith("$"):
        if len(topic) > MAX_RESERVED_TOPIC_CHARACTERS:
            raise MqttRefused(
                f"Reserved topic total length is greater than {MAX_RESERVED_TOPIC_CHARACTERS} bytes"
                " of UTF-8 encoded characters and is most likely over the IoT Core limit of"
                f" {MAX_TOPIC_CHARACTERS} bytes (excluding prefixes)."
            )
        return
    if counted.count("/") > MAX_TOPIC_SLASHES:
        raise MqttRefused(
            f"The request topic must have no more than {MAX_TOPIC_SLASHES} forward slashes (/)"
        )
    if len(counted) > MAX_TOPIC_CHARACTERS:
        raise MqttRefused(_TOO_LONG)
