"""A local deployment as the CLI's operations describe it."""

import datetime as dt

from localcore.deployments import DeploymentStatus
from localcore.errors import NotFoundError
from localcore.services import OperationError, Services


def find(services: Services, deployment_id: str, message: str) -> DeploymentStatus:
    """How the deployment stands; OperationError with this message when there is none."""
    try:
        return services.deployments.status(deployment_id)
    except NotFoundError:
        raise OperationError(
            "ResourceNotFoundError",
            message,
            resourceType="LocalDeployment",
            resourceName=deployment_id,
        ) from None


def describe(status: DeploymentStatus) -> dict[str, str]:
    """A `LocalDeployment` without details; the time as `dd-MM-uuuu HH:mm:ss z`, in UTC."""
    created = dt.datetime.fromisoformat(status.created_on).astimezone(dt.UTC)
    return {
        "deploymentId": status.deployment_id,
        "status": status.status,
        "createdOn": created.strftime("%d-%m-%Y %H:%M:%S UTC"),
    }
