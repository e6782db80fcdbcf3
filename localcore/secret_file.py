"""The secrets of this device: `secrets.json` in its root, for the user who runs it alone.

    {"db-password": "words",
     "api": {"arn": "arn:aws:secretsmanager:eu-west-1:111122223333:secret:api-a1B2c3",
             "versions": [{"versionId": "v2", "versionStages": ["AWSCURRENT"],
                           "secretString": "words"},
                          {"versionId": "v1", "versionStages": ["AWSPREVIOUS"],
                           "secretBinary": "d29yZHM="}]}}

It is read at every request, so it can be changed at any time. Nothing of it is ever logged.
"""

import hashlib
import logging
from pathlib import Path

import msgspec

log = logging.getLogger(__name__)

FILE_NAME = "secrets.json"
CURRENT = "AWSCURRENT"


class SecretVersion(msgspec.Struct, rename="camel", forbid_unknown_fields=True):
    """One version: text or bytes."""

    version_id: str
    version_stages: list[str] = msgspec.field(default_factory=lambda: [CURRENT])
    secret_string: str | None = None
    secret_binary: bytes | None = None


class Secret(msgspec.Struct, forbid_unknown_fields=True):
    """A secret and its versions."""

    versions: list[SecretVersion]
    arn: str = ""


class SecretFile:
    """``region`` is part of the ARN of a secret that has none in the file."""

    def __init__(self, root: Path, region: str) -> None:
        self._path = root / FILE_NAME
        self._region = region

    def find(self, secret_id: str) -> Secret | None:
        """The secret with this name or ARN, whose random end may be missing; None without one."""
        for name, secret in self._read().items():
            if secret_id in (name, secret.arn, secret.arn.rpartition("-")[0]):
                return secret
        return None

    def _read(self) -> dict[str, Secret]:
        try:
            content = self._path.read_bytes()
            if self._path.stat().st_mode & 0o077:
                log.warning("others may read the secrets: chmod 600 %s", self._path)
        except FileNotFoundError:
            return {}
        try:
            secrets = msgspec.json.decode(content, type=dict[str, str | Secret])
        except msgspec.DecodeError as error:
            log.error("secrets cannot be read: file=%s reason=%s", self._path, error)
            return {}
        return {name: self._whole(name, secret) for name, secret in secrets.items()}

    def _whole(self, name: str, secret: str | Secret) -> Secret:
        digest = hashlib.sha256(name.encode()).hexdigest()
        if isinstance(secret, str):
            secret = Secret([SecretVersion(digest[:32], secret_string=secret)])
        if not secret.arn:
            secret.arn = (
                f"arn:aws:secretsmanager:{self._region}:000000000000:secret:{name}-{digest[:6]}"
            )
        return secret
