"""ListNamedShadowsForThing (`ListNamedShadowsForThingIPCHandler`), in pages."""

import base64
import hashlib
import time
from typing import Any

import msgspec

from localcore.services import Call, Operation, OperationError, authorize
from localcore.services.shadow.request import SHADOW_MANAGER, validate_thing_name
from localcore.shadow_document import InvalidShadow

DEFAULT_PAGE_SIZE = 25
MAX_PAGE_SIZE = 100


class ListNamedShadowsForThingRequest(msgspec.Struct, rename="camel"):
    """The request."""

    thing_name: str | None = None
    next_token: str | None = None
    page_size: int | None = None


def _handle(request: ListNamedShadowsForThingRequest, call: Call) -> bytes:
    try:
        thing = validate_thing_name(request.thing_name)
        if call.component != SHADOW_MANAGER:
            authorize(call, SHADOW_MANAGER, "ListNamedShadowsForThing", thing)
        size = DEFAULT_PAGE_SIZE if request.page_size is None else request.page_size
        if not 1 <= size <= MAX_PAGE_SIZE:
            raise InvalidShadow("pageSize argument must be between 1 and 100")
        seal = _seal(call.component, thing)
        offset = _offset(request.next_token, seal) if request.next_token else 0
    except InvalidShadow as invalid:
        raise OperationError("InvalidArgumentsError", str(invalid)) from None
    page = call.services.shadows.named(thing)[offset : offset + size]
    response: dict[str, Any] = {"results": page, "timestamp": time.time()}
    if len(page) == size:
        response["nextToken"] = base64.b64encode(seal + b"%d" % (offset + size)).decode()
    return msgspec.json.encode(response)


def _seal(component: str, thing: str) -> bytes:
    """A token is good for who got it and the thing it was for."""
    return hashlib.sha256(f"{component}/{thing}".encode()).digest()


def _offset(token: str, seal: bytes) -> int:
    try:
        content = base64.b64decode(token, validate=True)
        if content.startswith(seal):
            return int(content.removeprefix(seal))
    except ValueError:
        pass
    raise InvalidShadow("Invalid nextToken argument")


OPERATION = Operation("ListNamedShadowsForThing", ListNamedShadowsForThingRequest, _handle)
