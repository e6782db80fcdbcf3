"""The thin edge: topics in, journal, core, topics out."""

import logging
from pathlib import Path

import msgspec

from aggregator.configuration import AggregatorConfiguration
from aggregator.core import Core
from aggregator.devices import EMPTY_STATE, Settings
from aggregator.exporter import Destination, Exporter, ExporterThread
from aggregator.quarantine import Quarantine
from hubkit.backoff import Backoff
from hubkit.export_log import ExportLog
from hubkit.health import HealthValue
from hubkit.ipc import IpcError, NotAuthorizedError
from hubkit.journal import Journal
from hubkit.journal_file import JournalError
from hubkit.payloads import (
    Ledger,
    LedgerDevice,
    Payload,
    PayloadError,
    PayloadTooLargeError,
    ProducerStatus,
    ReadingBatch,
    decode,
    encode,
    encode_in_parts,
)
from hubkit.service import NotNowError, Service, Surroundings
from hubkit.streams import Streams
from hubkit.volatile import volatile_folder

COMPONENT = "com.hbs.hub.Aggregator"
READINGS_FILTER = "hub/readings/#"
STATUS_TOPIC = "hub/health/ReadSenseHAT"
LEDGER_TOPIC = "hub/health/ledger"
TOPIC_FILTERS = (READINGS_FILTER, STATUS_TOPIC)

TICK_S = 0.25
WINDOWS_PER_TICK = 50
"""The most windows that are published in one turn: a replay at high speed closes thousands, and
each costs a round trip to the nucleus. The journal has them all."""
PUBLISH_S = 1.0
"""The time for it: next to a stuck neighbour each takes up to 15 s on nucleus lite."""
TAIL_SYNCS = 4
"""While the disk takes nothing, so many times `syncKilobytes` are accepted; then batches are gaps,
which the producers' rings keep."""

_log = logging.getLogger(__name__)


class AggregatorService(Service):
    """One Aggregator over its journal.

    Raises:
        ConfigurationError: The volatile folder cannot be used.
        NotNowError: The journal cannot be opened: the disk is full or read-only.
    """

    topic_filters = TOPIC_FILTERS

    def __init__(self, configuration: AggregatorConfiguration, surroundings: Surroundings) -> None:
        self._configuration = configuration
        self._bus = surroundings.bus
        self._clock = surroundings.clock
        self._thing = surroundings.thing_name
        self._work_folder = surroundings.work_folder
        volatile = volatile_folder(configuration.volatile_folder, COMPONENT, self._work_folder)
        try:
            self._quarantine = Quarantine(volatile / "quarantine")
            self._journal = Journal(
                self._work_folder,
                volatile,
                quota_bytes=configuration.quota_megabytes * 1_000_000,
                initial_state=EMPTY_STATE,
                tail_quota_bytes=TAIL_SYNCS * configuration.sync_kilobytes * 1024,
            )
        except (JournalError, OSError) as error:
            raise NotNowError(str(error)) from error
        self._core = self._recover(configuration)
        self._exporter = self._new_exporter(configuration)
        self._committed_s = self._clock.monotonic_s()
        self._ledger_s = 0.0
        self._finish_by_s = 0.0
        self._dirty = bool(self._journal.recovered())
        self._not_published = 0
        self._journal_failures = 0
        self._commits = Backoff(base_s=1.0, cap_s=30.0, name="journal")
        self._commit_again_s = 0.0

    def begin(self) -> None:
        """Start to export."""
        if self._exporter is not None:
            self._exporter.start()

    def receive(self, topic: str, payload: bytes) -> None:
        """Account for a batch, or learn a producer's status."""
        try:
            if topic == STATUS_TOPIC:
                self._learn_status(decode(ProducerStatus, payload))
            else:
                batch = decode(ReadingBatch, payload)
                if topic != f"hub/readings/{batch.device_id}":
                    raise PayloadError(f"device_id={batch.device_id} on topic {topic[:120]}")
                self._core.check(batch)
                self._accept(batch, payload)
        except PayloadError as error:
            self._quarantine.put(topic, payload, "refused", str(error))
        except JournalError as error:
            # Not accepted, so it is a gap, and asked for again when there is room.
            self._journal_failures += 1
            _log.debug("batch not accepted reason=%s", error)

    def tick(self) -> float:
        """Publish what closed, ask for gaps, commit, report; returns the time to the next tick."""
        now_s = self._clock.monotonic_s()
        configuration = self._configuration
        self._core.tick(now_s)
        self._publish_windows()
        for request in self._core.requests(now_s):
            self._publish(f"hub/replay/{request.device_id}", request)
        full = self._journal.tail_bytes >= configuration.sync_kilobytes * 1024
        due = full or now_s - self._committed_s >= configuration.sync_seconds
        if self._dirty and due and now_s >= self._commit_again_s:
            self._commit(now_s)
        if now_s >= self._ledger_s:
            self._ledger_s = now_s + configuration.ledger_seconds
            self._publish_ledger()
        return TICK_S

    def finish(self) -> None:
        """Commit, and export what there is within `drainSeconds`; batches are still accepted."""
        now_s = self._clock.monotonic_s()
        self._commit(now_s)
        self._finish_by_s = now_s + self._configuration.drain_seconds
        if self._exporter is not None:
            self._exporter.drain()

    def finished(self) -> bool:
        """Whether all is exported, or the time for it is up."""
        if self._exporter is None or self._clock.monotonic_s() >= self._finish_by_s:
            return True
        return self._exporter.drained and not self._dirty

    def close(self) -> None:
        """Commit, say where every reading is, and close the files."""
        if self._exporter is not None:
            _log.info("export ended complete=%s", self._exporter.drained)
            self._exporter.close()
        self._publish_windows()
        self._commit(self._clock.monotonic_s())
        self._publish_ledger()
        self._journal.close()

    def health(self) -> dict[str, HealthValue]:
        """Counters of the journal, the exporter and the refused payloads."""
        exporter = self._exporter.exporter if self._exporter is not None else None
        try:
            journal_bytes: int | None = self._journal.size_bytes
        except JournalError:
            journal_bytes = None
        return {
            "journal_bytes": journal_bytes,
            "tail_bytes": self._journal.tail_bytes,
            "journal_failures": self._journal_failures,
            "salvaged_rows": self._journal.salvaged_rows,
            "windows_not_published": self._not_published,
            "objects": exporter.objects if exporter else 0,
            "records": exporter.records if exporter else 0,
            "upload_failures": exporter.failures if exporter else 0,
            **{f"refused_{reason}": n for reason, n in self._quarantine.counts.items()},
        }

    def _recover(self, configuration: AggregatorConfiguration) -> Core:
        """The core as it was: the saved state, and what the tail holds accepted again."""
        settings = Settings(
            thing=self._thing,
            window_s=configuration.window_seconds,
            lateness_s=configuration.lateness_seconds,
            bands={deadband.metric: deadband.band for deadband in configuration.deadband},
            deadband_s=configuration.deadband_seconds,
        )
        try:
            core = Core(settings, self._journal.state)
        except msgspec.MsgspecError as error:
            _log.error("saved state refused, beginning with an empty one reason=%s", error)
            core = Core(settings)
        now_s = self._clock.monotonic_s()
        records = self._journal.recovered()
        for record in records:
            try:
                batch = decode(ReadingBatch, record)
            except PayloadError as error:  # an older version may have accepted it
                self._quarantine.put("tail", record, "refused", str(error))
                continue
            if core.is_new(batch):  # a commit that was interrupted may have it
                core.accept(batch, now_s)
        if records:
            _log.info("recovered from the tail batches=%d", len(records))
        return core

    def _accept(self, batch: ReadingBatch, payload: bytes) -> None:
        if self._core.is_new(batch):
            self._journal.append(payload)
            self._dirty = True
        self._core.accept(batch, self._clock.monotonic_s())

    def _learn_status(self, status: ProducerStatus) -> None:
        now_s = self._clock.monotonic_s()
        refused: PayloadError | None = None
        for device_id, device in status.devices.items():
            try:
                self._core.learn_status(device_id, device, now_s)
            except PayloadError as error:
                refused = error
        self._dirty = True
        if refused is not None:
            raise refused

    def _commit(self, now_s: float) -> None:
        self._committed_s = now_s
        try:
            self._journal.commit(self._core.rows(), self._core.state())
        except JournalError as error:
            # The tail keeps the readings.
            self._journal_failures += 1
            self._commit_again_s = now_s + self._commits.failed(error)
            return
        self._commits.succeeded()
        self._core.committed()
        self._dirty = False

    def _publish_windows(self) -> None:
        windows = self._core.closed_windows()
        end_s = self._clock.monotonic_s() + PUBLISH_S
        published = 0
        newest = {window.device_id: at for at, window in enumerate(windows)}
        for at, window in enumerate(windows):
            if at < len(windows) - WINDOWS_PER_TICK and at != newest[window.device_id]:
                continue
            if self._clock.monotonic_s() > end_s:
                break
            self._publish(f"hub/windows/{window.device_id}", window)
            published += 1
        self._not_published += len(windows) - published

    def _publish_ledger(self) -> None:
        try:
            accounts = self._journal.accounts()
        except JournalError as error:
            self._journal_failures += 1
            _log.debug("ledger not published reason=%s", error)
            return
        devices, total = self._core.ledger(accounts)
        exporter = self._exporter.state if self._exporter is not None else "none"

        def ledger(part: dict[str, LedgerDevice]) -> Ledger:
            return Ledger(thing=self._thing, devices=part, total=total, exporter=exporter)

        for _, encoded in encode_in_parts(devices, ledger):
            if encoded is not None:
                self._publish_encoded(LEDGER_TOPIC, encoded)

    def _publish(self, topic: str, payload: Payload) -> None:
        try:
            encoded = encode(payload)
        except PayloadTooLargeError as error:
            self._not_published += 1
            _log.debug("not published topic=%s reason=%s", topic, error)
            return
        self._publish_encoded(topic, encoded)

    def _publish_encoded(self, topic: str, encoded: bytes) -> None:
        try:
            self._bus.publish(topic, encoded)
        except NotAuthorizedError:
            raise
        except IpcError as error:
            self._not_published += 1
            _log.debug("not published topic=%s reason=%s", topic, error)

    def _new_exporter(self, configuration: AggregatorConfiguration) -> ExporterThread | None:
        if configuration.export == "none":
            return None
        address = configuration.stream_manager
        destination = Destination(
            bucket=configuration.bucket,
            kinesis_stream=configuration.kinesis_stream,
            stream_bytes=configuration.stream_megabytes * 1_000_000,
            flush_s=configuration.flush_seconds,
            flush_bytes=configuration.flush_kilobytes * 1024,
            window_flush_s=configuration.window_flush_seconds,
        )
        path: Path = self._journal.path
        return ExporterThread(
            lambda: Exporter(
                ExportLog(path),
                Streams(address.host, address.port),
                self._work_folder / "exports",
                destination,
                self._thing,
                self._clock,
            )
        )
