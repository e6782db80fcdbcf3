import pytest
from hypothesis import given
from hypothesis import strategies as st

from read_sense_hat.schedule import Schedule


def test_a_year_at_ten_hertz_does_not_drift() -> None:
    schedule = Schedule(0.1, 5.0)
    assert schedule.take(5.0 + 365 * 86_400)
    assert schedule.next_s == pytest.approx(5.0 + 365 * 86_400 + 0.1, abs=1e-6)


@given(
    period_s=st.floats(0.01, 100.0),
    delays=st.lists(st.floats(0.0, 500.0), max_size=50),
)
def test_ticks_taken_and_missed_are_all_the_ticks_that_passed(
    period_s: float, delays: list[float]
) -> None:
    schedule = Schedule(period_s, 1000.0)
    now_s, taken = 1000.0, 0
    for delay_s in delays:
        now_s += delay_s
        taken += schedule.take(now_s)
        assert not schedule.take(now_s)
    passed = (schedule.next_s - 1000.0) / period_s
    assert taken + schedule.missed == pytest.approx(passed)
    assert schedule.next_s > now_s or not delays
