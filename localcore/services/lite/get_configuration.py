"""GetConfiguration (`get_configuration.c`): any component's, without authorization."""

from localcore.services import Call
from localcore.services.lite.component_config import find, stored_name
from localcore.services.lite.operation import (
    INVALID,
    Arguments,
    LiteError,
    LiteOperation,
    Response,
)


def _handle(arguments: Arguments, call: Call) -> Response:
    key_path = arguments.key_path(INVALID)
    component = arguments.optional_text("componentName")
    if component is None:
        component = call.component
    try:
        value = find(call.services.config, stored_name(component), key_path)
    except KeyError:
        raise LiteError("ResourceNotFoundError", "Key not found.") from None
    if not isinstance(value, dict):
        value = {key_path[-1]: value}
    return {"componentName": component, "value": value}


OPERATION = LiteOperation("aws.greengrass#GetConfiguration", _handle)
