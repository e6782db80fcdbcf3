"""One device: its readings into batches, its batches into the ring, and out of it again.

Law: a reading is produced when its batch is in the ring; from then on it is published until it is
accepted, asked for again, or overrun, and each of these is counted. The sequence number is given
when the batch goes into the ring, so numbers have no holes.

    feed -> batch builder -> ring -> published -> accepted
                              |  ^
            what went unheard +--+ and what the Aggregator asks for, again from the ring

A device in event time (a recording, a faster simulation) does not run ahead of acceptance by more
than half the ring, so it is never overrun.
"""

import logging
from collections import Counter
from collections.abc import Iterator
from typing import NamedTuple

from hubkit.clock import Clock
from hubkit.payloads import MAX_PAYLOAD_BYTES, ProducerDevice, SourceName, encode
from read_sense_hat.batching import BatchBuilder
from read_sense_hat.boots import Life
from read_sense_hat.ranges import Ranges
from read_sense_hat.ring import RECORD_BYTES, Record, Ring
from read_sense_hat.sampling import Feed, Taken

READINGS_PER_TURN = 500
"""A turn of one device takes some 10 ms at most, so that the others and the inbox get theirs."""

LOST_RANGES = 16
"""Ranges in a status, of 40 bytes each; the Aggregator asks again for what it was not told."""

_log = logging.getLogger(__name__)


class _Held(NamedTuple):
    readings: int
    payload: bytes


class Producer:
    """A device at work.

    Args:
        device_id: The device.
        source: Its kind of source.
        life: Its boot.
        ring: Its ring; closed here.
        feed: Its readings; closed here.
        paced: Whether the feed waits for acceptance.
        period_s: The distance of readings in event time, None where it is not known.
        batch_s: How long a reading waits for others.
        clock: Ages the batch.
    """

    def __init__(
        self,
        device_id: str,
        source: SourceName,
        *,
        life: Life,
        ring: Ring,
        feed: Feed,
        paced: bool,
        period_s: float | None,
        batch_s: float,
        clock: Clock,
    ) -> None:
        self.device_id = device_id
        self._source: SourceName = source
        self._life = life
        self._ring = ring
        self._feed = feed
        self._paced = paced
        self._period_s = period_s
        self._batch_s = batch_s
        self._clock = clock
        self._builder: BatchBuilder | None = None
        self._deadline_s = float("inf")
        self._over: Taken | None = None
        self._held: _Held | None = None
        self._accepted_upto = 0
        self._unaccepted_bytes = ring.bytes_from(0)
        self._wanted = Ranges()
        self._lost: dict[str, Ranges] = {}
        self._stopped = False
        self.refused: Counter[str] = Counter()
        self.overrun = 0

    @property
    def boot(self) -> str:
        """Its boot."""
        return self._life.boot

    @property
    def is_settled(self) -> bool:
        """Whether everything produced is accepted."""
        return self._accepted_upto >= self._ring.next_seq

    @property
    def wants_replay(self) -> bool:
        """Whether batches wait to be published again."""
        return bool(self._wanted)

    def next_s(self) -> float:
        """The monotonic time of its next turn."""
        now_s = self._clock.monotonic_s()
        if self._held is not None or (self._paced and not self._has_room()):
            # The ledger is a message away; a full tmpfs takes longer.
            return min(now_s + 0.02, self._deadline_s)
        return min(self._feed.next_s, self._deadline_s)

    def turn(self) -> list[Record]:
        """Take what is ready; the batches that are now in the ring and to be published."""
        out: list[Record] = []
        self._keep_held(out)
        for _ in range(READINGS_PER_TURN):
            if self._paced and (self._held is not None or not self._has_room()):
                break
            taken = self._over or self._feed.fetch()
            if taken is None:
                break
            self._over = None
            self._take(taken, out)
        if self._builder and self._deadline_s <= max(self._clock.monotonic_s(), self._feed.next_s):
            # Due, or due before another reading comes.
            self._close_batch(out)
        return out

    def _has_room(self) -> bool:
        """Whether the ring keeps all that is not accepted, with the batch that is being filled."""
        record_bytes = RECORD_BYTES + MAX_PAYLOAD_BYTES
        return self._unaccepted_bytes + 2 * record_bytes <= self._ring.half_bytes

    def _take(self, taken: Taken, out: list[Record]) -> None:
        if self._builder is None:
            self._builder = BatchBuilder(self.device_id, self._source, self._feed.metrics)
        if not self._builder.add(*taken):
            self._close_batch(out)
            if self._held is not None and self._paced:
                self._over = taken
                return
            self._builder.add(*taken)
        if len(self._builder) == 1:
            self._deadline_s = self._clock.monotonic_s() + self._batch_s

    def _close_batch(self, out: list[Record]) -> None:
        """The batch into the ring; where that fails it is held, and the next ones are refused."""
        builder = self._builder
        if not builder:
            return
        count = len(builder)
        self._deadline_s = float("inf")
        if self._held is not None:
            builder.take(self.boot, 0)
            self.refused["ring_error"] += count
            return
        self._held = _Held(count, encode(builder.take(self.boot, self._ring.next_seq)))
        self._keep_held(out)

    def _keep_held(self, out: list[Record]) -> None:
        if self._held is None:
            return
        first, oldest = self._ring.next_seq, self._ring.oldest_seq
        try:
            self._ring.append(*self._held)
        except OSError as error:
            if not self.refused["ring_error"]:
                _log.warning("ring not written device=%s reason=%s", self.device_id, error)
        else:
            out.append(Record(first, *self._held))
            self._unaccepted_bytes += RECORD_BYTES + len(self._held.payload)
            self._held = None
        gone = self._ring.oldest_seq
        if gone > max(oldest, self._accepted_upto):
            self._lose(self.boot, max(oldest, self._accepted_upto), gone)
            self._unaccepted_bytes = self._ring.bytes_from(self._accepted_upto)

    def _lose(self, boot: str, first: int, end: int) -> None:
        if boot == self.boot:
            self.overrun += end - first
            self._wanted.cut_below(end)
        ranges = self._lost.setdefault(boot, Ranges())
        ranges.add(first, end)
        del ranges.pairs[:-LOST_RANGES]
        while len(self._lost) > LOST_RANGES:
            del self._lost[min(self._lost)]

    def want(self, boot: str, first: int, end: int) -> None:
        """Publish [first, end) again, or tell that it is lost."""
        if boot != self.boot:
            self._lose(boot, first, end)
            return
        end = min(end, self._ring.next_seq)
        oldest = self._ring.oldest_seq
        if first < min(end, oldest):
            self._lose(boot, first, min(end, oldest))
        first = max(first, oldest, self._accepted_upto)
        if first < end:
            self._wanted.add(first, end)

    def replay(self) -> Iterator[Record]:
        """The batches that are wanted again; each is wanted no more when it was given."""
        while self._wanted:
            first, end = self._wanted.pairs[0]
            record = self._ring.record_at(first)
            self._wanted.cut_below(end if record is None else record.end)
            if record is not None:
                yield record

    def accepted(self, upto: int) -> None:
        """Everything below `upto` of this boot is accepted, or given up."""
        if upto <= self._accepted_upto:
            return
        self._accepted_upto = upto
        self._unaccepted_bytes = self._ring.bytes_from(upto)
        self._wanted.cut_below(upto)
        lost = self._lost.get(self.boot)
        if lost is not None:
            lost.cut_below(upto)

    def forget_lost(self, boots: set[str]) -> None:
        """Boots that the ledger no longer has are settled."""
        for boot in self._lost.keys() - boots - {self.boot}:
            del self._lost[boot]

    def stop(self) -> list[Record]:
        """Take no more readings; the batches to be published are those that were taken."""
        out: list[Record] = []
        self._feed.close()
        self._stopped = True
        self._close_batch(out)
        self._keep_held(out)
        if self._held is not None:
            self.refused["ring_error"] += self._held.readings
        return out

    def status(self) -> ProducerDevice:
        """What the hub is told."""
        return ProducerDevice(
            boot=self.boot,
            next_seq=self._ring.next_seq,
            oldest_seq=self._ring.oldest_seq,
            source=self._source,
            state="stopped" if self._stopped else self._feed.state,
            period_s=self._period_s,
            refused=dict(self.refused + self._feed.refused),
            lost=[
                (boot, first, end)
                for boot, ranges in sorted(self._lost.items())
                for first, end in ranges.pairs
            ][-LOST_RANGES:],
            missed_ticks=self._feed.missed,
        )

    def close(self) -> None:
        """Close the feed and the ring; may be called again."""
        self._feed.close()
        self._ring.close()
