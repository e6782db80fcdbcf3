"""DeferComponentUpdate (`LifecycleIPCEventStreamAgent.deferComponentUpdate`)."""

import logging

import msgspec

from localcore.services import EMPTY_RESPONSE, Call, Operation, OperationError
from localcore.update_consent import NotAskedError

log = logging.getLogger(__name__)


class DeferComponentUpdateRequest(msgspec.Struct, rename="camel"):
    """The request."""

    deployment_id: str | None = None
    message: str | None = None
    recheck_after_ms: int | None = None


def _handle(request: DeferComponentUpdateRequest, call: Call) -> bytes:
    component, consent = call.component, call.services.consent
    if not consent.follows_updates(component):
        raise OperationError(
            "InvalidArgumentsError", "Component is not subscribed to component update events"
        )
    if request.deployment_id is None:
        raise OperationError(
            "InvalidArgumentsError",
            "Cannot defer the update, the deployment ID provided was null",
        )
    try:
        consent.defer(component, request.deployment_id, request.recheck_after_ms)
    except NotAskedError as late:
        raise OperationError("ServiceError", str(late)) from None
    log.info(
        "component answered an update: component=%s recheck_after_ms=%s message=%s",
        component, request.recheck_after_ms, request.message,
    )  # fmt: skip
    return EMPTY_RESPONSE


OPERATION = Operation("DeferComponentUpdate", DeferComponentUpdateRequest, _handle)
