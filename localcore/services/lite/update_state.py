"""UpdateState (`update_state.c`, `gghealthd_update_status`).

Every state of a lifecycle is taken; systemd is told of RUNNING only, so the others do nothing.
"""

from localcore.services import Call
from localcore.services.lite.operation import (
    Arguments,
    LiteError,
    LiteOperation,
    Response,
)

_STATES = frozenset(
    ("NEW", "INSTALLED", "STARTING", "RUNNING", "ERRORED", "BROKEN", "STOPPING", "FINISHED")
)


def _handle(arguments: Arguments, call: Call) -> Response:
    state = arguments.text("state")
    failed = LiteError("ServiceError", "Failed to update the lifecycle state.")
    if state not in _STATES:
        raise failed
    if state == "RUNNING":
        try:
            call.services.lifecycle.report_state(call.component, state)
        except KeyError:
            raise failed from None
    return {}


OPERATION = LiteOperation("aws.greengrass#UpdateState", _handle)
