"""What the operations of aws.greengrass.Cli share (`CLIEventStreamAgent`)."""

import uuid
from typing import Any

from localcore.errors import NotFoundError
from localcore.services import Call, OperationError, Services, authorize

CLI = "aws.greengrass.Cli"
_CLI_CLIENT = "greengrass-cli-"
EVERYTHING = "*"


def authorize_cli(call: Call, operation: str, resource: str) -> None:
    """The command line may do everything, others what accessControl grants them."""
    if call.component != CLI and not call.component.startswith(_CLI_CLIENT):
        authorize(call, CLI, operation, resource)


def require_name(component: str | None) -> str:
    """The name of a component, which must not be empty."""
    if not component:
        raise OperationError("InvalidArgumentsError", "Component name cannot be empty")
    return component


def require_deployment_id(deployment_id: str | None) -> str:
    """The id of a deployment, which must be a UUID."""
    if deployment_id is None:
        # UUID.fromString(null)
        raise OperationError("ServiceError")
    try:
        uuid.UUID(deployment_id)
    except ValueError:
        raise OperationError(
            "InvalidArgumentsError", "Invalid deploymentId format received. DeploymentId is a UUID"
        ) from None
    return deployment_id


def component_missing(component: str) -> OperationError:
    """The error for a component that is none."""
    return OperationError(
        "ResourceNotFoundError", f"Component with name {component} not found in Greengrass"
    )


def describe(services: Services, component: str) -> dict[str, Any]:
    """A `ComponentDetails`; OperationError for a component that is none."""
    lifecycle = services.lifecycle
    try:
        state, version = lifecycle.state(component), lifecycle.version(component)
    except NotFoundError:
        raise component_missing(component) from None
    details: dict[str, Any] = {"componentName": component, "version": version, "state": str(state)}
    try:
        details["configuration"] = services.config.get(component)
    except KeyError:
        details["configuration"] = {}
    return details
