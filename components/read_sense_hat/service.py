"""ReadSenseHAT at work: the thin edge between the producers and Greengrass IPC.

Law: live readings go first, replays are paced behind them, and a payload that could not be
published is wanted again like any that went unheard. Nothing that arrives ends anything: it is
refused and counted.

In    `hub/replay/#`              ReplayRequest    the wanted batches are published again
In    `hub/health/ledger`         Ledger           how far each device's boot is accepted
Out   `hub/readings/<device>`     ReadingBatch
Out   `hub/health/ReadSenseHAT`   ProducerStatus   a second after a change, each `healthSeconds`,
                                                   when it stops, and at the end
"""

import logging
from collections import Counter
from collections.abc import Iterator

from hubkit.health import HealthValue, health_topic
from hubkit.ipc import IpcError, NotAuthorizedError
from hubkit.payloads import (
    Ledger,
    PayloadError,
    ProducerDevice,
    ProducerStatus,
    ReplayRequest,
    decode,
    encode_in_parts,
)
from hubkit.service import NotNowError, Service, Surroundings
from read_sense_hat import COMPONENT
from read_sense_hat.boots import RingsFolder, open_life
from read_sense_hat.configuration import (
    Device,
    ReadSenseHatConfiguration,
    ReplayDevice,
    source_kind,
)
from read_sense_hat.feeds import fingerprint, is_paced, make_feed
from read_sense_hat.producer import Producer
from read_sense_hat.ring import Record

LEDGER_TOPIC = "hub/health/ledger"
REPLAY_PREFIX = "hub/replay/"
TOPIC_FILTERS = ("hub/replay/#", LEDGER_TOPIC)

REPLAYS_PER_TURN = 10
REPLAY_PAUSE_S = 0.02
"""500 batches a second at most, half of what a nucleus lite takes: the other half is for the
living."""

STATUS_S = 1.0
PUBLISH_AGAIN_S = 1.0
UNHEARD_S = 1.0
"""A lost connection is back by then, unless the nucleus itself is stopping; the ring stays."""
IDLE_S = 1.0
"""Longest time between two ticks: the status wants to be looked at."""

_log = logging.getLogger(__name__)


class ReadSenseHat(Service):
    """The component's service; see the module.

    Args:
        configuration: The component's.
        surroundings: Bus, clock and work folder.
    """

    topic_filters = TOPIC_FILTERS

    def __init__(
        self, configuration: ReadSenseHatConfiguration, surroundings: Surroundings
    ) -> None:
        self._configuration = configuration
        self._bus = surroundings.bus
        self._clock = surroundings.clock
        self._work_folder = surroundings.work_folder
        self._rings: RingsFolder | None = None
        self._producers: dict[str, Producer] = {}
        self._refused: Counter[str] = Counter()
        self._published = 0
        self._replayed = 0
        self._publish_again_s = float("-inf")
        self._replay_s = float("-inf")
        self._status_s = float("-inf")
        self._said: dict[str, ProducerDevice] = {}
        self._stop_s: float | None = None
        self._unheard_s: float | None = None

    def begin(self) -> None:
        """Open every device's ring and start to read.

        Raises:
            ConfigurationError: The volatile folder cannot be used.
            NotNowError: The rings cannot be opened now, or another process has them.
        """
        self._rings = RingsFolder(self._configuration.volatile_folder, self._work_folder)
        try:
            for device in self._configuration.devices:
                self._producers[device.id] = self._new_producer(device, self._rings)
        except OSError as error:
            raise NotNowError(f"{self._rings.path}: {error}") from error

    def _new_producer(self, device: Device, rings: RingsFolder) -> Producer:
        configuration, clock = self._configuration, self._clock
        speed = configuration.speed_of(device)
        life, ring = open_life(
            rings.path / device.id,
            size_bytes=configuration.ring_kilobytes * 1024,
            counter=self._work_folder / "boots",
            fingerprint=fingerprint(device, speed),
            now_s=round(clock.now_s(), 3),
        )
        feed = make_feed(
            device,
            speed=speed,
            first=ring.next_seq,
            origin_s=life.origin_s,
            work_folder=self._work_folder,
            clock=clock,
        )
        return Producer(
            device.id,
            source_kind(device),
            life=life,
            ring=ring,
            feed=feed,
            paced=is_paced(device, speed),
            period_s=None if isinstance(device, ReplayDevice) else device.period_seconds,
            batch_s=configuration.batch_seconds,
            clock=clock,
        )

    def receive(self, topic: str, payload: bytes) -> None:
        """Learn what is accepted, or what is wanted again."""
        try:
            if topic == LEDGER_TOPIC:
                self._learn(decode(Ledger, payload))
            elif topic.startswith(REPLAY_PREFIX):
                request = decode(ReplayRequest, payload)
                if topic != REPLAY_PREFIX + request.device_id:
                    raise PayloadError(f"device_id={request.device_id} on topic {topic[:120]}")
                self._want(request)
        except PayloadError as error:
            self._refused[topic.partition("/")[2].partition("/")[0]] += 1
            _log.warning("payload refused topic=%s reason=%s", topic[:120], error)

    def _learn(self, ledger: Ledger) -> None:
        for device_id, entry in ledger.devices.items():
            producer = self._producers.get(device_id)
            if producer is None:
                continue
            own = entry.boots.get(producer.boot)
            if own is not None:
                producer.accepted(own.accepted_upto)
                producer.forget_lost(set(entry.boots))

    def _want(self, request: ReplayRequest) -> None:
        producer = self._producers.get(request.device_id)
        if producer is None:
            _log.info("replay asked of no device of ours device=%s", request.device_id[:64])
            return
        for first, end in request.ranges:
            producer.want(request.boot, first, end)
        # A second after the last one, not at once: requests come in bursts.
        self._said.pop(request.device_id, None)

    def tick(self) -> float:
        """Read, publish, replay, report; returns the seconds to the next tick."""
        if self._stop_s is None:
            for producer in self._producers.values():
                for record in producer.turn():
                    self._publish(producer, record)
        if self._clock.monotonic_s() >= self._replay_s:
            self._replay_s = self._clock.monotonic_s() + REPLAY_PAUSE_S
            self._replay()
        now_s = self._clock.monotonic_s()
        if now_s - self._status_s >= STATUS_S:
            self._status_s = now_s
            self._report(only_changed=True)
        due_s = [self._status_s + STATUS_S]
        if self._stop_s is None:
            due_s += [producer.next_s() for producer in self._producers.values()]
        if any(producer.wants_replay for producer in self._producers.values()):
            due_s.append(max(self._replay_s, self._publish_again_s))
        return min(IDLE_S, max(0.0, min(due_s) - self._clock.monotonic_s()))

    def _publish(self, producer: Producer, record: Record) -> bool:
        """Publish a batch; one that is not known to have gone out is wanted again."""
        if self._clock.monotonic_s() >= self._publish_again_s:
            try:
                self._bus.publish(f"hub/readings/{producer.device_id}", record.payload)
            except NotAuthorizedError:
                raise
            except IpcError as error:
                self._publish_again_s = self._clock.monotonic_s() + PUBLISH_AGAIN_S
                _log.debug("not published device=%s reason=%s", producer.device_id, error)
            else:
                self._published += 1
                return True
        producer.want(producer.boot, record.first, record.end)
        return False

    def _replay(self) -> None:
        """Publish a few of the wanted batches, of each device as many as of the others."""
        wanting = [producer for producer in self._producers.values() if producer.wants_replay]
        share = REPLAYS_PER_TURN // len(wanting) if wanting else 0
        for producer in wanting:
            for count, record in enumerate(producer.replay(), start=1):
                if not self._publish(producer, record):
                    return
                self._replayed += 1
                if count >= share:
                    break

    def disconnected(self) -> None:
        """Remember since when nobody hears."""
        self._unheard_s = self._clock.monotonic_s()

    def reconnected(self) -> None:
        """Publish at once what went unheard, and say where everything is."""
        self._unheard_s = None
        self._publish_again_s = float("-inf")
        self._said.clear()

    def finish(self) -> None:
        """Stop reading, publish what was read, and say so; replays go on until `finished`."""
        self._stop_s = self._clock.monotonic_s() + self._configuration.drain_seconds
        for producer in self._producers.values():
            for record in producer.stop():
                self._publish(producer, record)
        self._report(only_changed=False)

    def finished(self) -> bool:
        """Whether everything is accepted, `drainSeconds` are over, or nobody is there to hear."""
        now_s = self._clock.monotonic_s()
        if self._stop_s is None or now_s >= self._stop_s:
            return True
        if self._unheard_s is not None and now_s - self._unheard_s >= UNHEARD_S:
            return True
        return all(producer.is_settled for producer in self._producers.values())

    def close(self) -> None:
        """Close the rings; they stay, and the boots go on with the next process.

        The state "stopped" is said once more: who accepted the last readings late, after a restart
        or a replay, has not heard it or could not close its windows then.
        """
        if self._stop_s is not None:
            self._report(only_changed=False)
        for producer in self._producers.values():
            producer.close()
        self._producers.clear()
        if self._rings is not None:
            self._rings.close()
            self._rings = None

    def health(self) -> ProducerStatus:
        """The status of the devices that fit; `tick` publishes all of them."""
        for part, _ in self._encoded(self._statuses()):
            return self._status(part)
        return self._status({})

    def _statuses(self) -> dict[str, ProducerDevice]:
        return {name: producer.status() for name, producer in self._producers.items()}

    def _status(self, devices: dict[str, ProducerDevice]) -> ProducerStatus:
        return ProducerStatus(devices=devices, health=self._counters())

    def _report(self, *, only_changed: bool) -> None:
        statuses = self._statuses()
        changed = {
            name: status
            for name, status in statuses.items()
            if not only_changed or self._said.get(name) != status
        }
        for part, encoded in self._encoded(changed):
            try:
                self._bus.publish(health_topic(COMPONENT), encoded)
            except NotAuthorizedError:
                raise
            except IpcError as error:
                _log.debug("status not published reason=%s", error)
                return
            self._said.update(part)

    def _encoded(
        self, devices: dict[str, ProducerDevice]
    ) -> Iterator[tuple[dict[str, ProducerDevice], bytes]]:
        """As many statuses as their size takes; none of no device."""
        if not devices:
            return
        for part, encoded in encode_in_parts(devices, self._status):
            if encoded is None:
                _log.warning("status too large device=%s", *part)
            else:
                yield part, encoded

    def _counters(self) -> dict[str, HealthValue]:
        return {
            "published": self._published,
            "replayed": self._replayed,
            "overrun": sum(producer.overrun for producer in self._producers.values()),
            **{f"refused_{kind}": count for kind, count in self._refused.items()},
        }
