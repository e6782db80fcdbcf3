"""PutComponentMetric (`ComponentMetricIPCEventStreamAgent`): for components named `aws.` alone.

The nucleus keeps the values for its telemetry in the cloud; here they go to the log.
"""

import logging
import re

import msgspec

from localcore.authorization import UnauthorizedOperation
from localcore.personality import SERVICE
from localcore.services import EMPTY_RESPONSE, Call, Operation, OperationError

log = logging.getLogger(__name__)

TELEMETRY = "aws.greengrass.ipc.componentmetric"
STREAM_MANAGER = "aws.greengrass.StreamManager"
MAX_NAME_BYTES = 32
# TelemetryUnit, compared without regard to case and to what is no letter or digit.
UNITS = frozenset(
    (
        "bytes", "bytespersecond", "count", "countpersecond",
        "megabytes", "none", "percent", "seconds",
    )
)  # fmt: skip
_NO_LETTER = re.compile("[^A-Za-z0-9]")


class Metric(msgspec.Struct):
    """A value of a metric."""

    name: str | None = None
    unit: str | None = None
    value: float | None = None


class PutComponentMetricRequest(msgspec.Struct):
    """The request."""

    metrics: list[Metric] | None = None


def _handle(request: PutComponentMetricRequest, call: Call) -> bytes:
    component = call.component
    may = f"Principal {component} is not authorized to perform {TELEMETRY}"
    operation = f"{SERVICE}PutComponentMetric"
    if not component.startswith("aws."):
        raise OperationError("UnauthorizedError", f"{may}:{operation} ")
    if not request.metrics:
        raise OperationError(
            "InvalidArgumentsError",
            "Null or Empty list of metrics found in PutComponentMetricRequest",
        )
    for metric in request.metrics:
        _validate(metric)
        if component != STREAM_MANAGER:
            try:
                call.services.authorizer.require(
                    component, TELEMETRY, "PutComponentMetric", metric.name
                )
            except UnauthorizedOperation as refused:
                raise OperationError("UnauthorizedError", str(refused)) from None
    for metric in request.metrics:
        if _NO_LETTER.sub("", metric.unit or "").lower() not in UNITS:
            raise OperationError(
                "InvalidArgumentsError",
                "Invalid telemetry unit: No matching TelemetryUnit type found",
            )
        log.info(
            "component metric: component=%s name=%s value=%s unit=%s",
            component, metric.name, metric.value, metric.unit,
        )  # fmt: skip
    return EMPTY_RESPONSE


def _validate(metric: Metric) -> None:
    if metric.value is None:
        raise OperationError("ServiceError")
    name = (metric.name or "").encode()
    if not name or len(name) > MAX_NAME_BYTES or not metric.unit or metric.value < 0:
        raise OperationError(
            "InvalidArgumentsError", "Invalid argument found in PutComponentMetricRequest"
        )


OPERATION = Operation("PutComponentMetric", PutComponentMetricRequest, _handle)
