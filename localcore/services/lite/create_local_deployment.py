"""CreateLocalDeployment (`create_local_deployment.c`): what is not known in it is ignored."""

import json
import logging
from typing import Any

import msgspec

from localcore.deployment_target import Document, parse_update_config
from localcore.errors import LocalcoreError
from localcore.services import Call
from localcore.services.lite.operation import (
    NOT_AUTHORIZED,
    Arguments,
    LiteError,
    LiteOperation,
    Refusal,
    Response,
    authorize,
)
from localcore.services.lite.restart_component import CLI

log = logging.getLogger(__name__)


def _handle(arguments: Arguments, call: Call) -> Response:
    members = {name: arguments[name] for name in _MEMBERS if name in arguments}
    updates = _parsed(members.get("componentToConfiguration", {}))
    refusal = Refusal("ServiceError", NOT_AUTHORIZED.message)
    authorize(call, CLI, "CreateLocalDeployment", None, refusal)
    try:
        document = Document(
            msgspec.convert(members.get("recipeDirectoryPath"), str | None),
            msgspec.convert(members.get("artifactsDirectoryPath"), str | None),
            msgspec.convert(members.get("rootComponentVersionsToAdd", {}), dict[str, str]),
            msgspec.convert(members.get("rootComponentVersionsToRemove", ()), tuple[str, ...]),
            parse_update_config(updates),
        )
        deployment_id = call.services.deployments.create(document)
    except (LocalcoreError, msgspec.ValidationError) as error:
        log.warning("deployment refused: component=%s reason=%s", call.component, error)
        raise LiteError("ServiceError", "Failed to create local deployment.") from None
    return {"deploymentId": deployment_id}


def _parsed(updates: Any) -> Any:
    """Each update, and its merge and reset, may be JSON in a string (`normalize_...`)."""
    if not isinstance(updates, dict):
        return updates
    try:
        parsed = {name: _from_json(update) for name, update in updates.items()}
        return {
            name: {key: _from_json(item) for key, item in update.items()}
            for name, update in parsed.items()
        }
    except (ValueError, AttributeError):
        raise LiteError("ServiceError", "Invalid componentToConfiguration value.") from None


def _from_json(value: Any) -> Any:
    return json.loads(value) if isinstance(value, str) else value


_MEMBERS = (
    "recipeDirectoryPath",
    "artifactsDirectoryPath",
    "rootComponentVersionsToAdd",
    "rootComponentVersionsToRemove",
    "componentToConfiguration",
)

OPERATION = LiteOperation("aws.greengrass#CreateLocalDeployment", _handle)
