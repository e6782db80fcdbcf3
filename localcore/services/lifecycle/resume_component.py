"""ResumeComponent (`LifecycleIPCEventStreamAgent.ResumeComponentHandler`)."""

import msgspec

from localcore.authorization import LIFECYCLE
from localcore.errors import NotFoundError
from localcore.services import EMPTY_RESPONSE, Call, Operation, OperationError, authorize


class ResumeComponentRequest(msgspec.Struct, rename="camel"):
    """The request."""

    component_name: str | None = None


def _handle(request: ResumeComponentRequest, call: Call) -> bytes:
    component = request.component_name
    if not component:
        raise OperationError("InvalidArgumentsError", "Component name is required.")
    authorize(call, LIFECYCLE, "ResumeComponent", component)
    try:
        done = call.services.lifecycle.resume(component)
    except NotFoundError:
        raise OperationError("ResourceNotFoundError") from None
    if not done:
        raise OperationError("InvalidArgumentsError", f"Component {component} is not paused")
    return EMPTY_RESPONSE


OPERATION = Operation("ResumeComponent", ResumeComponentRequest, _handle)
