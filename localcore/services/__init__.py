"""The Greengrass IPC operations, one a file: `<service>/<operation>`.

An operation validates, authorises, acts and responds, in the words of the Java nucleus; those of
nucleus lite are in `lite`. It gets
its request decoded and a `Call`, and returns the response's payload or raises `OperationError`.
What it can reach is in `Services`.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, Protocol, TypeVar

import msgspec

from localcore.authorization import Authorization, UnauthorizedOperation
from localcore.config_store import ConfigStore
from localcore.deployment_target import Document
from localcore.deployments import DeploymentStatus
from localcore.mqtt import Mqtt
from localcore.personality import Personality
from localcore.pubsub import PubSub
from localcore.secret_file import SecretFile
from localcore.shadows import Shadows
from localcore.update_consent import UpdateConsent

EMPTY_RESPONSE = b"{}"


class Identities(Protocol):
    """Who a client is."""

    def component_for_token(self, svcuid: str) -> str | None:
        """The component launched with this SVCUID, None when there is none (any more)."""

    def token_of_process(self, pid: int, component: str) -> str | None:
        """The component's SVCUID when the process is one of its own."""

    def forget_tokens(self) -> None:
        """Recognise no SVCUID of the components that run now."""


class Lifecycle(Protocol):
    """What becomes of a component that reports its state."""

    def report_state(self, component: str, state: str) -> None:
        """Take a report of `RUNNING` or `ERRORED`; KeyError for a component that is none."""

    def names(self) -> list[str]:
        """All components."""

    def state(self, name: str) -> str:
        """The state of a component; NotFoundError when there is none of that name."""

    def version(self, name: str) -> str:
        """The version of a component; NotFoundError when there is none of that name."""

    def restart(self, name: str) -> None:
        """Restart a component; NotFoundError when there is none of that name."""

    def stop(self, name: str) -> None:
        """Stop a component; NotFoundError when there is none of that name."""

    def pause(self, name: str) -> bool:
        """Freeze a component; whether it runs. NotFoundError when there is none of that name."""

    def resume(self, name: str) -> bool:
        """Thaw a component; whether it was paused. NotFoundError when there is none."""


class DeploymentQueue(Protocol):
    """Local deployments."""

    def create(self, document: Document) -> str:
        """Queue one; its id. LocalcoreError for what can be seen to be wrong at once."""

    def cancel(self, deployment_id: str) -> None:
        """Do not carry it out, unless it has begun; NotFoundError when there is none."""

    def status(self, deployment_id: str) -> DeploymentStatus:
        """How it stands; NotFoundError when there is none of that id."""

    def statuses(self) -> list[DeploymentStatus]:
        """All that are kept, the latest first."""


@dataclass
class Services:
    """Everything the operations act on."""

    config: ConfigStore
    identities: Identities
    lifecycle: Lifecycle
    deployments: DeploymentQueue
    pubsub: PubSub
    mqtt: Mqtt
    shadows: Shadows
    secrets: SecretFile
    consent: UpdateConsent
    authorizer: Authorization
    personality: Personality
    thing_name: str
    region: str
    root: Path


class OperationError(Exception):
    """An error of the service model: `InvalidArgumentsError`, `UnauthorizedError` and so on.

    Args:
        code: the shape's name without `aws.greengrass#`.
        message: None where the nucleus has none, as after a NullPointerException.
        members: further members of the shape, such as `resourceName`.
    """

    def __init__(self, code: str, message: str | None = None, **members: str) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code
        # What the answer says it is; None leaves it open.
        self.shape: str | None = code
        self.message = message
        self.members = members

    def payload(self) -> bytes:
        """As `EventStreamOperationError` is written: twice the message, and whose it is."""
        content: dict[str, str] = dict(self.members)
        if self.message is not None:
            content["message"] = self.message
        content["_service"] = "aws.greengrass#GreengrassCoreIPC"
        if self.message is not None:
            content["_message"] = self.message
        content["_errorCode"] = self.code
        return msgspec.json.encode(content)


class UnreadableRequest(Exception):  # noqa: N818 (not an error of the service model)
    """The payload is not JSON or not of the request's shape; answered InternalServerError."""


class Call(Protocol):
    """An operation's view of the rpc_stream that it was called on."""

    @property
    def component(self) -> str:
        """Who calls."""

    @property
    def services(self) -> Services:
        """What can be acted on."""

    def send_event(self, shape: str, payload: bytes) -> None:
        """Send an event, of a shape named without `aws.greengrass#`; dropped once closed."""

    def when_closed(self, release: Callable[[], None]) -> Callable[[], None]:
        """Call ``release`` when the stream is closed, by either side or with the connection.

        Returns the function that does it now; it may be called again.
        """

    @property
    def device_subscriptions(self) -> int:
        """How many subscriptions all components have, of all kinds."""

    def stall(self, seconds: float, reason: str) -> None:
        """Answer nobody for that long; the log says why."""


def authorize(call: Call, service: str, operation: str, resource: str | None) -> None:
    """Ask the authorizer; its refusal is answered with its own words."""
    try:
        call.services.authorizer.require(call.component, service, operation, resource)
    except UnauthorizedOperation as refused:
        raise OperationError("UnauthorizedError", str(refused)) from None


Request = TypeVar("Request")


class Operation(Generic[Request]):
    """One operation of the service model.

    Args:
        name: without `aws.greengrass#`.
        request: the request's shape, a msgspec struct; unknown members are ignored as by Gson.
        handle: does it; see the module.
        streaming: whether events follow the response on the same stream.
    """

    def __init__(
        self,
        name: str,
        request: type[Request],
        handle: Callable[[Request, Call], bytes],
        *,
        streaming: bool = False,
    ) -> None:
        self.name = name
        self.response_shape = f"{name}Response"
        self.streaming = streaming
        self._decode = msgspec.json.Decoder(request).decode
        self._handle = handle

    def __call__(self, payload: bytes, call: Call) -> bytes:
        """Raises OperationError, or UnreadableRequest."""
        if payload in (b"", b"null"):
            # Gson gives no request at all, and the nucleus stumbles over it.
            raise OperationError("ServiceError")
        try:
            request = self._decode(payload)
        except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
            raise UnreadableRequest(str(error)) from None
        return self._handle(request, call)


class AnyOperation(Protocol):
    """What the server needs of an operation of any nucleus."""

    @property
    def name(self) -> str:
        """For the log."""

    @property
    def streaming(self) -> bool:
        """Whether events follow the response."""

    @property
    def response_shape(self) -> str | None:
        """Without `aws.greengrass#`; None: the response names none."""

    def __call__(self, payload: bytes, call: Call) -> bytes:
        """Raises OperationError, or UnreadableRequest."""
