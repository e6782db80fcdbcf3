"""Device shadows through the unmodified awsiotsdk, and what is told on local topics."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from awsiot.greengrasscoreipc import model

SHADOWS = "aws.greengrass.ShadowManager"
CLASSIC = "$aws/things/hub/shadow"
NAMED = "$aws/things/hub/shadow/name/led"


@pytest.fixture
def client(core: Any, connect_v2: Callable[..., Any]) -> Any:
    core.grant("lab.Tester", SHADOWS, "$aws/things/hub/*", "hub")
    return connect_v2()


@pytest.fixture
def told(core: Any) -> list[tuple[str, Any]]:
    """What was published on the shadows' topics: the last level but one on, and the content."""
    messages: list[tuple[str, Any]] = []

    def deliver(message: Any) -> None:
        topic = message.topic.removeprefix(NAMED).removeprefix(CLASSIC)
        messages.append((topic, json.loads(message.binary)))

    core.call(lambda: core.services.pubsub.subscribe("$aws/things/#", deliver))
    return messages


def update(client: Any, document: Any, name: str | None = "led") -> Any:
    payload = document if isinstance(document, bytes) else json.dumps(document).encode()
    answer = client.update_thing_shadow(thing_name="hub", shadow_name=name, payload=payload)
    return json.loads(answer.payload)


def get(client: Any, name: str | None = "led") -> Any:
    return json.loads(client.get_thing_shadow(thing_name="hub", shadow_name=name).payload)


def test_versions_count_and_the_delta_is_what_is_not_reported(client: Any) -> None:
    first = update(client, {"state": {"desired": {"led": {"on": True, "rgb": [1, 2]}}}})
    assert first["version"] == 1
    assert set(first["metadata"]["desired"]["led"]) == {"on", "rgb"}
    update(client, {"state": {"reported": {"led": {"on": False, "rgb": [1, 2]}}}, "version": 1})
    document = get(client)
    assert document["version"] == 2
    assert document["state"] == {
        "desired": {"led": {"on": True, "rgb": [1, 2]}},
        "reported": {"led": {"on": False, "rgb": [1, 2]}},
        "delta": {"led": {"on": True}},
    }
    update(client, {"state": {"reported": {"led": {"on": True}}}})
    assert "delta" not in get(client)["state"]


def test_null_removes_and_lists_are_replaced(client: Any) -> None:
    update(client, {"state": {"reported": {"a": 1, "b": {"c": 2, "d": 3}, "l": [1, 2, 3]}}})
    update(client, {"state": {"reported": {"a": None, "b": {"c": None}, "l": [4]}}})
    document = get(client)
    assert document["state"] == {"reported": {"b": {"d": 3}, "l": [4]}}
    assert set(document["metadata"]["reported"]) == {"b", "l"}
    assert set(document["metadata"]["reported"]["b"]) == {"d"}
    update(client, {"state": None})
    assert get(client)["state"] == {}


def test_subscribers_are_told_of_deltas_documents_and_what_was_accepted(
    client: Any, told: list[tuple[str, Any]]
) -> None:
    update(client, {"state": {"desired": {"n": 1}}, "clientToken": "t"})
    topics = [topic for topic, _ in told]
    assert topics == ["/update/delta", "/update/documents", "/update/accepted"]
    by_topic = dict(told)
    assert by_topic["/update/delta"]["state"] == {"n": 1}
    assert by_topic["/update/documents"]["previous"] is None
    assert by_topic["/update/documents"]["current"]["version"] == 1
    assert {content["clientToken"] for content in by_topic.values()} == {"t"}
    assert all(isinstance(content["timestamp"], int) for content in by_topic.values())
    told.clear()
    get(client)
    client.delete_thing_shadow(thing_name="hub", shadow_name="led")
    assert [topic for topic, _ in told] == ["/get/accepted", "/delete/accepted"]
    assert told[1][1]["version"] == 1


def test_an_update_for_another_version_conflicts(client: Any, told: list[Any]) -> None:
    update(client, {"state": {"desired": {"n": 1}}})
    told.clear()
    with pytest.raises(model.ConflictError) as conflict:
        update(client, {"state": {"desired": {"n": 2}}, "version": 7, "clientToken": "t"})
    assert conflict.value.message == "Version conflict"
    ((topic, content),) = told
    content.pop("timestamp")
    assert (topic, content) == (
        "/update/rejected",
        {"code": 409, "message": "Version conflict", "clientToken": "t"},
    )


def test_the_first_version_is_one(client: Any) -> None:
    with pytest.raises(model.InvalidArgumentsError) as invalid:
        update(client, {"state": {"desired": {"n": 1}}, "version": 2})
    assert invalid.value.message == "Invalid version"
    assert update(client, {"state": {"desired": {"n": 1}}, "version": 1})["version"] == 1


@pytest.mark.parametrize(
    ("document", "message"),
    [
        ({}, "Invalid JSON: "),
        ({"version": 1}, "Invalid JSON: state: is missing but it is required"),
        ({"state": {"desired": 5}},
         "Invalid JSON: state.desired: integer found, [object, null] expected"),
        ({"state": {"desired": {"a": {"b": {"c": {"d": {"e": {"f": {"g": 1}}}}}}}}},
         "JSON contains too many levels of nesting; maximum is 6"),
        ({"state": {"desired": {"a": "x" * 9_000}}},
         "The payload exceeds the maximum size allowed"),
        ({"state": {}, "clientToken": "t" * 65},
         "Invalid JSON: clientToken: may only be 64 characters long"),
        (b"", "Missing update payload"),
    ],
)  # fmt: skip
def test_updates_are_validated(client: Any, told: list[Any], document: Any, message: str) -> None:
    with pytest.raises(model.InvalidArgumentsError) as invalid:
        update(client, document)
    assert invalid.value.message == message
    assert [topic for topic, _ in told] == ["/update/rejected"]
    assert told[0][1]["message"] == message


def test_a_payload_that_is_no_json_is_a_service_error(client: Any, told: list[Any]) -> None:
    with pytest.raises(model.ServiceError):
        update(client, b"{oops")
    assert told[0][1]["code"] == 500


@pytest.mark.parametrize(
    ("thing", "name", "message"),
    [
        ("", None, "ThingName is missing"),
        ("a/b", None, "ThingName must match pattern [a-zA-Z0-9:_-]+"),
        ("x" * 129, None, "ThingName has a maximum length of 128"),
        ("hub", "x" * 65, "ShadowName has a maximum length of 64"),
        ("hub", "a b", "ShadowName must match pattern [a-zA-Z0-9:_-]+"),
    ],
)
def test_names_are_validated(client: Any, thing: str, name: str | None, message: str) -> None:
    with pytest.raises(model.InvalidArgumentsError) as invalid:
        client.get_thing_shadow(thing_name=thing, shadow_name=name)
    assert invalid.value.message == message


def test_a_shadow_that_is_not_there_is_not_found(client: Any, told: list[Any]) -> None:
    for operation in (client.get_thing_shadow, client.delete_thing_shadow):
        with pytest.raises(model.ResourceNotFoundError) as missing:
            operation(thing_name="hub")
        assert (missing.value.message, missing.value.resource_type) == ("No shadow found", "shadow")
    assert told[0][1]["message"] == "No shadow exists with name: Unnamed Shadow"
    assert told[0][0] == "/get/rejected"


def test_who_is_not_granted_a_shadow_is_refused_and_it_is_told(
    client: Any, told: list[Any]
) -> None:
    with pytest.raises(model.UnauthorizedError) as refused:
        client.get_thing_shadow(thing_name="other", shadow_name="led")
    assert refused.value.message == (
        "Principal lab.Tester is not authorized to perform aws.greengrass.ShadowManager:"
        "aws.greengrass#GetThingShadow on resource $aws/things/other/shadow/name/led"
    )
    assert told[0][1]["code"] == 401


def test_named_shadows_are_listed_in_pages(client: Any) -> None:
    update(client, {"state": {"desired": {"n": 1}}}, None)
    for name in ("c", "a", "b"):
        update(client, {"state": {"desired": {"n": 1}}}, name)
    first = client.list_named_shadows_for_thing(thing_name="hub", page_size=2)
    assert first.results == ["a", "b"]
    rest = client.list_named_shadows_for_thing(thing_name="hub", next_token=first.next_token)
    assert (rest.results, rest.next_token) == (["c"], None)
    for wrong, message in (
        ({"page_size": 0}, "pageSize argument must be between 1 and 100"),
        ({"next_token": "eA=="}, "Invalid nextToken argument"),
    ):
        with pytest.raises(model.InvalidArgumentsError) as invalid:
            client.list_named_shadows_for_thing(thing_name="hub", **wrong)
        assert invalid.value.message == message


def test_a_deleted_shadow_begins_anew(client: Any) -> None:
    update(client, {"state": {"desired": {"n": 1}}})
    assert client.delete_thing_shadow(thing_name="hub", shadow_name="led").payload == b""
    assert update(client, {"state": {"desired": {"n": 1}}})["version"] == 1
