"""The in-process IoT Core alone."""

import pytest

from localcore.mqtt import MAX_PAYLOAD_BYTES, MAX_SPOOL_BYTES, Mqtt, MqttMessage, MqttRefused


def test_messages_reach_the_filters_that_match_as_mqtt_says() -> None:
    mqtt, got = Mqtt(), []
    mqtt.subscribe("a/#", lambda m: got.append(m.topic))
    end = mqtt.subscribe("+", lambda m: got.append(m.topic))
    mqtt.publish(MqttMessage("a", b""))
    end()
    mqtt.publish(MqttMessage("a/b", b""))
    mqtt.publish(MqttMessage("$aws/things/x", b""))
    assert got == ["a", "a", "a/b"]


def test_offline_qos_1_is_spooled_and_sent_in_order_later() -> None:
    mqtt, got = Mqtt(), []
    mqtt.subscribe("a", lambda m: got.append(m.payload))
    mqtt.connected = False
    for payload in (b"1", b"2"):
        mqtt.publish(MqttMessage("a", payload, qos=1))
    assert (got, mqtt.spooled) == ([], 2)
    mqtt.connected = True
    assert (got, mqtt.spooled) == ([b"1", b"2"], 0)


def test_offline_qos_0_is_refused() -> None:
    mqtt = Mqtt()
    mqtt.connected = False
    with pytest.raises(MqttRefused, match=r"Device is offline\. Dropping QoS 0 message\."):
        mqtt.publish(MqttMessage("a", b"", qos=0))


def test_a_full_spool_refuses_the_newest() -> None:
    mqtt = Mqtt()
    mqtt.connected = False
    whole = MAX_SPOOL_BYTES // MAX_PAYLOAD_BYTES
    for _ in range(whole):
        mqtt.publish(MqttMessage("a", bytes(MAX_PAYLOAD_BYTES)))
    with pytest.raises(MqttRefused, match="spool is full"):
        mqtt.publish(MqttMessage("a", bytes(MAX_PAYLOAD_BYTES)))
    assert mqtt.spooled == whole


@pytest.mark.parametrize(
    ("topic", "reason"),
    [
        ("", "must not be empty"),
        ("a/+", "must not contain wildcard"),
        ("/".join("12345678x"), "no more than 7 forward slashes"),
        ("x" * 257, "no larger than 256"),
        ("$aws/things/" + "x" * 512, "Reserved topic total length"),
        ("$aws/rules/r/" + "x" * 257, "no larger than 256"),
    ],
)
def test_topics_outside_iot_cores_quotas_are_refused(topic: str, reason: str) -> None:
    with pytest.raises(MqttRefused, match=reason):
        Mqtt().publish(MqttMessage(topic, b""))


def test_the_prefix_of_basic_ingest_does_not_count() -> None:
    Mqtt().publish(MqttMessage("$aws/rules/my_rule/1/2/3/4/5/6/7/8", b""))


def test_the_prefix_of_a_shared_subscription_does_not_count() -> None:
    Mqtt().subscribe("$share/group/1/2/3/4/5/6/7/8", print)


def test_a_payload_over_the_limit_is_refused() -> None:
    with pytest.raises(MqttRefused, match="exceeds the configured limit of 131072 bytes"):
        Mqtt().publish(MqttMessage("a", bytes(MAX_PAYLOAD_BYTES + 1)))
