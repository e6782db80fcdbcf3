"""A core device's IPC socket in a thread of its own, and recorded conversations to hold it to."""

import asyncio
import json
import os
import secrets
import socket
import threading
import uuid
from collections.abc import Awaitable, Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import awsiot.greengrasscoreipc as v1
import pytest
from awsiot.greengrasscoreipc.clientv2 import GreengrassCoreIPCClientV2

from localcore.authorization import Authorizer
from localcore.config_store import ConfigStore
from localcore.deployment_target import Document
from localcore.deployments import DeploymentStatus
from localcore.errors import NotFoundError
from localcore.eventstream import Decoder, Frame, Header, HeaderType, encode
from localcore.mqtt import Mqtt
from localcore.personality import JAVA, Personality
from localcore.pubsub import PubSub
from localcore.secret_file import SecretFile
from localcore.server import IpcServer
from localcore.services import Services
from localcore.shadows import Shadows
from localcore.update_consent import UpdateConsent

T = TypeVar("T")

# What a healthy server never needs; a test that waits this long has failed.
PATIENCE_S = 20.0


class Supervisor:
    """The real ports' smallest honest implementation: tokens and reported states."""

    def __init__(self) -> None:
        self.components: dict[str, str] = {}
        self.states: list[tuple[str, str]] = []
        self.restarted: list[str] = []
        self.stopped: list[str] = []
        self.paused: set[str] = set()
        self.deployments: dict[str, DeploymentStatus] = {}
        # Components that this process is, to a nucleus that asks.
        self.by_name: set[str] = set()

    def launch(self, component: str) -> str:
        svcuid = secrets.token_hex(8).upper()
        self.components[svcuid] = component
        return svcuid

    def component_for_token(self, svcuid: str) -> str | None:
        return self.components.get(svcuid)

    def token_of_process(self, pid: int, component: str) -> str | None:
        if pid != os.getpid() or component not in self.by_name:
            return None
        return self.launch(component)

    def forget_tokens(self) -> None:
        self.components.clear()

    def report_state(self, component: str, state: str) -> None:
        self.states.append((component, state))

    def names(self) -> list[str]:
        return list(dict.fromkeys(self.components.values()))

    def state(self, name: str) -> str:
        return self._known(name, "RUNNING")

    def version(self, name: str) -> str:
        return self._known(name, "1.2.3")

    def restart(self, name: str) -> None:
        self.restarted.append(self._known(name, name))

    def stop(self, name: str) -> None:
        self.stopped.append(self._known(name, name))

    def pause(self, name: str) -> bool:
        running = self._known(name, name) not in self.paused
        self.paused.add(name)
        return running

    def resume(self, name: str) -> bool:
        paused = self._known(name, name) in self.paused
        self.paused.discard(name)
        return paused

    def _known(self, name: str, answer: str) -> str:
        if name not in self.components.values():
            raise NotFoundError(name)
        return answer

    def create(self, document: Document) -> str:
        deployment_id = str(uuid.uuid4())
        created_on = "2026-11-22T20:15:01.500000Z"
        self.deployments[deployment_id] = DeploymentStatus(
            deployment_id, "QUEUED", created_on, document
        )
        return deployment_id

    def cancel(self, deployment_id: str) -> None:
        self.status(deployment_id).status = "CANCELED"

    def status(self, deployment_id: str) -> DeploymentStatus:
        if deployment_id not in self.deployments:
            raise NotFoundError(deployment_id)
        return self.deployments[deployment_id]

    def statuses(self) -> list[DeploymentStatus]:
        return list(self.deployments.values())


class Core:
    """An IPC server on its own event loop; every method may be called from the test's thread."""

    def __init__(self, folder: Path, socket_path: Path, personality: Personality) -> None:
        self.socket_path = socket_path
        self.supervisor = Supervisor()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever)
        self._thread.start()
        config = self.call(lambda: ConfigStore(folder))
        self.services = Services(
            config=config,
            identities=self.supervisor,
            lifecycle=self.supervisor,
            deployments=self.supervisor,
            pubsub=PubSub(personality.local_topics),
            mqtt=Mqtt(),
            shadows=Shadows(config),
            consent=UpdateConsent(),
            secrets=SecretFile(folder, "eu-west-1"),
            authorizer=Authorizer(config, personality, "lab-thing"),
            personality=personality,
            thing_name="lab-thing",
            region="eu-west-1",
            root=folder,
        )
        self.server = IpcServer(self.services)
        self.start()

    def start(self) -> None:
        self.run(self.server.start(self.socket_path))

    def stop(self) -> None:
        self.run(self.server.close())

    def close(self) -> None:
        self.stop()
        self.call(self.services.config.close)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def run(self, awaitable: Awaitable[T]) -> T:
        async def wait() -> T:
            return await awaitable

        return asyncio.run_coroutine_threadsafe(wait(), self._loop).result(PATIENCE_S)

    def begin(self, awaitable: Awaitable[T]) -> "Future[T]":
        async def wait() -> T:
            return await awaitable

        return asyncio.run_coroutine_threadsafe(wait(), self._loop)

    def call(self, function: Callable[[], T]) -> T:
        async def wait() -> T:
            return function()

        return self.run(wait())

    def configure(self, component: str, configuration: dict[str, Any]) -> None:
        self.call(lambda: self.services.config.replace(component, configuration, 1.0))

    def grant(self, component: str, service: str, *resources: str) -> None:
        """The component may do everything of the service on these resources, and nothing else."""
        policy = {"operations": ["*"], "resources": list(resources)}
        self.configure(component, {"accessControl": {service: {f"{component}:1": policy}}})

    def connect(self, component: str) -> "RawClient":
        client = RawClient(self.socket_path)
        client.hello(self.supervisor.launch(component))
        return client


class RawClient:
    """Speaks event-stream RPC with our codec and nothing between."""

    def __init__(self, socket_path: Path) -> None:
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(PATIENCE_S)
        self.socket.connect(str(socket_path))
        self._decoder = Decoder()
        self._frames: list[Frame] = []
        self._last_stream_id = 0

    def __enter__(self) -> "RawClient":
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def close(self) -> None:
        self.socket.close()

    def send(self, data: bytes) -> None:
        self.socket.sendall(data)

    def hello(self, token: str) -> None:
        self.send(message(4, 0, payload={"authToken": token}, extra=[(":version", "0.1.0")]))
        acknowledgement = self.receive()
        assert fields(acknowledgement) == {":message-type": 5, ":message-flags": 1, ":stream-id": 0}

    def request(self, operation: str, content: Any) -> int:
        self._last_stream_id += 1
        self.send(request(self._last_stream_id, operation, content))
        return self._last_stream_id

    def ask(self, operation: str, content: Any) -> Frame:
        """Send a request and return the next frame that comes on its stream."""
        stream_id = self.request(operation, content)
        return self.receive_on(stream_id)

    def receive(self) -> Frame:
        """The next frame; EOFError when the server closed the connection."""
        while not self._frames:
            try:
                data = self.socket.recv(262_144)
            except ConnectionResetError:
                data = b""
            if not data:
                raise EOFError
            self._frames += self._decoder.feed(data)
        return self._frames.pop(0)

    def receive_on(self, stream_id: int) -> Frame:
        skipped: list[Frame] = []
        while True:
            frame = self.receive()
            if fields(frame)[":stream-id"] == stream_id:
                self._frames[:0] = skipped
                return frame
            skipped.append(frame)

    def fence(self) -> list[Frame]:
        """Everything the server sent before it answered a ping sent now."""
        self.send(message(2, 0))
        frames: list[Frame] = []
        while True:
            frame = self.receive()
            if fields(frame)[":message-type"] == 3:
                return frames
            frames.append(frame)

    def is_closed_by_server(self) -> bool:
        try:
            while True:
                self.receive()
        except EOFError:
            return True


def fields(frame: Frame) -> dict[str, Any]:
    return {header.name: header.value for header in frame.headers}


def content(frame: Frame) -> Any:
    return json.loads(frame.payload)


def message(
    kind: int,
    flags: int,
    stream_id: int = 0,
    payload: Any = b"",
    extra: list[tuple[str, str]] | None = None,
) -> bytes:
    headers = [Header(name, HeaderType.STRING, value) for name, value in extra or []]
    routing = ((":message-type", kind), (":message-flags", flags), (":stream-id", stream_id))
    headers += [Header(name, HeaderType.INT32, value) for name, value in routing]
    data = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
    return encode(Frame(tuple(headers), data))


def request(stream_id: int, operation: str, content: Any) -> bytes:
    extra = [
        ("operation", f"aws.greengrass#{operation}"),
        ("service-model-type", f"aws.greengrass#{operation}Request"),
        (":content-type", "application/json"),
    ]
    return message(0, 0, stream_id, content, extra)


# The device of the transcripts.
CONFIGURATION = {
    "mode": "normal",
    "rate": "5",
    "ratio": "0.25",
    "flag": "true",
    "nothing": "null",
    "nested": {"inner": {"k": "1", "list": ["1", "2", {"x": "y"}]}, "other": "z"},
    "CamelKey": "Value",
}
ALL = {"operations": ["*"], "resources": ["*"]}
ACCESS_CONTROL = {
    "aws.greengrass.ipc.pubsub": {
        "lab.Tester:pubsub:1": {
            "policyDescription": "lab topics",
            "operations": ["aws.greengrass#PublishToTopic", "aws.greengrass#SubscribeToTopic"],
            "resources": ["lab/*", "bench/*"],
        }
    },
    "aws.greengrass.ipc.mqttproxy": {
        "lab.Tester:mqttproxy:1": {
            "policyDescription": "cloud topics",
            "operations": ["aws.greengrass#PublishToIoTCore", "aws.greengrass#SubscribeToIoTCore"],
            "resources": ["lab/#"],
        }
    },
    "aws.greengrass.ShadowManager": {
        "lab.Tester:shadow:1": {"policyDescription": "shadows", **ALL}
    },
    "aws.greengrass.SecretManager": {
        "lab.Tester:secrets:1": {"policyDescription": "secrets", **ALL}
    },
    "aws.greengrass.Cli": {"lab.Tester:cli:1": {"policyDescription": "cli", **ALL}},
}
NUCLEUS = {"runWithDefault": {"posixUser": "gg_component:gg_component"}, "platformOverride": {}}
JSON_RECIPE = {
    "flag": True,
    "mode": "normal",
    "nested": {"inner": {"k": 1, "list": [1, 2, {"x": "y"}]}},
    "nothing": None,
    "rate": 5,
    "ratio": 0.25,
}


def configure_as_recorded(core: Core) -> None:
    core.configure("lab.Tester", {**CONFIGURATION, "accessControl": ACCESS_CONTROL})
    core.configure("lab.Other", CONFIGURATION)
    core.configure("lab.Json", JSON_RECIPE)
    core.configure("aws.greengrass.Nucleus", NUCLEUS)
    core.configure("aws.greengrass.NucleusLite", NUCLEUS)


class Wire:
    """The functions above for tests, which cannot import a conftest."""

    message = staticmethod(message)
    request = staticmethod(request)
    fields = staticmethod(fields)
    content = staticmethod(content)
    client = RawClient
    configure_as_recorded = staticmethod(configure_as_recorded)


@pytest.fixture
def wire() -> Wire:
    return Wire()


@pytest.fixture
def start_core(tmp_path: Path) -> Iterator[Callable[[Personality], Core]]:
    cores: list[Core] = []

    def start(personality: Personality) -> Core:
        folder = tmp_path / f"config-{len(cores)}"
        folder.mkdir()
        core = Core(folder, tmp_path / f"ipc-{len(cores)}.socket", personality)
        cores.append(core)
        return core

    yield start
    for core in cores:
        core.close()


@pytest.fixture
def core(start_core: Callable[[Personality], Core]) -> Core:
    """The Java personality; `lab.Tester` may use the topics that begin with `lab/`."""
    core = start_core(JAVA)
    core.grant("lab.Tester", "aws.greengrass.ipc.pubsub", "lab/*")
    return core


@pytest.fixture
def connect_v1(core: Any) -> Iterator[Callable[..., Any]]:
    clients: list[Any] = []

    def connect(component: str = "lab.Tester", watch: Any = None) -> Any:
        token = core.supervisor.launch(component)
        client = v1.connect(
            ipc_socket=str(core.socket_path), authtoken=token, lifecycle_handler=watch
        )
        clients.append(client)
        return client

    yield connect
    for client in clients:
        # The reason of a connection that ended otherwise is its exception.
        client.close().exception(PATIENCE_S)


@pytest.fixture
def connect_v2(connect_v1: Callable[..., Any]) -> Iterator[Callable[..., Any]]:
    executors: list[ThreadPoolExecutor] = []

    def connect(component: str = "lab.Tester") -> Any:
        # More workers would deliver messages out of order.
        executors.append(ThreadPoolExecutor(max_workers=1))
        return GreengrassCoreIPCClientV2(client=connect_v1(component), executor=executors[-1])

    yield connect
    for executor in executors:
        executor.shutdown()


@dataclass(frozen=True)
class Recording:
    """One recorded conversation: the lines of a transcript file."""

    name: str
    events: list[dict[str, Any]]

    @property
    def frames(self) -> list[dict[str, Any]]:
        return [event for event in self.events if event["event"] == "frame"]


@pytest.fixture(scope="session")
def recordings(shared_dir: Path) -> dict[str, Recording]:
    """Every transcript by its number, `t01` and so on."""
    found: dict[str, Recording] = {}
    for path in sorted((shared_dir / "transcripts" / "lite").glob("t*.jsonl")):
        events = [json.loads(line) for line in path.read_text().splitlines()]
        found[path.name[:3]] = Recording(path.name, events)
    assert found, f"no transcripts below {shared_dir}"
    return found
