"""PublishToTopic (`PubSubIPCEventStreamAgent.PublishToTopicOperationHandler`)."""

from typing import Any

import msgspec

from localcore.authorization import PUBSUB
from localcore.pubsub import LocalMessage
from localcore.services import EMPTY_RESPONSE, Call, Operation, OperationError, authorize
from localcore.services.gson import with_doubles
from localcore.topics import local_levels


class JsonMessage(msgspec.Struct):
    """`context` is the nucleus's to set: what a client gives is ignored."""

    message: dict[str, Any] | None = None


class BinaryMessage(msgspec.Struct):
    """Base64 on the wire."""

    message: bytes | None = None


class PublishMessage(msgspec.Struct, rename="camel"):
    """A union: at most one member may be set."""

    json_message: JsonMessage | None = None
    binary_message: BinaryMessage | None = None

    def __post_init__(self) -> None:
        if self.json_message is not None and self.binary_message is not None:
            # selfDesignateSetUnionMember: the request cannot be deserialised.
            raise ValueError("More than one union member set for aws.greengrass#PublishMessage")


class PublishToTopicRequest(msgspec.Struct, rename="camel"):
    """The request."""

    topic: str | None = None
    publish_message: PublishMessage | None = None


def _handle(request: PublishToTopicRequest, call: Call) -> bytes:
    topic = request.topic
    authorize(call, PUBSUB, "PublishToTopic", topic)
    message = _message(request, call)
    if any(character in message.topic for character in "+#*"):
        raise OperationError("InvalidArgumentsError", "Publish topic must not contain a wildcard.")
    call.services.pubsub.send(message)
    return EMPTY_RESPONSE


def _message(request: PublishToTopicRequest, call: Call) -> LocalMessage:
    content = request.publish_message
    if content is None:
        raise OperationError("ServiceError")
    json: dict[str, Any] | None = None
    binary: bytes | None = None
    if content.json_message is not None:
        json = content.json_message.message
        if json is None:
            raise OperationError("ServiceError")
        json = with_doubles(json)
    elif content.binary_message is not None:
        binary = content.binary_message.message
        if binary is None:
            raise OperationError("ServiceError")
    if request.topic is None:
        raise OperationError("InvalidArgumentsError", "Publish topic must not be null")
    if not local_levels(request.topic):
        raise OperationError("ServiceError", "Index 0 out of bounds for length 0")
    return LocalMessage(request.topic, call.component, json=json, binary=binary)


OPERATION = Operation("PublishToTopic", PublishToTopicRequest, _handle)
