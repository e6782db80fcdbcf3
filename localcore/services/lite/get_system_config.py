"""GetSystemConfig of the private service (`private.c`), which AWS's C SDK asks for."""

from localcore.services import Call
from localcore.services.lite.operation import (
    INVALID_PARAMETERS,
    Arguments,
    LiteError,
    LiteOperation,
    Refusal,
    Response,
)


def _handle(arguments: Arguments, call: Call) -> Response:
    services = call.services
    system = {"thingName": services.thing_name, "rootPath": str(services.root)}
    try:
        return {"value": system[arguments.text("key")]}
    except KeyError:
        raise LiteError("ServiceError", "Failed to read the system configuration.") from None


OPERATION = LiteOperation(
    "aws.greengrass.private#GetSystemConfig",
    _handle,
    invalid=Refusal("InvalidArgumentsError", INVALID_PARAMETERS),
    shaped=False,
)
