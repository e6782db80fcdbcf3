"""Values as nucleus lite holds them, its JSON and its fixed memory included: no I/O.

Everything lives in arrays of a size chosen at compile time. An item of a list takes 11 bytes and a
member of a map 21, its value included (`sizeof(GgObject)`, `sizeof(GgKV)` with 8-byte pointers);
texts and numbers take nothing more. From these and the sizes of the arrays come the limits that
were measured: 43 numbers in a list, 24 members.

>>> held_bytes({"l": [1, 2, 3]})
54
>>> encode({"v": 0.1, "n": 173230000012345678})
b'{"v":0.10000000000000001,"n":173230000012345678}'
"""

import json
import re
from typing import Any, NoReturn

ITEM_BYTES = 11
MEMBER_BYTES = 21
# GG_MAX_OBJECT_SUBOBJECTS: what a request may hold, and what its JSON writer counts up to.
MAX_SUBOBJECTS = 255
REQUEST_BYTES = MAX_SUBOBJECTS * ITEM_BYTES
# GG_MAX_OBJECT_DEPTH
MAX_DEPTH = 15
# json_encode_on_i64 has 19 characters, one of which becomes the closing zero.
MAX_INTEGER_CHARACTERS = 19
# The parser tries a map's or list's last value twice, so every level doubles its work: 34 ms with
# 16 levels in the whole request, seconds with 22.
SLOW_LEVELS = 16
SLOW_S = 0.034
SLOWER_PER_LEVEL = 2.1
# From 30 levels on a device is gone for hours. This is as long as anybody wants to watch it.
MAX_SLOW_S = 15.0

_ESCAPED = re.compile(rb'["\\\x00-\x1f]')


class ObjectError(Exception):
    """A value that lite cannot read, hold or write; the text is for the log."""


def decode(payload: bytes) -> Any:
    """The value of a JSON text: maps sorted by key, the first of two equal keys counts.

    Raises:
        ObjectError: it is not JSON, an integer does not fit 64 bits, or it is too much.
    """
    held = 0

    def sorted_map(members: list[tuple[str, Any]]) -> dict[str, Any]:
        nonlocal held
        held += len(members) * MEMBER_BYTES
        first: dict[str, Any] = {}
        for name, value in members:
            first.setdefault(name, value)
        return dict(sorted(first.items(), key=lambda member: member[0].encode()))

    try:
        value = json.loads(
            payload.decode(),
            object_pairs_hook=sorted_map,
            parse_int=_int64,
            parse_float=_double,
            parse_constant=_refuse,
        )
        held += _items_bytes(value)
    except (ValueError, RecursionError) as error:
        raise ObjectError(f"it is not JSON that lite reads: {error}") from None
    if held > REQUEST_BYTES:
        raise ObjectError(f"its values take {held} bytes, a request has {REQUEST_BYTES}")
    return value


def _int64(text: str) -> int:
    if len(text) > 20 or not -(2**63) <= (value := int(text)) < 2**63:
        raise ValueError(f"{text:.30} does not fit 64 bits")
    return value


def _double(text: str) -> float:
    value = float(text)
    if value in (float("inf"), float("-inf")):
        raise ValueError(f"{text:.30} does not fit a double")
    return value


def _refuse(text: str) -> NoReturn:
    raise ValueError(f"{text} is not JSON")


def _items_bytes(value: Any) -> int:
    if isinstance(value, list):
        return len(value) * ITEM_BYTES + sum(map(_items_bytes, value))
    if isinstance(value, dict):
        return sum(map(_items_bytes, value.values()))
    return 0


def held_bytes(value: Any) -> int:
    """What the value takes in an array, beside its own place."""
    if isinstance(value, list):
        return len(value) * ITEM_BYTES + sum(map(held_bytes, value))
    if isinstance(value, dict):
        return len(value) * MEMBER_BYTES + sum(map(held_bytes, value.values()))
    return 0


def levels(value: Any) -> int:
    """How deep maps and lists are nested; 0 for anything else."""
    if isinstance(value, dict):
        value = list(value.values())
    elif not isinstance(value, list):
        return 0
    return 1 + max(map(levels, value), default=0)


def reading_s(depth: int) -> float:
    """How long lite reads a request that is nested this deep, and does nothing else."""
    if depth < SLOW_LEVELS:
        return 0.0
    # Beyond, the power is out of reach of a float.
    if depth > 2 * SLOW_LEVELS:
        return MAX_SLOW_S
    return min(SLOW_S * SLOWER_PER_LEVEL ** (depth - SLOW_LEVELS), MAX_SLOW_S)


def encode(value: Any) -> bytes:
    """The JSON lite writes: 17 digits for a double, the last digit of a 19-digit integer a zero
    byte.

    Raises:
        ObjectError: nested too deep, too many values, or an integer of 20 characters.
    """
    writer = _Writer()
    writer.write(value, 0)
    return b"".join(writer.parts)


class _Writer:
    """`gg_obj_visit` with the handlers of `json_encode.c`."""

    def __init__(self) -> None:
        self.parts: list[bytes] = []
        self._subobjects = 0

    def write(self, value: Any, depth: int) -> None:
        if depth >= MAX_DEPTH:
            raise ObjectError(f"nested deeper than {MAX_DEPTH}")
        if isinstance(value, dict):
            self._count(2 * len(value))
            opener = b"{"
            for name, item in value.items():
                self.parts += (opener, _text(name), b":")
                self.write(item, depth + 1)
                opener = b","
            self.parts.append(b"}" if value else b"{}")
        elif isinstance(value, list):
            self._count(len(value))
            opener = b"["
            for item in value:
                self.parts.append(opener)
                self.write(item, depth + 1)
                opener = b","
            self.parts.append(b"]" if value else b"[]")
        else:
            self.parts.append(_scalar(value))

    def _count(self, subobjects: int) -> None:
        self._subobjects += subobjects
        if self._subobjects > MAX_SUBOBJECTS:
            raise ObjectError(f"more than {MAX_SUBOBJECTS} names and values in one message")


def _scalar(value: Any) -> bytes:
    match value:
        case None:
            return b"null"
        case bool():
            return b"true" if value else b"false"
        case int():
            return _integer(value)
        case float():
            return b"%#.17g" % value
        case _:
            return _text(str(value))


def _integer(value: int) -> bytes:
    text = b"%d" % value
    if len(text) > MAX_INTEGER_CHARACTERS:
        raise ObjectError(f"{value} has more than {MAX_INTEGER_CHARACTERS} characters")
    if len(text) == MAX_INTEGER_CHARACTERS:
        return text[:-1] + b"\0"
    return text


def _text(value: str) -> bytes:
    return b'"' + _ESCAPED.sub(_escape, value.encode()) + b'"'


def _escape(match: re.Match[bytes]) -> bytes:
    byte = match[0]
    return b"\\" + byte if byte in b'"\\' else b"\\u00%02X" % byte[0]
