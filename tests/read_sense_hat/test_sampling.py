import logging
import threading
from collections import Counter, deque
from pathlib import Path

import pytest

from hubkit.clock import ManualClock, SystemClock
from read_sense_hat import reader
from read_sense_hat.quality import Judge
from read_sense_hat.reader import Reader
from read_sense_hat.sampling import LiveSampler, PacedSampler, Taken
from read_sense_hat.schedule import Schedule
from read_sense_hat.sources import Sample, SourceError
from read_sense_hat.sources.sensehat import METRICS

GOOD = (21.5, 45.0, 1013.25, 0.0, 0.0, 1.0)


class Scripted:
    """A source that does what it is told, reading by reading; then it is well."""

    metrics = METRICS

    def __init__(self, *script: str) -> None:
        self.script = deque(script)
        self.opened = 0
        self.closed = 0
        self.release = threading.Event()
        self.hanging = threading.Event()

    def open(self) -> None:
        self.opened += 1
        if self.script and self.script[0] == "absent":
            self.script.popleft()
            raise SourceError("it is not there")

    def close(self) -> None:
        self.closed += 1

    def read(self, now_s: float) -> Sample:
        step = self.script.popleft() if self.script else "well"
        if step == "broken":
            raise OSError(121, "Remote I/O error")
        if step == "strange":
            raise KeyError("a driver raises anything")
        if step == "hang":
            self.hanging.set()
            self.release.wait(30.0)
        return Sample(now_s, GOOD, {})


def sampler(source: Scripted, clock: ManualClock, period_s: float = 1.0) -> LiveSampler:
    schedule = Schedule(period_s, clock.monotonic_s())
    return LiveSampler("hat-1", source, schedule, Judge(METRICS), clock)


def take(live: LiveSampler, clock: ManualClock, ticks: int) -> list[Taken]:
    taken = []
    for _ in range(ticks):
        one = live.fetch()
        if one is not None:
            taken.append(one)
        clock.advance(1.0)
    return taken


@pytest.mark.parametrize("fault", ["broken", "strange", "absent"])
def test_a_failing_read_gives_nulls_and_the_source_is_opened_anew(fault: str) -> None:
    clock, source = ManualClock(100.0), Scripted(fault)
    live = sampler(source, clock)
    (failed,) = take(live, clock, 1)
    assert failed.sample.values == (None,) * 6
    assert failed.sample.quality == dict.fromkeys(METRICS, "io_error")
    assert live.state == "retrying"
    good = take(live, clock, 5)[-1]
    assert good.sample.values == GOOD
    assert (live.state, live.errors) == ("running", 1)
    assert source.opened == 2


def test_attempts_back_off_and_the_ticks_between_are_missed(
    caplog: pytest.LogCaptureFixture,
) -> None:
    clock, source = ManualClock(100.0), Scripted(*["broken"] * 1000)
    live = sampler(source, clock)
    with caplog.at_level(logging.INFO):
        taken = take(live, clock, 3600)
    assert all(set(one.sample.quality.values()) == {"io_error"} for one in taken)
    assert 60 <= len(taken) <= 600
    assert len(taken) + live.missed == 3600
    assert len(caplog.records) == 1, "a loss is logged once"


def test_stamps_are_of_the_tick_and_in_milliseconds() -> None:
    clock = ManualClock(100.000499)
    live = sampler(Scripted(), clock)
    (one,) = take(live, clock, 1)
    assert (one.sample.time_s, one.clock) == (100.0, "synchronised")


def test_a_recording_is_neither_early_nor_late(tmp_path: Path) -> None:
    clock = ManualClock(0.0)
    times = iter([10.0, 20.0, 50.0])

    class Rows(Scripted):
        def read(self, now_s: float) -> Sample | None:  # type: ignore[override]
            time_s = next(times, None)
            return None if time_s is None else Sample(time_s, GOOD, {})

    paced = PacedSampler(
        "rec",
        Rows(),
        stamp="recording",
        clock=clock,
        speed=10.0,
        step=float,
        first=0,
        refused=Counter(),
    )
    seen = []
    for _ in range(50):
        while (one := paced.fetch()) is not None:
            seen.append((round(clock.monotonic_s(), 3), one.sample.time_s))
        clock.advance(0.125)
    assert seen == [(0.0, 10.0), (1.0, 20.0), (4.0, 50.0)]
    assert (paced.state, paced.next_s) == ("ended", float("inf"))


class Turned:
    """A clock whose monotonic time a test may push on while threads wait in real time."""

    def __init__(self) -> None:
        self._clock = SystemClock()
        self._pushed_s = 0.0

    def now_s(self) -> float:
        return self._clock.now_s() + self._pushed_s

    def monotonic_s(self) -> float:
        return self._clock.monotonic_s() + self._pushed_s

    def status(self) -> str:
        return "synchronised"

    def push(self, seconds: float) -> None:
        self._pushed_s += seconds


def wait_for(one: Reader) -> Taken:
    """The next reading; the reader's thread makes it at its next tick."""
    while (taken := one.fetch()) is None:
        threading.Event().wait(0.001)
    return taken


def make_reader(source: Scripted, clock: Turned) -> Reader:
    schedule = Schedule(0.01, clock.monotonic_s())
    live = LiveSampler("hat-1", source, schedule, None, clock)  # type: ignore[arg-type]
    return Reader("hat-1", live, clock)  # type: ignore[arg-type]


def test_a_reader_reads_in_its_own_thread_and_ends_when_closed() -> None:
    source = Scripted()
    one = make_reader(source, Turned())
    seen = [wait_for(one) for _ in range(5)]
    times = [taken.monotonic_s for taken in seen]
    assert times == sorted(times)
    one.close()
    one.close()
    assert source.closed
    assert not [thread for thread in threading.enumerate() if thread.name == "reader-hat-1"]


def test_a_source_that_hangs_gives_nulls_and_its_late_answer_is_thrown_away() -> None:
    source, clock = Scripted("hang"), Turned()
    one = make_reader(source, clock)
    assert source.hanging.wait(10.0)
    assert one.fetch() is None
    for _ in range(2):
        clock.push(reader.READ_TIMEOUT_S)
        given_up = one.fetch()
        assert given_up is not None
        assert set(given_up.sample.quality.values()) == {"io_error"}
        assert one.fetch() is None
        assert one.state == "retrying"
    source.release.set()
    after = wait_for(one)
    assert after.sample.values == GOOD
    assert given_up is not None
    assert after.monotonic_s >= given_up.monotonic_s
    assert one.state == "running"
    one.close()


def test_closing_does_not_wait_for_a_source_that_hangs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reader, "STOP_TIMEOUT_S", 0.0)
    source = Scripted("hang")
    one = make_reader(source, Turned())
    assert source.hanging.wait(10.0)
    one.close()
    source.release.set()
