"""What is dangerous on a real nucleus lite is dangerous with `--nucleus lite`, and logged."""

import json
from typing import Any

import pytest

from localcore.personality import LITE


@pytest.fixture
def lite(start_core: Any) -> Any:
    core = start_core(LITE)
    core.grant("lab.Tester", "aws.greengrass.ipc.pubsub", "lab/*")
    return core


def publish(**message: Any) -> dict[str, Any]:
    return {"topic": "lab/a", "publishMessage": message}


@pytest.mark.parametrize(
    ("fits", "kills"),
    [
        ({"l": list(range(42))}, {"l": list(range(43))}),
        ({f"k{n}": n for n in range(23)}, {f"k{n}": n for n in range(24)}),
    ],
)
def test_one_value_too_many_is_acknowledged_and_ends_every_subscription_without_a_word(
    lite: Any, wire: Any, caplog: pytest.LogCaptureFixture, fits: Any, kills: Any
) -> None:
    with lite.connect("lab.Tester") as client:
        client.ask("SubscribeToTopic", {"topic": "lab/a"})
        client.ask("SubscribeToTopic", {"topic": "lab/#"})
        for message in (fits, kills, {"lost": 1}):
            stream_id = client.request("PublishToTopic", publish(jsonMessage={"message": message}))
            assert wire.content(client.receive_on(stream_id)) == {}
        events = [client.receive() for _ in range(2)]
        assert {json.loads(e.payload)["jsonMessage"]["message"] == fits for e in events} == {True}
        assert lite.call(lambda: len(lite.services.pubsub)) == 0
    assert "publish UTF-8 JSON in a BinaryMessage" in caplog.text


def test_nine_small_objects_are_too_many_and_eight_are_not(lite: Any, wire: Any) -> None:
    item = {"m": 1, "v": 2}
    with lite.connect("lab.Tester") as client:
        client.ask("SubscribeToTopic", {"topic": "lab/a"})
        for count, left in ((8, 1), (9, 0)):
            stream_id = client.request(
                "PublishToTopic", publish(jsonMessage={"message": {"l": [item] * count}})
            )
            client.receive_on(stream_id)
            assert lite.call(lambda: len(lite.services.pubsub)) == left


def test_the_longest_string_and_binary_that_fit_a_frame_are_delivered(lite: Any, wire: Any) -> None:
    with lite.connect("lab.Tester") as client:
        client.ask("SubscribeToTopic", {"topic": "lab/a"})
        text = "x" * 9_600
        client.ask("PublishToTopic", publish(jsonMessage={"message": {"p": text}}))
        assert wire.content(client.receive_on(1))["jsonMessage"]["message"] == {"p": text}


def test_a_subscriber_that_does_not_read_stops_the_device_and_its_messages_are_lost(
    lite: Any, wire: Any, caplog: pytest.LogCaptureFixture
) -> None:
    # The real one waits 5 s for every message.
    stuck = lite.connect("lab.Tester")
    stuck.ask("SubscribeToTopic", {"topic": "lab/a"})
    for connection in lite.call(lambda: list(lite.server._connections)):
        connection._stall_s = 0.05
    message = publish(jsonMessage={"message": {"p": "x" * 9_000}})
    with lite.connect("lab.Tester") as client:
        for _ in range(200):
            assert wire.content(client.ask("PublishToTopic", message)) == {}
            if "messages lost" in caplog.text:
                break
        assert "every client waits" in caplog.text
        assert "lab.Tester does not read its messages" in caplog.text
        assert len(lite.call(lite.server.connections)) == 2
    stuck.close()


def test_nothing_is_spooled_offline(lite: Any, wire: Any) -> None:
    lite.grant("lab.Tester", "aws.greengrass.ipc.mqttproxy", "#")
    lite.services.mqtt.connected = False
    with lite.connect("lab.Tester") as client:
        content = {"topicName": "lab/c", "qos": "1", "payload": "QQ=="}
        frame = client.ask("PublishToIoTCore", content)
        assert wire.content(frame)["_message"] == "Failed to publish the message."
        assert lite.services.mqtt.spooled == 0


def test_a_restart_of_the_ipc_daemon_leaves_components_with_tokens_nobody_knows(
    lite: Any, wire: Any
) -> None:
    token = lite.supervisor.launch("lab.Tester")
    with wire.client(lite.socket_path) as client:
        client.hello(token)
        assert lite.call(lite.server.restart) == 1
        assert client.is_closed_by_server()
    with wire.client(lite.socket_path) as client:
        client.send(wire.message(4, 0, payload={"authToken": token}))
        assert client.is_closed_by_server()


def test_a_connection_may_hold_up_others_only_as_long_as_it_is_there(
    lite: Any, caplog: pytest.LogCaptureFixture
) -> None:
    with lite.connect("lab.Tester") as client:
        lite.call(lambda: lite.server.stall.begin("test", 0.01, "a test wants it"))
        assert client.ask("PublishToTopic", publish(jsonMessage={"message": {}}))
        assert not lite.call(lambda: lite.server.stall.active)
    assert "reason=a test wants it" in caplog.text
