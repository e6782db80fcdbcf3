"""The unmodified awsiotsdk, V1 and V2, against a core over a real socket."""

import logging
import threading
from datetime import UTC, datetime
from queue import Queue
from typing import Any

import awsiot.greengrasscoreipc as v1
import pytest
from awsiot.eventstreamrpc import (
    AccessDeniedError,
    ConnectionClosedError,
    LifecycleHandler,
)
from awsiot.greengrasscoreipc import client as handlers
from awsiot.greengrasscoreipc import model

PATIENCE_S = 20.0
MQTT = "aws.greengrass.ipc.mqttproxy"


class Watch(LifecycleHandler):  # type: ignore[misc]
    """Notes when the connection is lost."""

    def __init__(self) -> None:
        self.disconnected = threading.Event()

    def on_disconnect(self, reason: Exception | None) -> None:
        self.disconnected.set()


class Inbox(handlers.SubscribeToTopicStreamHandler):  # type: ignore[misc]
    """A V1 stream handler that queues."""

    def __init__(self) -> None:
        self.events: Queue[Any] = Queue()

    def on_stream_event(self, event: Any) -> None:
        self.events.put(event)

    def on_stream_error(self, error: Exception) -> bool:
        self.events.put(error)
        return True

    def on_stream_closed(self) -> None:
        self.events.put(None)


def binary(data: bytes) -> Any:
    return model.PublishMessage(binary_message=model.BinaryMessage(message=data))


def json_message(value: dict[str, Any]) -> Any:
    return model.PublishMessage(json_message=model.JsonMessage(message=value))


def publish_v1(client: Any, topic: str, message: Any) -> Any:
    operation = client.new_publish_to_topic()
    operation.activate(model.PublishToTopicRequest(topic=topic, publish_message=message))
    return operation.get_response()


def subscribe_v1(client: Any, topic: str, **options: Any) -> tuple[Any, Inbox]:
    inbox = Inbox()
    operation = client.new_subscribe_to_topic(inbox)
    operation.activate(model.SubscribeToTopicRequest(topic=topic, **options)).result(PATIENCE_S)
    operation.get_response().result(PATIENCE_S)
    return operation, inbox


def test_an_unknown_token_is_refused(core: Any) -> None:
    with pytest.raises(AccessDeniedError):
        v1.connect(ipc_socket=str(core.socket_path), authtoken="AAAAAAAAAAAAAAAA")


def test_v1_publishes_and_receives_json_and_binary(connect_v1: Any) -> None:
    client = connect_v1()
    _, inbox = subscribe_v1(client, "lab/a")
    publish_v1(client, "lab/a", json_message({"text": "é✓", "list": [1.5, None, True]})).result(
        PATIENCE_S
    )
    publish_v1(client, "lab/a", binary(bytes(range(256)))).result(PATIENCE_S)
    first = inbox.events.get(timeout=PATIENCE_S)
    assert first.json_message.message == {"text": "é✓", "list": [1.5, None, True]}
    assert first.json_message.context.topic == "lab/a"
    second = inbox.events.get(timeout=PATIENCE_S)
    assert second.binary_message.message == bytes(range(256))
    assert second.binary_message.context.topic == "lab/a"


def test_v2_publishes_and_receives_json_and_binary(connect_v2: Any) -> None:
    client = connect_v2()
    events: Queue[Any] = Queue()
    client.subscribe_to_topic(topic="lab/a", on_stream_event=events.put)
    client.publish_to_topic(topic="lab/a", publish_message=json_message({"k": "v"}))
    client.publish_to_topic(topic="lab/a", publish_message=binary(b"\x00\xff"))
    assert events.get(timeout=PATIENCE_S).json_message.message == {"k": "v"}
    assert events.get(timeout=PATIENCE_S).binary_message.message == b"\x00\xff"


def test_whole_numbers_arrive_as_floats_as_from_the_java_nucleus(connect_v2: Any) -> None:
    client = connect_v2()
    events: Queue[Any] = Queue()
    client.subscribe_to_topic(topic="lab/a", on_stream_event=events.put)
    client.publish_to_topic(topic="lab/a", publish_message=json_message({"n": 3}))
    assert repr(events.get(timeout=PATIENCE_S).json_message.message["n"]) == "3.0"


def test_wildcards_deliver_the_real_topic(connect_v1: Any) -> None:
    publisher, subscriber = connect_v1("lab.Tester"), connect_v1("lab.Tester")
    mode = model.ReceiveMode.RECEIVE_ALL_MESSAGES
    _, one_level = subscribe_v1(subscriber, "lab/+/x", receive_mode=mode)
    _, the_rest = subscribe_v1(subscriber, "lab/#", receive_mode=mode)
    for topic in ("lab/1/x", "lab/1/y", "lab/1/x/z", "lab/2/x"):
        publish_v1(publisher, topic, binary(topic.encode())).result(PATIENCE_S)
    got = [the_rest.events.get(timeout=PATIENCE_S).binary_message for _ in range(4)]
    assert [m.context.topic for m in got] == ["lab/1/x", "lab/1/y", "lab/1/x/z", "lab/2/x"]
    got = [one_level.events.get(timeout=PATIENCE_S).binary_message for _ in range(2)]
    assert [m.context.topic for m in got] == ["lab/1/x", "lab/2/x"]
    assert one_level.events.empty()


def test_a_wildcard_subscription_skips_the_components_own_messages(
    core: Any, connect_v1: Any
) -> None:
    core.grant("lab.Other", "aws.greengrass.ipc.pubsub", "lab/*")
    tester, other = connect_v1("lab.Tester"), connect_v1("lab.Other")
    _, inbox = subscribe_v1(tester, "lab/#")
    publish_v1(tester, "lab/own", binary(b"own")).result(PATIENCE_S)
    publish_v1(other, "lab/other", binary(b"other")).result(PATIENCE_S)
    assert inbox.events.get(timeout=PATIENCE_S).binary_message.message == b"other"


def test_five_thousand_messages_arrive_once_and_in_order(connect_v1: Any) -> None:
    publisher, subscriber = connect_v1(), connect_v1()
    _, inbox = subscribe_v1(subscriber, "lab/order")
    answers = [publish_v1(publisher, "lab/order", binary(b"%d" % n)) for n in range(5_000)]
    for answer in answers:
        answer.result(PATIENCE_S)
    got = [int(inbox.events.get(timeout=PATIENCE_S).binary_message.message) for _ in answers]
    assert got == list(range(5_000))
    assert inbox.events.empty()


def test_nothing_arrives_after_the_subscription_is_closed(connect_v1: Any) -> None:
    client = connect_v1()
    closed, closed_inbox = subscribe_v1(client, "lab/a")
    closed.close().result(PATIENCE_S)
    assert closed_inbox.events.get(timeout=PATIENCE_S) is None
    _, inbox = subscribe_v1(client, "lab/a")
    publish_v1(client, "lab/a", binary(b"x")).result(PATIENCE_S)
    assert inbox.events.get(timeout=PATIENCE_S).binary_message.message == b"x"
    assert closed_inbox.events.empty()


def test_what_is_not_granted_is_unauthorized_and_says_what(connect_v2: Any) -> None:
    client = connect_v2()
    with pytest.raises(model.UnauthorizedError) as refused:
        client.publish_to_topic(topic="secret/a", publish_message=binary(b""))
    assert "aws.greengrass.ipc.pubsub:aws.greengrass#PublishToTopic on resource secret/a" in str(
        refused.value.message
    )
    with pytest.raises(model.UnauthorizedError):
        client.subscribe_to_topic(topic="#", on_stream_event=print)
    client.publish_to_topic(topic="lab/a", publish_message=binary(b""))


def test_a_deployment_that_changes_access_control_takes_effect(core: Any, connect_v2: Any) -> None:
    client = connect_v2()
    client.publish_to_topic(topic="lab/a", publish_message=binary(b""))
    core.grant("lab.Tester", "aws.greengrass.ipc.pubsub", "else/*")
    with pytest.raises(model.UnauthorizedError):
        client.publish_to_topic(topic="lab/a", publish_message=binary(b""))
    client.publish_to_topic(topic="else/a", publish_message=binary(b""))


def test_configuration_is_read_updated_and_followed(core: Any, connect_v2: Any) -> None:
    core.configure("lab.Tester", {"mode": "normal", "nested": {"Deep": [1, 2]}})
    client = connect_v2()
    assert client.get_configuration(key_path=["mode"]).value == {"mode": "normal"}
    assert client.get_configuration(key_path=["nested", "deep"]).value == {"Deep": [1, 2]}
    events: Queue[Any] = Queue()
    client.subscribe_to_configuration_update(key_path=["nested"], on_stream_event=events.put)
    client.update_configuration(
        key_path=["nested"], timestamp=datetime.now(UTC), value_to_merge={"added": 1, "other": "x"}
    )
    changed = [events.get(timeout=PATIENCE_S).configuration_update_event for _ in range(2)]
    assert {tuple(event.key_path) for event in changed} == {
        ("nested", "added"),
        ("nested", "other"),
    }
    assert {event.component_name for event in changed} == {"lab.Tester"}
    value = client.get_configuration(key_path=["nested"]).value
    assert value == {"Deep": [1, 2], "added": 1.0, "other": "x"}
    with pytest.raises(model.ResourceNotFoundError):
        client.get_configuration(key_path=["missing"])


def test_an_older_update_fails_its_condition(core: Any, connect_v2: Any) -> None:
    core.call(lambda: core.services.config.replace("lab.Tester", {"nested": {"mode": "new"}}, 2e6))
    client = connect_v2()
    with pytest.raises(model.FailedUpdateConditionCheckError):
        client.update_configuration(
            key_path=["nested"],
            timestamp=datetime.fromtimestamp(1_000, tz=UTC),
            value_to_merge={"mode": "old"},
        )
    assert client.get_configuration(key_path=["nested"]).value == {"mode": "new"}


def test_access_control_cannot_be_updated_by_the_component(connect_v2: Any) -> None:
    client = connect_v2()
    with pytest.raises(model.InvalidArgumentsError):
        client.update_configuration(
            key_path=[], timestamp=datetime.now(UTC), value_to_merge={"accessControl": {}}
        )
    with pytest.raises(model.InvalidArgumentsError) as refused:
        client.update_configuration(
            key_path=["accessControl"], timestamp=datetime.now(UTC), value_to_merge={"x": 1}
        )
    assert refused.value.message == (
        "Config update is not allowed for following fields [accessControl]"
    )


def test_reported_states_reach_the_supervisor(core: Any, connect_v2: Any) -> None:
    client = connect_v2()
    client.update_state(state=model.ReportedLifecycleState.RUNNING)
    client.update_state(state=model.ReportedLifecycleState.ERRORED)
    assert core.supervisor.states == [("lab.Tester", "RUNNING"), ("lab.Tester", "ERRORED")]


def test_tokens_are_validated_for_the_stream_manager_alone(core: Any, connect_v2: Any) -> None:
    token = core.supervisor.launch("lab.Other")
    manager = connect_v2("aws.greengrass.StreamManager")
    assert manager.validate_authorization_token(token=token).is_valid is True
    with pytest.raises(model.InvalidTokenError):
        manager.validate_authorization_token(token="AAAAAAAAAAAAAAAA")
    with pytest.raises(model.UnauthorizedError):
        connect_v2().validate_authorization_token(token=token)


def test_messages_go_to_iot_core_and_come_back(core: Any, connect_v2: Any) -> None:
    core.grant("lab.Tester", MQTT, "lab/#")
    client = connect_v2()
    events: Queue[Any] = Queue()
    client.subscribe_to_iot_core(
        topic_name="lab/+/up", qos=model.QOS.AT_LEAST_ONCE, on_stream_event=events.put
    )
    client.publish_to_iot_core(
        topic_name="lab/1/up",
        qos=model.QOS.AT_LEAST_ONCE,
        payload=b"\x00hello",
        user_properties=[model.UserProperty(key="a", value="b")],
    )
    message = events.get(timeout=PATIENCE_S).message
    assert (message.topic_name, message.payload) == ("lab/1/up", b"\x00hello")
    assert [(p.key, p.value) for p in message.user_properties] == [("a", "b")]
    with pytest.raises(model.UnauthorizedError):
        client.publish_to_iot_core(topic_name="no", qos=model.QOS.AT_MOST_ONCE, payload=b"")
    with pytest.raises(model.ServiceError) as too_deep:
        client.publish_to_iot_core(
            topic_name="lab/1/2/3/4/5/6/7/8", qos=model.QOS.AT_MOST_ONCE, payload=b""
        )
    assert too_deep.value.message == (
        "Publish to topic lab/1/2/3/4/5/6/7/8 failed:"
        " The request topic must have no more than 7 forward slashes (/)"
    )


def test_operations_of_components_that_are_not_there_say_so(connect_v2: Any) -> None:
    with pytest.raises(model.ServiceError) as refused:
        connect_v2().create_debug_password()
    expected = "Operation aws.greengrass#CreateDebugPassword is not supported by Greengrass"
    assert refused.value.message == expected


def test_a_restarted_server_is_noticed_and_a_new_client_works(core: Any, connect_v1: Any) -> None:
    watch = Watch()
    client = connect_v1(watch=watch)
    _, inbox = subscribe_v1(client, "lab/a")
    core.stop()
    assert watch.disconnected.wait(PATIENCE_S)
    assert isinstance(inbox.events.get(timeout=PATIENCE_S), Exception | None)
    with pytest.raises(ConnectionClosedError):
        publish_v1(client, "lab/a", binary(b"")).result(PATIENCE_S)
    core.start()
    client = connect_v1()
    _, inbox = subscribe_v1(client, "lab/a")
    publish_v1(client, "lab/a", binary(b"back")).result(PATIENCE_S)
    assert inbox.events.get(timeout=PATIENCE_S).binary_message.message == b"back"


def test_a_stopped_component_is_cut_off_and_others_are_not(core: Any, connect_v1: Any) -> None:
    core.grant("lab.Other", "aws.greengrass.ipc.pubsub", "lab/*")
    cut, kept = Watch(), Watch()
    connect_v1("lab.Tester", cut)
    other = connect_v1("lab.Other", kept)
    assert core.call(lambda: core.server.disconnect("lab.Tester")) == 1
    assert cut.disconnected.wait(PATIENCE_S)
    publish_v1(other, "lab/a", binary(b"")).result(PATIENCE_S)
    assert not kept.disconnected.is_set()


def test_a_stuck_subscriber_is_disconnected_and_harms_nobody(
    core: Any, connect_v1: Any, caplog: pytest.LogCaptureFixture
) -> None:
    release = threading.Event()

    class Stuck(Inbox):
        def on_stream_event(self, event: Any) -> None:
            release.wait(PATIENCE_S)

    stuck_watch = Watch()
    stuck = connect_v1(watch=stuck_watch)
    operation = stuck.new_subscribe_to_topic(Stuck())
    operation.activate(model.SubscribeToTopicRequest(topic="lab/big")).result(PATIENCE_S)
    operation.get_response().result(PATIENCE_S)
    publisher, healthy = connect_v1(), connect_v1()
    _, inbox = subscribe_v1(healthy, "lab/big")
    megabyte = bytes(1024 * 1024)
    with caplog.at_level(logging.WARNING, "localcore.server"):
        for _ in range(24):
            publish_v1(publisher, "lab/big", binary(megabyte)).result(PATIENCE_S)
            assert inbox.events.get(timeout=PATIENCE_S).binary_message.message == megabyte
    assert "client disconnected, it does not read: component=lab.Tester" in caplog.text
    release.set()
    assert stuck_watch.disconnected.wait(PATIENCE_S)
    publish_v1(publisher, "lab/big", binary(b"on")).result(PATIENCE_S)
    assert inbox.events.get(timeout=PATIENCE_S).binary_message.message == b"on"
