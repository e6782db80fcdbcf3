"""PublishToIoTCore (`MqttProxyIPCAgent.PublishToIoTCoreOperationHandler`)."""

import logging
from typing import Any

import msgspec

from localcore.authorization import MQTT_PROXY, UnauthorizedOperation
from localcore.mqtt import MqttMessage, MqttRefused
from localcore.services import EMPTY_RESPONSE, Call, Operation, OperationError
from localcore.services.mqttproxy.qos import parse_qos

log = logging.getLogger(__name__)


class UserProperty(msgspec.Struct):
    """A name and a value of MQTT 5."""

    key: str | None = None
    value: str | None = None


class PublishToIoTCoreRequest(msgspec.Struct, rename="camel"):
    """The request. `contentType` is accepted and goes nowhere, as on the nucleus."""

    topic_name: str | None = None
    qos: str | None = None
    payload: bytes | None = None
    retain: bool | None = None
    user_properties: list[UserProperty] | None = None
    message_expiry_interval_seconds: int | None = None
    correlation_data: bytes | None = None
    response_topic: str | None = None
    payload_format: str | None = None


def _handle(request: PublishToIoTCoreRequest, call: Call) -> bytes:
    topic = request.topic_name
    if topic is None:
        raise OperationError("InvalidArgumentsError", "Topic is required")
    try:
        call.services.authorizer.require(call.component, MQTT_PROXY, "PublishToIoTCore", topic)
    except UnauthorizedOperation as refused:
        log.info("not authorized: reason=%s", refused)
        raise OperationError("UnauthorizedError", "Not Authorized") from None
    if request.payload is None:
        raise OperationError("InvalidArgumentsError", "Payload is required")
    message = MqttMessage(
        topic,
        request.payload,
        parse_qos(request.qos),
        bool(request.retain),
        _properties(request),
    )
    try:
        call.services.mqtt.publish(message)
    except MqttRefused as refused:
        raise OperationError(
            "ServiceError", f"Publish to topic {topic} failed: {refused}"
        ) from None
    return EMPTY_RESPONSE


def _properties(request: PublishToIoTCoreRequest) -> dict[str, Any]:
    properties = {
        "userProperties": request.user_properties,
        "messageExpiryIntervalSeconds": request.message_expiry_interval_seconds,
        "correlationData": request.correlation_data,
        "responseTopic": request.response_topic,
        "payloadFormat": "0" if request.payload_format in (None, "0") else "1",
    }
    return {name: value for name, value in properties.items() if value is not None}


OPERATION = Operation("PublishToIoTCore", PublishToIoTCoreRequest, _handle)
