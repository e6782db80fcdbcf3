"""DeleteThingShadow (`DeleteThingShadowRequestHandler`): answered with an empty payload."""

import msgspec

from localcore.services import Call, Operation
from localcore.services.shadow.request import ShadowRequest


class DeleteThingShadowRequest(msgspec.Struct, rename="camel"):
    """The request; no `shadowName`, or an empty one, is the classic shadow."""

    thing_name: str | None = None
    shadow_name: str | None = None


def _handle(request: DeleteThingShadowRequest, call: Call) -> bytes:
    thing, name = request.thing_name or "", request.shadow_name or ""
    shadow = ShadowRequest(call, "DeleteThingShadow", "delete", thing, name)
    shadow.begin()
    document = call.services.shadows.delete(thing, name)
    if document is None:
        raise shadow.not_found()
    shadow.publish("accepted", {"version": document.version})
    return b'{"payload":""}'


OPERATION = Operation("DeleteThingShadow", DeleteThingShadowRequest, _handle)
