"""SubscribeToComponentUpdates (`LifecycleIPCEventStreamAgent`)."""

from typing import Any

import msgspec

from localcore.services import EMPTY_RESPONSE, Call, Operation


class SubscribeToComponentUpdatesRequest(msgspec.Struct):
    """The request, empty."""


def _handle(_request: SubscribeToComponentUpdatesRequest, call: Call) -> bytes:
    def deliver(event: dict[str, Any]) -> None:
        call.send_event("ComponentUpdatePolicyEvents", msgspec.json.encode(event))

    call.when_closed(call.services.consent.follow_updates(call.component, deliver))
    return EMPTY_RESPONSE


OPERATION = Operation(
    "SubscribeToComponentUpdates", SubscribeToComponentUpdatesRequest, _handle, streaming=True
)
