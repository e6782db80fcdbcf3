"""What travels on the hub's topics: one struct a topic, as UTF-8 JSON of at most 4,500 bytes.

Law: a payload that decodes is consistent (lists of one length, finite numbers, an identifier that
is safe in a topic and in an object key, times that a date can name), and what passes its `check`
and encodes also decodes. Readers ignore fields they do not know; a new meaning is a new `v`.

>>> batch = ReadingBatch(device_id="hat-1", source="simulated", boot="00000001-9f3a2b1c", seq=40,
...     t0_s=1700000000.5, clock="synchronised", dt_s=[0.0, 1.0],
...     values={"temperature_c": [21.5, None]}, quality={"temperature_c": {"io_error": [1]}})
>>> decode(ReadingBatch, encode(batch)) == batch
True
>>> len(batch), batch.next_seq
(2, 42)
"""

import re
from collections.abc import Callable, Iterator
from typing import Any, Final, Literal, TypeVar

import msgspec

MAX_PAYLOAD_BYTES: Final = 4_500
"""Largest payload of any topic. Nucleus lite carries binary messages as base64 in a 10,000 byte
frame, and its MQTT buffer is 5,000 bytes: a larger IoT Core payload is acknowledged and lost."""

VERSION: Final = 1

DEVICE_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")
METRIC = re.compile(r"[a-z][a-z0-9_]{0,63}")
BOOT = re.compile(r"[0-9a-f]{8}-[0-9a-f]{8}")
MAX_SEQ: Final = 2**53 - 1
"""Largest sequence number that every JSON reader keeps exactly (RFC 8259, section 6)."""
MIN_TIME_S: Final = -62_135_596_800.0
MAX_TIME_S: Final = 253_402_300_799.0
"""0001-01-01 and 9999-12-31T23:59:59Z: what a UTC date can name. Beyond, a window's number would
be an integer that no encoding holds."""
MIN_PERIOD_S: Final = 1e-6
MAX_PERIOD_S: Final = 1e9

ClockStatus = Literal["synchronised", "unsynchronised", "recording", "simulated"]
SourceName = Literal["sensehat", "emulator", "simulated", "replay"]
QualityFlag = Literal["not_finite", "out_of_range", "frozen", "io_error"]


class PayloadError(ValueError):
    """A payload was refused; the message says which field, its value and the limit."""


class PayloadTooLargeError(PayloadError):
    """The encoded payload is over `MAX_PAYLOAD_BYTES`: the caller splits it."""


class Payload(msgspec.Struct, kw_only=True, omit_defaults=False):
    """What all payloads have: the version of their meaning."""

    v: int = VERSION

    def check(self) -> None:
        """Raise `PayloadError` where fields do not fit together."""


class ReadingBatch(Payload, kw_only=True):
    """Consecutive readings of one device, column by column, on `hub/readings/<device_id>`.

    Reading i has the sequence number `seq + i`, was taken at `t0_s + dt_s[i]` (seconds since 1970,
    UTC) and has the value `values[metric][i]`, None where there is none. `boot` names the life of
    the producer's ring and sorts by age; (thing, device, boot, seq) is the reading's key.
    `quality` lists, only where not good, metric -> flag -> indices.
    """

    device_id: str
    source: SourceName
    boot: str
    seq: int
    t0_s: float
    clock: ClockStatus
    dt_s: list[float]
    values: dict[str, list[float | None]]
    quality: dict[str, dict[str, list[int]]] = {}

    def __len__(self) -> int:
        return len(self.dt_s)

    @property
    def next_seq(self) -> int:
        """The sequence number after the last reading."""
        return self.seq + len(self.dt_s)

    def check(self) -> None:
        """Raise `PayloadError` unless all columns are of one length and all names are plain."""
        check_device_id(self.device_id)
        check_boot(self.boot)
        n = len(self.dt_s)
        if n == 0:
            raise PayloadError("dt_s is empty: a batch has at least one reading")
        if self.seq < 0 or self.seq + n > MAX_SEQ:
            raise PayloadError(f"seq={self.seq} is not within 0..{MAX_SEQ - n}")
        check_time("t0_s", self.t0_s)
        check_time("t0_s + dt_s", self.t0_s + min(self.dt_s))
        check_time("t0_s + dt_s", self.t0_s + max(self.dt_s))
        for metric, column in self.values.items():
            if not METRIC.fullmatch(metric):
                raise PayloadError(f"metric={metric[:80]!r} does not match {METRIC.pattern}")
            if len(column) != n:
                raise PayloadError(f"values[{metric}] has {len(column)} entries, dt_s has {n}")
        for metric, flags in self.quality.items():
            if metric not in self.values:
                raise PayloadError(f"quality names the metric {metric[:80]!r}, values does not")
            for flag, indices in flags.items():
                if any(not 0 <= i < n for i in indices):
                    raise PayloadError(f"quality[{metric}][{flag[:40]}] points outside 0..{n - 1}")


class MetricSummary(msgspec.Struct, kw_only=True):
    """One metric over one window: `count` good values, and their statistics in the metric's unit.

    `std` is the population standard deviation. `last` is the good value with the highest sequence
    number. Statistics are None when no value was good.
    """

    count: int
    mean: float | None = None
    min: float | None = None
    max: float | None = None
    std: float | None = None
    last: float | None = None


class Window(Payload, kw_only=True):
    """The summary of one window of one device, on `hub/windows/<device_id>`.

    Half-open in event time: [start_s, start_s + length_s). A window may come in parts that share
    its start and no reading: (device_id, boot, start_s, first_seq) is the part's key. `expected`
    is how many readings the device's period gives in that time, None where it is not known.
    """

    device_id: str
    source: SourceName
    boot: str
    first_seq: int
    last_seq: int
    start_s: float
    length_s: float
    count: int
    expected: int | None = None
    metrics: dict[str, MetricSummary]

    def check(self) -> None:
        """Raise `PayloadError` where counts or the range contradict each other."""
        check_device_id(self.device_id)
        check_boot(self.boot)
        if not 0 <= self.first_seq <= self.last_seq <= MAX_SEQ:
            raise PayloadError(f"first_seq={self.first_seq}, last_seq={self.last_seq} is no range")
        if self.length_s <= 0:
            raise PayloadError(f"length_s={self.length_s} is not above 0")


class ReplayRequest(Payload, kw_only=True):
    """The Aggregator asks a producer for what it missed, on `hub/replay/<device_id>`.

    `ranges` are half-open [first, end) in the sequence numbers of `boot`.
    """

    device_id: str
    boot: str
    ranges: list[tuple[int, int]]

    def check(self) -> None:
        """Raise `PayloadError` for a range that is empty or backwards."""
        check_device_id(self.device_id)
        check_boot(self.boot)
        for first, end in self.ranges:
            if not 0 <= first < end <= MAX_SEQ:
                raise PayloadError(f"ranges has [{first}, {end}): first must be below end")


class ProducerDevice(msgspec.Struct, kw_only=True):
    """One device in a `ProducerStatus`.

    Everything below `next_seq` was produced in `boot`; what is below `oldest_seq` is no longer in
    the ring. `lost` lists [boot, first, end) that were overrun before they were accepted;
    `refused` counts input that never became a reading (a bad row of a recording), by reason.
    """

    boot: str
    next_seq: int
    oldest_seq: int
    source: SourceName
    state: Literal["running", "retrying", "ended", "stopped"]
    period_s: float | None = None
    refused: dict[str, int] = {}
    lost: list[tuple[str, int, int]] = []
    missed_ticks: int = 0


class ProducerStatus(Payload, kw_only=True):
    """What a producer has published so far, on `hub/health/ReadSenseHAT`."""

    devices: dict[str, ProducerDevice]
    health: dict[str, str | int | float | bool | None] = {}

    def check(self) -> None:
        """Raise `PayloadError` for names or numbers that cannot be."""
        for device_id, device in self.devices.items():
            check_device_id(device_id)
            check_boot(device.boot)
            if not 0 <= device.oldest_seq <= device.next_seq <= MAX_SEQ:
                raise PayloadError(
                    f"{device_id}: oldest_seq={device.oldest_seq} next_seq={device.next_seq}"
                )
            period_s = device.period_s
            if period_s is not None and not MIN_PERIOD_S <= period_s <= MAX_PERIOD_S:
                raise PayloadError(
                    f"{device_id}: period_s={period_s} is not within {MIN_PERIOD_S}..{MAX_PERIOD_S}"
                )


class LedgerBoot(msgspec.Struct, kw_only=True):
    """The account of one (device, boot): produced = delivered + queued + dropped.

    `accepted_upto` is the end of what is accepted without a gap; `queued` counts the readings that
    are produced and neither delivered nor dropped, in the journal or still with the producer.
    """

    produced: int
    accepted: int
    accepted_upto: int
    delivered: int
    queued: int
    duplicates: int = 0
    dropped: dict[str, int] = {}


class LedgerDevice(msgspec.Struct, kw_only=True):
    """The newest boots of one device, and the sum over all it ever had."""

    boots: dict[str, LedgerBoot]
    total: LedgerBoot
    windows: int = 0


class Ledger(Payload, kw_only=True):
    """Where every reading is, on `hub/health/ledger`, a message a few devices.

    `devices` holds those of this message only; `total` is over all devices of the hub.
    """

    thing: str
    devices: dict[str, LedgerDevice]
    total: LedgerBoot
    exporter: Literal["none", "connected", "unreachable"]


class Display(Payload, kw_only=True):
    """A text for the LED matrix, on `hub/display`: priority 0 normal, 1 warning, 2 alert."""

    text: str
    colour: tuple[int, int, int] = (255, 255, 255)
    priority: int = 0
    seconds: float = 10.0

    def check(self) -> None:
        """Raise `PayloadError` for a colour, priority or duration out of range."""
        if not self.text or len(self.text) > 200:
            raise PayloadError(f"text has {len(self.text)} characters, 1 to 200 are allowed")
        if any(not 0 <= channel <= 255 for channel in self.colour):
            raise PayloadError(f"colour={self.colour} is not within 0..255")
        if not 0 <= self.priority <= 2:
            raise PayloadError(f"priority={self.priority} is not within 0..2")
        if not 0 < self.seconds <= 3600:
            raise PayloadError(f"seconds={self.seconds} is not within 0..3600")


class Alert(Payload, kw_only=True):
    """An alert is raised, updated or cleared, on `hub/alerts`. `id` is the same for all three."""

    id: str
    device_id: str
    severity: Literal["info", "warning", "critical"]
    state: Literal["raise", "update", "clear"]
    reason: str
    time_s: float


AnyPayload = TypeVar("AnyPayload", bound=Payload)
Item = TypeVar("Item")

_encoder = msgspec.json.Encoder()
_decoders: dict[type[Payload], msgspec.json.Decoder[Any]] = {}


def encode(payload: Payload) -> bytes:
    """The payload as UTF-8 JSON.

    Raises:
        PayloadTooLargeError: It is over `MAX_PAYLOAD_BYTES`.
    """
    encoded = _encoder.encode(payload)
    if len(encoded) > MAX_PAYLOAD_BYTES:
        raise PayloadTooLargeError(
            f"{type(payload).__name__} is {len(encoded)} bytes, {MAX_PAYLOAD_BYTES} is the most "
            "that every nucleus delivers: split it"
        )
    return encoded


def encode_in_parts(
    items: dict[str, Item], make: Callable[[dict[str, Item]], Payload]
) -> Iterator[tuple[dict[str, Item], bytes | None]]:
    """As few halvings of the items as give payloads that fit, each with its items.

    Args:
        items: What the payloads hold together; of none there is one payload.
        make: The payload of some of them.

    Yields:
        The items and their payload; None for the payload of one item that is too large alone.
    """
    try:
        yield items, encode(make(items))
    except PayloadTooLargeError:
        if len(items) <= 1:
            yield items, None
            return
        names = list(items)
        half = len(names) // 2
        for part in (names[:half], names[half:]):
            yield from encode_in_parts({name: items[name] for name in part}, make)


def decode(cls: type[AnyPayload], payload: bytes) -> AnyPayload:
    """Parse and check a payload.

    Raises:
        PayloadError: It is over `MAX_PAYLOAD_BYTES`, no JSON, lacks a field, has a wrong type,
            another `v`, or contradicts itself. The message names the field.
    """
    if len(payload) > MAX_PAYLOAD_BYTES:
        raise PayloadError(
            f"{cls.__name__} of {len(payload)} bytes, {MAX_PAYLOAD_BYTES} is the most"
        )
    decoder = _decoders.get(cls)
    if decoder is None:
        decoder = _decoders[cls] = msgspec.json.Decoder(cls)
    try:
        parsed: AnyPayload = decoder.decode(payload)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise PayloadError(f"{cls.__name__}: {error}") from error
    if parsed.v != VERSION:
        raise PayloadError(f"{cls.__name__}: v={parsed.v}, this reader knows v={VERSION} only")
    parsed.check()
    return parsed


def check_device_id(device_id: str) -> None:
    """Raise `PayloadError` unless the identifier is safe in a topic, a path and an object key."""
    if not DEVICE_ID.fullmatch(device_id):
        raise PayloadError(
            f"device_id={device_id[:80]!r} is refused: 1 to 64 letters, digits, '_' and '-'"
        )


def check_time(name: str, time_s: float) -> None:
    """Raise `PayloadError` unless a UTC date can name the time."""
    if not MIN_TIME_S <= time_s <= MAX_TIME_S:
        raise PayloadError(
            f"{name}={time_s} s since 1970 is not within {MIN_TIME_S:.0f}..{MAX_TIME_S:.0f}"
        )


def check_boot(boot: str) -> None:
    """Raise `PayloadError` unless `boot` is a counter and a random number in hexadecimal."""
    if not BOOT.fullmatch(boot):
        raise PayloadError(f"boot={boot[:40]!r} does not match {BOOT.pattern}")
