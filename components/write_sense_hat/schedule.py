"""Whose turn it is: items of several priorities share one matrix. No I/O and no clock.

Law: an item of a higher priority than the one that is shown takes over at once. Otherwise a turn is
shown through. Of equals, the one that waited longest is next. A lower priority that was passed over
3 turns (9 where two higher ones are waiting, and so on) gets one turn, so nothing starves for good.
An item that is put again replaces its predecessor and keeps its place.

Fails to be fair when new urgent items keep arriving faster than turns end: urgency wins.
"""

from collections.abc import Hashable
from dataclasses import dataclass
from typing import Final, Generic, TypeVar

Content = TypeVar("Content")

PATIENCE: Final = 3
"""Turns that a priority waits for the next higher one."""

CAPACITY: Final = 64
"""Items at once. 64 turns of 5 s are 5 minutes: what is beyond would never be read."""


@dataclass(frozen=True)
class Item(Generic[Content]):
    """Something to show.

    `stale_s` is the monotonic time after which it is not begun any more. `seconds` is how long it
    is repeated after its first turn began, None for as long as it is not stale.
    """

    key: Hashable
    priority: int
    content: Content
    turn_s: float
    stale_s: float
    seconds: float | None = None


@dataclass(frozen=True)
class Turn(Generic[Content]):
    """What is shown, and since when."""

    item: Item[Content]
    since_s: float


@dataclass
class _Entry(Generic[Content]):
    item: Item[Content]
    order: int
    """Grows with each arrival and each end of a turn: the lowest waited longest."""
    first_shown_s: float | None = None


class Schedule(Generic[Content]):
    """The items that want to be shown, and the one that is."""

    def __init__(self) -> None:
        self.turns = 0
        self.dropped = 0
        self._entries: dict[Hashable, _Entry[Content]] = {}
        self._passed_over: dict[int, int] = {}
        self._order = 0
        self._turn: Turn[Content] | None = None

    def __len__(self) -> int:
        return len(self._entries)

    def put(self, item: Item[Content]) -> None:
        """Add an item, or replace the one with its key."""
        entry = self._entries.get(item.key)
        urgent = entry is None or item.priority > entry.item.priority
        if entry is None:
            self._entries[item.key] = _Entry(item, self._next_order())
        else:
            entry.item = item
        if urgent and self._turn is not None and item.priority > self._turn.item.priority:
            self._turn = None
        if len(self._entries) > CAPACITY:
            self._drop_least()

    def remove(self, key: Hashable) -> None:
        """Forget an item, also while it is shown."""
        self._entries.pop(key, None)
        if self._turn is not None and self._turn.item.key == key:
            self._turn = None

    def current(self, now_s: float) -> Turn[Content] | None:
        """The turn at this time; None when nothing wants to be shown."""
        turn = self._turn
        if turn is not None:
            if now_s < turn.since_s + turn.item.turn_s:
                return turn
            ended = self._entries.get(turn.item.key)
            if ended is not None:
                ended.order = self._next_order()
        for key in [k for k, entry in self._entries.items() if _is_over(entry, now_s)]:
            del self._entries[key]
        self._turn = self._next(now_s)
        return self._turn

    def _next(self, now_s: float) -> Turn[Content] | None:
        if not self._entries:
            self._passed_over.clear()
            return None
        priority = self._next_priority()
        entry = min(
            (e for e in self._entries.values() if e.item.priority == priority),
            key=lambda e: e.order,
        )
        if entry.first_shown_s is None:
            entry.first_shown_s = now_s
        self.turns += 1
        return Turn(entry.item, now_s)

    def _next_order(self) -> int:
        self._order += 1
        return self._order

    def _next_priority(self) -> int:
        waiting = sorted({e.item.priority for e in self._entries.values()}, reverse=True)
        chosen = waiting[0]
        for rank, priority in enumerate(waiting[1:], start=1):
            if self._passed_over.get(priority, 0) >= PATIENCE**rank:
                chosen = priority
                break
        self._passed_over = {
            priority: self._passed_over.get(priority, 0) + 1
            for priority in waiting
            if priority != chosen
        }
        return chosen

    def _drop_least(self) -> None:
        """Drop the item of the lowest priority that would be shown last."""
        key, _ = min(
            self._entries.items(), key=lambda pair: (pair[1].item.priority, -pair[1].order)
        )
        self.dropped += 1
        self.remove(key)


def _is_over(entry: _Entry[Content], now_s: float) -> bool:
    if now_s >= entry.item.stale_s:
        return True
    if entry.item.seconds is None or entry.first_shown_s is None:
        return False
    return now_s >= entry.first_shown_s + entry.item.seconds
