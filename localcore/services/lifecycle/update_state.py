"""UpdateState (`LifecycleIPCEventStreamAgent.UpdateStateOperationHandler`)."""

import msgspec

from localcore.services import EMPTY_RESPONSE, Call, Operation, OperationError


class UpdateStateRequest(msgspec.Struct):
    """The request; `state` is RUNNING or ERRORED."""

    state: str | None = None


def _handle(request: UpdateStateRequest, call: Call) -> bytes:
    if request.state not in ("RUNNING", "ERRORED"):
        # ReportedLifecycleState.get gives null, and the nucleus stumbles over it.
        raise OperationError("ServiceError")
    try:
        call.services.lifecycle.report_state(call.component, request.state)
    except KeyError:
        raise OperationError(
            "ResourceNotFoundError",
            "Component with given name not found",
            resourceType="Component",
            resourceName=call.component,
        ) from None
    return EMPTY_RESPONSE


OPERATION = Operation("UpdateState", UpdateStateRequest, _handle)
