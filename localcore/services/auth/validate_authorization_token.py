"""ValidateAuthorizationToken (`AuthorizationIPCAgent`): for the stream manager alone."""

import msgspec

from localcore.services import Call, Operation, OperationError

STREAM_MANAGER = "aws.greengrass.StreamManager"


class ValidateAuthorizationTokenRequest(msgspec.Struct):
    """The request; `token` is a component's SVCUID."""

    token: str | None = None


def _handle(request: ValidateAuthorizationTokenRequest, call: Call) -> bytes:
    if call.component != STREAM_MANAGER:
        raise OperationError(
            "UnauthorizedError",
            f"{call.component} is not authorized to perform"
            " aws.greengrass#ValidateAuthorizationToken",
        )
    if request.token is None:
        raise OperationError("InvalidTokenError", "Invalid authentication token")
    if call.services.identities.component_for_token(request.token) is None:
        raise OperationError("InvalidTokenError", "Authentication token not found")
    return b'{"isValid":true}'


OPERATION = Operation("ValidateAuthorizationToken", ValidateAuthorizationTokenRequest, _handle)
