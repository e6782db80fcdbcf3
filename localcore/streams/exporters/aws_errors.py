"""What the errors of AWS clients mean for an export."""

from typing import Final

# Client errors (4xx) that pass by themselves: throttling, clocks and credentials.
_PASSING_CODES: Final = frozenset(
    {
        "ExpiredToken",
        "ExpiredTokenException",
        "InvalidAccessKeyId",
        "InvalidClientTokenId",
        "LimitExceededException",
        "OperationAborted",
        "ProvisionedThroughputExceededException",
        "RequestLimitExceeded",
        "RequestTimeTooSkewed",
        "RequestTimeout",
        "SignatureDoesNotMatch",
        "SlowDown",
        "Throttling",
        "ThrottlingException",
        "TooManyRequestsException",
        "UnrecognizedClientException",
    }
)
_PASSING_STATUS: Final = frozenset({408, 429})


def passes_by_itself(error: Exception) -> bool:
    """Whether the same call can succeed later although nobody changes anything.

    Of what is not the service's answer, everything does (no connection, a time-out, no credentials
    yet) except parameters that the client itself refuses.
    """
    answer = getattr(error, "response", None)
    if not isinstance(answer, dict):
        # By name: the class cannot be had without importing botocore.
        refused = type(error).__name__ == "ParamValidationError"
        return not refused and not isinstance(error, ValueError | TypeError)
    code = answer.get("Error", {}).get("Code", "")
    status = answer.get("ResponseMetadata", {}).get("HTTPStatusCode", 500)
    return status >= 500 or status in _PASSING_STATUS or code in _PASSING_CODES
