"""The local broker alone."""

import json

from localcore.pubsub import LocalMessage, PubSub


def test_every_matching_subscription_gets_the_message_in_order() -> None:
    pubsub, got = PubSub(), []
    pubsub.subscribe("a/#", lambda m: got.append(("first", m.binary)), "A")
    pubsub.subscribe("a/+", lambda m: got.append(("second", m.binary)), "B")
    assert pubsub.publish("a/b", b"1", "A") == 2
    assert pubsub.publish("a/b/c", b"2", "A") == 1
    assert got == [("first", b"1"), ("second", b"1"), ("first", b"2")]


def test_publishing_to_nobody_succeeds_and_nothing_is_kept() -> None:
    pubsub = PubSub()
    got: list[LocalMessage] = []
    assert pubsub.publish("a", b"lost", "A") == 0
    pubsub.subscribe("a", got.append, "A")
    assert got == []


def test_own_messages_are_left_out_where_that_was_asked() -> None:
    pubsub, got = PubSub(), []
    pubsub.subscribe("a", lambda m: got.append(m.publisher), "A", receive_own=False)
    pubsub.publish("a", b"", "A")
    pubsub.publish("a", b"", "B")
    assert got == ["B"]


def test_a_subscription_ends_once_and_for_good() -> None:
    pubsub = PubSub()
    got: list[LocalMessage] = []
    end = pubsub.subscribe("a", got.append)
    end()
    end()
    pubsub.publish("a", b"", "A")
    assert (got, len(pubsub)) == ([], 0)


def test_a_subscriber_may_unsubscribe_while_it_is_called() -> None:
    pubsub = PubSub()
    got: list[LocalMessage] = []

    def once(message: LocalMessage) -> None:
        got.append(message)
        end()

    end = pubsub.subscribe("a", once)
    pubsub.subscribe("a", got.append)
    pubsub.publish("a", b"", "A")
    pubsub.publish("a", b"", "A")
    assert len(got) == 3


def test_an_event_carries_the_topic_and_the_message_in_its_kind() -> None:
    json_event = LocalMessage("t/é", "A", json={"k": 1.0}).event_payload()
    assert json.loads(json_event) == {
        "jsonMessage": {"message": {"k": 1.0}, "context": {"topic": "t/é"}}
    }
    binary_event = LocalMessage("t", "A", binary=b"\x00\xff").event_payload()
    assert json.loads(binary_event) == {
        "binaryMessage": {"message": "AP8=", "context": {"topic": "t"}}
    }
    assert LocalMessage("t", "A").event_payload() == b"{}"
