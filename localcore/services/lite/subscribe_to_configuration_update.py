"""SubscribeToConfigurationUpdate (`subscribe_to_configuration_update.c`)."""

from localcore.services import Call
from localcore.services.lite.component_config import find, stored_name
from localcore.services.lite.operation import (
    Arguments,
    LiteError,
    LiteOperation,
    Refusal,
    Response,
    require_slot,
    send_event,
)

_NO_TEXTS = Refusal("ServiceError", "Received invalid parameters: keyPath must be list of strings.")
_FAILED = Refusal("ServiceError", "Failed to subscribe to configuration update.")


def _handle(arguments: Arguments, call: Call) -> Response:
    component = arguments.optional_text("componentName")
    if component is None:
        component = call.component
    key_path = arguments.key_path(_NO_TEXTS)
    config = call.services.config
    require_slot(call, _FAILED)
    try:
        find(config, stored_name(component), key_path)
    except KeyError:
        raise LiteError("ResourceNotFoundError", "Key not found") from None

    def deliver(_component: str, changed_path: list[str]) -> None:
        if changed_path[: len(key_path)] == key_path:
            event = {"componentName": component, "keyPath": changed_path}
            send_event(call, "ConfigurationUpdateEvents", {"configurationUpdateEvent": event})

    call.when_closed(config.subscribe(stored_name(component), key_path, deliver))
    return {}


OPERATION = LiteOperation(
    "aws.greengrass#SubscribeToConfigurationUpdate",
    _handle,
    invalid=Refusal("ServiceError", "Failed to validate the map."),
    streaming=True,
)
