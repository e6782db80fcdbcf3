"""The tree of errors that localcore raises on purpose.

LocalcoreError            something a user can act on; its text is shown in one line, without a
trace ├── RecipeError           a recipe cannot be used: file, line where known, and reason ├──
VersionError          a version or a version requirement that is not one ├── ResolutionError
no set of component versions satisfies the deployment ├── DeploymentError       a deployment
document is wrong, or a deployment failed ├── NotFoundError         a component, deployment or log
that does not exist was named ├── StaleUpdateError      a configuration update older than the
value it would change └── UnreachableError      the daemon of this root does not answer
"""

from pathlib import Path


class LocalcoreError(Exception):
    """What happened, the value, the limit, and what to do."""


class RecipeError(LocalcoreError):
    """A recipe cannot be used. ``line`` counts from 1, None where it is not known."""

    def __init__(self, reason: str, *, path: Path | None = None, line: int | None = None) -> None:
        self.path = path
        self.line = line
        self.reason = reason
        place = "" if path is None else f"{path}:{line}: " if line is not None else f"{path}: "
        super().__init__(place + reason)


class VersionError(LocalcoreError):
    """A version or a version requirement cannot be read."""


class ResolutionError(LocalcoreError):
    """No set of component versions satisfies the deployment."""


class DeploymentError(LocalcoreError):
    """A deployment document is wrong, or a deployment failed."""


class NotFoundError(LocalcoreError):
    """A component, deployment or log was named that does not exist."""


class StaleUpdateError(LocalcoreError):
    """A configuration update carried a timestamp older than the value it would change."""


class UnreachableError(LocalcoreError):
    """Nothing answers on the control channel of this root."""
