"""The qos member that both MQTT operations have: text or a number, 0 when it is absent."""

from typing import Any

from localcore.services.lite.operation import LiteError


def parse_qos(given: Any) -> int:
    """0 to 2; LiteError for anything else."""
    if isinstance(given, str):
        try:
            given = int(given)
        except ValueError:
            raise LiteError("ServiceError", "Failed to parse 'qos' string value.") from None
    if type(given) is not int:
        raise LiteError("ServiceError", "Key qos of invalid type.")
    if not 0 <= given <= 2:
        raise LiteError("ServiceError", "'qos' not a valid value.")
    return given
