"""PublishToTopic (`publish_to_topic.c`): any JSON value, and base64 that is not looked at."""

import logging

from localcore.authorization import PUBSUB
from localcore.services import Call
from localcore.services.lite.messages import LiteMessage
from localcore.services.lite.operation import (
    INVALID,
    NOT_AUTHORIZED,
    Arguments,
    LiteError,
    LiteOperation,
    Response,
    authorize,
)

log = logging.getLogger(__name__)


def _handle(arguments: Arguments, call: Call) -> Response:
    topic = arguments.text("topic")
    content = arguments.map("publishMessage")
    kinds = [name for name in ("jsonMessage", "binaryMessage") if name in content]
    inner = [content.map(name) for name in kinds]
    if len(kinds) != 1:
        raise INVALID.error()
    binary = kinds == ["binaryMessage"]
    value = inner[0].text("message") if binary else inner[0]["message"]
    authorize(call, PUBSUB, "PublishToTopic", topic, NOT_AUTHORIZED)
    message = LiteMessage(topic, call.component, value, binary=binary)
    refusal = message.refusal()
    if refusal is not None:
        log.warning("not published: component=%s reason=%s", call.component, NOT_AUTHORIZED)
        raise LiteError("ServiceError", "Failed to publish the message.")
    call.services.pubsub.send(message)
    return {}


OPERATION = LiteOperation("aws.greengrass#PublishToTopic", _handle)
