"""SubscribeToTopic (`PubSubIPCEventStreamAgent.SubscribeToTopicOperationHandler`)."""

from typing import Literal

import msgspec

from localcore.authorization import PUBSUB
from localcore.pubsub import LocalMessage
from localcore.services import EMPTY_RESPONSE, Call, Operation, OperationError, authorize
from localcore.topics import has_wildcard_level


class SubscribeToTopicRequest(msgspec.Struct, rename="camel"):
    """The request; `topic` is a filter."""

    topic: str | None = None
    receive_mode: str | None = None


def _handle(request: SubscribeToTopicRequest, call: Call) -> bytes:
    topic_filter = request.topic
    authorize(call, PUBSUB, "SubscribeToTopic", topic_filter)
    if not topic_filter:
        raise OperationError("InvalidArgumentsError", "Subscribe topic must not be empty")

    def deliver(message: LocalMessage) -> None:
        call.send_event("SubscriptionResponseMessage", message.event_payload())

    receive_own = _receive_mode(request.receive_mode, topic_filter) == "RECEIVE_ALL_MESSAGES"
    call.when_closed(
        call.services.pubsub.subscribe(
            topic_filter, deliver, call.component, receive_own=receive_own
        )
    )
    return EMPTY_RESPONSE


def _receive_mode(
    given: str | None, topic_filter: str
) -> Literal["RECEIVE_ALL_MESSAGES", "RECEIVE_MESSAGES_FROM_OTHERS"]:
    """What was asked for; a mode the model does not know counts as none (`ReceiveMode.get`)."""
    if given == "RECEIVE_ALL_MESSAGES":
        return "RECEIVE_ALL_MESSAGES"
    if given == "RECEIVE_MESSAGES_FROM_OTHERS" or has_wildcard_level(topic_filter):
        return "RECEIVE_MESSAGES_FROM_OTHERS"
    return "RECEIVE_ALL_MESSAGES"


OPERATION = Operation("SubscribeToTopic", SubscribeToTopicRequest, _handle, streaming=True)
