"""accessControl, held against a port of the nucleus's own trie."""

import logging
import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from localcore.authorization import (
    MQTT_PROXY,
    PUBSUB,
    Authorizer,
    InvalidResource,
    UnauthorizedOperation,
    resource_pattern,
)
from localcore.config_store import ConfigStore
from localcore.personality import JAVA, LITE

PARTS = st.sampled_from(["a", "b", "ab", "/", "*", "+", "#", "${*}", "$", "/#", "/+/"])
RESOURCES = st.lists(PARTS, min_size=1, max_size=6).map("".join)
TEXTS = st.lists(st.sampled_from(["a", "b", "/", "*", "+", "#", "$"]), max_size=7).map("".join)


class WildcardTrie:
    """WildcardTrie.java of the nucleus, method by method."""

    def __init__(self) -> None:
        self.terminal = self.terminal_level = False
        self.wildcard = self.mqtt_wildcard = self.match_all = False
        self.children: dict[str, WildcardTrie] = {}

    def child(self, key: str) -> "WildcardTrie":
        return self.children.setdefault(key, WildcardTrie())

    def add(self, subject: str) -> None:
        if subject == "*":
            initial = self.child("*")
            initial.match_all = initial.terminal = initial.wildcard = True
            return
        if subject == "#":
            initial = self.child("#")
            initial.match_all = initial.terminal = initial.mqtt_wildcard = True
            return
        if subject == "+":
            initial = self.child("+")
            initial.terminal = initial.mqtt_wildcard = True
            return
        if subject.startswith("+/"):
            initial = self.child("+")
            initial.mqtt_wildcard = True
            initial.add_node(subject[1:], terminal=True)
        self.add_node(subject, terminal=True)

    def add_node(self, subject: str, *, terminal: bool) -> "WildcardTrie":
        if not subject:
            self.terminal |= terminal
            return self
        text = ""
        i = 0
        while i < len(subject):
            c = subject[i]
            last = i == len(subject) - 1
            after_slash = i > 0 and subject[i - 1] == "/"
            if c == "*":
                node = self.add_node(text, terminal=False).child("*")
                node.wildcard = True
                if last:
                    node.terminal = terminal
                    return node
                return node.add_node(subject[i + 1 :], terminal=True)
            if c == "#":
                level = self.add_node(text, terminal=False)
                node = level.child("#")
                if last:
                    node.terminal = True
                    if after_slash:
                        node.mqtt_wildcard = node.match_all = level.terminal_level = True
                    return node
                return node.add_node(subject[i + 1 :], terminal=True)
            if c == "+":
                node = self.add_node(text, terminal=False).child("+")
                if last:
                    node.terminal = True
                    node.mqtt_wildcard |= after_slash
                    return node
                if after_slash and subject[i + 1] == "/":
                    node.mqtt_wildcard = True
                return node.add_node(subject[i + 1 :], terminal=True)
            escape = subject[i : i + 4]
            if len(escape) == 4 and escape[:2] == "${" and escape[3] == "}":
                text += escape[2]
                i += 4
                continue
            text += c
            i += 1
        node = self.child(text)
        node.terminal |= terminal
        return node

    def matches(self, text: str, *, mqtt: bool) -> bool:
        if (self.wildcard and self.terminal) or (self.terminal and not text):
            return True
        if mqtt and self.mqtt_wildcard and (self.match_all or (self.terminal and "/" not in text)):
            return True
        later: list[tuple[str, WildcardTrie]] = []
        for key, node in self.children.items():
            if (node.wildcard and key == "*") or (mqtt and node.mqtt_wildcard and key in "+#"):
                if node.matches(text, mqtt=mqtt):
                    return True
                continue
            if text.startswith(key) and node.matches(text[len(key) :], mqtt=mqtt):
                return True
            sought = key
            if mqtt and node.terminal_level:
                if text == key[:-1]:
                    return True
                if text.endswith(key[:-1]):
                    sought = key[:-1]
            if self.wildcard or (mqtt and self.mqtt_wildcard):
                found = text.find(sought)
                while 0 <= found <= (len(text) - 1 if mqtt else len(text)):
                    if self.wildcard or "/" not in text[:found]:
                        later.append((text[found + len(key) :], node))
                    found = text.find(sought, found + 1)
        return any(node.matches(rest, mqtt=mqtt) for rest, node in later)


@given(RESOURCES.filter(lambda r: not re.search(r"\$\{\*\}.*[*+#]", r)), TEXTS)
def test_globs_match_as_in_the_nucleus(resource: str, text: str) -> None:
    trie = WildcardTrie()
    trie.add(resource)
    try:
        pattern = resource_pattern(resource)
    except InvalidResource:
        return
    assert (pattern.fullmatch(text) is not None) is trie.matches(text, mqtt=False)


@given(
    st.lists(st.sampled_from(["a", "b", "+", "#"]), min_size=1, max_size=4).map("/".join),
    st.lists(st.sampled_from(["a", "b", "+", "#"]), min_size=1, max_size=5).map("/".join),
)
def test_mqtt_wildcards_match_as_in_the_nucleus(resource: str, text: str) -> None:
    trie = WildcardTrie()
    trie.add(resource)
    pattern = resource_pattern(resource, mqtt=True)
    assert (pattern.fullmatch(text) is not None) is trie.matches(text, mqtt=True)


@pytest.mark.parametrize(
    ("resource", "asked", "allowed"),
    [
        ("hub/readings/#", "hub/readings/#", True),
        ("hub/readings/#", "hub/readings/dev1", False),
        ("hub/windows/*", "hub/windows/#", True),
        ("hub/windows/*", "hub/windows/dev1/x", True),
        ("hub/windows/*", "hub/windows", False),
        ("hub/+/x", "hub/1/x", False),
        ("hub/${*}", "hub/*", True),
        ("hub/${*}", "hub/x", False),
        ("*", "anything/at/all", True),
    ],
)
def test_local_resources_are_globs_over_the_filter_itself(
    resource: str, asked: str, allowed: bool
) -> None:
    assert (resource_pattern(resource).fullmatch(asked) is not None) is allowed


@pytest.mark.parametrize(
    ("resource", "asked", "allowed"),
    [
        ("lab/#", "lab/a/b", True),
        ("lab/#", "lab", True),
        ("lab/#", "lab/#", True),
        ("lab/#", "labour", False),
        ("lab/+/x", "lab/1/x", True),
        ("lab/+/x", "lab/1/2/x", False),
        ("lab/a+", "lab/ab", False),
        ("#", "anything/at/all", True),
        ("lab/*", "lab/a/b", True),
    ],
)
def test_iot_core_resources_know_mqtt_wildcards(resource: str, asked: str, allowed: bool) -> None:
    assert (resource_pattern(resource, mqtt=True).fullmatch(asked) is not None) is allowed


@pytest.mark.parametrize("resource", ["", "a?", "${x}", "${*", "${"])
def test_resources_the_nucleus_refuses_are_refused(resource: str) -> None:
    with pytest.raises(InvalidResource):
        resource_pattern(resource)


@pytest.fixture
def config(tmp_path: Path) -> Any:
    store = ConfigStore(tmp_path)
    yield store
    store.close()


def policies(*resources: str, operations: tuple[str, ...] = ("*",)) -> dict[str, Any]:
    return {"p:1": {"operations": list(operations), "resources": list(resources)}}


def test_a_component_may_do_what_its_own_policy_says_and_nothing_else(config: ConfigStore) -> None:
    publish_only = policies("lab/*", operations=("aws.greengrass#PublishToTopic",))
    config.replace("A", {"accessControl": {PUBSUB: publish_only}}, 1.0)
    authorizer = Authorizer(config, JAVA, "thing")
    authorizer.require("A", PUBSUB, "PublishToTopic", "lab/x")
    for component, service, operation, resource in [
        ("A", PUBSUB, "SubscribeToTopic", "lab/x"),
        ("A", PUBSUB, "PublishToTopic", "other"),
        ("A", MQTT_PROXY, "PublishToTopic", "lab/x"),
        ("B", PUBSUB, "PublishToTopic", "lab/x"),
    ]:
        with pytest.raises(UnauthorizedOperation) as refused:
            authorizer.require(component, service, operation, resource)
        assert str(refused.value) == (
            f"Principal {component} is not authorized to perform"
            f" {service}:aws.greengrass#{operation} on resource {resource}"
        )


def test_a_request_without_topic_passes_with_any_policy_and_an_empty_one_never(
    config: ConfigStore,
) -> None:
    config.replace("A", {"accessControl": {PUBSUB: policies("*")}}, 1.0)
    authorizer = Authorizer(config, JAVA, "thing")
    authorizer.require("A", PUBSUB, "PublishToTopic", None)
    with pytest.raises(UnauthorizedOperation, match="Resource cannot be empty"):
        authorizer.require("A", PUBSUB, "PublishToTopic", "")


def test_changes_of_access_control_are_followed(config: ConfigStore) -> None:
    authorizer = Authorizer(config, JAVA, "thing")
    with pytest.raises(UnauthorizedOperation):
        authorizer.require("A", PUBSUB, "PublishToTopic", "lab/x")
    config.replace("A", {"accessControl": {PUBSUB: policies("lab/*")}}, 1.0)
    authorizer.require("A", PUBSUB, "PublishToTopic", "lab/x")
    config.replace("A", {}, 2.0)
    with pytest.raises(UnauthorizedOperation):
        authorizer.require("A", PUBSUB, "PublishToTopic", "lab/x")


def test_a_bad_resource_is_left_out_and_logged(
    config: ConfigStore, caplog: pytest.LogCaptureFixture
) -> None:
    config.replace("A", {"accessControl": {PUBSUB: policies("lab/?", "lab/x")}}, 1.0)
    Authorizer(config, JAVA, "thing").require("A", PUBSUB, "PublishToTopic", "lab/x")
    assert "resource=lab/?" in caplog.text


@pytest.mark.parametrize(
    "broken",
    [
        {"p:1": {"operations": "*", "resources": ["*"]}},
        {"p:1": {"operations": ["*"], "resources": ["*"], "unknown": 1}},
        {"p:1": ["*"]},
        "nothing",
    ],
)
def test_one_broken_policy_takes_all_of_the_components_with_it(
    config: ConfigStore, broken: Any, caplog: pytest.LogCaptureFixture
) -> None:
    config.replace("A", {"accessControl": {PUBSUB: policies("*"), MQTT_PROXY: broken}}, 1.0)
    with (
        caplog.at_level(logging.ERROR),
        pytest.raises(UnauthorizedOperation),
    ):
        Authorizer(config, JAVA, "thing").require("A", PUBSUB, "PublishToTopic", "x")
    assert "access control refused: component=A" in caplog.text


def test_keys_are_read_in_any_case_and_json_text_is_read_too(config: ConfigStore) -> None:
    text = '{"aws.greengrass.ipc.pubsub": {"p": {"Operations": ["*"], "RESOURCES": ["lab/x"]}}}'
    config.replace("A", {"accessControl": text}, 1.0)
    Authorizer(config, JAVA, "thing").require("A", PUBSUB, "PublishToTopic", "lab/x")


def test_the_thing_name_is_put_in_where_the_nucleus_puts_it_in(config: ConfigStore) -> None:
    config.replace("A", {"accessControl": {PUBSUB: policies("lab/{iot:thingName}/*")}}, 1.0)
    Authorizer(config, LITE, "thing-7").require("A", PUBSUB, "PublishToTopic", "lab/thing-7/x")
    with pytest.raises(UnauthorizedOperation):
        Authorizer(config, JAVA, "thing-7").require("A", PUBSUB, "PublishToTopic", "lab/thing-7/x")
    config.replace("aws.greengrass.Nucleus", {"interpolateComponentConfiguration": True}, 1.0)
    Authorizer(config, JAVA, "thing-7").require("A", PUBSUB, "PublishToTopic", "lab/thing-7/x")
