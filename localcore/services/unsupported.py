"""Operations of the Java nucleus that nobody serves, in its words."""

import json

from localcore.services import Call, OperationError


class NotOfTheModel(OperationError):  # noqa: N818 (the answer to the client is the error)
    """The service model has no such operation; the answer has no shape."""

    def __init__(self, name: str) -> None:
        super().__init__("ServiceError", f"{name} is an unsupported operation.")
        self.shape = None

    def payload(self) -> bytes:
        """As `ServiceOperationMappingContinuationHandler.onIncomingStream` writes it."""
        text = {"error": "Unsupported Operation", "message": self.message}
        return json.dumps(text).encode()


class NotServed:
    """An operation of the model without a handler (`DefaultOperationHandler`)."""

    streaming = False
    response_shape = None

    def __init__(self, name: str) -> None:
        self.name = name

    def __call__(self, payload: bytes, call: Call) -> bytes:  # noqa: ARG002 (refused unseen)
        """Raises OperationError."""
        raise OperationError(
            "ServiceError", f"Operation {self.name} is not supported by Greengrass"
        )
