"""Topics, topic filters and who listens: no I/O.

Two laws match a filter to a topic. The Java nucleus's local pub/sub (its `SubscriptionTrie`) cuts
empty levels off the end and lets `#` stand for one or more levels, so `a/#` does not match `a`.
MQTT keeps empty levels, lets a last `#` stand for none, and hides topics that begin with `$` from
filters that begin with a wildcard (MQTT 5, 4.7).

>>> local_match(local_levels("a/#"), local_levels("a"))
False
>>> mqtt_match(mqtt_levels("a/#"), mqtt_levels("a"))
True
"""

from collections.abc import Callable
from typing import Generic, NamedTuple, TypeAlias, TypeVar

Levels: TypeAlias = tuple[str, ...]
T = TypeVar("T")

# Answers kept per topic; a publisher that never repeats a topic empties it.
_CACHED_TOPICS = 4096


def local_levels(topic: str) -> Levels:
    """The levels as Java's ``String.split("/")`` gives them.

    >>> local_levels("a//b/"), local_levels("/"), local_levels("")
    (('a', '', 'b'), (), ('',))
    """
    levels = topic.split("/")
    if len(levels) > 1:
        while levels and not levels[-1]:
            levels.pop()
    return tuple(levels)


def mqtt_levels(topic: str) -> Levels:
    """All levels, empty ones too."""
    return tuple(topic.split("/"))


def local_match(topic_filter: Levels, topic: Levels) -> bool:
    """The Java nucleus's local pub/sub; a `#` before the last level stands for one level."""
    if not topic_filter or len(topic_filter) > len(topic):
        return False
    if len(topic_filter) < len(topic) and topic_filter[-1] != "#":
        return False
    return all(
        wanted in ("+", "#", given) for wanted, given in zip(topic_filter, topic, strict=False)
    )


def mqtt_match(topic_filter: Levels, topic: Levels) -> bool:
    """MQTT, and so AWS IoT Core."""
    if topic[0].startswith("$") and topic_filter[0] in ("+", "#"):
        return False
    if topic_filter[-1] == "#":
        topic_filter = topic_filter[:-1]
        if len(topic) < len(topic_filter):
            return False
    elif len(topic) != len(topic_filter):
        return False
    return all(wanted in ("+", given) for wanted, given in zip(topic_filter, topic, strict=False))


def has_wildcard_level(topic_filter: str) -> bool:
    """Whether `+` is a whole level or `#` the whole last one (``SubscriptionTrie.isWildcard``)."""
    levels = local_levels(topic_filter)
    return "+" in levels or levels[-1:] == ("#",)


def is_topic_filter(text: str) -> bool:
    """Whether `+` is always a whole level and `#` the whole last one (MQTT 5, 4.7.1).

    >>> is_topic_filter("a/+/#"), is_topic_filter("a/#/b"), is_topic_filter("a/b+")
    (True, False, False)
    """
    levels = mqtt_levels(text)
    if levels[-1] == "#":
        levels = levels[:-1]
    return all(level == "+" or not {"+", "#"} & set(level) for level in levels)


class Law(NamedTuple):
    """``levels`` cuts a topic or filter; ``match`` says whether a filter's match a topic's."""

    levels: Callable[[str], Levels]
    match: Callable[[Levels, Levels], bool]


LOCAL = Law(local_levels, local_match)
MQTT = Law(mqtt_levels, mqtt_match)


class Subscribers(Generic[T]):
    """Who listens to what, in the order they came."""

    def __init__(self, law: Law) -> None:
        self._levels, self._match = law
        self._entries: dict[int, tuple[Levels, T]] = {}
        self._next = 0
        self._cache: dict[str, tuple[T, ...]] = {}

    def __len__(self) -> int:
        return len(self._entries)

    def add(self, topic_filter: str, subscriber: T) -> Callable[[], None]:
        """Returns the function that removes the subscriber; it may be called again."""
        number = self._next
        self._next += 1
        self._entries[number] = (self._levels(topic_filter), subscriber)
        self._cache.clear()

        def remove() -> None:
            if self._entries.pop(number, None) is not None:
                self._cache.clear()

        return remove

    def clear(self) -> None:
        """Remove all."""
        self._entries.clear()
        self._cache.clear()

    def matching(self, topic: str) -> tuple[T, ...]:
        """The subscribers of a topic, each once for every filter of theirs that matches."""
        found = self._cache.get(topic)
        if found is None:
            levels = self._levels(topic)
            found = tuple(
                subscriber
                for topic_filter, subscriber in self._entries.values()
                if self._match(topic_filter, levels)
            )
            if len(self._cache) >= _CACHED_TOPICS:
                self._cache.clear()
            self._cache[topic] = found
        return found
