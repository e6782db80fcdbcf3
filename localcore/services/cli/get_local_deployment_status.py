"""GetLocalDeploymentStatus (`CLIEventStreamAgent.GetLocalDeploymentStatusHandler`)."""

from typing import Any

import msgspec

from localcore.deployments import DeploymentStatus
from localcore.services import Call, Operation
from localcore.services.cli import local_deployment
from localcore.services.cli.access import authorize_cli, require_deployment_id


class GetLocalDeploymentStatusRequest(msgspec.Struct, rename="camel"):
    """The request."""

    deployment_id: str | None = None


def _handle(request: GetLocalDeploymentStatusRequest, call: Call) -> bytes:
    deployment_id = require_deployment_id(request.deployment_id)
    authorize_cli(call, "GetLocalDeploymentStatus", deployment_id)
    status = local_deployment.find(call.services, deployment_id, "Cannot find deployment")
    deployment: dict[str, Any] = {**local_deployment.describe(status)}
    details = _details(status)
    if details:
        deployment["deploymentStatusDetails"] = details
    return msgspec.json.encode({"deployment": deployment})


def _details(status: DeploymentStatus) -> dict[str, str]:
    match status.status:
        case "SUCCEEDED":
            return {"detailedDeploymentStatus": "SUCCESSFUL"}
        case "FAILED":
            # Its components are known from the moment on at which something was changed.
            changed = bool(status.components)
            detailed = "FAILED_ROLLBACK_COMPLETE" if changed else "FAILED_NO_STATE_CHANGE"
            return {
                "detailedDeploymentStatus": detailed,
                "deploymentFailureCause": status.reason,
            }
        case _:
            return {}


OPERATION = Operation("GetLocalDeploymentStatus", GetLocalDeploymentStatusRequest, _handle)
