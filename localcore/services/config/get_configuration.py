"""GetConfiguration (`ConfigStoreIPCEventStreamAgent.GetConfigurationOperationHandler`).

Any component may read any other's configuration.
"""

import msgspec

from localcore.config_store import ConfigStore, JsonValue
from localcore.services import Call, Operation, OperationError


class GetConfigurationRequest(msgspec.Struct, rename="camel"):
    """The request."""

    component_name: str | None = None
    key_path: list[str] | None = None


def _handle(request: GetConfigurationRequest, call: Call) -> bytes:
    component = request.component_name
    if component is None:
        component = call.component
    key_path = request.key_path or []
    config = call.services.config
    try:
        value = config.get(component, key_path)
        if not isinstance(value, dict):
            value = {_stored_name(config, component, key_path): value}
    except KeyError:
        raise OperationError("ResourceNotFoundError", "Key not found") from None
    return msgspec.json.encode({"componentName": component, "value": value})


def _stored_name(config: ConfigStore, component: str, key_path: list[str]) -> str:
    """A leaf comes as a map with its name as it was stored; names are found in any case."""
    parent: JsonValue = config.get(component, key_path[:-1])
    asked = key_path[-1].lower()
    names = parent if isinstance(parent, dict) else {}
    return next((name for name in names if name.lower() == asked), key_path[-1])


OPERATION = Operation("GetConfiguration", GetConfigurationRequest, _handle)
