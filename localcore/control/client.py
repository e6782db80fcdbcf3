"""`Control`: the control channel from outside the daemon, synchronous.

>>> Control("/nowhere").components()  # doctest: +ELLIPSIS
Traceback (most recent call last):
    ...
localcore.errors.UnreachableError: No localcore runs on /nowhere: start it with ...
"""

import base64
import json
import socket
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import IO, Any

from localcore.errors import LocalcoreError, UnreachableError
from localcore.socket_paths import socket_path

_LOOK_S = 0.02


class Control:
    """A daemon found by its root. Every call makes a connection of its own.

    A request that the daemon refuses raises LocalcoreError with its reason; a daemon that is not
    there, UnreachableError.
    """

    def __init__(self, root: Path | str) -> None:
        self.root = Path(root).absolute()

    # -- the device

    def status(self) -> dict[str, Any]:
        """Pid, nucleus, thing name, region, socket, embedded cloud, `--device` programs."""
        return self.call("status")

    def shut_down(self) -> None:
        """Have the daemon stop everything and end; returns at once."""
        self.call("shutdown")

    def wait_until_ready(self, timeout_s: float) -> None:
        """Return when a daemon answers; UnreachableError after ``timeout_s``."""
        deadline_s = time.monotonic() + timeout_s
        while True:
            try:
                self.status()
            except UnreachableError:
                if time.monotonic() > deadline_s:
                    raise
                time.sleep(_LOOK_S)
            else:
                return

    # -- deployments

    def deploy(
        self,
        *,
        recipe_dir: Path | str | None = None,
        artifact_dir: Path | str | None = None,
        merge: Mapping[str, str] | None = None,
        remove: Sequence[str] = (),
        update_config: Mapping[str, Any] | None = None,
    ) -> dict[str, Any]:
        """Deploy and wait for the end; the deployment's status."""
        events = self.stream(
            "deployment.create",
            wait=True,
            **deployment_arguments(recipe_dir, artifact_dir, merge, remove, update_config),
        )
        ended: dict[str, Any] = list(events)[-1]["deployment"]
        return ended

    def create_deployment(self, **arguments: Any) -> str:
        """Queue a deployment, with the arguments of `deployment_arguments`; its id."""
        answer = self.call("deployment.create", wait=False, **deployment_arguments(**arguments))
        return str(answer["deployment"]["deploymentId"])

    def deployment(self, deployment_id: str) -> dict[str, Any]:
        """The status of one deployment."""
        status: dict[str, Any] = self.call("deployment.status", deploymentId=deployment_id)[
            "deployment"
        ]
        return status

    def deployments(self) -> list[dict[str, Any]]:
        """All deployments, the latest first."""
        listed: list[dict[str, Any]] = self.call("deployment.list")["deployments"]
        return listed

    # -- components

    def components(self) -> list[dict[str, Any]]:
        """Every component: name, version, state, reason, restarts, pids, pss_bytes,
        configuration.
        """
        listed: list[dict[str, Any]] = self.call("component.list")["components"]
        return listed

    def component(self, name: str) -> dict[str, Any]:
        """One component, as in ``components``."""
        details: dict[str, Any] = self.call("component.details", name=name)["component"]
        return details

    def restart(self, name: str) -> None:
        """Restart a component; returns at once."""
        self.call("component.restart", name=name)

    def stop(self, name: str) -> None:
        """Stop a component; returns at once."""
        self.call("component.stop", name=name)

    def watch(self) -> Iterator[dict[str, Any]]:
        """The components' states now and at every change, for ever."""
        return (event for event in self.stream("component.watch") if "event" in event)

    # -- messages

    def publish(self, topic: str, payload: bytes | str) -> int:
        """Publish on local pub/sub; how many subscriptions it reached."""
        answer = self.call("pubsub.pub", topic=topic, payload=_to_base64(payload))
        return int(answer["reached"])

    def subscribe(self, topic_filter: str) -> Iterator[tuple[str, bytes]]:
        """Topic and payload of every local message from now on; JSON messages as their text."""
        return self._messages("pubsub.sub", topic_filter)

    def publish_to_iot_core(self, topic: str, payload: bytes | str, qos: int = 1) -> None:
        """Publish as if the device had published to AWS IoT Core."""
        self.call("iotcore.pub", topic=topic, payload=_to_base64(payload), qos=qos)

    def subscribe_to_iot_core(self, topic_filter: str) -> Iterator[tuple[str, bytes]]:
        """Topic and payload of every message to AWS IoT Core from now on."""
        return self._messages("iotcore.sub", topic_filter)

    # -- faults

    def disconnect(self, component: str) -> int:
        """Cut a component's IPC connections; how many there were."""
        return int(self.call("fault.disconnect", name=component)["connections"])

    # -- the channel

    def call(self, verb: str, **arguments: Any) -> dict[str, Any]:
        """One request and its last answer."""
        answer: dict[str, Any] = {}
        for answer in self.stream(verb, **arguments):  # noqa: B007 (the last one counts)
            pass
        return answer

    def stream(self, verb: str, **arguments: Any) -> Iterator[dict[str, Any]]:
        """One request; its events as they come, then its result. The connection is made at once."""
        connection = self._connect()
        try:
            connection.sendall(json.dumps({"verb": verb, **arguments}).encode() + b"\n")
        except OSError:
            connection.close()
            raise self._unreachable() from None
        return self._answers(connection)

    def _answers(self, connection: socket.socket) -> Iterator[dict[str, Any]]:
        with connection, connection.makefile("rb") as lines:
            while line := self._line(lines):
                answer: dict[str, Any] = json.loads(line)
                if answer.get("ok") is False:
                    raise LocalcoreError(str(answer["error"]))
                yield answer
                if answer.get("ok"):
                    return
        raise self._ended()

    def _line(self, lines: IO[bytes]) -> bytes:
        """The next whole line; empty at the end."""
        try:
            line = lines.readline()
        except OSError:
            # Killed while a request of ours was unread.
            raise self._ended() from None
        return line if line.endswith(b"\n") else b""

    def _ended(self) -> UnreachableError:
        return UnreachableError(f"localcore on {self.root} ended before it had answered")

    def _messages(self, verb: str, topic_filter: str) -> Iterator[tuple[str, bytes]]:
        events = self.stream(verb, topicFilter=topic_filter)
        next(events)  # the subscription stands when this has come
        return (
            (str(event["topic"]), base64.b64decode(event["payload"]))
            for event in events
            if event.get("event") == "message"
        )

    def _connect(self) -> socket.socket:
        connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            connection.connect(str(socket_path(self.root, "control.socket")))
        except OSError:
            connection.close()
            raise self._unreachable() from None
        return connection

    def _unreachable(self) -> UnreachableError:
        return UnreachableError(
            f"No localcore runs on {self.root}: start it with `localcore start --root {self.root}`"
        )


def deployment_arguments(
    recipe_dir: Path | str | None = None,
    artifact_dir: Path | str | None = None,
    merge: Mapping[str, str] | None = None,
    remove: Sequence[str] = (),
    update_config: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """A deployment as the channel carries it; folders become absolute."""
    return {
        "recipeDir": None if recipe_dir is None else str(Path(recipe_dir).absolute()),
        "artifactDir": None if artifact_dir is None else str(Path(artifact_dir).absolute()),
        "merge": dict(merge or {}),
        "remove": list(remove),
        "updateConfig": dict(update_config or {}),
    }


def _to_base64(payload: bytes | str) -> str:
    return base64.b64encode(payload.encode() if isinstance(payload, str) else payload).decode()
