"""What every operation of nucleus lite has: arguments by name and type, its errors, its limits."""

import logging
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple, TypeAlias

from localcore.authorization import UnauthorizedOperation
from localcore.personality import SERVICE
from localcore.services import Call, OperationError
from localcore.services.lite.objects import ObjectError, decode, encode, levels, reading_s

log = logging.getLogger(__name__)

# GGL_IPC_MAX_MSG_LEN: also the longest frame it can send.
MAX_SENT_BYTES = 10_000
# The prelude, its and the frame's checksums, and the headers without the shape's name.
_FRAME_BYTES = 16 + 19 + 20 + 16 + 33 + 22
# GGL_COREBUS_CLIENT_MAX_SUBSCRIPTIONS: of all kinds, in all of `ggipcd`.
MAX_SUBSCRIPTIONS = 100

INVALID_PARAMETERS = "Received invalid parameters."


class LiteError(OperationError):
    """An error as lite writes it, which the AWS clients show without its message."""

    def payload(self) -> bytes:
        """As `send_stream_error` writes it."""
        return encode({"_message": self.message or "", "_errorCode": self.code})


class Refusal(NamedTuple):
    """What a request may be answered with."""

    code: str
    message: str

    def error(self) -> LiteError:
        """A new error to raise: one that is raised again keeps every earlier traceback."""
        return LiteError(self.code, self.message)


INVALID = Refusal("ServiceError", INVALID_PARAMETERS)
NOT_AUTHORIZED = Refusal("UnauthorizedError", "IPC Operation not authorized.")


class Arguments:
    """The members of a request (`gg_map_validate`); what is wrong is refused with ``refusal``."""

    def __init__(self, members: Mapping[str, Any], refusal: Refusal) -> None:
        self._members = members
        self._refusal = refusal

    def __contains__(self, name: str) -> bool:
        return name in self._members

    def __getitem__(self, name: str) -> Any:
        """A member that must be there, of any type."""
        if name not in self._members:
            raise self._refusal.error()
        return self._members[name]

    def get(self, name: str, default: Any) -> Any:
        """A member of any type, or ``default`` when there is none."""
        return self._members.get(name, default)

    def text(self, name: str) -> str:
        """A member that must be there and a string."""
        return str(self._of_type(name, str))

    def optional_text(self, name: str) -> str | None:
        """A string, or None when there is no such member."""
        return self.text(name) if name in self else None

    def number(self, name: str) -> float:
        """A member that must be there and written as a float: `5` is none."""
        return float(self._of_type(name, float))

    def map(self, name: str) -> "Arguments":
        """A member that must be there and a map."""
        return Arguments(self._of_type(name, dict), self._refusal)

    def key_path(self, refusal: Refusal) -> list[str]:
        """The `keyPath`, empty when there is none; items that are no strings are refused."""
        if "keyPath" not in self:
            return []
        key_path: list[str] = self._of_type("keyPath", list)
        if not all(isinstance(name, str) for name in key_path):
            raise refusal.error()
        return key_path

    def _of_type(self, name: str, kind: type) -> Any:
        value = self[name]
        if type(value) is not kind:
            raise self._refusal.error()
        return value


Response: TypeAlias = dict[str, Any]


class LiteOperation:
    """One operation of `ggipcd`.

    Args:
        name: with the service before it, such as `aws.greengrass#PublishToTopic`.
        handle: does it; an `ObjectError` of its response is answered as lite's own failure.
        invalid: the answer to arguments of the wrong name or type.
        streaming: whether events follow the response on the same stream.
        shaped: whether the response names its shape.
    """

    def __init__(
        self,
        name: str,
        handle: Callable[[Arguments, Call], Response],
        *,
        invalid: Refusal = INVALID,
        streaming: bool = False,
        shaped: bool = True,
    ) -> None:
        self.name = name
        self.response_shape = f"{name.removeprefix(SERVICE)}Response" if shaped else None
        self.streaming = streaming
        self._handle = handle
        self._invalid = invalid

    def __call__(self, payload: bytes, call: Call) -> bytes:
        """Raises LiteError."""
        try:
            members = decode(payload)
            if not isinstance(members, dict):
                raise ObjectError("the request is not a map")
            self._take_time(members, call)
            response = self._handle(Arguments(members, self._invalid), call)
            return fitting(self.response_shape or "", response)
        except ObjectError as error:
            log.warning(
                "refused: component=%s operation=%s reason=%s", call.component, self.name, error
            )
            raise LiteError("ServiceError", "") from None

    def _take_time(self, members: dict[str, Any], call: Call) -> None:
        depth = levels(members)
        reading = reading_s(depth)
        if reading:
            call.stall(reading, f"a request of {call.component} is nested {depth} deep")


def fitting(shape: str, value: Response) -> bytes:
    """The payload of a frame of that shape.

    Raises:
        ObjectError: lite cannot write it, or the frame would be too long.
    """
    payload = encode(value)
    size = _FRAME_BYTES + len(SERVICE) + len(shape) + len(payload)
    if size > MAX_SENT_BYTES:
        raise ObjectError(f"a frame of {size} bytes is longer than the limit of {MAX_SENT_BYTES}")
    return payload


def send_event(call: Call, shape: str, event: Response) -> None:
    """Send an event; one that lite cannot write is left out, with a line in the log."""
    try:
        payload = fitting(shape, event)
    except ObjectError as error:
        log.warning("event left out: component=%s shape=%s reason=%s", call.component, shape, error)
    else:
        call.send_event(shape, payload)


def authorize(
    call: Call, service: str, operation: str, resource: str | None, refusal: Refusal
) -> None:
    """Ask the authorizer; lite's refusal says nothing of what was asked."""
    try:
        call.services.authorizer.require(call.component, service, operation, resource)
    except UnauthorizedOperation as refused:
        log.warning("not authorized: reason=%s", refused)
        raise refusal.error() from None


def require_slot(call: Call, refusal: Refusal) -> None:
    """Refuse a subscription when `ggipcd` has no place for one more."""
    if call.device_subscriptions >= MAX_SUBSCRIPTIONS:
        log.warning("subscription refused: subscriptions=%s", MAX_SUBSCRIPTIONS)
        raise refusal.error()
