"""What the Aggregator knows of every device: no I/O and no clock.

Law: the state is a function of the batches and statuses it was given, in their order. So state +
the tail's batches, accepted again after a crash, is the state before it; and for every device and
boot, at any moment, produced = delivered + queued + dropped.

A batch is accepted as it comes. Its windows wait for the order of sequence numbers: while a gap is
open the batches behind it are held back, for `lateness_s` at most; then the gap is skipped, and
what fills it later becomes window parts of its own.

The state is bounded whatever comes: `check` refuses what would take it past the limits below, and a
boot of which nothing is missing is summed up when enough newer ones are there. Which boot of a
device is the living one its producer's status says, and never a batch.
"""

from collections.abc import Iterable, Sequence

import msgspec

from aggregator.devices import EMPTY_STATE, Boot, Device, DeviceState, Settings, State
from aggregator.ledger import settle_accounts, summed
from aggregator.lines import READINGS, reading_rows, window_rows
from aggregator.windows import Windows
from hubkit.journal import Row
from hubkit.journal_file import Account
from hubkit.payloads import (
    LedgerBoot,
    LedgerDevice,
    PayloadError,
    ProducerDevice,
    ReadingBatch,
    ReplayRequest,
    Window,
)

GAP_SECONDS = 0.5
"""A status may overtake the batches it speaks of: a gap is asked for when it is that old."""
GAP_SECONDS_MOST = 10.0
RANGES_PER_REQUEST = 100
"""Keeps a request below 4,500 bytes with 16 digit sequence numbers."""
DEVICES = 256
"""Each is some hundred bytes of state, written with every commit."""
BOOTS_IN_DETAIL = 8
"""As many boots of a device as the ledger's payload shows one by one; older ones are summed up."""
BOOTS = 32
NUMBERS_AHEAD = 10_000_000
"""A batch further ahead of what its producer is known to have produced waits for the status: that
comes every ten seconds, and nobody publishes a million readings a second."""
GAPS = 1_000
HELD_BATCHES = 256
"""Batches that wait behind a gap are held in memory and in the state."""


class Core:
    """Accounts for readings and summarises them.

    Args:
        settings: What it is told.
        state: What `commit` gave last; `EMPTY_STATE` at first.
    """

    def __init__(self, settings: Settings, state: bytes = EMPTY_STATE) -> None:
        self._settings = settings
        saved = msgspec.msgpack.decode(state, type=State)
        self._devices = {
            device_id: Device(device_id, settings, device)
            for device_id, device in saved.devices.items()
        }
        self._uncommitted: list[tuple[ReadingBatch, list[int] | None]] = []
        self._closed: list[Window] = []
        self._unpublished: list[Window] = []

    def check(self, batch: ReadingBatch) -> None:
        """Raise `PayloadError` for a batch that would take the state past its limits.

        A refused batch is a gap: it is asked for again, and taken when there is room.
        """
        device = self._devices.get(batch.device_id)
        if device is None:
            self._check_devices(batch.device_id)
        boot = None if device is None else device.boots.get(batch.boot)
        produced = 0
        if boot is not None:
            produced = boot.produced
            sequences = boot.sequences
            if sequences.gaps >= GAPS and not sequences.joins(batch.seq, batch.next_seq):
                raise PayloadError(f"seq={batch.seq} would be gap {GAPS + 1} of {batch.boot}")
        elif (
            device is not None
            and len(device.boots) >= BOOTS
            and batch.boot not in device.remembered
        ):
            raise PayloadError(
                f"boot={batch.boot} of {device.id}: {BOOTS} others have gaps, the most at once"
            )
        if batch.seq > produced + NUMBERS_AHEAD:
            raise PayloadError(
                f"seq={batch.seq} is more than {NUMBERS_AHEAD} ahead of the {produced} readings "
                f"that {batch.device_id} is known to have produced"
            )

    def is_new(self, batch: ReadingBatch) -> bool:
        """Whether any of its readings is not settled yet."""
        device = self._devices.get(batch.device_id)
        if device is None:
            return True
        boot = device.boots.get(batch.boot)
        if boot is None:
            return not device.is_settled(batch.boot)
        return bool(boot.sequences.missing_within(batch.seq, batch.next_seq))

    def accept(self, batch: ReadingBatch, now_s: float) -> None:
        """Take the batch's new readings; its others are counted as duplicates.

        Args:
            batch: As decoded.
            now_s: Monotonic time.
        """
        device = self._device(batch.device_id)
        if device.is_settled(batch.boot):
            device.settled.duplicates += len(batch)
            return
        boot = self._boot(device, batch.boot)
        new = boot.sequences.fill(batch.seq, batch.next_seq)
        boot.produced = max(boot.produced, batch.next_seq)
        boot.last_arrival_s = now_s
        fresh = 0
        for first, end in new:
            fresh += end - first
            piece = batch if end - first == len(batch) else _slice(batch, first, end)
            kept = device.deadband.keep(piece)
            if kept is not None:
                boot.drop("deadband", len(piece) - len(kept))
            self._uncommitted.append((piece, kept))
            self._window(device, boot, piece, now_s)
        boot.accepted += fresh
        boot.duplicates += len(batch) - fresh
        self._close_ended(device, boot, now_s)

    def learn_status(self, device_id: str, status: ProducerDevice, now_s: float) -> None:
        """Take what a producer says it has published.

        Raises:
            PayloadError: It is a device too many.
        """
        if device_id not in self._devices:
            self._check_devices(device_id)
        device = self._device(device_id)
        if device.is_settled(status.boot):
            return
        device.living = status.boot
        boot = self._boot(device, status.boot)
        # Not the highest status ever: a forged one is put right by the next.
        boot.produced = max(boot.sequences.end, status.next_seq)
        boot.lose("ring_overrun", 0, min(status.oldest_seq, boot.produced))
        for lost_boot, first, end in status.lost:
            if lost_boot in device.boots and end <= device.boots[lost_boot].produced:
                device.boots[lost_boot].lose("ring_overrun", first, end)
        for earlier in device.boots.values():
            # A new boot means that the rings of those heard of before it are gone. Not of those
            # that come after it by name: the producer's counter may have begun again.
            if earlier is boot:
                break
            earlier.lose("power_cut", 0, earlier.produced)
        if status.period_s and device.period_s != status.period_s:
            device.period_s = status.period_s
            for each in device.boots.values():
                each.windows.period_s = status.period_s
        boot.ended = status.state in {"ended", "stopped"}
        self._close_ended(device, boot, now_s)

    def tick(self, now_s: float) -> None:
        """Skip gaps that were open too long, and close windows of devices that went silent."""
        idle_s = self._settings.window_s + self._settings.lateness_s
        for device in self._devices.values():
            for boot in device.boots.values():
                if boot.held:
                    if boot.held_since_s is None:
                        boot.held_since_s = now_s
                    if now_s - boot.held_since_s >= self._settings.lateness_s:
                        self._release(device, boot, now_s, skip=True)
                if boot.last_arrival_s is None:
                    boot.last_arrival_s = now_s
                if boot.windows.open_window and now_s - boot.last_arrival_s >= idle_s:
                    self._close(device, boot.windows.close())

    def requests(self, now_s: float) -> list[ReplayRequest]:
        """What to ask the producers for again, now."""
        asked = []
        for device in self._devices.values():
            if not device.boots:
                continue
            boot = device.boots.get(device.living or "") or device.boots[max(device.boots)]
            if boot.sequences.upto >= boot.produced:
                boot.ask_at_s, boot.asked = None, 0
                continue
            if boot.ask_at_s is None:
                boot.ask_at_s = now_s + GAP_SECONDS
            elif now_s >= boot.ask_at_s:
                gaps = boot.sequences.missing(boot.produced)[:RANGES_PER_REQUEST]
                asked.append(ReplayRequest(device_id=device.id, boot=boot.id, ranges=gaps))
                boot.asked += 1
                pause_s = GAP_SECONDS * 2.0 ** min(boot.asked, 10)
                boot.ask_at_s = now_s + min(pause_s, GAP_SECONDS_MOST)
        return asked

    def closed_windows(self) -> list[Window]:
        """The windows that closed since the last call, to publish."""
        windows, self._unpublished = self._unpublished, []
        return windows

    def rows(self) -> list[Row]:
        """What the next commit adds to the journal."""
        thing = self._settings.thing
        return [*reading_rows(thing, self._uncommitted), *window_rows(thing, self._closed)]

    def state(self) -> bytes:
        """The state to save with the rows."""
        return msgspec.msgpack.encode(
            State({device.id: device.state() for device in self._devices.values()})
        )

    def committed(self) -> None:
        """The rows are in the journal."""
        self._uncommitted.clear()
        self._closed.clear()

    def ledger(self, accounts: Iterable[Account]) -> tuple[dict[str, LedgerDevice], LedgerBoot]:
        """Where every reading is, by device and in all; what left the journal `accounts` say."""
        left: dict[str, dict[str, Account]] = {}
        for account in accounts:
            if account.kind == READINGS:
                left.setdefault(account.device, {})[account.boot] = account
        devices = {}
        for device in self._devices.values():
            of_device = left.get(device.id, {})
            boots = {}
            for boot in device.boots.values():
                found = of_device.pop(boot.id, None)
                boots[boot.id] = settle_accounts(boot.entry(), [found] if found else [])
            settled = settle_accounts(device.settled, list(of_device.values()))
            total = summed([settled, *boots.values()])
            newest = list(boots)[-BOOTS_IN_DETAIL:]
            shown = {name: boots[name] for name in boots if name in newest or name == device.living}
            devices[device.id] = LedgerDevice(boots=shown, total=total, windows=device.windows)
        return devices, summed([device.total for device in devices.values()])

    def _device(self, device_id: str) -> Device:
        device = self._devices.get(device_id)
        if device is None:
            device = self._devices[device_id] = Device(device_id, self._settings, DeviceState())
        return device

    def _check_devices(self, device_id: str) -> None:
        if len(self._devices) >= DEVICES:
            raise PayloadError(
                f"device_id={device_id}: {DEVICES} devices are known, the most a hub accounts for"
            )

    def _boot(self, device: Device, boot_id: str) -> Boot:
        """The boot; a new one makes the oldest go into the sum."""
        boot = device.boot(boot_id)
        excess = len(device.boots) - BOOTS_IN_DETAIL
        if excess > 0:
            complete = [
                each
                for each in device.boots.values()
                if each is not boot
                and each.id != device.living
                and each.sequences.upto >= each.produced
            ]
            for each in complete[:excess]:
                self._release(device, each, 0.0, skip=True)
                self._close(device, each.windows.close())
                device.settle(each)
        return boot

    def _window(self, device: Device, boot: Boot, piece: ReadingBatch, now_s: float) -> None:
        if piece.seq == boot.windowed:
            boot.windowed = piece.next_seq
            self._close(device, boot.windows.learn(piece))
            if boot.held:
                self._release(device, boot, now_s, skip=False)
        elif piece.seq > boot.windowed:
            boot.held[piece.seq] = piece
            if boot.held_since_s is None:
                boot.held_since_s = now_s
            if len(boot.held) > HELD_BATCHES:
                self._release(device, boot, now_s, skip=True)
        else:
            part = Windows(device.id, boot.id, self._settings.window_s)
            part.period_s = device.period_s
            self._close(device, part.learn(piece) + part.close())

    def _release(self, device: Device, boot: Boot, now_s: float, *, skip: bool) -> None:
        """Give the held batches to the windows, as far as no gap, or none any more, is before."""
        for seq in sorted(boot.held):
            if seq != boot.windowed and not skip:
                break
            piece = boot.held.pop(seq)
            boot.windowed = piece.next_seq
            self._close(device, boot.windows.learn(piece))
        boot.held_since_s = now_s if boot.held else None

    def _close_ended(self, device: Device, boot: Boot, now_s: float) -> None:
        """Close the windows of a boot that will give no more readings, once all are there."""
        if boot.ended and boot.sequences.upto >= boot.produced:
            self._release(device, boot, now_s, skip=True)
            self._close(device, boot.windows.close())

    def _close(self, device: Device, windows: Sequence[Window]) -> None:
        if windows:
            device.windows += len(windows)
            self._closed += windows
            self._unpublished += windows


def _slice(batch: ReadingBatch, first: int, end: int) -> ReadingBatch:
    """The readings [first, end) of a batch."""
    low, high = first - batch.seq, end - batch.seq
    quality = {
        metric: {flag: [i - low for i in indices if low <= i < high] for flag, indices in f.items()}
        for metric, f in batch.quality.items()
    }
    return msgspec.structs.replace(
        batch,
        seq=first,
        dt_s=batch.dt_s[low:high],
        values={metric: column[low:high] for metric, column in batch.values.items()},
        quality=quality,
    )
