"""What the command line can ask of the daemon: one function a verb.

A verb gets the request and `send` for its events, and returns what its last answer holds beside
"ok".
"""

import asyncio
import base64
import dataclasses
import os
from collections.abc import Awaitable, Callable, Coroutine
from typing import TYPE_CHECKING, Any, TypeAlias

import msgspec

from localcore.cloud import endpoint
from localcore.deployment_target import Document, parse_update_config
from localcore.deployments import DeploymentStatus
from localcore.errors import LocalcoreError
from localcore.mqtt import MqttMessage, MqttRefused
from localcore.pubsub import LocalMessage
from localcore.supervisor.supervisor import ComponentStatus
from localcore.topics import is_topic_filter

if TYPE_CHECKING:
    from localcore.core_device import CoreDevice

Send: TypeAlias = Callable[[dict[str, Any]], Awaitable[None]]
Verb: TypeAlias = Callable[
    ["CoreDevice", dict[str, Any], Send], Coroutine[Any, Any, dict[str, Any]]
]

# Who the command line is to components: authorised for everything, as the nucleus's own client.
CLI_IDENTITY = "aws.greengrass.Cli"
# Messages that wait for a slow `pubsub sub`; beyond, the newest are dropped and counted.
_WAITING_MESSAGES = 10_000


class RequestError(LocalcoreError):
    """A request on the control channel cannot be understood."""


def _text(request: dict[str, Any], key: str) -> str:
    value = request.get(key)
    if not isinstance(value, str) or not value:
        raise RequestError(f"{key} must be a string that is not empty, not {value!r}")
    return value


def _topic(request: dict[str, Any], wildcards: str) -> str:
    topic = _text(request, "topic")
    found = [character for character in wildcards if character in topic]
    if found:
        raise RequestError(
            f"topic {topic!r} has the wildcard {found[0]!r}: a message goes to one topic, name it "
            "in full; wildcards are for `sub`"
        )
    return topic


def _topic_filter(request: dict[str, Any]) -> str:
    topic_filter = _text(request, "topicFilter")
    if not is_topic_filter(topic_filter):
        raise RequestError(
            f"topic filter {topic_filter!r} is malformed: write `+` as a whole level and `#` as "
            "the whole last one, as in a/+/b and a/#"
        )
    return topic_filter


def _payload(request: dict[str, Any]) -> bytes:
    try:
        return base64.b64decode(request.get("payload", ""), validate=True)
    except (TypeError, ValueError) as error:
        raise RequestError(f"payload must be base64: {error}") from error


# -- the device


async def _status(device: "CoreDevice", _request: dict[str, Any], _send: Send) -> dict[str, Any]:
    cloud = endpoint.find(device.root / "cloud")
    return {
        "pid": os.getpid(),
        "root": str(device.root),
        "nucleus": device.nucleus,
        "thingName": device.thing_name,
        "region": device.region,
        "ipcSocket": str(device.ipc_path),
        "cloud": None if cloud is None else {"url": cloud.url, "pid": cloud.pid},
        "devices": device.helper_pids(),
    }


async def _shutdown(device: "CoreDevice", _request: dict[str, Any], send: Send) -> dict[str, Any]:
    # Answered before the daemon begins to end and cuts this connection, too.
    await send({"ok": True})
    device.shut_down()
    return {}


# -- deployments


def _described(status: DeploymentStatus) -> dict[str, Any]:
    return {
        "deploymentId": status.deployment_id,
        "status": status.status,
        "createdOn": status.created_on,
        "reason": status.reason,
        "components": status.components,
    }


async def _create(device: "CoreDevice", request: dict[str, Any], send: Send) -> dict[str, Any]:
    try:
        document = Document(
            request.get("recipeDir"),
            request.get("artifactDir"),
            msgspec.convert(request.get("merge") or {}, dict[str, str]),
            msgspec.convert(request.get("remove") or (), tuple[str, ...]),
            parse_update_config(request.get("updateConfig") or {}),
        )
    except msgspec.ValidationError as error:
        raise RequestError(f"deployment: {error}") from error
    if document == Document():
        raise RequestError(
            "nothing to deploy: name a component with --merge NAME=VERSION or --remove NAME, a "
            "change with --update-config, or new files with --recipeDir and --artifactDir"
        )
    deployment_id = device.deployments.create(document)
    if not request.get("wait"):
        return {"deployment": _described(device.deployments.status(deployment_id))}
    await send({"event": "created", "deploymentId": deployment_id})
    watching = asyncio.create_task(_send_states(device, send))
    try:
        ended = await device.deployments.wait(deployment_id)
        # What has happened is sent before the result.
        await asyncio.sleep(0)
    finally:
        watching.cancel()
        await asyncio.wait((watching,))
    return {"deployment": _described(ended)}


async def _deployment_status(
    device: "CoreDevice", request: dict[str, Any], _send: Send
) -> dict[str, Any]:
    status = device.deployments.status(_text(request, "deploymentId"))
    return {"deployment": _described(status)}


async def _deployment_list(
    device: "CoreDevice", _request: dict[str, Any], _send: Send
) -> dict[str, Any]:
    return {"deployments": [_described(status) for status in device.deployments.statuses()]}


# -- components


def _component(device: "CoreDevice", status: ComponentStatus) -> dict[str, Any]:
    described = dataclasses.asdict(status)
    try:
        described["configuration"] = device.store.get(status.name)
    except KeyError:
        described["configuration"] = {}
    return described


async def _list(device: "CoreDevice", _request: dict[str, Any], _send: Send) -> dict[str, Any]:
    statuses = device.supervisor.statuses()
    return {"components": [_component(device, status) for status in statuses]}


async def _details(device: "CoreDevice", request: dict[str, Any], _send: Send) -> dict[str, Any]:
    status = device.supervisor.status(_text(request, "name"))
    return {"component": _component(device, status)}


async def _restart(device: "CoreDevice", request: dict[str, Any], _send: Send) -> dict[str, Any]:
    device.supervisor.restart(_text(request, "name"))
    return {}


async def _stop(device: "CoreDevice", request: dict[str, Any], _send: Send) -> dict[str, Any]:
    device.supervisor.stop(_text(request, "name"))
    return {}


async def _watch(device: "CoreDevice", _request: dict[str, Any], send: Send) -> dict[str, Any]:
    await _send_states(device, send)
    return {}


async def _send_states(device: "CoreDevice", send: Send) -> None:
    """The state of every component, and every change of one, for ever."""
    changes: asyncio.Queue[tuple[str, str | None]] = asyncio.Queue()
    stop = device.supervisor.watch(lambda *change: changes.put_nowait(change))
    try:
        while True:
            name, state = await changes.get()
            if state is None:
                await send({"event": "removed", "name": name})
            else:
                await send({"event": "state", "name": name, "state": state})
    finally:
        stop()


# -- messages


async def _publish(device: "CoreDevice", request: dict[str, Any], _send: Send) -> dict[str, Any]:
    topic = _topic(request, "+#*")  # what PublishToTopic refuses
    reached = device.pubsub.publish(topic, _payload(request), CLI_IDENTITY)
    return {"reached": reached}


async def _subscribe(device: "CoreDevice", request: dict[str, Any], send: Send) -> dict[str, Any]:
    topic_filter = _topic_filter(request)
    messages = _Messages()

    def deliver(message: LocalMessage) -> None:
        json = message.json
        payload = msgspec.json.encode(json) if json is not None else message.binary or b""
        messages.put(message.topic, payload, publisher=message.publisher)

    unsubscribe = device.pubsub.subscribe(topic_filter, deliver, CLI_IDENTITY)
    return await messages.send_all(send, unsubscribe)


async def _publish_to_iot_core(
    device: "CoreDevice", request: dict[str, Any], _send: Send
) -> dict[str, Any]:
    qos = 0 if request.get("qos") == 0 else 1
    try:
        device.mqtt.publish(MqttMessage(_topic(request, "+#"), _payload(request), qos))
    except MqttRefused as refused:
        raise RequestError(str(refused)) from refused
    return {}


async def _subscribe_to_iot_core(
    device: "CoreDevice", request: dict[str, Any], send: Send
) -> dict[str, Any]:
    messages = _Messages()

    def deliver(message: MqttMessage) -> None:
        messages.put(message.topic, message.payload, qos=message.qos)

    try:
        unsubscribe = device.mqtt.subscribe(_topic_filter(request), deliver)
    except MqttRefused as refused:
        raise RequestError(str(refused)) from refused
    return await messages.send_all(send, unsubscribe)


class _Messages:
    """Messages on their way to a client, bounded."""

    def __init__(self) -> None:
        self._queue: asyncio.Queue[dict[str, Any]] = asyncio.Queue(_WAITING_MESSAGES)
        self._dropped = 0

    def put(self, topic: str, payload: bytes, **values: object) -> None:
        event = {"event": "message", "topic": topic, "payload": payload, **values}
        try:
            self._queue.put_nowait(event)
        except asyncio.QueueFull:
            self._dropped += 1

    async def send_all(self, send: Send, unsubscribe: Callable[[], None]) -> dict[str, Any]:
        """Send what comes, until the client goes."""
        try:
            await send({"event": "subscribed"})
            while True:
                await send(await self._queue.get())
                if self._dropped:
                    await send({"event": "dropped", "count": self._dropped})
                    self._dropped = 0
        finally:
            unsubscribe()


# -- faults


async def _disconnect(device: "CoreDevice", request: dict[str, Any], _send: Send) -> dict[str, Any]:
    name = _text(request, "name")
    device.supervisor.state(name)  # refuses an unknown one
    return {"connections": device.ipc.disconnect(name)}


VERBS: dict[str, Verb] = {
    "status": _status,
    "shutdown": _shutdown,
    "deployment.create": _create,
    "deployment.status": _deployment_status,
    "deployment.list": _deployment_list,
    "component.list": _list,
    "component.details": _details,
    "component.restart": _restart,
    "component.stop": _stop,
    "component.watch": _watch,
    "pubsub.pub": _publish,
    "pubsub.sub": _subscribe,
    "iotcore.pub": _publish_to_iot_core,
    "iotcore.sub": _subscribe_to_iot_core,
    "fault.disconnect": _disconnect,
}
