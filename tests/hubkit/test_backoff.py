"""Back-off: bounded, jittered, and one log line each way."""

import logging

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hubkit.backoff import Backoff


@given(st.floats(0.001, 10), st.floats(0.001, 1000), st.lists(st.floats(0, 1, exclude_max=True)))
def test_a_delay_is_never_zero_and_never_over_its_bound(
    base_s: float, cap_s: float, draws: list[float]
) -> None:
    source = iter(draws)
    backoff = Backoff(base_s=base_s, cap_s=cap_s, random=lambda: next(source))
    for failures in range(len(draws)):
        delay_s = backoff.failed("x")
        assert 0 < delay_s <= min(cap_s, base_s * 2.0**failures)


def test_years_of_failures_are_no_number_too_large() -> None:
    backoff = Backoff(base_s=1.0, cap_s=30.0, random=lambda: 1.0)
    backoff.failures = 10**9
    assert backoff.failed("x") == 30.0


def test_a_series_is_logged_when_it_begins_and_when_it_ends(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO)
    backoff = Backoff(base_s=1.0, cap_s=30.0, name="nucleus")
    for _ in range(5):
        backoff.failed("refused")
    backoff.succeeded()
    backoff.succeeded()
    assert [(record.levelname, record.getMessage()) for record in caplog.records] == [
        ("WARNING", "lost what=nucleus reason=refused; trying again"),
        ("INFO", "back what=nucleus failures=5"),
    ]


def test_without_a_name_nothing_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    backoff = Backoff(base_s=1.0, cap_s=30.0)
    backoff.failed("x")
    backoff.succeeded()
    assert caplog.records == []
