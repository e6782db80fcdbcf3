"""SubscribeToValidateConfigurationUpdates (`ConfigStoreIPCEventStreamAgent`)."""

from typing import Any

import msgspec

from localcore.services import EMPTY_RESPONSE, Call, Operation


class SubscribeToValidateConfigurationUpdatesRequest(msgspec.Struct):
    """The request, empty."""


def _handle(_request: SubscribeToValidateConfigurationUpdatesRequest, call: Call) -> bytes:
    def deliver(event: dict[str, Any]) -> None:
        call.send_event("ValidateConfigurationUpdateEvents", msgspec.json.encode(event))

    call.when_closed(call.services.consent.follow_validations(call.component, deliver))
    return EMPTY_RESPONSE


OPERATION = Operation(
    "SubscribeToValidateConfigurationUpdates",
    SubscribeToValidateConfigurationUpdatesRequest,
    _handle,
    streaming=True,
)
