"""Payloads: what is consistent comes through unchanged, and everything else is a PayloadError."""

import json
import math
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from hubkit.health import Health
from hubkit.payloads import (
    MAX_PAYLOAD_BYTES,
    MAX_SEQ,
    MAX_TIME_S,
    MIN_TIME_S,
    Alert,
    Display,
    Ledger,
    Payload,
    PayloadError,
    PayloadTooLargeError,
    ProducerDevice,
    ProducerStatus,
    ReadingBatch,
    ReplayRequest,
    Window,
    decode,
    encode,
    encode_in_parts,
)

PAYLOADS: list[type[Payload]] = [
    ReadingBatch,
    Window,
    ReplayRequest,
    ProducerStatus,
    Ledger,
    Display,
    Alert,
    Health,
]
BOOT = "00000001-0000000a"

finite = st.floats(allow_nan=False, allow_infinity=False)
metrics = st.from_regex(r"\A[a-z][a-z0-9_]{0,20}\Z")


@st.composite
def batches(draw: st.DrawFn) -> ReadingBatch:
    count = draw(st.integers(1, 20))
    names = draw(st.lists(metrics, max_size=3, unique=True))
    values = {
        name: draw(st.lists(st.none() | finite, min_size=count, max_size=count)) for name in names
    }
    flags = st.dictionaries(
        st.sampled_from(["frozen", "io_error"]), st.lists(st.integers(0, count - 1), max_size=3)
    )
    return ReadingBatch(
        device_id=draw(st.from_regex(r"\A[A-Za-z0-9_-]{1,64}\Z")),
        source=draw(st.sampled_from(["sensehat", "emulator", "simulated", "replay"])),
        boot=draw(st.from_regex(r"\A[0-9a-f]{8}-[0-9a-f]{8}\Z")),
        seq=draw(st.integers(0, MAX_SEQ - count)),
        t0_s=draw(st.floats(MIN_TIME_S, MAX_TIME_S - 1e6)),
        clock=draw(st.sampled_from(["synchronised", "unsynchronised", "recording", "simulated"])),
        dt_s=draw(st.lists(st.floats(0, 1e6), min_size=count, max_size=count)),
        values=values,
        quality={name: draw(flags) for name in names},
    )


@given(batches())
def test_a_consistent_batch_that_encodes_decodes_to_itself(batch: ReadingBatch) -> None:
    batch.check()
    try:
        encoded = encode(batch)
    except PayloadTooLargeError:
        return
    assert len(encoded) <= MAX_PAYLOAD_BYTES
    assert decode(ReadingBatch, encoded) == batch


def test_what_is_too_large_says_how_large_it_is_and_is_refused_at_both_ends() -> None:
    display = Display(text="x" * MAX_PAYLOAD_BYTES)
    with pytest.raises(PayloadTooLargeError, match=r"Display is 4\d\d\d bytes, 4500 is the most"):
        encode(display)
    with pytest.raises(PayloadError, match="4501 bytes, 4500 is the most"):
        decode(Display, b" " * (MAX_PAYLOAD_BYTES + 1))


def batch(**changes: Any) -> dict[str, Any]:
    return {
        "v": 1,
        "device_id": "hat-1",
        "source": "simulated",
        "boot": BOOT,
        "seq": 0,
        "t0_s": 1.7e9,
        "clock": "synchronised",
        "dt_s": [0.0, 1.0],
        "values": {"temperature_c": [20.0, None]},
        **changes,
    }


def test_fields_that_are_not_known_are_ignored() -> None:
    given_more = batch(colour="red", more={"deep": [1]})
    assert decode(ReadingBatch, json.dumps(given_more).encode()).device_id == "hat-1"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"v": 2}, "v=2, this reader knows v=1 only"),
        ({"v": "1"}, "v"),
        ({"device_id": ""}, "device_id=''"),
        ({"device_id": "../../etc"}, "device_id='../../etc'"),
        ({"device_id": "a\n"}, "device_id"),
        ({"device_id": "x" * 65}, "device_id"),
        ({"source": "guess"}, "source"),
        ({"boot": "1"}, "boot='1'"),
        ({"boot": "0000000G-00000000"}, "boot"),
        ({"seq": -1}, "seq=-1"),
        ({"seq": MAX_SEQ}, "seq"),
        ({"seq": 10**40}, "seq"),
        ({"seq": 1.5}, "seq"),
        ({"t0_s": None}, "t0_s"),
        ({"t0_s": 1e25}, "t0_s=1e\\+25"),
        ({"t0_s": -1e12}, "t0_s"),
        ({"t0_s": 1e308, "dt_s": [0.0, 1e308]}, "t0_s"),
        ({"dt_s": [0.0, 1e25]}, "dt_s"),
        ({"dt_s": []}, "dt_s is empty"),
        ({"dt_s": [0.0]}, "has 2 entries, dt_s has 1"),
        ({"values": {"temperature_c": [1.0]}}, "has 1 entries, dt_s has 2"),
        ({"values": {"Temperature": [1.0, 2.0]}}, "metric='Temperature'"),
        ({"values": {"a": ["1", 2]}}, "values"),
        ({"quality": {"pressure_hpa": {}}}, "quality names the metric 'pressure_hpa'"),
        ({"quality": {"temperature_c": {"frozen": [2]}}}, "points outside 0..1"),
        ({"quality": {"temperature_c": {"frozen": [-1]}}}, "points outside 0..1"),
    ],
)
def test_a_batch_that_contradicts_itself_is_refused_with_the_field(
    changes: dict[str, Any], message: str
) -> None:
    with pytest.raises(PayloadError, match=message):
        decode(ReadingBatch, json.dumps(batch(**changes)).encode())


@pytest.mark.parametrize(
    "number", ["NaN", "Infinity", "-Infinity", "1e999", "-1e999", "1" * 400, "0x10", "1_000"]
)
@pytest.mark.parametrize("field", ["t0_s", "seq"])
def test_numbers_that_are_no_finite_json_numbers_are_refused(number: str, field: str) -> None:
    text = json.dumps(batch(**{field: "@"})).replace('"@"', number)
    with pytest.raises(PayloadError):
        decode(ReadingBatch, text.encode())


@pytest.mark.parametrize("period_s", [0.0, -5.0, 1e-320, 1e300])
def test_a_period_that_no_device_has_is_refused(period_s: float) -> None:
    device = ProducerDevice(
        boot=BOOT, next_seq=1, oldest_seq=0, source="simulated", state="running", period_s=period_s
    )
    with pytest.raises(PayloadError, match="period_s"):
        decode(ProducerStatus, encode(ProducerStatus(devices={"hat-1": device})))


def test_a_duplicate_key_counts_once() -> None:
    text = json.dumps(batch())[:-1] + ', "seq": 7}'
    assert decode(ReadingBatch, text.encode()).seq == 7


@pytest.mark.parametrize("cls", PAYLOADS)
@pytest.mark.parametrize(
    "payload",
    [
        b"",
        b"null",
        b"[]",
        b"\xff\xfe",
        b"\x00" * 100,
        b"[" * 4000,
        b'{"a":' * 800,
        b"{}",
        b'{"v":1',
    ],
    ids=repr,
)
def test_garbage_is_a_payload_error_for_every_struct(cls: type[Payload], payload: bytes) -> None:
    with pytest.raises(PayloadError, match=cls.__name__):
        decode(cls, payload)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner),
    max_leaves=12,
)
FIELDS = ["v", "device_id", "boot", "seq", "t0_s", "dt_s", "values", "quality", "devices", "ranges"]


@settings(max_examples=200)
@given(
    st.sampled_from(PAYLOADS),
    st.binary(max_size=300)
    | json_values.map(lambda value: json.dumps(value).encode())
    | st.dictionaries(st.sampled_from(FIELDS), json_values).map(
        lambda changes: json.dumps(batch(**changes)).encode()
    ),
)
@example(ReadingBatch, json.dumps(batch(values={"a": [1e308, -1e308]})).encode())
def test_any_bytes_decode_or_are_a_payload_error(cls: type[Payload], payload: bytes) -> None:
    try:
        decoded = decode(cls, payload)
    except PayloadError:
        return
    decoded.check()
    if isinstance(decoded, ReadingBatch):
        assert math.isfinite(decoded.t0_s)
        assert {len(column) for column in decoded.values.values()} <= {len(decoded)}


@settings(max_examples=200)
@given(batches(), st.data())
def test_a_flipped_byte_decodes_or_is_a_payload_error(
    whole: ReadingBatch, data: st.DataObject
) -> None:
    try:
        encoded = bytearray(encode(whole))
    except PayloadTooLargeError:
        return
    at = data.draw(st.integers(0, len(encoded) - 1))
    encoded[at] = data.draw(st.integers(0, 255))
    try:
        decode(ReadingBatch, bytes(encoded)).check()
    except PayloadError as error:
        assert str(error)  # noqa: PT017 - either outcome is right


def test_items_are_divided_over_payloads_that_fit_and_one_too_large_is_named() -> None:
    def made(part: dict[str, str]) -> Health:
        return Health(component="com.hbs.hub.X", state="running", uptime_s=1.0, values=dict(part))

    items = {f"n{n}": "x" * 900 for n in range(11)} | {"giant": "x" * MAX_PAYLOAD_BYTES}
    parts = list(encode_in_parts(items, made))
    assert [name for part, _ in parts for name in part] == list(items)
    assert [list(part) for part, encoded in parts if encoded is None] == [["giant"]]
    for part, encoded in parts:
        if encoded is not None:
            assert decode(Health, encoded).values == part
    assert [part for part, _ in encode_in_parts({}, made)] == [{}]
