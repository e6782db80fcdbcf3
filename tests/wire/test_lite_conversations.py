"""Every recorded conversation with a real nucleus lite, held again with `--nucleus lite`.

The recorded bytes of the client are sent request by request, dead tokens replaced by living ones;
what the notes say happened beside the connection is done, too. On every stream of every connection
the same frames must come in the same order, equal byte for byte, tokens and ids of deployments
aside, and the same connections must be closed by the server. How events and answers are mixed
varies from run to run on the real one. `NOT_HELD` names what cannot hold.
"""

import json
import re
from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from localcore.eventstream import Decoder, Frame, encode
from localcore.mqtt import MqttMessage
from localcore.personality import LITE

RECORDED_TOKENS = {
    "W87POYSQzIA7Hg7U": "lab.Tester",
    "Xe8rRcVOKwq/FIfU": "lab.Tester",
    "wCK3RJiWBvCQWEq9": "lab.Tester",
    "SwucSE8nolJzofUL": "lab.Other",
    "ZbzCE7hVibAnWlck": "lab.ByName",
}
OFFLINE = {"t14", "t28"}
# A stream no recording uses, and an operation nobody has: the answer says all before it is done.
FENCE = 0x0FE2CE


@dataclass(frozen=True)
class NotHeld:
    """On that stream of a transcript's connection 1, ``recorded`` frames came and ``ours`` do."""

    transcript: str
    stream_id: int
    recorded: list[Any]
    ours: list[Any]
    reason: str


RESPONSE: dict[str, Any] = {}
ONE_PROCESS = "lite's daemons are one process here: none can be down, or lose its state, alone"
TWO_COPIES = (
    "the recorded broker, mosquitto, sent a copy for each of two overlapping subscriptions; AWS IoT"
    " Core, which localcore stands for, sends one"
)


def failed(code: str, message: str) -> dict[str, str]:
    return {"_message": message, "_errorCode": code}


def from_cloud(topic: str, payload: str) -> dict[str, Any]:
    return {"message": {"topicName": topic, "payload": payload}}


TWICE = from_cloud("lab/cloud/a/x", "e30=")
BEFORE = [RESPONSE, from_cloud("lab/cloud/1", "AP9oZWxsbw==")]
AFTER = [
    from_cloud("lab/cloud/e", ""),
    from_cloud("lab/cloud/p", "cA=="),
    from_cloud("lab/cloud/down", "ZnJvbSBicm9rZXI="),
]
N5 = {"jsonMessage": {"message": {"n": 5}, "context": {"topic": "lab/r"}}}
N3 = {"jsonMessage": {"message": {"n": 3}, "context": {"topic": "lab/r"}}}
N4 = {"jsonMessage": {"message": {"n": 4}, "context": {"topic": "lab/r"}}}
CONFIG_EVENT = {"configurationUpdateEvent": {"componentName": "lab.Tester", "keyPath": ["zz", "v"]}}
MODE = {"componentName": "lab.Tester", "value": {"mode": "normal"}}

NOT_HELD = [
    NotHeld(
        "t22", 6, [failed("ServiceError", "Failed to publish the message.")], [RESPONSE],
        ONE_PROCESS,
    ),
    NotHeld(
        "t22", 7, [failed("ServiceError", "Failed to bind subscription.")], [RESPONSE], ONE_PROCESS
    ),
    NotHeld("t22", 4, [RESPONSE, N3], [RESPONSE, N3, N4, N5], ONE_PROCESS),
    NotHeld("t23", 1, [RESPONSE], [RESPONSE, CONFIG_EVENT], ONE_PROCESS),
    NotHeld(
        "t23", 4, [failed("UnauthorizedError", "IPC Operation not authorized.")], [RESPONSE],
        ONE_PROCESS,
    ),
    NotHeld("t23", 5, [failed("ServiceError", "")], [MODE], ONE_PROCESS),
    NotHeld(
        "t27", 1, [*BEFORE, TWICE, TWICE, *AFTER], [*BEFORE, TWICE, *AFTER], TWO_COPIES
    ),
    NotHeld("t27", 2, [RESPONSE, TWICE, TWICE], [RESPONSE, TWICE], TWO_COPIES),
]  # fmt: skip


@dataclass
class Held:
    """What came on each stream of each connection, and which connections the server closed."""

    frames: dict[tuple[int, int], list[Frame]] = field(default_factory=lambda: defaultdict(list))
    closed: set[int] = field(default_factory=set)


def recorded(recording: Any) -> Held:
    held = Held()
    first_closed: dict[int, str] = {}
    for event in recording.events:
        match event:
            case {"event": "frame", "dir": "S>C", "conn": connection, "hex": data}:
                (frame,) = Decoder().feed(bytes.fromhex(data))
                held.frames[connection, stream_of(frame)].append(frame)
            case {"event": "close" | "write-failed", "conn": connection, "dir": side}:
                # The tap could not write where nobody read any more.
                first_closed.setdefault(connection, side)
    held.closed = {c for c, side in first_closed.items() if side == "S>C"}
    if recording.name.startswith("t25"):
        # Refused, and noticed in writing; and one that its client left.
        held.closed = {1}
    return held


def stream_of(frame: Frame) -> int:
    return next(int(h.value) for h in frame.headers if h.name == ":stream-id")


class Replay:
    """Holds one conversation with a core."""

    def __init__(self, core: Any, wire: Any, recording: Any) -> None:
        self._core = core
        self._wire = wire
        self._recording = recording
        self._theirs = recorded(recording)
        self._number = recording.name[:3]
        self._tokens = {
            dead: core.supervisor.launch(name) for dead, name in RECORDED_TOKENS.items()
        }
        self._clients: dict[int, Any] = {}
        self._extra: list[Any] = []
        self._topic = ""
        self._small = 0
        self.held = Held()

    def run(self) -> Held:
        for event in self._recording.events:
            match event:
                case {"event": "open", "conn": connection}:
                    self._close_extra(connection)
                    self._clients[connection] = self._wire.client(self._core.socket_path)
                case {"event": "frame", "dir": "C>S", "conn": connection, "hex": data}:
                    self._settle()
                    self._send(connection, bytes.fromhex(data))
                case {"event": "note", "text": text}:
                    self._settle()
                    self._note(text)
                case {"event": "close", "dir": "C>S", "conn": connection}:
                    self._settle()
                    if connection in self._clients and connection not in self._theirs.closed:
                        self._clients.pop(connection).close()
        self._settle()
        for client in [*self._clients.values(), *self._extra]:
            client.close()
        return self.held

    def _send(self, connection: int, data: bytes) -> None:
        for dead, living in self._tokens.items():
            if dead.encode() in data:
                (frame,) = Decoder().feed(data)
                payload = frame.payload.replace(dead.encode(), living.encode())
                data = encode(Frame(frame.headers, payload))
        if b"#SubscribeToTopic" in data:
            (frame,) = Decoder().feed(data)
            self._topic, self._small = json.loads(frame.payload)["topic"], 0
        try:
            self._clients[connection].send(data)
        except (BrokenPipeError, ConnectionResetError):
            self._drop(connection)
            return
        if (connection, 0) not in self.held.frames:
            # Only the answer says that the CONNECT was read.
            self._receive(connection, 0)

    def _settle(self) -> None:
        for connection in list(self._clients):
            if (connection, 0) in self.held.frames:
                try:
                    self._clients[connection].send(self._wire.request(FENCE, "localcore#Fence", {}))
                except (BrokenPipeError, ConnectionResetError):
                    self._drop(connection)
                else:
                    self._receive(connection, FENCE)

    def _receive(self, connection: int, until: int) -> None:
        while True:
            try:
                frame = self._clients[connection].receive()
            except EOFError:
                self._drop(connection)
                return
            stream_id = stream_of(frame)
            if stream_id == until == FENCE:
                return
            self.held.frames[connection, stream_id].append(frame)
            if stream_id == until:
                return

    def _drop(self, connection: int) -> None:
        self._clients.pop(connection).close()
        self.held.closed.add(connection)

    # -- what happened beside

    def _note(self, text: str) -> None:
        result = re.match(r"client-side result of \[publish (.*?)\]", text)
        if text.startswith("second client"):
            self._publish("lab/sub", {"big": 12345678901234567, "f": 1.0, "n": 1, "u": "é"})
            # The base64 that is none left no trace in t05; t04 has the nucleus take it unseen.
            self._ask("lab/sub", {"binaryMessage": {"message": "AAFoZWxsbw=="}})
        elif self._number == "t07" and text.startswith("publish to "):
            topic = text.removeprefix("publish to ")
            self._publish(topic, {"t": topic})
        elif self._number == "t26" and result:
            self._publish_values(result[1])
        elif self._number == "t30" and result:
            self._ask("lab/num", b'{"jsonMessage":{"message":{"v":%s}}}' % result[1].encode())
        elif text.startswith("message from the broker side"):
            message = MqttMessage("lab/cloud/down", b"from broker")
            self._core.call(lambda: self._core.services.mqtt.publish(message))
        elif text.startswith("ran: systemctl restart ggl.core.ggpubsubd"):
            self._core.call(self._core.services.pubsub.lose_subscriptions)
        elif text.startswith("ran: systemctl restart ggl.core.ggipcd"):
            self._core.call(self._core.server.restart)
        elif text.startswith("50 extra connections"):
            self._extra = [self._core.connect("lab.Tester") for _ in range(50)]
        elif self._number == "t25" and "with all those subscriptions" in text:
            self._publish("lab/many/0", {})

    def _publish_values(self, what: str) -> None:
        if what == "small":
            self._small += 1
            self._publish(self._topic, {"i": self._small})
        else:
            count = int(re.findall(r"\d+", what)[0])
            self._publish(self._topic, {"l": list(range(count))})

    def _publish(self, topic: str, message: dict[str, Any]) -> None:
        self._ask(topic, {"jsonMessage": {"message": message}})

    def _ask(self, topic: str, content: Any) -> None:
        if not isinstance(content, bytes):
            content = json.dumps(content, ensure_ascii=False).encode()
        payload = b'{"topic":%s,"publishMessage":%s}' % (json.dumps(topic).encode(), content)
        with self._core.connect("lab.Tester") as client:
            client.ask("PublishToTopic", payload)
        self._settle()

    def _close_extra(self, connection: int) -> None:
        if connection == 2:
            while self._extra:
                self._extra.pop().close()
            self._core.call(lambda: None)


def comparable(frame: Frame) -> Any:
    """All of a frame but tokens and ids."""
    payload = re.sub(rb'("deploymentId":")[^"]*', rb"\1", frame.payload)
    headers = tuple((h.name, h.type, "" if h.name == "svcuid" else h.value) for h in frame.headers)
    return headers, payload


def comparable_streams(held: Held) -> dict[tuple[int, int, bool], list[Any]]:
    """By connection, stream and whether they are answers."""
    streams: dict[tuple[int, int, bool], list[Any]] = defaultdict(list)
    for (connection, stream_id), frames in held.frames.items():
        for frame in frames:
            shape = next((h.value for h in frame.headers if h.name == "service-model-type"), None)
            is_answer = shape is None or str(shape).endswith(("Response", "Error"))
            streams[connection, stream_id, is_answer].append(comparable(frame))
    return streams


def contents(frames: list[Frame]) -> list[Any]:
    return [json.loads(frame.payload) for frame in frames]


@pytest.mark.parametrize("number", [f"t{n:02}" for n in range(1, 31)])
def test_a_recorded_conversation_goes_as_recorded(
    number: str, start_core: Any, wire: Any, recordings: Any
) -> None:
    core = start_core(LITE)
    core.services.thing_name, core.services.root = "lab-core", Path("/var/lib/greengrass")
    core.supervisor.by_name.add("lab.ByName")
    wire.configure_as_recorded(core)
    if number in OFFLINE:
        core.services.mqtt.connected = False
    theirs = recorded(recordings[number])
    ours = Replay(core, wire, recordings[number]).run()
    for difference in NOT_HELD:
        if difference.transcript == number:
            key = (1, difference.stream_id)
            assert contents(theirs.frames.pop(key)) == difference.recorded
            assert contents(ours.frames.pop(key)) == difference.ours
    assert comparable_streams(ours) == comparable_streams(theirs)
    assert ours.closed == theirs.closed
