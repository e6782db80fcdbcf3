"""SubscribeToIoTCore (`MqttProxyIPCAgent.SubscribeToIoTCoreOperationHandler`)."""

import logging

import msgspec

from localcore.authorization import MQTT_PROXY, UnauthorizedOperation
from localcore.mqtt import MqttMessage, MqttRefused
from localcore.services import EMPTY_RESPONSE, Call, Operation, OperationError
from localcore.services.mqttproxy.qos import parse_qos

log = logging.getLogger(__name__)


class SubscribeToIoTCoreRequest(msgspec.Struct, rename="camel"):
    """The request; `topicName` is a filter."""

    topic_name: str | None = None
    qos: str | None = None


def _handle(request: SubscribeToIoTCoreRequest, call: Call) -> bytes:
    topic_filter = request.topic_name
    if topic_filter is None:
        raise OperationError("InvalidArgumentsError", "Topic is required")
    try:
        call.services.authorizer.require(
            call.component, MQTT_PROXY, "SubscribeToIoTCore", topic_filter
        )
    except UnauthorizedOperation as refused:
        log.info("not authorized: reason=%s", refused)
        raise OperationError("UnauthorizedError", "Not Authorized") from None
    parse_qos(request.qos)

    def deliver(message: MqttMessage) -> None:
        call.send_event("IoTCoreMessage", _event(message))

    try:
        call.when_closed(call.services.mqtt.subscribe(topic_filter, deliver))
    except MqttRefused as refused:
        # The nucleus puts the exception's own text in, with its class.
        raise OperationError(
            "ServiceError",
            f"Subscribe to topic {topic_filter} failed with error"
            f" com.aws.greengrass.mqttclient.MqttRequestException: {refused}",
        ) from None
    return EMPTY_RESPONSE


def _event(message: MqttMessage) -> bytes:
    return msgspec.json.encode(
        {
            "message": {
                "topicName": message.topic,
                "payload": message.payload,
                # IoT Core sets it only on what it sends because of the subscription itself.
                "retain": False,
                **(message.properties or {"payloadFormat": "0"}),
            }
        }
    )


OPERATION = Operation("SubscribeToIoTCore", SubscribeToIoTCoreRequest, _handle, streaming=True)
