"""Clients that speak the protocol by hand: what the AWS clients would never send."""

import json
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from localcore.personality import LITE


def publish(topic: str, **message: Any) -> dict[str, Any]:
    return {"topic": topic, "publishMessage": message}


def error_of(wire: Any, frame: Any) -> tuple[str, str | None]:
    fields = wire.fields(frame)
    assert (fields[":message-type"], fields[":message-flags"]) == (1, 2)
    content = wire.content(frame)
    assert content["_service"] == "aws.greengrass#GreengrassCoreIPC"
    assert fields["service-model-type"] == f"aws.greengrass#{content['_errorCode']}"
    assert content.get("message") == content.get("_message")
    return content["_errorCode"], content.get("message")


def test_the_socket_is_for_its_owner_alone(core: Any) -> None:
    assert stat.S_IMODE(core.socket_path.stat().st_mode) == 0o600


def test_a_socket_path_that_is_too_long_says_so(core: Any, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"may have 107; use a shorter --root"):
        core.run(core.server.start(tmp_path / ("x" * 120)))


def test_closing_removes_the_socket_and_may_be_done_again(core: Any) -> None:
    core.stop()
    core.stop()
    assert not core.socket_path.exists()


def test_a_socket_left_by_a_killed_daemon_is_replaced(core: Any) -> None:
    core.stop()
    core.socket_path.touch()
    core.start()
    core.connect("lab.Tester").close()


@pytest.mark.parametrize(
    "payload", [b"", b"nope", b"[]", b"{}", b'{"authToken":5}', b'{"authToken":"A"}', b"\xff"]
)
def test_a_refused_connect_is_told_and_then_closed(core: Any, wire: Any, payload: bytes) -> None:
    with wire.client(core.socket_path) as client:
        client.send(wire.message(4, 0, payload=payload, extra=[(":version", "0.1.0")]))
        assert wire.fields(client.receive())[":message-flags"] == 0
        assert client.is_closed_by_server()


def test_requests_glued_together_are_answered_in_order(core: Any, wire: Any) -> None:
    with core.connect("lab.Tester") as client:
        content = publish("lab/a", binaryMessage={"message": "QQ=="})
        requests = [wire.request(n, "PublishToTopic", content) for n in range(1, 101)]
        client.send(b"".join(requests))
        answers = [wire.fields(client.receive())[":stream-id"] for _ in requests]
        assert answers == list(range(1, 101))


def test_a_frame_that_comes_byte_by_byte_is_answered(core: Any, wire: Any) -> None:
    with core.connect("lab.Tester") as client:
        data = wire.request(1, "PublishToTopic", publish("lab/a", binaryMessage={"message": ""}))
        for byte in data:
            client.send(bytes((byte,)))
        assert wire.content(client.receive()) == {}


def test_a_message_of_twenty_megabytes_passes(core: Any, wire: Any) -> None:
    with core.connect("lab.Tester") as client:
        client.ask("SubscribeToTopic", {"topic": "lab/big"})
        stream_id = client.request(
            "PublishToTopic", publish("lab/big", binaryMessage={"message": "A" * 20_000_000})
        )
        assert len(client.receive_on(1).payload) > 20_000_000
        assert wire.content(client.receive_on(stream_id)) == {}


def test_an_operation_nobody_knows_is_unsupported_and_the_connection_lives(
    core: Any, wire: Any
) -> None:
    with core.connect("lab.Tester") as client:
        frame = client.ask("NoSuchThing", {})
        assert wire.content(frame) == {
            "error": "Unsupported Operation",
            "message": "aws.greengrass#NoSuchThing is an unsupported operation.",
        }
        assert client.ask("PublishToTopic", publish("lab/a", binaryMessage={"message": ""}))


@pytest.mark.parametrize("payload", [b"{oops", b"[]", b'{"topic": 5}', b"{} x", b'"\xff"'])
def test_an_unreadable_request_is_an_internal_server_error_and_the_connection_lives(
    core: Any, wire: Any, payload: bytes
) -> None:
    with core.connect("lab.Tester") as client:
        frame = client.ask("PublishToTopic", payload)
        assert wire.fields(frame)[":content-type"] == "text/plain"
        assert frame.payload == b"InternalServerError"
        assert client.fence() == []


@pytest.mark.parametrize("depth", [300, 100_000])
def test_json_nested_too_deep_is_refused_and_the_server_lives(
    core: Any, wire: Any, depth: int
) -> None:
    with core.connect("lab.Tester") as client:
        nested = b'{"a":' * depth + b"1" + b"}" * depth
        content = b'{"topic":"lab/a","publishMessage":{"jsonMessage":{"message":%s}}}' % nested
        assert client.ask("PublishToTopic", content).payload == b"InternalServerError"
        assert client.fence() == []


def test_an_event_from_the_client_on_a_subscription_closes_it(core: Any, wire: Any) -> None:
    with core.connect("lab.Tester") as client:
        client.ask("SubscribeToTopic", {"topic": "lab/a"})
        client.send(wire.message(0, 0, 1, {}))
        assert client.receive().payload == b"InternalServerError"
        client.ask("PublishToTopic", publish("lab/a", binaryMessage={"message": ""}))
        assert client.fence() == []
        assert core.call(lambda: len(core.services.pubsub)) == 0


@pytest.mark.parametrize(
    ("content", "code", "message"),
    [
        ({"publishMessage": {"jsonMessage": {"message": {}}}}, "InvalidArgumentsError", "null"),
        (publish("lab/+", jsonMessage={"message": {}}), "InvalidArgumentsError", "wildcard"),
        (publish("lab/a*", jsonMessage={"message": {}}), "InvalidArgumentsError", "wildcard"),
        (publish("", jsonMessage={"message": {}}), "UnauthorizedError", "cannot be empty"),
    ],
)
def test_publishing_is_validated(
    core: Any, wire: Any, content: dict[str, Any], code: str, message: str
) -> None:
    with core.connect("lab.Tester") as client:
        got_code, got_message = error_of(wire, client.ask("PublishToTopic", content))
        assert got_code == code
        assert got_message is not None
        assert message in got_message


@pytest.mark.parametrize(
    ("operation", "content"),
    [
        ("PublishToTopic", {"topic": "lab/a"}),
        ("PublishToTopic", publish("lab/a", jsonMessage={"message": None})),
        ("PublishToTopic", b""),
        ("UpdateState", {}),
        ("UpdateState", {"state": "NEW"}),
    ],
)
def test_where_the_nucleus_stumbles_the_error_has_no_message(
    core: Any, wire: Any, operation: str, content: Any
) -> None:
    with core.connect("lab.Tester") as client:
        assert error_of(wire, client.ask(operation, content)) == ("ServiceError", None)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({}, "Topic is required"),
        ({"topicName": "lab/a"}, "Payload is required"),
        ({"topicName": "lab/a", "payload": ""}, "QoS is required"),
        ({"topicName": "lab/a", "payload": "", "qos": "2"}, "Invalid QoS value: 2"),
    ],
)
def test_iot_core_publishing_is_validated(
    core: Any, wire: Any, content: dict[str, str], message: str
) -> None:
    core.grant("lab.Tester", "aws.greengrass.ipc.mqttproxy", "lab/#")
    with core.connect("lab.Tester") as client:
        frame = client.ask("PublishToIoTCore", content)
        assert error_of(wire, frame) == ("InvalidArgumentsError", message)


def test_a_subscription_to_a_filter_outside_iot_cores_quotas_names_the_reason(
    core: Any, wire: Any
) -> None:
    core.grant("lab.Tester", "aws.greengrass.ipc.mqttproxy", "#")
    with core.connect("lab.Tester") as client:
        content = {"topicName": "1/2/3/4/5/6/7/8/9", "qos": "1"}
        code, message = error_of(wire, client.ask("SubscribeToIoTCore", content))
        assert code == "ServiceError"
        assert message is not None
        assert message.endswith("must have no more than 7 forward slashes (/)")


def test_a_component_without_configuration_cannot_update_it(core: Any, wire: Any) -> None:
    with core.connect("lab.Nobody") as client:
        content = {"timestamp": 1.5, "valueToMerge": {"a": 1}}
        frame = client.ask("UpdateConfiguration", content)
        expected = "Component config not found for component lab.Nobody"
        assert error_of(wire, frame) == ("InvalidArgumentsError", expected)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"valueToMerge": {}}, "Timestamp is required"),
        ({"timestamp": 1.0}, "ValueToMerge is required"),
    ],
)
def test_configuration_updates_are_validated(
    core: Any, wire: Any, content: dict[str, Any], message: str
) -> None:
    with core.connect("lab.Tester") as client:
        frame = client.ask("UpdateConfiguration", content)
        assert error_of(wire, frame) == ("InvalidArgumentsError", message)


def test_following_what_is_missing_is_not_found(core: Any, wire: Any) -> None:
    with core.connect("lab.Tester") as client:
        for content in ({"keyPath": ["missing"]}, {"componentName": "no.Such"}):
            frame = client.ask("SubscribeToConfigurationUpdate", content)
            assert error_of(wire, frame) == ("ResourceNotFoundError", "Key not found")


def test_subscriptions_end_with_their_connection(core: Any, wire: Any) -> None:
    with core.connect("lab.Tester") as client:
        client.ask("SubscribeToTopic", {"topic": "lab/a"})
        client.ask("SubscribeToTopic", {"topic": "lab/#"})
        assert core.call(lambda: len(core.services.pubsub)) == 2
        core.call(lambda: core.server.disconnect("lab.Tester"))
        assert client.is_closed_by_server()
    assert core.call(lambda: len(core.services.pubsub)) == 0
    assert core.call(core.server.connections) == []


def test_a_message_too_long_for_a_frame_is_dropped_and_told(
    core: Any, wire: Any, caplog: pytest.LogCaptureFixture
) -> None:
    with core.connect("lab.Tester") as client:
        client.ask("SubscribeToTopic", {"topic": "lab/a"})
        core.call(lambda: core.services.pubsub.publish("lab/a", bytes(20_000_000), "cli"))
        core.call(lambda: core.services.pubsub.publish("lab/a", b"fits", "cli"))
        assert wire.content(client.receive())["binaryMessage"]["message"] == "Zml0cw=="
    assert "event dropped: component=lab.Tester" in caplog.text


def test_lite_accepts_fifty_connections_and_ninety_nine_subscriptions(
    start_core: Callable[..., Any], wire: Any
) -> None:
    core = start_core(LITE)
    core.grant("lab.Tester", "aws.greengrass.ipc.pubsub", "lab/*")
    clients = [core.connect("lab.Tester") for _ in range(50)]
    with wire.client(core.socket_path) as one_more:
        assert one_more.is_closed_by_server()
    for n in range(99):
        frame = clients[0].ask("SubscribeToTopic", {"topic": f"lab/{n}"})
        assert wire.fields(frame)[":message-type"] == 0
    refused = clients[0].ask("SubscribeToTopic", {"topic": "lab/99"})
    assert json.loads(refused.payload)["_message"] == "Failed to bind subscription."
    for client in clients:
        client.close()


def test_lite_says_nothing_to_a_client_it_refuses(
    start_core: Callable[..., Any], wire: Any
) -> None:
    core = start_core(LITE)
    with wire.client(core.socket_path) as client:
        client.send(wire.message(4, 0, payload={"authToken": "A"}))
        with pytest.raises(EOFError):
            client.receive()


def test_lite_knows_its_own_operations_only(start_core: Callable[..., Any], wire: Any) -> None:
    core = start_core(LITE)
    with core.connect("lab.Tester") as client:
        frame = client.ask("ListComponents", {})
        assert wire.fields(frame)["service-model-type"] == "aws.greengrass#ServiceError"
