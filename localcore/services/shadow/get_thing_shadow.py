"""GetThingShadow (`GetThingShadowRequestHandler`)."""

import msgspec

from localcore.services import Call, Operation
from localcore.services.shadow.request import ShadowRequest


class GetThingShadowRequest(msgspec.Struct, rename="camel"):
    """The request; no `shadowName`, or an empty one, is the classic shadow."""

    thing_name: str | None = None
    shadow_name: str | None = None


def _handle(request: GetThingShadowRequest, call: Call) -> bytes:
    thing, name = request.thing_name or "", request.shadow_name or ""
    shadow = ShadowRequest(call, "GetThingShadow", "get", thing, name)
    shadow.begin()
    document = call.services.shadows.get(thing, name)
    if document is None:
        raise shadow.not_found()
    content = {
        "state": document.state(with_delta=True),
        "metadata": document.metadata(),
        "version": document.version,
    }
    return msgspec.json.encode({"payload": shadow.publish("accepted", content)})


OPERATION = Operation("GetThingShadow", GetThingShadowRequest, _handle)
