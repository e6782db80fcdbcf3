"""ListLocalDeployments (`CLIEventStreamAgent.ListLocalDeploymentsHandler`)."""

import msgspec

from localcore.services import Call, Operation
from localcore.services.cli import local_deployment
from localcore.services.cli.access import EVERYTHING, authorize_cli


class ListLocalDeploymentsRequest(msgspec.Struct):
    """The request, empty."""


def _handle(_request: ListLocalDeploymentsRequest, call: Call) -> bytes:
    authorize_cli(call, "ListLocalDeployments", EVERYTHING)
    statuses = call.services.deployments.statuses()
    described = [local_deployment.describe(status) for status in statuses]
    return msgspec.json.encode({"localDeployments": described})


OPERATION = Operation("ListLocalDeployments", ListLocalDeploymentsRequest, _handle)
