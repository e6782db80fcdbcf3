"""AggregatorService over real files: killed anywhere, refused anything, out of room."""

import contextlib
import json
import os
import random
import resource
import shutil
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from aggregator.configuration import AggregatorConfiguration
from aggregator.lines import READINGS, WINDOWS
from aggregator.service import STATUS_TOPIC, TICK_S, AggregatorService
from hubkit.clock import ManualClock
from hubkit.config import convert
from hubkit.export_log import ExportLog
from hubkit.ipc import IpcError, NotAuthorizedError
from hubkit.payloads import (
    Ledger,
    LedgerBoot,
    Payload,
    PayloadError,
    ProducerDevice,
    ProducerStatus,
    ReadingBatch,
    ReplayRequest,
    Window,
    decode,
    encode,
)
from hubkit.service import NotNowError, Surroundings
from tests.conftest import PROJECT

BOOT = "00000001-0000000a"
DEVICE = "hat-1"
START_S = 1.7e9


class FakeBus:
    """A `hubkit.ipc.Bus` that keeps what is published, or fails as it is told."""

    def __init__(self) -> None:
        self.published: list[tuple[str, bytes]] = []
        self.error: Exception | None = None

    def publish(self, topic: str, payload: bytes) -> None:
        if self.error is not None:
            raise self.error
        self.published.append((topic, payload))

    def take(self, prefix: str) -> list[bytes]:
        taken = [payload for topic, payload in self.published if topic.startswith(prefix)]
        self.published = [each for each in self.published if not each[0].startswith(prefix)]
        return taken


class Bench:
    """A service over a folder; `kill` leaves what a killed process leaves."""

    def __init__(self, folder: Path, **changes: Any) -> None:
        (path,) = PROJECT.glob("recipes/com.hbs.hub.Aggregator-*.yaml")
        recipe = yaml.safe_load(path.read_text())
        defaults = recipe["ComponentConfiguration"]["DefaultConfiguration"]
        self._raw = {**defaults, "volatileFolder": "", "windowSeconds": 10, **changes}
        self.folder = folder
        self.bus = FakeBus()
        self.clock = ManualClock(START_S)
        self.windows: list[Window] = []
        self._lives = 0
        folder.mkdir(exist_ok=True)
        self.service = self._build()

    def _build(self) -> AggregatorService:
        configuration = convert(AggregatorConfiguration, self._raw)
        surroundings = Surroundings(self.bus, self.clock, self.folder, "pi-1")
        service = AggregatorService(configuration, surroundings)
        service.begin()
        return service

    def kill(self) -> None:
        """The files as they are now go on in another folder; nothing of the object does."""
        self._lives += 1
        left = self.folder.with_name(f"life-{self._lives}")
        shutil.copytree(self.folder, left)
        self.service._journal.close()
        shutil.rmtree(self.folder)
        self.folder = left
        self.service = self._build()

    def send(self, payload: Payload, topic: str | None = None) -> None:
        if topic is None:
            assert isinstance(payload, ReadingBatch)
            topic = f"hub/readings/{payload.device_id}"
        self.service.receive(topic, encode(payload))

    def status(self, next_seq: int, state: Any = "running", boot: str = BOOT) -> None:
        device = ProducerDevice(
            boot=boot, next_seq=next_seq, oldest_seq=0, source="simulated", state=state
        )
        self.send(ProducerStatus(devices={DEVICE: device}), STATUS_TOPIC)

    def turn(self, seconds: float = TICK_S) -> None:
        self.clock.advance(seconds)
        self.service.tick()

    def close(self) -> None:
        self.service.finish()
        self.service.close()

    def ledger(self) -> LedgerBoot:
        """What is published on the ledger's topic now."""
        self.bus.take("hub/health/ledger")
        self.service._ledger_s = 0.0
        self.service._publish_ledger()
        total = decode(Ledger, self.bus.take("hub/health/ledger")[-1]).total
        assert total.produced == total.delivered + total.queued + sum(total.dropped.values())
        assert total.queued >= 0
        return total

    def rows(self, kind: str = READINGS) -> list[dict[str, Any]]:
        log = ExportLog(self.folder / "journal.sqlite")
        lines = [
            json.loads(line) for (payload,) in _payloads(log, kind) for line in payload.splitlines()
        ]
        log.close()
        return lines

    def seqs(self) -> list[int]:
        return sorted(line["seq"] for line in self.rows())


def _payloads(log: ExportLog, kind: str) -> Iterator[tuple[bytes]]:
    for fixed in log.fix(kind):
        for payload in log.payloads(fixed):
            yield (payload,)


@pytest.fixture
def make_bench(tmp_path: Path) -> Iterator[Any]:
    benches: list[Bench] = []

    def make(**changes: Any) -> Bench:
        benches.append(Bench(tmp_path / f"work-{len(benches)}", **changes))
        return benches[-1]

    yield make
    for bench in benches:
        with contextlib.suppress(Exception):
            bench.service._journal.close()


def batch(seq: int, count: int = 5, device_id: str = DEVICE) -> ReadingBatch:
    return ReadingBatch(
        device_id=device_id,
        source="simulated",
        boot=BOOT,
        seq=seq,
        t0_s=START_S + seq,
        clock="synchronised",
        dt_s=[float(n) for n in range(count)],
        values={"temperature_c": [20.0 + n for n in range(seq, seq + count)]},
    )


class Producer:
    """Knows what it produced and answers replays, as ReadSenseHAT's ring does."""

    def __init__(self) -> None:
        self.next_seq = 0

    def produce(self) -> ReadingBatch:
        made = batch(self.next_seq)
        self.next_seq = made.next_seq
        return made

    def answers(self, requests: list[bytes]) -> list[ReadingBatch]:
        wanted = [decode(ReplayRequest, payload) for payload in requests]
        starts = {
            seq
            for request in wanted
            for first, end in request.ranges
            for seq in range(first // 5 * 5, min(end, self.next_seq), 5)
        }
        return [batch(seq) for seq in sorted(starts)]


ACTIONS = ["produce", "produce", "lose", "twice", "status", "turn", "long turn", "kill", "garbage"]


@settings(max_examples=50)
@given(st.lists(st.sampled_from(ACTIONS), max_size=40), st.integers(0, 2**32))
def test_killed_at_any_moment_every_reading_is_in_one_row_and_the_ledger_balances(
    tmp_path_factory: pytest.TempPathFactory, actions: list[str], seed: int
) -> None:
    bench = Bench(tmp_path_factory.mktemp("killed") / "work", syncSeconds=2)
    producer = Producer()
    noise = random.Random(seed)
    for action in actions:
        if action in {"produce", "twice"}:
            made = producer.produce()
            bench.send(made)
            if action == "twice":
                bench.send(made)
        elif action == "lose":
            producer.produce()
        elif action == "status":
            bench.status(producer.next_seq)
        elif action == "kill":
            bench.kill()
        elif action == "garbage":
            bench.service.receive(f"hub/readings/{DEVICE}", noise.randbytes(40))
        else:
            bench.turn(3.0 if action == "long turn" else TICK_S)
        bench.ledger()
    # The producer goes on until everything is accepted.
    for _ in range(40):
        bench.status(producer.next_seq, state="ended")
        bench.turn(1.0)
        for again in producer.answers(bench.bus.take("hub/replay/")):
            bench.send(again)
        if bench.ledger().accepted == producer.next_seq:
            break
    bench.kill()
    bench.status(producer.next_seq, state="ended")
    total = bench.ledger()
    assert (total.produced, total.accepted, total.dropped) == (
        producer.next_seq,
        producer.next_seq,
        {},
    )
    bench.close()
    assert bench.seqs() == list(range(producer.next_seq))
    windows = bench.rows(WINDOWS)
    assert sum(window["count"] for window in windows) == producer.next_seq
    assert len({(w["start_s"], w["first_seq"]) for w in windows}) == len(windows)


def test_a_kill_between_any_two_system_calls_of_a_commit_loses_and_doubles_nothing(
    make_bench: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench = make_bench()
    bench.send(batch(0))
    journal = bench.service._journal
    before = bench.folder.with_name("before")
    after = bench.folder.with_name("after")
    shutil.copytree(bench.folder, before)
    unlink = Path.unlink

    def killed_before_unlink(path: Path, missing_ok: bool = False) -> None:
        shutil.copytree(bench.folder, after)
        unlink(path, missing_ok=missing_ok)

    monkeypatch.setattr(Path, "unlink", killed_before_unlink)
    bench.service._commit(0.0)
    monkeypatch.undo()
    assert journal.tail_bytes == 0
    # The next tail was there, and nothing was committed yet.
    (before / "volatile" / f"tail-{journal.id}-1").touch()
    for left in (before, after):
        again = Bench(left)
        assert again.ledger().duplicates == 0
        again.close()
        assert again.seqs() == list(range(5))


@pytest.mark.parametrize(
    ("topic", "payload"),
    [
        ("hub/readings/hat-1", b"\xff\x00"),
        ("hub/readings/other", encode(batch(0))),
        ("hub/readings/hat-1", encode(batch(2**50))),
        ("hub/readings/hat-1", b"x" * 100_000),
        (STATUS_TOPIC, b"{}"),
        (STATUS_TOPIC, b"[" * 4_000),
    ],
)
def test_a_refused_payload_is_counted_and_a_sample_is_kept(
    make_bench: Any, topic: str, payload: bytes
) -> None:
    bench = make_bench()
    bench.service.receive(topic, payload)
    assert bench.service.health()["refused_refused"] == 1
    (sample,) = (bench.folder / "volatile" / "quarantine").iterdir()
    assert json.loads(sample.read_text())["topic"] == topic
    bench.send(batch(0))
    bench.close()
    assert bench.seqs() == list(range(5))


def test_samples_are_few_however_many_payloads_are_refused(make_bench: Any) -> None:
    bench = make_bench()
    for n in range(300):
        bench.service.receive("hub/readings/hat-1", b"%d" % n)
    assert bench.service.health()["refused_refused"] == 300
    assert len(list((bench.folder / "volatile" / "quarantine").iterdir())) == 16
    bench.close()


hostile_numbers = st.sampled_from([0, -1, 1, 2**53 - 1, 2**63, 1e22, 1e25, 1e308, -1e308, 0.5])


@settings(max_examples=40)
@given(
    st.lists(
        st.fixed_dictionaries(
            {},
            optional={
                "seq": hostile_numbers,
                "t0_s": hostile_numbers,
                "dt_s": st.lists(hostile_numbers, max_size=3),
                "boot": st.sampled_from([BOOT, "ffffffff-ffffffff", "00000000-00000000"]),
                "values": st.dictionaries(
                    st.sampled_from(["temperature_c", "a"]),
                    st.lists(hostile_numbers | st.none(), max_size=3),
                ),
            },
        ),
        max_size=8,
    ),
    st.dictionaries(
        st.sampled_from(["next_seq", "oldest_seq", "period_s", "boot", "state", "lost"]),
        hostile_numbers | st.sampled_from(["ended", BOOT, [["x", -1, 2**60]]]),
    ),
)
def test_hostile_payloads_end_nothing_not_even_after_a_kill(
    tmp_path_factory: pytest.TempPathFactory,
    changes: list[dict[str, Any]],
    status_changes: dict[str, Any],
) -> None:
    bench = Bench(tmp_path_factory.mktemp("hostile") / "work", syncSeconds=1)
    good = json.loads(encode(batch(0, 1)))
    device = {"boot": BOOT, "next_seq": 1, "oldest_seq": 0, "source": "simulated"}
    for change in changes:
        bench.service.receive(f"hub/readings/{DEVICE}", json.dumps({**good, **change}).encode())
        status = {"v": 1, "devices": {DEVICE: {**device, "state": "running", **status_changes}}}
        bench.service.receive(STATUS_TOPIC, json.dumps(status).encode())
        bench.turn()
    bench.kill()
    bench.turn(100.0)
    bench.ledger()
    bench.turn(100.0)
    bench.close()


def test_a_record_that_an_older_version_took_is_quarantined_and_the_rest_recovered(
    make_bench: Any,
) -> None:
    bench = make_bench()
    bench.send(batch(0))
    bench.service._journal.append(b'{"v": 0}')
    bench.send(batch(5))
    bench.kill()
    assert bench.service.health()["refused_refused"] == 1
    bench.close()
    assert bench.seqs() == list(range(10))


def test_what_cannot_be_published_is_counted_and_stays_in_the_journal(make_bench: Any) -> None:
    bench = make_bench()
    bench.bus.error = IpcError("not connected")
    bench.send(batch(0, 25))
    bench.turn()
    bench.status(30)
    for _ in range(20):
        bench.turn(1.0)
    assert bench.service.health()["windows_not_published"] >= 2
    bench.bus.error = None
    bench.send(batch(25))
    bench.turn(5.0)
    assert decode(Ledger, bench.bus.take("hub/health/ledger")[-1]).total.accepted == 30
    bench.close()
    assert bench.seqs() == list(range(30))
    assert sum(window["count"] for window in bench.rows(WINDOWS)) == 25


def test_a_topic_that_is_not_granted_ends_the_service(make_bench: Any) -> None:
    bench = make_bench()
    bench.bus.error = NotAuthorizedError("publish to hub/health/ledger")
    with pytest.raises(NotAuthorizedError):
        bench.turn(60.0)


def test_a_slow_nucleus_does_not_hold_up_the_owner_for_long(make_bench: Any) -> None:
    bench = make_bench()
    publish = bench.bus.publish

    def slowly(topic: str, payload: bytes) -> None:
        bench.clock.advance(10.0)
        publish(topic, payload)

    bench.bus.publish = slowly
    for seq in range(0, 500, 5):
        bench.send(batch(seq))
    began_s = bench.clock.monotonic_s()
    bench.service._publish_windows()
    assert bench.clock.monotonic_s() - began_s == 10.0
    assert bench.service.health()["windows_not_published"] == 48


@contextlib.contextmanager
def no_larger_files(size_bytes: int) -> Iterator[None]:
    """Writes beyond a size fail with EFBIG, as they would with ENOSPC on a full disk."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    previous = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size_bytes, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        signal.signal(signal.SIGXFSZ, previous)


def test_a_disk_without_room_keeps_what_fits_and_takes_up_again_when_there_is_room(
    make_bench: Any, caplog: pytest.LogCaptureFixture
) -> None:
    bench = make_bench(syncKilobytes=16)
    wal = bench.folder / "journal.sqlite-wal"
    producer = Producer()
    with no_larger_files(max(70_000, wal.stat().st_size + 1_000)):
        for _ in range(1_200):
            bench.send(producer.produce())
            bench.turn(0.5)
    failures = bench.service.health()["journal_failures"]
    assert isinstance(failures, int)
    assert failures > 100
    # Bounded: four times syncKilobytes and one batch at most, in memory as on tmpfs.
    assert bench.service._journal.tail_bytes <= 4 * 16 * 1024
    assert len(bench.service._core._uncommitted) < 600
    lost = [r for r in caplog.records if r.getMessage().startswith("lost what=journal")]
    assert 1 <= len(lost) <= 3
    assert bench.ledger().accepted < producer.next_seq
    bench.status(producer.next_seq)
    for _ in range(600):
        bench.turn(1.0)
        for again in producer.answers(bench.bus.take("hub/replay/"))[:100]:
            bench.send(again)
    assert bench.ledger().accepted == producer.next_seq
    bench.kill()
    bench.close()
    assert bench.seqs() == list(range(producer.next_seq))


def test_tmpfs_without_room_is_a_gap_and_not_an_end(make_bench: Any) -> None:
    bench = make_bench()
    bench.send(batch(0))
    tail = bench.service._journal._tail.path
    with no_larger_files(tail.stat().st_size + 50):
        bench.send(batch(5))
    bench.send(batch(10))
    assert bench.ledger().accepted == 10
    bench.kill()
    bench.turn()
    bench.turn(1.0)
    (request,) = bench.bus.take("hub/replay/")
    assert decode(ReplayRequest, request).ranges == [(5, 10)]
    bench.send(batch(5))
    bench.close()
    assert bench.seqs() == list(range(15))


def test_a_journal_that_another_process_has_is_tried_again_later(make_bench: Any) -> None:
    bench = make_bench()
    with pytest.raises(NotNowError, match="another process has this journal"):
        bench._build()
    files = len(os.listdir("/proc/self/fd"))  # noqa: PTH208
    for _ in range(20):
        with pytest.raises(NotNowError):
            bench._build()
    assert len(os.listdir("/proc/self/fd")) <= files  # noqa: PTH208
    bench.close()
    bench.service = bench._build()
    bench.close()


def test_statuses_of_more_devices_than_a_hub_has_do_not_hide_the_others(make_bench: Any) -> None:
    bench = make_bench()
    device = ProducerDevice(boot=BOOT, next_seq=9, oldest_seq=0, source="replay", state="running")
    for n in range(300):
        devices = {f"forged-{n}": device, DEVICE: device}
        bench.send(ProducerStatus(devices=devices), STATUS_TOPIC)
    assert bench.service.health()["refused_refused"] == 300 - 255
    assert bench.ledger().produced == 256 * 9
    with pytest.raises(PayloadError):
        bench.service._core.check(batch(0, device_id="one-more"))
    bench.close()
