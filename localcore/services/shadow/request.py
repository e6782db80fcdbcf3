"""A shadow that a request names, and what the shadow manager publishes about it."""

import re
import time
from typing import Any, NamedTuple

from localcore.services import Call, OperationError, authorize
from localcore.shadow_document import InvalidShadow, encode

SHADOW_MANAGER = "aws.greengrass.ShadowManager"
PATTERN = "[a-zA-Z0-9:_-]+"
MAX_THING_NAME_CHARACTERS = 128
MAX_SHADOW_NAME_CHARACTERS = 64


def validate_thing_name(thing: str | None) -> str:
    """The thing's name; InvalidShadow when it is none."""
    if not thing:
        raise InvalidShadow("ThingName is missing")
    return _validated("ThingName", thing, MAX_THING_NAME_CHARACTERS)


def _validated(what: str, name: str, limit: int) -> str:
    if len(name) > limit:
        raise InvalidShadow(f"{what} has a maximum length of {limit}")
    if not re.fullmatch(PATTERN, name):
        raise InvalidShadow(f"{what} must match pattern {PATTERN}")
    return name


class ShadowRequest(NamedTuple):
    """A request for one shadow; ``topic`` is `get`, `update` or `delete`."""

    call: Call
    operation: str
    topic: str
    thing: str
    name: str

    @property
    def prefix(self) -> str:
        """The shadow's topics begin with it; it is the resource of policies, too."""
        named = f"/name/{self.name}" if self.name else ""
        return f"$aws/things/{self.thing}/shadow{named}"

    def begin(self) -> None:
        """Validate and authorise, or refuse."""
        self.validate()
        self.authorize()

    def validate(self) -> None:
        """Refuse names that are none."""
        try:
            validate_thing_name(self.thing)
            if self.name:
                _validated("ShadowName", self.name, MAX_SHADOW_NAME_CHARACTERS)
        except InvalidShadow as invalid:
            raise self.refusal("InvalidArgumentsError", str(invalid), invalid.code) from None

    def authorize(self) -> None:
        """Refuse a component that may not do it."""
        if self.call.component == SHADOW_MANAGER:
            return
        try:
            authorize(self.call, SHADOW_MANAGER, self.operation, self.prefix)
        except OperationError:
            self.reject("Unauthorized", 401)
            raise

    def publish(self, suffix: str, content: dict[str, Any], token: str | None = None) -> bytes:
        """Tell the subscribers of `PREFIX/TOPIC/SUFFIX`; returns what they are told."""
        if token is not None:
            content = {**content, "clientToken": token}
        payload = encode({**content, "timestamp": int(time.time())})
        topic = f"{self.prefix}/{self.topic}/{suffix}"
        self.call.services.pubsub.publish(topic, payload, SHADOW_MANAGER)
        return payload

    def refusal(
        self, code: str, message: str, number: int, token: str | None = None, **members: str
    ) -> OperationError:
        """The error to raise; the subscribers of `/rejected` are told."""
        self.reject(message, number, token)
        return OperationError(code, message, **members)

    def not_found(self) -> OperationError:
        """The error to raise for a shadow that is none."""
        self.reject(f"No shadow exists with name: {self.name or 'Unnamed Shadow'}", 404)
        return OperationError("ResourceNotFoundError", "No shadow found", resourceType="shadow")

    def reject(self, message: str, number: int, token: str | None = None) -> None:
        """Tell the subscribers of `/rejected`."""
        self.publish("rejected", {"code": number, "message": message}, token)
