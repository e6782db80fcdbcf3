"""RestartComponent (`restart_component.c`)."""

from localcore.errors import NotFoundError
from localcore.services import Call
from localcore.services.lite.operation import (
    Arguments,
    LiteError,
    LiteOperation,
    Refusal,
    Response,
    authorize,
)

CLI = "aws.greengrass.Cli"


def _handle(arguments: Arguments, call: Call) -> Response:
    component = arguments.text("componentName")
    refusal = Refusal("UnauthorizedError", "Component not authorized to restart component.")
    authorize(call, CLI, "RestartComponent", component, refusal)
    try:
        call.services.lifecycle.restart(component)
    except NotFoundError:
        raise LiteError("ResourceNotFoundError", "Component not found.") from None
    return {"restartStatus": "SUCCEEDED"}


OPERATION = LiteOperation(
    "aws.greengrass#RestartComponent",
    _handle,
    invalid=Refusal("InvalidArgumentsError", "Invalid arguments provided."),
)
