"""PublishToIoTCore (`publish_to_iot_core.c`): no spooler, and properties go nowhere."""

import base64
import binascii

from localcore.authorization import MQTT_PROXY
from localcore.mqtt import MqttMessage, MqttRefused
from localcore.services import Call
from localcore.services.lite.operation import (
    NOT_AUTHORIZED,
    Arguments,
    LiteError,
    LiteOperation,
    Response,
    authorize,
)
from localcore.services.lite.qos import parse_qos


def _handle(arguments: Arguments, call: Call) -> Response:
    topic = arguments.text("topicName")
    text = arguments.optional_text("payload") or ""
    qos = parse_qos(arguments.get("qos", 0))
    try:
        payload = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise LiteError("ServiceError", "'payload' is not valid base64.") from None
    authorize(call, MQTT_PROXY, "PublishToIoTCore", topic, NOT_AUTHORIZED)
    mqtt = call.services.mqtt
    try:
        if not mqtt.connected:
            raise MqttRefused("the device is offline, and lite has no spooler")
        mqtt.publish(MqttMessage(topic, payload, qos))
    except MqttRefused:
        raise LiteError("ServiceError", "Failed to publish the message.") from None
    return {}


OPERATION = LiteOperation("aws.greengrass#PublishToIoTCore", _handle)
