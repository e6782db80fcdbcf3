"""Whose turn it is, against a brute-force reading of the law."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from write_sense_hat.schedule import CAPACITY, PATIENCE, Item, Schedule

NEVER = 1e9


def item(
    key: str,
    priority: int = 0,
    *,
    stale_s: float = NEVER,
    seconds: float | None = None,
    content: str = "",
) -> Item[str]:
    return Item(key, priority, content or key, 1.0, stale_s, seconds)


def shown(schedule: Schedule[str], turns: int, start_s: float = 0.0) -> list[str]:
    """What is shown in the next turns of one second each."""
    said = []
    for second in range(turns):
        turn = schedule.current(start_s + second)
        said.append("" if turn is None else str(turn.item.key))
    return said


def test_nothing_wants_to_be_shown() -> None:
    assert Schedule[str]().current(0.0) is None


def test_equals_take_turns_in_the_order_of_waiting() -> None:
    schedule = Schedule[str]()
    for key in "abc":
        schedule.put(item(key))
    assert shown(schedule, 7) == [*"abcabca"]


def test_a_turn_is_shown_through_before_the_next() -> None:
    schedule = Schedule[str]()
    schedule.put(item("a"))
    schedule.current(0.0)
    schedule.put(item("b"))
    turn = schedule.current(0.999)
    assert turn is not None
    assert turn.item.key == "a"
    assert shown(schedule, 1, 1.0) == ["b"]


def test_something_more_urgent_takes_over_at_once_and_the_other_comes_again() -> None:
    schedule = Schedule[str]()
    schedule.put(item("measured"))
    schedule.current(0.0)
    schedule.put(item("alert", 3))
    turn = schedule.current(0.1)
    assert turn is not None
    assert (turn.item.key, turn.since_s) == ("alert", 0.1)
    schedule.put(item("other"))
    schedule.remove("alert")
    assert shown(schedule, 1, 0.2) == ["measured"]


def test_putting_an_urgent_item_again_does_not_interrupt_a_lower_ones_turn() -> None:
    schedule = Schedule[str]()
    schedule.put(item("alert", 3))
    schedule.put(item("measured"))
    assert shown(schedule, PATIENCE + 1)[-1] == "measured"
    schedule.put(item("alert", 3, content="updated"))
    turn = schedule.current(PATIENCE + 0.5)
    assert turn is not None
    assert turn.item.key == "measured"


def test_an_update_is_seen_from_the_next_turn_on_and_keeps_its_place() -> None:
    schedule = Schedule[str]()
    for key in "ab":
        schedule.put(item(key))
    schedule.current(0.0)
    schedule.put(item("a", content="new"))
    first, second = schedule.current(0.5), schedule.current(1.0)
    third = schedule.current(2.0)
    assert first is not None
    assert second is not None
    assert third is not None
    assert [first.item.content, second.item.content, third.item.content] == ["a", "b", "new"]


def test_what_is_stale_is_not_begun() -> None:
    schedule = Schedule[str]()
    schedule.put(item("a"))
    schedule.put(item("b", stale_s=0.5))
    assert shown(schedule, 3) == ["a", "a", "a"]


def test_an_item_is_repeated_for_its_seconds_after_it_was_first_shown() -> None:
    schedule = Schedule[str]()
    schedule.put(item("message", seconds=2.5))
    assert shown(schedule, 5, 100.0) == ["message", "message", "message", "", ""]


def test_a_lower_priority_is_shown_once_after_it_was_passed_over_three_times() -> None:
    schedule = Schedule[str]()
    schedule.put(item("alert", 3))
    schedule.put(item("measured", 0))
    assert shown(schedule, 8) == ["alert"] * 3 + ["measured"] + ["alert"] * 3 + ["measured"]


def test_too_many_items_push_out_the_least_and_are_counted() -> None:
    schedule = Schedule[str]()
    schedule.put(item("alert", 3))
    for number in range(CAPACITY + 5):
        schedule.put(item(f"m{number}"))
    assert (len(schedule), schedule.dropped) == (CAPACITY, 6)
    assert shown(schedule, 1) == ["alert"]


@given(
    st.lists(
        st.tuples(st.integers(0, 5), st.integers(0, 3)),
        min_size=1,
        max_size=8,
        unique_by=lambda p: p[0],
    )
)
def test_nothing_that_stays_starves(wanted: list[tuple[int, int]]) -> None:
    schedule = Schedule[str]()
    for key, priority in wanted:
        schedule.put(item(str(key), priority))
    priorities = len({priority for _, priority in wanted})
    bound = (PATIENCE**priorities + priorities) * len(wanted)
    assert set(shown(schedule, bound)) == {str(key) for key, _ in wanted}


keys = st.sampled_from("abcdef")
actions = st.one_of(
    st.tuples(st.just("put"), keys, st.integers(0, 3), st.floats(0.1, 20)),
    st.tuples(st.just("remove"), keys),
    st.tuples(st.just("wait"), st.floats(0.01, 5)),
)


@given(st.lists(actions, max_size=60))
def test_what_is_shown_was_put_is_not_removed_and_was_not_stale_when_it_began(
    steps: list[tuple[str, str, int, float] | tuple[str, str] | tuple[str, float]],
) -> None:
    schedule = Schedule[str]()
    present: dict[str, tuple[int, float]] = {}
    now_s = 0.0
    for step in steps:
        match step:
            case ("put", str(key), int(priority), float(stale_s)):
                schedule.put(item(key, priority, stale_s=now_s + stale_s))
                present[key] = (priority, now_s + stale_s)
            case ("remove", str(key)):
                schedule.remove(key)
                present.pop(key, None)
            case ("wait", float(seconds)):
                now_s += seconds
        turn = schedule.current(now_s)
        fresh = {key for key, (_, stale_s) in present.items() if now_s < stale_s}
        if turn is None:
            assert not fresh
            continue
        assert turn.item.key in present
        assert now_s < turn.since_s + turn.item.turn_s
        assert turn.since_s < turn.item.stale_s
        if turn.since_s == now_s:
            assert turn.item.key in fresh


def test_an_urgent_arrival_is_shown_at_once_however_patient_the_others_were() -> None:
    schedule = Schedule[str]()
    for number in range(5):
        schedule.put(item(f"m{number}", number % 3))
    shown(schedule, 50)
    schedule.put(item("alert", 9))
    assert shown(schedule, 1, 50.2) == ["alert"]


@pytest.mark.parametrize("priority", [0, 1])
def test_an_item_that_is_not_more_urgent_waits(priority: int) -> None:
    schedule = Schedule[str]()
    schedule.put(item("first", 1))
    schedule.current(0.0)
    schedule.put(item("second", priority))
    turn = schedule.current(0.5)
    assert turn is not None
    assert turn.item.key == "first"
