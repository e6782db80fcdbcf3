"""SubscribeToConfigurationUpdate (`ConfigStoreIPCEventStreamAgent`).

An event carries the path of what changed, not its value. Any component may follow any other's.
"""

import msgspec

from localcore.services import EMPTY_RESPONSE, Call, Operation, OperationError


class SubscribeToConfigurationUpdateRequest(msgspec.Struct, rename="camel"):
    """The request; no `keyPath`, or an empty one, is the whole configuration."""

    component_name: str | None = None
    key_path: list[str] | None = None


def _handle(request: SubscribeToConfigurationUpdateRequest, call: Call) -> bytes:
    component = request.component_name
    if component is None:
        component = call.component
    key_path = request.key_path or []
    config = call.services.config
    try:
        config.get(component, key_path)
    except KeyError:
        raise OperationError("ResourceNotFoundError", "Key not found") from None

    def deliver(changed_component: str, changed_path: list[str]) -> None:
        event = {"componentName": changed_component, "keyPath": changed_path}
        payload = msgspec.json.encode({"configurationUpdateEvent": event})
        call.send_event("ConfigurationUpdateEvents", payload)

    call.when_closed(config.subscribe(component, key_path, deliver))
    return EMPTY_RESPONSE


OPERATION = Operation(
    "SubscribeToConfigurationUpdate", SubscribeToConfigurationUpdateRequest, _handle, streaming=True
)
