"""ValidateAuthorizationToken (`token_validator.c`): for the stream manager alone."""

from localcore.services import Call
from localcore.services.lite.operation import (
    Arguments,
    LiteError,
    LiteOperation,
    Response,
)

STREAM_MANAGER = "aws.greengrass.StreamManager"


def _handle(arguments: Arguments, call: Call) -> Response:
    if call.component != STREAM_MANAGER:
        raise LiteError(
            "UnauthorizedError", "Component does not have access to token verification IPC command."
        )
    token = arguments.text("token")
    if call.services.identities.component_for_token(token) is None:
        raise LiteError(
            "InvalidTokenError", "Invalid token used by stream manager when trying to authorize."
        )
    return {"isValid": True}


OPERATION = LiteOperation("aws.greengrass#ValidateAuthorizationToken", _handle)
