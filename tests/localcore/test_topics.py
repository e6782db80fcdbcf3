"""Topic filters, held against a port of the nucleus's own trie and against MQTT by regex."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from localcore.topics import (
    LOCAL,
    Subscribers,
    has_wildcard_level,
    local_levels,
    mqtt_levels,
    mqtt_match,
)

LEVELS = st.sampled_from(["a", "b", "", "+", "#", "a+", "$x"])
FILTERS = st.lists(LEVELS, min_size=1, max_size=5).map("/".join)
TOPICS = st.lists(st.sampled_from(["a", "b", "", "$x"]), min_size=1, max_size=5).map("/".join)


class SubscriptionTrie:
    """SubscriptionTrie.java of the nucleus, method by method."""

    def __init__(self) -> None:
        self.children: dict[str, SubscriptionTrie] = {}
        self.callbacks: set[str] = set()

    @staticmethod
    def split(topic: str) -> list[str]:
        if not topic:
            return [""]
        parts = topic.split("/")
        while parts and parts[-1] == "":
            parts.pop()
        return parts

    def add(self, topic: str, callback: str) -> None:
        current = self
        for level in self.split(topic):
            current = current.children.setdefault(level, SubscriptionTrie())
        current.callbacks.add(callback)

    def add_matching_paths(
        self, level: str, result: set[str], paths: list["SubscriptionTrie"]
    ) -> None:
        paths += [self.children[key] for key in (level, "+") if key in self.children]
        if "#" in self.children:
            paths.append(self.children["#"])
            result |= self.children["#"].callbacks

    def get(self, topic: str) -> set[str]:
        levels = self.split(topic)
        result: set[str] = set()
        paths: list[SubscriptionTrie] = []
        self.add_matching_paths(levels[0], result, paths)
        for level in levels[1:]:
            following: list[SubscriptionTrie] = []
            for path in paths:
                path.add_matching_paths(level, result, following)
            paths = following
        for path in paths:
            result |= path.callbacks
        return result


@given(st.lists(FILTERS, max_size=6), TOPICS)
def test_local_matching_is_the_nucleus_own(filters: list[str], topic: str) -> None:
    if not local_levels(topic):
        return  # The nucleus fails on a topic of slashes alone, and PublishToTopic says so.
    trie = SubscriptionTrie()
    subscribers: Subscribers[str] = Subscribers(LOCAL)
    for topic_filter in filters:
        trie.add(topic_filter, topic_filter)
        subscribers.add(topic_filter, topic_filter)
    assert set(subscribers.matching(topic)) == trie.get(topic)


@given(FILTERS.filter(lambda f: "#" not in f.split("/")[:-1]), TOPICS)
def test_mqtt_matching_is_that_of_the_specification(topic_filter: str, topic: str) -> None:
    pattern = "/".join(
        "[^/]*" if level == "+" else re.escape(level)
        for level in topic_filter.split("/")
        if level != "#"
    )
    if topic_filter.rsplit("/", maxsplit=1)[-1] == "#":
        pattern = ".*" if topic_filter == "#" else f"{pattern}(/.*)?"
    hidden = topic.startswith("$") and topic_filter.split("/", maxsplit=1)[0] in ("+", "#")
    expected = bool(re.fullmatch(pattern, topic)) and not hidden
    assert mqtt_match(mqtt_levels(topic_filter), mqtt_levels(topic)) is expected


@pytest.mark.parametrize(
    ("topic_filter", "expected"),
    [("a/#", True), ("a/+/b", True), ("#", True), ("a/b", False), ("a#", False), ("#/a", False)],
)
def test_a_wildcard_counts_only_as_a_whole_level(topic_filter: str, expected: bool) -> None:
    assert has_wildcard_level(topic_filter) is expected


def test_a_subscriber_is_given_once_for_each_of_its_filters_until_removed() -> None:
    subscribers: Subscribers[str] = Subscribers(LOCAL)
    remove = subscribers.add("a/+", "me")
    subscribers.add("a/#", "me")
    assert subscribers.matching("a/b") == ("me", "me")
    remove()
    remove()
    assert subscribers.matching("a/b") == ("me",)
    assert len(subscribers) == 1


def test_ever_new_topics_take_no_ever_more_memory() -> None:
    subscribers: Subscribers[str] = Subscribers(LOCAL)
    subscribers.add("#", "me")
    for n in range(10_000):
        assert subscribers.matching(f"t/{n}") == ("me",)
    assert len(subscribers._cache) <= 4096
