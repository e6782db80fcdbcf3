"""UpdateConfiguration (`ConfigStoreIPCEventStreamAgent.UpdateConfigurationOperationHandler`).

A component updates its own configuration only, and never its accessControl.
"""

from typing import Any

import msgspec

from localcore.errors import StaleUpdateError
from localcore.services import EMPTY_RESPONSE, Call, Operation, OperationError
from localcore.services.gson import with_doubles

ACCESS_CONTROL = "accessControl"


class UpdateConfigurationRequest(msgspec.Struct, rename="camel"):
    """The request; `timestamp` is in seconds since 1970."""

    key_path: list[str] | None = None
    timestamp: float | None = None
    value_to_merge: dict[str, Any] | None = None


def _handle(request: UpdateConfigurationRequest, call: Call) -> bytes:
    if request.timestamp is None:
        raise OperationError("InvalidArgumentsError", "Timestamp is required")
    value = request.value_to_merge
    if value is None:
        raise OperationError("InvalidArgumentsError", "ValueToMerge is required")
    key_path = request.key_path or []
    if key_path[:1] == [ACCESS_CONTROL] or (not key_path and ACCESS_CONTROL in value):
        raise OperationError(
            "InvalidArgumentsError",
            f"Config update is not allowed for following fields [{ACCESS_CONTROL}]",
        )
    value = with_doubles(value)
    try:
        call.services.config.update(call.component, key_path, value, _epoch_ms(request.timestamp))
    except KeyError:
        raise OperationError(
            "InvalidArgumentsError",
            f"Component config not found for component {call.component}",
        ) from None
    except StaleUpdateError as stale:
        raise OperationError("FailedUpdateConditionCheckError", str(stale)) from None
    return EMPTY_RESPONSE


def _epoch_ms(timestamp_s: float) -> int:
    """Cut to whole milliseconds as `InstantSerializerDeserializer` and `toEpochMilli` do."""
    seconds = int(timestamp_s)
    nanoseconds = int((timestamp_s - seconds) * 1_000_000_000)
    return seconds * 1000 + nanoseconds // 1_000_000


OPERATION = Operation("UpdateConfiguration", UpdateConfigurationRequest, _handle)
