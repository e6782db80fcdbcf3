"""Recorded conversations with a real nucleus lite, held again with localcore.

The recorded bytes of the client are sent request by request, with its dead tokens replaced by
living ones, and every frame that comes back is compared with the recorded one, field by field.
Where the Java personality answers differently, `DIFFERENCES` names what was recorded, what comes
instead and where that is written; a difference that is not in there fails, and so does one that is
in there and does not happen.
"""

import base64
import contextlib
import json
from dataclasses import dataclass
from typing import Any

import pytest

from localcore.eventstream import Decoder, Frame, Header, encode

JSON = "application/json"
ERROR_SERVICE = "aws.greengrass#GreengrassCoreIPC"

# The order of headers in frames that carry more than the three that route them.
LITE_ORDER = (
    ":message-type",
    ":message-flags",
    ":stream-id",
    ":content-type",
    "service-model-type",
)
JAVA_ORDER = (
    ":content-type",
    "service-model-type",
    ":message-type",
    ":message-flags",
    ":stream-id",
)


@dataclass(frozen=True)
class Difference:
    """In frame ``n`` of a transcript: by field, what was recorded and what comes instead.

    Fields are the headers' names, "order", the names of all headers in order, "payload", and
    "frame", which is "sent" or "missing".
    """

    transcript: str
    n: int
    fields: dict[str, tuple[Any, Any]]
    source: str


def refused(
    transcript: str,
    n: int,
    recorded: tuple[str, str],
    ours: tuple[str, str | None],
    source: str,
) -> Difference:
    """Both nuclei answer with an error, each in its own shape and words."""
    fields: dict[str, tuple[Any, Any]] = {"payload": (lite_error(*recorded), java_error(*ours))}
    if recorded[0] != ours[0]:
        fields["service-model-type"] = (
            f"aws.greengrass#{recorded[0]}",
            f"aws.greengrass#{ours[0]}",
        )
    return Difference(transcript, n, fields, source)


def lite_error(code: str, message: str) -> dict[str, str]:
    return {"_message": message, "_errorCode": code}


def java_error(code: str, message: str | None) -> dict[str, str]:
    error = {"_service": ERROR_SERVICE, "_errorCode": code}
    return error if message is None else {**error, "message": message, "_message": message}


def unreadable(transcript: str, n: int, operation: str, source: str) -> Difference:
    """Lite succeeds; the Java server cannot deserialise the request."""
    return Difference(
        transcript,
        n,
        {
            ":message-type": (0, 1),
            ":message-flags": (0, 2),
            ":content-type": (JSON, "text/plain"),
            "service-model-type": (f"aws.greengrass#{operation}Response", None),
            "order": (LITE_ORDER, tuple(n for n in JAVA_ORDER if n != "service-model-type")),
            "payload": ({}, "InternalServerError"),
        },
        source,
    )


INVALID = ("ServiceError", "Received invalid parameters.")
UNAUTHORIZED = ("UnauthorizedError", "IPC Operation not authorized.")
NOT_FOUND = ("ResourceNotFoundError", "Key not found.")

PUBLISH = "PubSubIPCEventStreamAgent.PublishToTopicOperationHandler"
HANDLER = "AuthorizationHandler.isAuthorized"
MQTT = "MqttProxyIPCAgent, UNAUTHORIZED_ERROR"
GET = "ConfigStoreIPCEventStreamAgent, KEY_NOT_FOUND_ERROR_MESSAGE"
GSON = "OperationContinuationHandler.handleAndSendError, after a DeserializationException: "


def denied(component: str, operation: str, topic: str) -> tuple[str, str]:
    return (
        "UnauthorizedError",
        (
            f"Principal {component} is not authorized to perform"
            f" aws.greengrass.ipc.pubsub:aws.greengrass#{operation} on resource {topic}"
        ),
    )


DIFFERENCES = [
    unreadable("t03", 16, "PublishToTopic", GSON + "JsonMessage.message is a Map, not a list"),
    unreadable("t03", 20, "PublishToTopic", GSON + "JsonMessage.message is a Map, not a string"),
    unreadable("t03", 24, "PublishToTopic", GSON + "JsonMessage.message is a Map, not a number"),
    Difference(
        "t03",
        28,
        {
            ":message-type": (0, 1),
            ":message-flags": (0, 2),
            "service-model-type": (
                "aws.greengrass#PublishToTopicResponse",
                "aws.greengrass#ServiceError",
            ),
            "payload": ({}, java_error("ServiceError", None)),
        },
        f"{PUBLISH}: Optional.of(null) throws, ExceptionUtil.translateExceptions",
    ),
    refused(
        "t03", 32, INVALID,
        ("InvalidArgumentsError", "Publish topic must not be null"),
        "WildcardTrie.matchesStandard(null) is true; handlePublishToTopicRequest",
    ),
    refused("t03", 36, INVALID, ("ServiceError", None), f"{PUBLISH}: NullPointerException"),
    Difference(
        "t03",
        40,
        {
            ":content-type": (JSON, "text/plain"),
            "service-model-type": ("aws.greengrass#ServiceError", None),
            "order": (LITE_ORDER, tuple(n for n in JAVA_ORDER if n != "service-model-type")),
            "payload": (lite_error(*INVALID), "InternalServerError"),
        },
        GSON + "PublishMessage.selfDesignateSetUnionMember",
    ),
    Difference(
        "t03",
        44,
        {
            ":message-type": (1, 0),
            "service-model-type": (
                "aws.greengrass#ServiceError",
                "aws.greengrass#PublishToTopicResponse",
            ),
            "payload": (lite_error(*INVALID), {}),
        },
        f"{PUBLISH}: no member of the union is let pass, both Optionals are empty",
    ),
    refused(
        "t03", 48, UNAUTHORIZED,
        ("UnauthorizedError", "Resource cannot be empty"), "AuthorizationModule.isPresent",
    ),
    Difference(
        "t03",
        52,
        {
            ":message-type": (0, 1),
            ":message-flags": (0, 2),
            "service-model-type": (
                "aws.greengrass#PublishToTopicResponse",
                "aws.greengrass#InvalidArgumentsError",
            ),
            "payload": (
                {},
                java_error("InvalidArgumentsError", "Publish topic must not contain a wildcard."),
            ),
        },
        "PubSubIPCEventStreamAgent.handlePublishToTopicRequest; fact: publish to a wildcard topic",
    ),
    Difference(
        "t03",
        56,
        {
            ":message-type": (1, 0),
            "service-model-type": (
                "aws.greengrass#ServiceError",
                "aws.greengrass#PublishToTopicResponse",
            ),
            "payload": (lite_error("ServiceError", "Failed to publish the message."), {}),
        },
        "PubSubIPCEventStreamAgent limits no local topic's length",
    ),
    unreadable("t04", 15, "PublishToTopic", GSON + "Base64BlobSerializerDeserializer"),
    Difference(
        "t05",
        8,
        {
            "payload": (
                {
                    "jsonMessage": {
                        "message": {"big": 12345678901234567, "f": 1.0, "n": 1, "u": "é"},
                        "context": {"topic": "lab/sub"},
                    }
                },
                {
                    "jsonMessage": {
                        "message": {"big": 1.2345678901234568e16, "f": 1.0, "n": 1.0, "u": "é"},
                        "context": {"topic": "lab/sub"},
                    }
                },
            )
        },
        "Gson, ToNumberPolicy.DOUBLE; fact: numbers can come back as floats (Java)",
    ),
    Difference(
        "t05",
        14,
        {
            "payload": (
                {"jsonMessage": {"message": {"self": 1}, "context": {"topic": "lab/sub"}}},
                {"jsonMessage": {"message": {"self": 1.0}, "context": {"topic": "lab/sub"}}},
            )
        },
        "Gson, ToNumberPolicy.DOUBLE; fact: numbers can come back as floats (Java)",
    ),
    refused("t08", 5, UNAUTHORIZED, denied("lab.Tester", "PublishToTopic", "secret/a"), HANDLER),
    refused("t08", 8, UNAUTHORIZED, denied("lab.Tester", "SubscribeToTopic", "secret/a"), HANDLER),
    refused("t08", 16, UNAUTHORIZED, denied("lab.Other", "PublishToTopic", "lab/a"), HANDLER),
    refused("t08", 19, UNAUTHORIZED, denied("lab.Other", "SubscribeToTopic", "lab/a"), HANDLER),
    refused("t08", 23, UNAUTHORIZED, ("UnauthorizedError", "Not Authorized"), MQTT),
    refused("t08", 26, UNAUTHORIZED, ("UnauthorizedError", "Not Authorized"), MQTT),
    *(
        refused("t09", n, NOT_FOUND, ("ResourceNotFoundError", "Key not found"), GET)
        for n in (29, 32, 47, 50, 59)
    ),
    Difference(
        "t09",
        35,
        {
            ":message-type": (1, 0),
            "service-model-type": (
                "aws.greengrass#ResourceNotFoundError",
                "aws.greengrass#GetConfigurationResponse",
            ),
            "payload": (
                lite_error(*NOT_FOUND),
                {"componentName": "lab.Tester", "value": {"CamelKey": "Value"}},
            ),
        },
        "Topics.children is keyed by CaseInsensitiveString, and a leaf comes with its own name",
    ),
    Difference(
        "t17",
        5,
        {
            "service-model-type": ("aws.greengrass#ServiceError", None),
            "order": (LITE_ORDER, tuple(n for n in JAVA_ORDER if n != "service-model-type")),
            "payload": (
                lite_error("ServiceError", ""),
                {
                    "error": "Unsupported Operation",
                    "message": "aws.greengrass#NoSuchThing is an unsupported operation.",
                },
            ),
        },
        "ServiceOperationMappingContinuationHandler.onIncomingStream",
    ),
    Difference(
        "t17",
        8,
        {
            ":message-type": (1, 6),
            ":message-flags": (2, 0),
            ":stream-id": (2, 0),
            "service-model-type": ("aws.greengrass#ServiceError", None),
            "order": (LITE_ORDER, tuple(n for n in JAVA_ORDER if n != "service-model-type")),
            "payload": (
                lite_error("ServiceError", ""),
                ('{ "message": "The first message for on a non-zero :stream-id must contain an'
                ' operation header value."; }'),
            ),
        },
        "aws-c-event-stream, s_missing_operation_name_error",
    ),
    Difference(
        "t17",
        11,
        {"frame": ("sent", "missing")},
        "aws-c-event-stream closes the connection after a protocol error"
        " (s_connection_error_message_flush_fn)",
    ),
]  # fmt: skip

# Differences that are in every frame of a kind; `systematic` says in which.
# Order: aws-c-event-stream, s_send_protocol_message: what routes comes last.
# Flag: OperationContinuationHandler, sendMessage(result, !isStreamingOperation()).
ONE_SHOT = {
    f"aws.greengrass#{operation}Response" for operation in ("GetConfiguration", "PublishToTopic")
}


def systematic(recorded: Frame, ours: Frame | None) -> dict[str, tuple[Any, Any]]:
    """What differs in this frame by law: the order of headers, the flag of one-shot replies."""
    if ours is None:
        return {}
    fields: dict[str, tuple[Any, Any]] = {}
    if names(recorded) == LITE_ORDER:
        fields["order"] = (LITE_ORDER, JAVA_ORDER)
    if described(recorded).get("service-model-type") in ONE_SHOT:
        fields[":message-flags"] = (0, 2)
    return fields


RECORDED_TOKENS = {"W87POYSQzIA7Hg7U": "lab.Tester", "SwucSE8nolJzofUL": "lab.Other"}


def names(frame: Frame) -> tuple[str, ...]:
    return tuple(header.name for header in frame.headers)


def described(frame: Frame) -> dict[str, Any]:
    """A frame's fields; the payload as JSON where it is JSON, an empty one as empty text."""
    fields: dict[str, Any] = {header.name: header.value for header in frame.headers}
    fields["order"] = names(frame)
    fields["payload"] = frame.payload.decode()
    if fields.get(":content-type") == JSON:
        with contextlib.suppress(ValueError):
            fields["payload"] = json.loads(frame.payload)
    return fields


def same(left: Any, right: Any) -> bool:
    """Equal with all types inside: 1 is not 1.0 and not True."""
    return json.dumps(left, sort_keys=True) == json.dumps(right, sort_keys=True)


def compare(recorded: Frame, ours: Frame | None) -> dict[str, tuple[Any, Any]]:
    if ours is None:
        return {"frame": ("sent", "missing")}
    before, after = described(recorded), described(ours)
    types_before = {header.name: header.type for header in recorded.headers}
    types_after = {header.name: header.type for header in ours.headers}
    fields = {
        name: (before.get(name), after.get(name))
        for name in before.keys() | after.keys()
        if not same(before.get(name), after.get(name))
    }
    for name in types_before.keys() & types_after.keys():
        assert types_before[name] == types_after[name], name
    return fields


class Replay:
    """Holds one recorded conversation with a core."""

    def __init__(self, core: Any, wire: Any, recording: Any) -> None:
        self._core = core
        self._wire = wire
        self._recording = recording
        self._tokens = {
            dead: core.supervisor.launch(name) for dead, name in RECORDED_TOKENS.items()
        }
        self._clients: dict[int, Any] = {}
        self._connected: set[int] = set()
        self._expected: dict[int, list[tuple[int, Frame]]] = {}
        self.found: dict[int, dict[str, tuple[Any, Any]]] = {}
        self.recorded: dict[int, tuple[Frame, Frame | None]] = {}
        self.dropped: set[int] = set()

    def run(self) -> None:
        for event in self._recording.events:
            match event:
                case {"event": "open", "conn": connection}:
                    self._clients[connection] = self._wire.client(self._core.socket_path)
                case {"event": "frame", "dir": "C>S", "conn": connection, "hex": data}:
                    self._settle()
                    self._send(connection, bytes.fromhex(data))
                case {"event": "frame", "dir": "S>C", "conn": connection, "n": n, "hex": data}:
                    (frame,) = Decoder().feed(bytes.fromhex(data))
                    self._expected.setdefault(connection, []).append((n, frame))
                case {"event": "note", "text": text} if text.startswith("second client"):
                    self._settle()
                    self._publish_as_second_client()
                case {"event": "close"}:
                    self._settle()
        for client in self._clients.values():
            client.close()

    def _send(self, connection: int, data: bytes) -> None:
        for dead, living in self._tokens.items():
            if dead.encode() in data:
                (frame,) = Decoder().feed(data)
                payload = frame.payload.replace(dead.encode(), living.encode())
                data = encode(Frame(frame.headers, payload))
                self._connected.add(connection)
        try:
            self._clients[connection].send(data)
        except BrokenPipeError:
            self._drop(connection)

    def _settle(self) -> None:
        """Compare what came since the last request with what was recorded, in any order."""
        for connection, client in self._clients.items():
            expected = self._expected.pop(connection, [])
            came = self._received(connection, client) if connection in self._connected else []
            for n, frame in expected:
                ours = self._take(came, frame)
                self.recorded[n] = (frame, ours)
                differing = compare(frame, ours)
                if differing:
                    self.found[n] = differing
            assert not came, f"{self._recording.name}: not recorded: {came}"

    def _received(self, connection: int, client: Any) -> list[Frame]:
        """All that the server has to say now: it answers a ping after everything else."""
        frames: list[Frame] = []
        try:
            client.send(self._wire.message(2, 0))
            while True:
                frame = client.receive()
                if self._wire.fields(frame)[":message-type"] == 3:
                    return frames
                frames.append(frame)
        except (EOFError, BrokenPipeError):
            self._drop(connection)
            return frames

    def _drop(self, connection: int) -> None:
        self._connected.discard(connection)
        self.dropped.add(connection)

    def _take(self, came: list[Frame], recorded: Frame) -> Frame | None:
        """The first frame on the recorded one's stream, or else the first."""
        stream = described(recorded)[":stream-id"]
        chosen = next((f for f in came if described(f)[":stream-id"] == stream), None)
        chosen = chosen or next(iter(came), None)
        if chosen is not None:
            came.remove(chosen)
        return chosen

    def _publish_as_second_client(self) -> None:
        """What the note in t05 says: JSON, then binary, then base64 that is none."""
        json_message = {"big": 12345678901234567, "f": 1.0, "n": 1, "u": "é"}
        binary = base64.b64encode(b"\x00\x01hello").decode()
        with self._core.connect("lab.Tester") as client:
            for content in (
                {"jsonMessage": {"message": json_message}},
                {"binaryMessage": {"message": binary}},
                {"binaryMessage": {"message": "!!!"}},
            ):
                client.ask("PublishToTopic", {"topic": "lab/sub", "publishMessage": content})


@pytest.mark.parametrize("number", ["t01", "t03", "t04", "t05", "t08", "t09", "t17"])
def test_a_recorded_conversation_goes_as_recorded_but_for_the_named_differences(
    number: str, core: Any, wire: Any, recordings: Any
) -> None:
    wire.configure_as_recorded(core)
    replay = Replay(core, wire, recordings[number])
    replay.run()
    expected: dict[int, dict[str, tuple[Any, Any]]] = {}
    for n, (recorded, ours) in replay.recorded.items():
        by_law = systematic(recorded, ours)
        if by_law:
            expected[n] = by_law
    for difference in DIFFERENCES:
        if difference.transcript == number:
            fields = {**expected.get(difference.n, {}), **difference.fields}
            expected[difference.n] = {k: v for k, v in fields.items() if not same(*v)}
    assert replay.recorded.keys() == {
        e["n"] for e in recordings[number].frames if e["dir"] == "S>C"
    }
    missing = {n for n, fields in expected.items() if "frame" in fields}
    by_n = {event["n"]: event["conn"] for event in recordings[number].frames}
    assert replay.dropped == {by_n[n] for n in missing}, "the server closed a connection"
    assert {n: exactly(f) for n, f in replay.found.items()} == {
        n: exactly(f) for n, f in expected.items()
    }


def exactly(fields: dict[str, tuple[Any, Any]]) -> dict[str, str]:
    """Comparable with all types inside."""
    return {name: json.dumps(values, sort_keys=True) for name, values in fields.items()}


def test_every_difference_is_named_once_and_with_its_source() -> None:
    named = [(difference.transcript, difference.n) for difference in DIFFERENCES]
    assert len(named) == len(set(named))
    assert all(difference.source for difference in DIFFERENCES)


def test_a_difference_in_type_is_a_difference() -> None:
    header = Header(":content-type", 7, JSON)  # type: ignore[arg-type]
    one, one_point_zero = Frame((header,), b'{"n":1}'), Frame((header,), b'{"n":1.0}')
    assert compare(one, one_point_zero) == {"payload": ({"n": 1}, {"n": 1.0})}
