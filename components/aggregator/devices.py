"""What the Aggregator remembers of each device and each of its boots: no I/O and no clock.

Law: what `state` gives and the constructor takes is the same device; only ages on the monotonic
clock begin anew, as that clock does.
"""

from dataclasses import dataclass, field

import msgspec

from aggregator.deadband import Deadband, Kept
from aggregator.ledger import summed
from aggregator.sequences import Sequences
from aggregator.windows import OpenWindow, Windows
from hubkit.payloads import LedgerBoot, ReadingBatch

BOOTS_REMEMBERED = 64
"""Boots that were summed up and are known by name: what comes again of them is a duplicate."""


@dataclass(frozen=True)
class Settings:
    """What the core is told; see `AggregatorConfiguration`."""

    thing: str
    window_s: float
    lateness_s: float
    bands: dict[str, float] = field(default_factory=dict)
    deadband_s: float = 300.0


class BootState(msgspec.Struct):
    """One life of a device, as saved."""

    upto: int = 0
    beyond: list[tuple[int, int]] = []
    produced: int = 0
    accepted: int = 0
    duplicates: int = 0
    dropped: dict[str, int] = {}
    windowed: int = 0
    held: list[ReadingBatch] = []
    open_window: OpenWindow | None = None


class DeviceState(msgspec.Struct):
    """One device, as saved.

    `settled` sums up the boots of which nothing is missing, but for what left the journal, which
    the journal counts; `remembered` are their names, the newest last.
    """

    boots: dict[str, BootState] = {}
    remembered: list[str] = []
    period_s: float | None = None
    kept: Kept | None = None
    windows: int = 0
    settled: LedgerBoot = msgspec.field(
        default_factory=lambda: LedgerBoot(
            produced=0, accepted=0, accepted_upto=0, delivered=0, queued=0
        )
    )


class State(msgspec.Struct):
    """All of it, as saved in the journal."""

    devices: dict[str, DeviceState] = {}


EMPTY_STATE = msgspec.msgpack.encode(State())


class Boot:
    """The working form of a `BootState`."""

    def __init__(self, device_id: str, boot: str, window_s: float, state: BootState) -> None:
        self.id = boot
        self.sequences = Sequences(state.upto, state.beyond)
        self.produced = state.produced
        self.accepted = state.accepted
        self.duplicates = state.duplicates
        self.dropped = dict(state.dropped)
        self.windowed = state.windowed
        self.held = {batch.seq: batch for batch in state.held}
        self.windows = Windows(device_id, boot, window_s, state.open_window)
        # Ages on the monotonic clock are of this process: they begin anew with it.
        self.held_since_s: float | None = None
        self.last_arrival_s: float | None = None
        self.ended = False
        self.ask_at_s: float | None = None
        self.asked = 0

    def state(self) -> BootState:
        """What to save."""
        return BootState(
            upto=self.sequences.upto,
            beyond=self.sequences.beyond,
            produced=self.produced,
            accepted=self.accepted,
            duplicates=self.duplicates,
            dropped=self.dropped,
            windowed=self.windowed,
            held=list(self.held.values()),
            open_window=self.windows.open_window,
        )

    def entry(self) -> LedgerBoot:
        """Its account, as far as the journal does not count it."""
        """The account without what left the journal."""
        return LedgerBoot(
            produced=self.produced,
            accepted=self.accepted,
            accepted_upto=self.sequences.upto,
            delivered=0,
            queued=0,
            duplicates=self.duplicates,
            dropped=dict(self.dropped),
        )

    def drop(self, reason: str, count: int) -> None:
        """Count what left on purpose."""
        if count:
            self.dropped[reason] = self.dropped.get(reason, 0) + count

    def lose(self, reason: str, first: int, end: int) -> None:
        """Settle what nobody has any more."""
        lost = self.sequences.fill(first, end) if first < end else []
        self.drop(reason, sum(e - f for f, e in lost))


class Device:
    """The working form of a `DeviceState`."""

    def __init__(self, device_id: str, settings: Settings, state: DeviceState) -> None:
        self.id = device_id
        self.period_s = state.period_s
        self.windows = state.windows
        self.settled = state.settled
        self.remembered = state.remembered
        self.living: str | None = None
        self.deadband = Deadband(settings.bands, settings.deadband_s, state.kept)
        self._window_s = settings.window_s
        self.boots: dict[str, Boot] = {}
        for boot, boot_state in state.boots.items():
            self.boots[boot] = self._new_boot(boot, boot_state)

    def boot(self, boot: str) -> Boot:
        """The boot of that name, begun when it is new."""
        known = self.boots.get(boot)
        if known is None:
            known = self.boots[boot] = self._new_boot(boot, BootState())
        return known

    def settle(self, boot: Boot) -> None:
        """Sum up a boot of which nothing is missing."""
        self.settled = summed([self.settled, boot.entry()])
        self.remembered = [*self.remembered, boot.id][-BOOTS_REMEMBERED:]
        del self.boots[boot.id]

    def _new_boot(self, boot: str, state: BootState) -> Boot:
        made = Boot(self.id, boot, self._window_s, state)
        made.windows.period_s = self.period_s
        return made

    def state(self) -> DeviceState:
        """What to save."""
        return DeviceState(
            boots={boot.id: boot.state() for boot in self.boots.values()},
            period_s=self.period_s,
            kept=self.deadband.kept,
            windows=self.windows,
            settled=self.settled,
            remembered=self.remembered,
        )

    def is_settled(self, boot: str) -> bool:
        """Whether a boot was summed up: all its readings were there, or are known to be lost."""
        return boot not in self.boots and boot in self.remembered
