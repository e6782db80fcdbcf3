"""Configuration as `ggconfigd` finds it: key names in the exact case, one alias."""

from collections.abc import Sequence

from localcore.config_store import ConfigStore, JsonValue
from localcore.services.lite.objects import MAX_DEPTH
from localcore.services.lite.operation import (
    LiteError,
)

# What asks for the Java nucleus's configuration gets lite's.
_ALIASES = {"aws.greengrass.Nucleus": "aws.greengrass.NucleusLite"}
# `services`, the component and `configuration` are in the path as well.
MAX_KEY_PATH = MAX_DEPTH - 3


def stored_name(component: str) -> str:
    """The component whose configuration is meant."""
    return _ALIASES.get(component, component)


def find(config: ConfigStore, component: str, key_path: Sequence[str]) -> JsonValue:
    """The value at the path, KeyError when absent; LiteError for a path that is too long."""
    require_depth(key_path)
    value = config.get(component)
    for name in key_path:
        if not isinstance(value, dict):
            raise KeyError(name)
        value = value[name]
    return value


def require_depth(key_path: Sequence[str]) -> None:
    """Raise LiteError for a path that is too long."""
    if len(key_path) > MAX_KEY_PATH:
        raise LiteError("ServiceError", "Config path depth larger than supported.")
