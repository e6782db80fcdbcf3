"""UpdateConfiguration (`update_configuration.c`): what is older is ignored with success.

A map never takes the place of a leaf, nor a leaf that of a map.
"""

from typing import Any

from localcore.config_store import ConfigStore, JsonValue
from localcore.errors import StaleUpdateError
from localcore.services import Call
from localcore.services.lite.component_config import require_depth
from localcore.services.lite.operation import (
    INVALID_PARAMETERS,
    Arguments,
    LiteError,
    LiteOperation,
    Refusal,
    Response,
)

ACCESS_CONTROL = "accessControl"
_INVALID = Refusal("InvalidArgumentsError", INVALID_PARAMETERS)


def _handle(arguments: Arguments, call: Call) -> Response:
    value = arguments["valueToMerge"]
    timestamp_ms = int(arguments.number("timestamp") * 1000.0)
    key_path = arguments.key_path(_INVALID)
    named = key_path[:1] or (value if isinstance(value, dict) else [])
    if ACCESS_CONTROL in named:
        raise LiteError(
            "InvalidArgumentsError",
            f"Config update is not allowed for following field [{ACCESS_CONTROL}]",
        )
    require_depth(key_path)
    for name in reversed(key_path):
        value = {name: value}
    config = call.services.config
    if not isinstance(value, dict) or _shapes_differ(_present(config, call.component), value):
        raise LiteError("ServiceError", "Failed to update the configuration.")
    try:
        config.update(call.component, [], value, timestamp_ms)
    except StaleUpdateError:
        pass
    except KeyError:
        config.replace(call.component, value, timestamp_ms)
    return {}


def _present(config: ConfigStore, component: str) -> JsonValue:
    try:
        return config.get(component)
    except KeyError:
        return {}


def _shapes_differ(present: Any, value: Any) -> bool:
    """Whether a map meets a leaf anywhere."""
    if isinstance(present, dict) != isinstance(value, dict):
        return True
    if not isinstance(value, dict):
        return False
    return any(
        _shapes_differ(present[name], item) for name, item in value.items() if name in present
    )


OPERATION = LiteOperation("aws.greengrass#UpdateConfiguration", _handle, invalid=_INVALID)
