"""UpdateThingShadow (`UpdateThingShadowRequestHandler`)."""

import json
import time
from typing import Any

import msgspec

from localcore.services import Call, Operation, OperationError
from localcore.services.shadow.request import ShadowRequest
from localcore.shadow_document import (
    MAX_SIZE_BYTES,
    InvalidShadow,
    ShadowDocument,
    validate_update,
)


class UpdateThingShadowRequest(msgspec.Struct, rename="camel"):
    """The request; no `shadowName`, or an empty one, is the classic shadow."""

    thing_name: str | None = None
    shadow_name: str | None = None
    payload: bytes | None = None


def _handle(request: UpdateThingShadowRequest, call: Call) -> bytes:
    thing, name = request.thing_name or "", request.shadow_name or ""
    shadow = ShadowRequest(call, "UpdateThingShadow", "update", thing, name)
    shadow.validate()
    if not request.payload:
        raise shadow.refusal("InvalidArgumentsError", "Missing update payload", 400)
    shadow.authorize()
    update = _parsed(shadow, request.payload)
    token = update.get("clientToken") if isinstance(update, dict) else None
    token = token if isinstance(token, str) else None
    before = call.services.shadows.get(thing, name) or ShadowDocument()
    after = before.copy()
    try:
        validate_update(update)
        if not before.check_version(update.get("version")):
            raise shadow.refusal("ConflictError", "Version conflict", 409, token)
        metadata = after.update(update["state"], int(time.time()))
        if after.size_bytes() > MAX_SIZE_BYTES:
            raise InvalidShadow("The payload exceeds the maximum size allowed", 413)
    except InvalidShadow as invalid:
        raise shadow.refusal("InvalidArgumentsError", str(invalid), invalid.code, token) from None
    call.services.shadows.put(thing, name, after)
    _publish_delta(shadow, after, token)
    previous = None if before.version is None else before.described()
    shadow.publish("documents", {"previous": previous, "current": after.described()}, token)
    content = {"version": after.version, "state": update["state"], "metadata": metadata}
    return msgspec.json.encode({"payload": shadow.publish("accepted", content, token)})


def _parsed(shadow: ShadowRequest, payload: bytes) -> Any:
    try:
        update = json.loads(payload)
    except (ValueError, RecursionError) as error:
        # The shadow manager takes a parser's error for a failure of its own.
        shadow.reject("Internal service failure", 500)
        raise OperationError("ServiceError", f"the payload is not JSON: {error}") from None
    if isinstance(update, dict) and isinstance(update.get("state"), dict):
        # Not for components to set.
        update["state"].pop("delta", None)
    return update


def _publish_delta(shadow: ShadowRequest, document: ShadowDocument, token: str | None) -> None:
    delta = document.delta()
    if delta is None:
        return
    content = {
        "version": document.version,
        "state": delta,
        "metadata": document.delta_metadata(delta),
    }
    shadow.publish("delta", content, token)


OPERATION = Operation("UpdateThingShadow", UpdateThingShadowRequest, _handle)
