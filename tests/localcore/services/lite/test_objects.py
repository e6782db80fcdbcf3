"""Lite's values, JSON and memory, against what its sources say."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from localcore.services.lite.objects import (
    MAX_SLOW_S,
    ObjectError,
    decode,
    encode,
    levels,
    reading_s,
)

VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**16), 10**16)
    # From 1e16 on there is a point and nothing behind it.
    | st.floats(-1e15, 1e15)
    | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner),
    max_leaves=8,
)


@given(VALUES)
def test_what_lite_writes_is_the_json_of_the_value(value: object) -> None:
    try:
        written = encode(value)
    except ObjectError:
        assert levels(value) > 1
        return
    assert json.loads(written) == value


@pytest.mark.parametrize(
    ("text", "written"),
    [
        (b'{"b":1,"a":2}', b'{"a":2,"b":1}'),
        (b'{"a":1,"a":2}', b'{"a":1}'),
        (b"[0.1,-2.5,1.0]", b"[0.10000000000000001,-2.5000000000000000,1.0000000000000000]"),
        (b"1e300", b"1.0000000000000001e+300"),
        (b"1e16", b"10000000000000000."),
        (b"1732300000123456789", b"173230000012345678\0"),
        (b'"\\u0041\\n\\"\\\\\\u00e9"', b'"A\\u000A\\"\\\\\xc3\xa9"'),
        (b" [ ] ", b"[]"),
    ],
)  # fmt: skip
def test_a_value_is_read_and_written_as_the_sources_do(text: bytes, written: bytes) -> None:
    assert encode(decode(text)) == written


@pytest.mark.parametrize(
    "text",
    [
        b"", b"{oops", b"[] x", b"\xff", b"NaN", b"1e999", b"9223372036854775808", b"[" * 5_000,
        b"[" + b"1," * 255 + b"1]", b'"\\ud800"x',
    ],
)  # fmt: skip
def test_what_lite_does_not_read_is_refused(text: bytes) -> None:
    with pytest.raises(ObjectError):
        decode(text)


def test_an_integer_of_twenty_characters_cannot_be_written() -> None:
    with pytest.raises(ObjectError, match="19 characters"):
        encode(-(10**18))


def test_fifteen_levels_can_be_written() -> None:
    value: object = 1
    for _ in range(14):
        value = [value]
    assert encode(value) == b"[" * 14 + b"1" + b"]" * 14
    with pytest.raises(ObjectError, match="deeper than 15"):
        encode([value])


def test_every_level_more_takes_twice_as_long() -> None:
    assert reading_s(15) == 0
    assert 0.03 < reading_s(16) < 0.04
    assert 2 < reading_s(22) < 5
    assert reading_s(1_000) == MAX_SLOW_S
