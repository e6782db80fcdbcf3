"""CreateLocalDeployment (`CLIEventStreamAgent.CreateLocalDeploymentHandler`).

What is wrong with versions and configuration updates is said at once; the nucleus lets the
deployment fail.
"""

import logging
from pathlib import Path
from typing import Any

import msgspec

from localcore.deployment_target import Document, parse_update_config
from localcore.errors import LocalcoreError
from localcore.services import Call, Operation, OperationError
from localcore.services.cli.access import EVERYTHING, authorize_cli

log = logging.getLogger(__name__)

ROLLBACK = "ROLLBACK"


class CreateLocalDeploymentRequest(msgspec.Struct, rename="camel"):
    """The request; `componentToRunWithInfo` is left out, all run as localcore's user."""

    group_name: str | None = None
    root_component_versions_to_add: dict[str, str] | None = None
    root_components_to_remove: list[str] | None = None
    component_to_configuration: dict[str, dict[str, Any]] | None = None
    recipe_directory_path: str | None = None
    artifacts_directory_path: str | None = None
    failure_handling_policy: str | None = None


def _handle(request: CreateLocalDeploymentRequest, call: Call) -> bytes:
    authorize_cli(call, "CreateLocalDeployment", EVERYTHING)
    artifacts = request.artifacts_directory_path
    own = call.services.root / "packages" / "artifacts"
    if artifacts and own.is_relative_to(Path(artifacts)):
        raise OperationError(
            "InvalidArtifactsDirectoryPathError",
            "Requested artifacts directory path is parent of kernel artifacts directory path."
            " Specify another path to avoid recursive copy",
        )
    if request.group_name and ":" in request.group_name:
        raise OperationError(
            "InvalidArgumentsError", "Thing group name cannot contain colon characters"
        )
    if request.failure_handling_policy not in (None, ROLLBACK):
        log.warning(
            "a failed deployment is rolled back all the same: policy=%s",
            request.failure_handling_policy,
        )
    try:
        deployment_id = call.services.deployments.create(_document(request))
    except LocalcoreError as error:
        raise OperationError("InvalidArgumentsError", str(error)) from None
    return msgspec.json.encode({"deploymentId": deployment_id})


def _document(request: CreateLocalDeploymentRequest) -> Document:
    return Document(
        request.recipe_directory_path or None,
        request.artifacts_directory_path or None,
        request.root_component_versions_to_add or {},
        tuple(request.root_components_to_remove or ()),
        parse_update_config(request.component_to_configuration or {}),
    )


OPERATION = Operation("CreateLocalDeployment", CreateLocalDeploymentRequest, _handle)
