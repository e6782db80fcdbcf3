"""Sequences against a set of integers, which cannot be wrong."""

from hypothesis import given
from hypothesis import strategies as st

from aggregator.sequences import Sequences

ranges = st.tuples(st.integers(0, 60), st.integers(1, 15)).map(lambda r: (r[0], r[0] + r[1]))


@given(st.lists(ranges, max_size=30))
def test_fill_says_exactly_what_was_new(fills: list[tuple[int, int]]) -> None:
    settled = Sequences()
    truth: set[int] = set()
    for first, end in fills:
        new = settled.fill(first, end)
        expected = set(range(first, end)) - truth
        assert sorted(n for f, e in new for n in range(f, e)) == sorted(expected)
        truth |= expected
        upto = next(n for n in range(100) if n not in truth)
        assert settled.upto == upto
        assert sorted(n for f, e in settled.beyond for n in range(f, e)) == sorted(
            n for n in truth if n > upto
        )


@given(st.lists(ranges, max_size=30), ranges)
def test_missing_is_what_is_not_there(fills: list[tuple[int, int]], asked: tuple[int, int]) -> None:
    settled = Sequences()
    truth: set[int] = set()
    for first, end in fills:
        settled.fill(first, end)
        truth |= set(range(first, end))
    missing = settled.missing_within(*asked)
    assert {n for f, e in missing for n in range(f, e)} == set(range(*asked)) - truth


@given(st.lists(ranges, max_size=30))
def test_a_saved_set_goes_on_as_it_was(fills: list[tuple[int, int]]) -> None:
    settled = Sequences()
    for first, end in fills:
        settled.fill(first, end)
        settled = Sequences(settled.upto, settled.beyond)
    whole = Sequences()
    for first, end in fills:
        whole.fill(first, end)
    assert (settled.upto, settled.beyond) == (whole.upto, whole.beyond)
