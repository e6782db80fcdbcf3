"""SendConfigurationValidityReport (`ConfigStoreIPCEventStreamAgent`)."""

import msgspec

from localcore.services import EMPTY_RESPONSE, Call, Operation, OperationError
from localcore.update_consent import NotAskedError


class ConfigurationValidityReport(msgspec.Struct, rename="camel"):
    """The verdict; `status` is ACCEPTED or REJECTED."""

    status: str | None = None
    deployment_id: str | None = None
    message: str | None = None


class SendConfigurationValidityReportRequest(msgspec.Struct, rename="camel"):
    """The request."""

    configuration_validity_report: ConfigurationValidityReport | None = None


def _handle(request: SendConfigurationValidityReportRequest, call: Call) -> bytes:
    report = request.configuration_validity_report
    if report is None:
        raise OperationError("ServiceError")
    if report.deployment_id is None:
        raise OperationError(
            "InvalidArgumentsError",
            "Cannot accept configuration validity report, the deployment ID provided was null",
        )
    try:
        call.services.consent.report(
            call.component, report.deployment_id, report.status or "", report.message
        )
    except NotAskedError as late:
        raise OperationError("InvalidArgumentsError", str(late)) from None
    return EMPTY_RESPONSE


OPERATION = Operation(
    "SendConfigurationValidityReport", SendConfigurationValidityReportRequest, _handle
)
