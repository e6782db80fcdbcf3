"""GetSecretValue (`SecretManagerIPCAgent`, `SecretManager`): from the file of `secret_file`.

The resource of a policy is the secret's ARN, also when the request has its name.
"""

from typing import Any

import msgspec

from localcore.secret_file import CURRENT, Secret, SecretVersion
from localcore.services import Call, Operation, OperationError, authorize

SECRET_MANAGER = "aws.greengrass.SecretManager"  # noqa: S105 (a name)


class GetSecretValueRequest(msgspec.Struct, rename="camel"):
    """The request; `refresh` is left out, the file is read every time."""

    secret_id: str | None = None
    version_id: str | None = None
    version_stage: str | None = None


def _handle(request: GetSecretValueRequest, call: Call) -> bytes:
    secret_id = request.secret_id
    if not secret_id:
        raise OperationError("ServiceError", "SecretId absent in the request")
    secret = call.services.secrets.find(secret_id)
    if secret is None and not secret_id.startswith("arn:"):
        raise _not_found(f"Secret not configured {secret_id}")
    arn = secret_id if secret is None else secret.arn
    authorize(call, SECRET_MANAGER, "GetSecretValue", arn)
    if secret is None:
        raise _not_found(f"Secret not found {secret_id}")
    version = _version(request, secret_id, secret)
    value: dict[str, Any] = {"secretString": version.secret_string}
    if version.secret_binary is not None:
        value = {"secretBinary": version.secret_binary}
    return msgspec.json.encode(
        {
            "secretId": secret.arn,
            "versionId": version.version_id,
            "versionStage": version.version_stages,
            "secretValue": value,
        }
    )


def _version(request: GetSecretValueRequest, secret_id: str, secret: Secret) -> SecretVersion:
    version_id, stage = request.version_id, request.version_stage
    if version_id and stage:
        raise OperationError("ServiceError", "Both versionId and Stage are set in the request")
    for version in secret.versions:
        if version_id and version.version_id == version_id:
            return version
        if not version_id and (stage or CURRENT) in version.version_stages:
            return version
    if version_id:
        raise _not_found(f"Version Id {version_id} not found for secret {secret_id}")
    if stage:
        raise _not_found(f"Version stage {stage} not found for secret {secret_id}")
    raise _not_found(f"Secret not found {secret_id}")


def _not_found(message: str) -> OperationError:
    return OperationError("ResourceNotFoundError", message, resourceType="secret")


OPERATION = Operation("GetSecretValue", GetSecretValueRequest, _handle)
