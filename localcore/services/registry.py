"""Which operations a nucleus has, by the name a request gives, `aws.greengrass#PublishToTopic`."""

from collections.abc import Mapping
from typing import NamedTuple

from localcore.personality import SERVICE, Personality
from localcore.services import AnyOperation
from localcore.services.auth import validate_authorization_token
from localcore.services.cli import (
    cancel_local_deployment,
    create_local_deployment,
    get_component_details,
    get_local_deployment_status,
    list_components,
    list_local_deployments,
    restart_component,
    stop_component,
)
from localcore.services.config import (
    get_configuration,
    send_configuration_validity_report,
    subscribe_to_configuration_update,
    subscribe_to_validate_configuration_updates,
    update_configuration,
)
from localcore.services.lifecycle import (
    defer_component_update,
    pause_component,
    resume_component,
    subscribe_to_component_updates,
    update_state,
)
from localcore.services.lite import create_local_deployment as lite_create_local_deployment
from localcore.services.lite import get_configuration as lite_get_configuration
from localcore.services.lite import get_system_config as lite_get_system_config
from localcore.services.lite import publish_to_iot_core as lite_publish_to_iot_core
from localcore.services.lite import publish_to_topic as lite_publish_to_topic
from localcore.services.lite import restart_component as lite_restart_component
from localcore.services.lite import (
    subscribe_to_configuration_update as lite_subscribe_to_configuration_update,
)
from localcore.services.lite import subscribe_to_iot_core as lite_subscribe_to_iot_core
from localcore.services.lite import subscribe_to_topic as lite_subscribe_to_topic
from localcore.services.lite import update_configuration as lite_update_configuration
from localcore.services.lite import update_state as lite_update_state
from localcore.services.lite import (
    validate_authorization_token as lite_validate_authorization_token,
)
from localcore.services.lite.operation import LiteError
from localcore.services.mqttproxy import publish_to_iot_core, subscribe_to_iot_core
from localcore.services.pubsub import publish_to_topic, subscribe_to_topic
from localcore.services.secrets import get_secret_value
from localcore.services.shadow import (
    delete_thing_shadow,
    get_thing_shadow,
    list_named_shadows_for_thing,
    update_thing_shadow,
)
from localcore.services.telemetry import put_component_metric
from localcore.services.unsupported import NotOfTheModel, NotServed

JAVA_OPERATIONS: dict[str, AnyOperation] = {
    SERVICE + module.OPERATION.name: module.OPERATION
    for module in (
        cancel_local_deployment,
        create_local_deployment,
        defer_component_update,
        delete_thing_shadow,
        get_component_details,
        get_configuration,
        get_local_deployment_status,
        get_secret_value,
        get_thing_shadow,
        list_components,
        list_local_deployments,
        list_named_shadows_for_thing,
        pause_component,
        publish_to_iot_core,
        publish_to_topic,
        put_component_metric,
        restart_component,
        resume_component,
        send_configuration_validity_report,
        stop_component,
        subscribe_to_component_updates,
        subscribe_to_configuration_update,
        subscribe_to_iot_core,
        subscribe_to_topic,
        subscribe_to_validate_configuration_updates,
        update_configuration,
        update_state,
        update_thing_shadow,
        validate_authorization_token,
    )
}
LITE_OPERATIONS: dict[str, AnyOperation] = {
    module.OPERATION.name: module.OPERATION
    for module in (
        lite_create_local_deployment,
        lite_get_configuration,
        lite_get_system_config,
        lite_publish_to_iot_core,
        lite_publish_to_topic,
        lite_restart_component,
        lite_subscribe_to_configuration_update,
        lite_subscribe_to_iot_core,
        lite_subscribe_to_topic,
        lite_update_configuration,
        lite_update_state,
        lite_validate_authorization_token,
    )
}


class Registry(NamedTuple):
    """The operations of one nucleus."""

    personality: Personality
    operations: Mapping[str, AnyOperation]

    def find(self, name: str) -> AnyOperation:
        """The operation of that full name; OperationError when the nucleus has none."""
        operation = self.operations.get(name)
        if operation is not None:
            return operation
        if self.personality.name == "lite":
            raise LiteError("ServiceError", "")
        if name.removeprefix(SERVICE) in self.personality.operations:
            return NotServed(name)
        raise NotOfTheModel(name)


def registry_of(personality: Personality) -> Registry:
    """What a nucleus of this personality serves."""
    operations = LITE_OPERATIONS if personality.name == "lite" else JAVA_OPERATIONS
    return Registry(personality, operations)
