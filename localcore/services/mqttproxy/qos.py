"""The qos member that both MQTT operations have (`MqttProxyIPCAgent.validateQoS`)."""

from localcore.services import OperationError


def parse_qos(given: str | None) -> int:
    """0 or 1; OperationError for anything else."""
    if given is None:
        raise OperationError("InvalidArgumentsError", "QoS is required")
    if given not in ("0", "1"):
        raise OperationError("InvalidArgumentsError", f"Invalid QoS value: {given}")
    return int(given)
