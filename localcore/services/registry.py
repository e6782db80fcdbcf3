"""Which operations there are, by the name a request gives, `aws.greengrass#PublishToTopic`."""

from localcore.personality import SERVICE
from localcore.services import AnyOperation
from localcore.services.auth import validate_authorization_token
from localcore.services.config import (
    get_configuration,
    subscribe_to_configuration_update,
    update_configuration,
)
from localcore.services.lifecycle import update_state
from localcore.services.mqttproxy import publish_to_iot_core, subscribe_to_iot_core
from localcore.services.pubsub import publish_to_topic, subscribe_to_topic

OPERATIONS: dict[str, AnyOperation] = {
    SERVICE + module.OPERATION.name: module.OPERATION
    for module in (
        get_configuration,
        publish_to_iot_core,
        publish_to_topic,
        subscribe_to_configuration_update,
        subscribe_to_iot_core,
        subscribe_to_topic,
        update_configuration,
        update_state,
        validate_authorization_token,
    )
}
