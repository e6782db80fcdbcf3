"""The one error a request can end with.

RequestError    the request was understood and refused; `status` is what the client is told
"""

from localcore.streams.protocol import StatusCode


class RequestError(Exception):
    """A request cannot be served; the message names the value, the limit and the remedy."""

    def __init__(self, status: StatusCode, message: str):
        super().__init__(message)
        self.status = status


def invalid(message: str) -> RequestError:
    """The request itself is wrong."""
    return RequestError(StatusCode.INVALID_REQUEST, message)
