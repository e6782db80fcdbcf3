"""The components of AWS that localcore stands in for.

Nucleus, Cli and TokenExchangeService are localcore itself and have nothing to run. The stream
manager is `python -m localcore.streams`, run like any component, in RUNNING when it listens.
"""

import shlex
import socket
import sys
from collections.abc import Mapping
from pathlib import Path

from localcore.config_tree import JsonValue
from localcore.recipes.model import Step
from localcore.resolver import BUILT_IN
from localcore.supervisor.plan import ComponentPlan

STREAM_MANAGER = "aws.greengrass.StreamManager"
TOKEN_EXCHANGE = "aws.greengrass.TokenExchangeService"  # noqa: S105 (a name)
PORT_KEY = "STREAM_MANAGER_SERVER_PORT"
_HOST = "127.0.0.1"


class BuiltIns:
    """``stream_manager_port``: 0 takes a free one, which is then kept in its configuration."""

    def __init__(self, root: Path, region: str, stream_manager_port: int = 0) -> None:
        self._root = root
        self._region = region
        self._port = stream_manager_port

    def defaults(self, name: str) -> dict[str, JsonValue]:
        """The default configuration of a built-in component."""
        return {PORT_KEY: self._port or free_port()} if name == STREAM_MANAGER else {}

    def new_port(self, configuration: Mapping[str, JsonValue]) -> int | None:
        """Another port when the configured one is not the wanted one or is taken; None: keep it."""
        configured = _port(configuration)
        if self._port:
            return None if configured == self._port else self._port
        return None if _is_free(configured) else free_port()

    def plan(self, name: str, configuration: Mapping[str, JsonValue]) -> ComponentPlan:
        """What to run for a built-in component with this configuration."""
        steps: dict[str, Step] = {}
        ready_file = None
        if name == STREAM_MANAGER:
            ready = self._root / "work" / STREAM_MANAGER / "port"
            ready_file = str(ready)
            steps["run"] = Step(self._stream_manager(ready, _port(configuration)))
        return ComponentPlan(name, BUILT_IN[name], steps, {}, ready_file=ready_file, built_in=True)

    def _stream_manager(self, ready: Path, port: int) -> str:
        command = [
            *(sys.executable, "-m", "localcore.streams"),
            *("--root", str(self._root / "streams")),
            *("--port", str(port), "--port-file", str(ready), "--region", self._region),
        ]
        # The endpoint's address is known only when it runs; it is in the environment then.
        return (
            f"rm -f {shlex.quote(str(ready))}; exec {shlex.join(command)} "
            '${AWS_ENDPOINT_URL:+--endpoint-url "$AWS_ENDPOINT_URL"}'
        )


def free_port() -> int:
    """A TCP port of loopback that nobody listens on at this moment."""
    with socket.socket() as probe:
        probe.bind((_HOST, 0))
        port: int = probe.getsockname()[1]
    return port


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((_HOST, port))
        except OSError:
            return False
    return True


def _port(configuration: Mapping[str, JsonValue]) -> int:
    value = configuration.get(PORT_KEY, 8088)
    return int(float(value)) if isinstance(value, int | float | str) else 8088
