"""SubscribeToTopic (`subscribe_to_topic.c`): the receive mode is not looked at.

A message that is more than `ggipcd` can hold ends the subscription, and nobody is told.
"""

import logging

from localcore.authorization import PUBSUB
from localcore.pubsub import LocalMessage
from localcore.services import Call
from localcore.services.lite.messages import DELIVERED_BYTES, MAX_TOPIC_BYTES, LiteMessage
from localcore.services.lite.operation import (
    NOT_AUTHORIZED,
    Arguments,
    LiteOperation,
    Refusal,
    Response,
    authorize,
    require_slot,
    send_event,
)

log = logging.getLogger(__name__)

# GGL_PUBSUB_MAX_SUBSCRIPTIONS: of the whole device.
MAX_LOCAL_SUBSCRIPTIONS = 99
_FAILED = Refusal("ServiceError", "Failed to bind subscription.")


def _handle(arguments: Arguments, call: Call) -> Response:
    topic_filter = arguments.text("topic")
    authorize(call, PUBSUB, "SubscribeToTopic", topic_filter, NOT_AUTHORIZED)
    require_slot(call, _FAILED)
    pubsub = call.services.pubsub
    if len(pubsub) >= MAX_LOCAL_SUBSCRIPTIONS:
        log.warning("subscription refused: local subscriptions=%s", MAX_LOCAL_SUBSCRIPTIONS)
        raise _FAILED.error()
    if not 0 < len(topic_filter.encode()) <= MAX_TOPIC_BYTES:
        raise _FAILED.error()

    def deliver(message: LocalMessage) -> None:
        lite_message = LiteMessage.of(message)
        held = lite_message.held_bytes()
        if held <= DELIVERED_BYTES:
            send_event(call, "SubscriptionResponseMessage", lite_message.event())
            return
        end()
        log.warning(
            "subscription ended without a word, as nucleus lite does: component=%s filter=%s"
            " topic=%s publisher=%s reason=its values take %s bytes, the limit is %s; publish"
            " UTF-8 JSON in a BinaryMessage",
            call.component, topic_filter, message.topic, message.publisher, held, DELIVERED_BYTES,
        )  # fmt: skip

    end = call.when_closed(pubsub.subscribe(topic_filter, deliver, call.component))
    return {}


OPERATION = LiteOperation("aws.greengrass#SubscribeToTopic", _handle, streaming=True)
