"""SubscribeToIoTCore (`subscribe_to_iot_core.c`)."""

import base64
import logging

from localcore.authorization import MQTT_PROXY
from localcore.mqtt import MqttMessage, MqttRefused
from localcore.services import Call
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
from localcore.services.lite.qos import parse_qos

log = logging.getLogger(__name__)

# IOTCORED_NETWORK_BUFFER_SIZE: a longer PUBLISH is discarded when it comes in.
MAX_PACKET_BYTES = 5_000
# Packet type, two bytes of length, the topic's two, the packet id's two, no properties: one.
_PACKET_BYTES = 1 + 2 + 2 + 2 + 1
_FAILED = Refusal("ServiceError", "Failed to bind the subscription.")


def _handle(arguments: Arguments, call: Call) -> Response:
    topic_filter = arguments.text("topicName")
    qos = arguments.get("qos", 0)
    # Null counts as absent here, and only here.
    parse_qos(0 if qos is None else qos)
    authorize(call, MQTT_PROXY, "SubscribeToIoTCore", topic_filter, NOT_AUTHORIZED)
    require_slot(call, _FAILED)

    def deliver(message: MqttMessage) -> None:
        size = _PACKET_BYTES + len(message.topic.encode()) + len(message.payload)
        if size > MAX_PACKET_BYTES:
            log.warning(
                "message not delivered, as on nucleus lite: topic=%s packet_bytes=%s limit=%s",
                message.topic, size, MAX_PACKET_BYTES,
            )  # fmt: skip
            return
        payload = base64.b64encode(message.payload).decode()
        event = {"message": {"topicName": message.topic, "payload": payload}}
        send_event(call, "IoTCoreMessage", event)

    mqtt = call.services.mqtt
    try:
        if not mqtt.connected:
            raise MqttRefused("the device is offline")
        call.when_closed(mqtt.subscribe(topic_filter, deliver))
    except MqttRefused:
        raise _FAILED.error() from None
    return {}


OPERATION = LiteOperation("aws.greengrass#SubscribeToIoTCore", _handle, streaming=True)
