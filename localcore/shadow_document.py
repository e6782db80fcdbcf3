"""Shadow documents as the component aws.greengrass.ShadowManager keeps them: no I/O and no clock.

A patch is merged member by member: null, or an empty map, removes; lists are replaced whole. The
metadata has the time of the last change of every value. The delta is what is desired and not
reported so.

>>> document = ShadowDocument()
>>> patch = {"desired": {"led": "on"}, "reported": {"led": "off"}}
>>> document.update(patch, 7)["desired"]
{'led': {'timestamp': 7}}
>>> document.delta(), document.version
({'led': 'on'}, 1)
"""

import copy
import json
from dataclasses import dataclass
from typing import Any

# Constants.DEFAULT_DOCUMENT_STATE_DEPTH, DEFAULT_DOCUMENT_SIZE
MAX_DEPTH = 6
MAX_SIZE_BYTES = 8 * 1024
MAX_TOKEN_CHARACTERS = 64


class InvalidShadow(Exception):  # noqa: N818 (the answer to the component is the error)
    """A request cannot be carried out; the text and the code are the shadow manager's."""

    def __init__(self, message: str, code: int = 400) -> None:
        super().__init__(message)
        self.code = code


@dataclass
class ShadowDocument:
    """State and metadata; the version is None until the first update."""

    desired: dict[str, Any] | None = None
    reported: dict[str, Any] | None = None
    desired_metadata: dict[str, Any] | None = None
    reported_metadata: dict[str, Any] | None = None
    version: int | None = None

    def copy(self) -> "ShadowDocument":
        """One that shares nothing with this one."""
        return copy.deepcopy(self)

    def check_version(self, given: int | float | None) -> bool:
        """Whether an update for that version fits; InvalidShadow when the first one's is not 1."""
        if given is None:
            return True
        if self.version is None:
            if int(given) != 1:
                raise InvalidShadow("Invalid version")
            return True
        return self.version == int(given)

    def update(self, patch: dict[str, Any] | None, now_s: int) -> Any:
        """Merge a state, or forget it all with None; returns the metadata of the patch."""
        patch = copy.deepcopy(patch)
        if patch is None:
            self.desired = self.reported = None
        else:
            self.desired = _patched(self.desired, patch, "desired")
            self.reported = _patched(self.reported, patch, "reported")
        times = _times(patch, now_s)
        if not self.desired and not self.reported:
            self.desired_metadata = self.reported_metadata = None
        else:
            self.desired_metadata = _merged_times(
                self.desired, self.desired_metadata, times.get("desired")
            )
            self.reported_metadata = _merged_times(
                self.reported, self.reported_metadata, times.get("reported")
            )
        self.version = 1 if self.version is None else self.version + 1
        return times

    def delta(self) -> dict[str, Any] | None:
        """What is desired and not reported so, None when there is nothing."""
        if self.desired is None or self.reported is None:
            return self.desired
        return _difference(self.reported, self.desired) or None

    def delta_metadata(self, delta: dict[str, Any]) -> Any:
        """The times of the values in the delta."""
        return _times_of(delta, self.desired_metadata)

    def size_bytes(self) -> int:
        """What counts against `MAX_SIZE_BYTES`."""
        parts = (part for part in (self.desired, self.reported) if part)
        return sum(len(encode(part)) for part in parts)

    def state(self, *, with_delta: bool = False) -> dict[str, Any]:
        """The state; parts that are not there are left out."""
        delta = self.delta() if with_delta else None
        parts = {"desired": self.desired, "reported": self.reported, "delta": delta}
        return {name: part for name, part in parts.items() if part is not None}

    def metadata(self) -> dict[str, Any]:
        """The times of all values."""
        parts = {"desired": self.desired_metadata, "reported": self.reported_metadata}
        return {name: part for name, part in parts.items() if part is not None}

    def described(self) -> dict[str, Any]:
        """As `/update/documents` has it."""
        return {"state": self.state(), "metadata": self.metadata(), "version": self.version}


def encode(value: Any) -> bytes:
    """Compact JSON."""
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode()


def validate_update(request: Any) -> None:
    """Check an update against the shadow manager's schema and its depth.

    Raises:
        InvalidShadow: with everything that the schema finds.
    """
    if not request and not isinstance(request, list | str):
        raise InvalidShadow("Invalid JSON: ")
    problems = list(_problems(request))
    if problems:
        raise InvalidShadow(f"Invalid JSON: {'. '.join(problems)}")
    for part in ("reported", "desired"):
        _check_depth((request["state"] or {}).get(part), 1)


def _problems(request: Any) -> "list[str]":
    if not isinstance(request, dict):
        return [f"$: {_type_name(request)} found, object expected"]
    problems: list[str] = []
    token, version = request.get("clientToken"), request.get("version")
    if "clientToken" in request and not isinstance(token, str):
        problems.append(f"clientToken: {_type_name(token)} found, string expected")
    elif isinstance(token, str) and len(token) > MAX_TOKEN_CHARACTERS:
        problems.append(f"clientToken: may only be {MAX_TOKEN_CHARACTERS} characters long")
    if "version" in request and (not isinstance(version, int | float) or version is True):
        problems.append(f"version: {_type_name(version)} found, number expected")
    elif isinstance(version, int | float) and version < 0:
        problems.append("version: must have a minimum value of 0")
    if "state" not in request:
        return [*problems, "$.state: is missing but it is required".removeprefix("$.")]
    return problems + _state_problems(request["state"])


def _state_problems(state: Any) -> list[str]:
    if state is None:
        return []
    if not isinstance(state, dict):
        return [f"state: {_type_name(state)} found, [object, null] expected"]
    problems = [
        f"state.{part}: {_type_name(state[part])} found, [object, null] expected"
        for part in ("reported", "desired", "delta")
        if not isinstance(state.get(part), dict | None)
    ]
    unknown = state.keys() - {"reported", "desired", "delta"}
    if unknown and not state.keys() & {"reported", "desired"}:
        problems += [
            f"state.{part}: is missing but it is required" for part in ("reported", "desired")
        ]
        problems += [
            f"state.{name}: is not defined in the schema and the schema does not allow"
            " additional properties"
            for name in sorted(unknown)
        ]
    return problems


def _type_name(value: Any) -> str:
    names = {bool: "boolean", int: "integer", float: "number", str: "string", list: "array"}
    return "null" if value is None else names.get(type(value), "object")


def _check_depth(value: Any, depth: int) -> None:
    if not value or not isinstance(value, dict | list):
        return
    if depth > MAX_DEPTH:
        raise InvalidShadow(f"JSON contains too many levels of nesting; maximum is {MAX_DEPTH}")
    for item in value.values() if isinstance(value, dict) else value:
        _check_depth(item, depth + 1)


def _is_missing(value: Any) -> bool:
    return value is None or value == {}


def _patched(
    present: dict[str, Any] | None, patch: dict[str, Any], part: str
) -> dict[str, Any] | None:
    if part not in patch:
        return present
    value: dict[str, Any] | None = patch[part]
    if not value:
        return None
    if present is None:
        # Taken as it is, with its nulls, as the shadow manager does.
        return copy.deepcopy(value)
    _merge(present, value)
    return present or None


def _merge(present: dict[str, Any], patch: dict[str, Any]) -> None:
    for name, value in patch.items():
        before = present.get(name)
        if _is_missing(value):
            if not _is_missing(before):
                del present[name]
        elif isinstance(value, dict) and isinstance(before, dict) and before:
            _merge(before, value)
        elif isinstance(value, dict) and _is_missing(before):
            child = _without_nulls(value)
            if child is not None:
                present[name] = child
        else:
            present[name] = copy.deepcopy(value)


def _without_nulls(value: dict[str, Any]) -> dict[str, Any] | None:
    kept: dict[str, Any] = {}
    for name, item in value.items():
        pruned = _without_nulls(item) if isinstance(item, dict) and item else item
        if not _is_missing(pruned):
            kept[name] = copy.deepcopy(pruned)
    return kept if kept or not value else None


def _times(value: Any, now_s: int) -> Any:
    if isinstance(value, dict):
        return {name: _times(item, now_s) for name, item in value.items()}
    if isinstance(value, list):
        return [_times(item, now_s) for item in value]
    return {"timestamp": now_s}


def _merged_times(
    state: dict[str, Any] | None, metadata: dict[str, Any] | None, patch: Any
) -> dict[str, Any] | None:
    if _is_missing(patch):
        return metadata
    if not state:
        return None
    merged: dict[str, Any] = {} if metadata is None else metadata
    _merge_times(state, merged, patch)
    return merged or None


def _merge_times(state: dict[str, Any], metadata: dict[str, Any], patch: dict[str, Any]) -> None:
    for name, times in patch.items():
        value = state.get(name)
        if _is_missing(value):
            metadata.pop(name, None)
        elif isinstance(value, dict) and isinstance(times, dict):
            present = metadata.get(name)
            if not isinstance(present, dict) or _is_time(present):
                present = {}
            _merge_times(value, present, times)
            metadata[name] = present
        else:
            metadata[name] = copy.deepcopy(times)


def _is_time(metadata: dict[str, Any]) -> bool:
    return metadata.keys() == {"timestamp"} and isinstance(metadata["timestamp"], int)


def _difference(reported: dict[str, Any], desired: dict[str, Any]) -> dict[str, Any]:
    result: dict[str, Any] = {}
    for name, wanted in desired.items():
        given = reported.get(name)
        if _is_missing(wanted):
            if not _is_missing(given):
                result[name] = None
        elif _is_missing(given):
            result[name] = wanted
        elif isinstance(given, dict) and isinstance(wanted, dict):
            inner = _difference(given, wanted)
            if inner:
                result[name] = inner
        elif not _same(given, wanted):
            result[name] = wanted
    return result


def _same(left: Any, right: Any) -> bool:
    """Numbers by value, everything else by type, too."""
    numbers = (int, float)
    if type(left) in numbers and type(right) in numbers:
        return float(left) == float(right) and int(left) == int(right)
    return json.dumps(left, sort_keys=True) == json.dumps(right, sort_keys=True)


def _times_of(delta: Any, metadata: Any) -> Any:
    if isinstance(delta, dict) and isinstance(metadata, dict):
        return {name: _times_of(item, metadata.get(name)) for name, item in delta.items()}
    if isinstance(delta, list) and isinstance(metadata, list):
        return [_times_of(*pair) for pair in zip(delta, metadata, strict=False)]
    return metadata
