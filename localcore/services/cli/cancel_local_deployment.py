"""CancelLocalDeployment (`CLIEventStreamAgent.CancelLocalDeploymentHandler`).

A deployment that waits is not carried out. One that has begun goes on: the nucleus, too, cancels
none that is changing components.
"""

import msgspec

from localcore.services import Call, Operation
from localcore.services.cli import local_deployment
from localcore.services.cli.access import EVERYTHING, authorize_cli, require_deployment_id


class CancelLocalDeploymentRequest(msgspec.Struct, rename="camel"):
    """The request."""

    deployment_id: str | None = None


def _handle(request: CancelLocalDeploymentRequest, call: Call) -> bytes:
    deployment_id = require_deployment_id(request.deployment_id)
    authorize_cli(call, "CancelLocalDeployment", EVERYTHING)
    missing = f"Cannot find the deployment id provided {deployment_id}"
    status = local_deployment.find(call.services, deployment_id, missing)
    if status.status not in ("QUEUED", "IN_PROGRESS"):
        text = "Cancellation request is not processed because deployment is already finished"
    else:
        call.services.deployments.cancel(deployment_id)
        text = f"Cancel request submitted. Deployment ID: {deployment_id}"
    return msgspec.json.encode({"message": text})


OPERATION = Operation("CancelLocalDeployment", CancelLocalDeploymentRequest, _handle)
