"""Semantic versions and npm-style requirements: no I/O.

A requirement is one or more alternatives joined by ``||``; an alternative is comparators that
must all hold. A version with a pre-release tag satisfies an alternative only when one of its
comparators names a pre-release of the same major, minor and patch, as in npm.

>>> version = parse_version("1.4.2")
>>> wanted = (">=1.0.0 <2.0.0", "~1.4.0", "^2.0.0", "1.x")
>>> [parse_requirement(text).allows(version) for text in wanted]
[True, True, False, True]
"""

import functools
import re
from dataclasses import dataclass
from typing import NamedTuple

from localcore.errors import VersionError

_NUMBER = r"0|[1-9]\d*"
_IDENTIFIERS = r"[0-9A-Za-z-]+(?:\.[0-9A-Za-z-]+)*"
_VERSION = re.compile(
    rf"v?({_NUMBER})\.({_NUMBER})\.({_NUMBER})(?:-({_IDENTIFIERS}))?(?:\+{_IDENTIFIERS})?"
)
_PARTIAL = re.compile(
    rf"v?({_NUMBER}|[xX*])(?:\.({_NUMBER}|[xX*])(?:\.({_NUMBER}|[xX*])(?:-({_IDENTIFIERS}))?"
    rf"(?:\+{_IDENTIFIERS})?)?)?"
)
_COMPARATOR = re.compile(r"(<=|>=|<|>|=|\^|~>?)?\s*(\S+)")
_HYPHEN = re.compile(r"\s*(\S+)\s+-\s+(\S+)\s*")
_OPERATOR_GAP = re.compile(r"(<=|>=|<|>|=|\^|~>?)\s+")


@functools.total_ordering
@dataclass(frozen=True, slots=True)
class Version:
    """A semantic version; build metadata is not kept. Ordered as semver.org orders versions."""

    major: int
    minor: int
    patch: int
    prerelease: tuple[str, ...] = ()

    def __str__(self) -> str:
        core = f"{self.major}.{self.minor}.{self.patch}"
        return f"{core}-{'.'.join(self.prerelease)}" if self.prerelease else core

    def __lt__(self, other: "Version") -> bool:
        return self._key() < other._key()

    @property
    def core(self) -> tuple[int, int, int]:
        """Major, minor and patch."""
        return self.major, self.minor, self.patch

    def _key(self) -> tuple[tuple[int, int, int], bool, tuple[tuple[bool, int, str], ...]]:
        parts = tuple(
            (not part.isdigit(), int(part) if part.isdigit() else 0, part)
            for part in self.prerelease
        )
        return self.core, not self.prerelease, parts


class _Comparator(NamedTuple):
    operator: str
    version: Version

    def holds(self, version: Version) -> bool:
        match self.operator:
            case "<":
                return version < self.version
            case "<=":
                return version <= self.version
            case ">":
                return version > self.version
            case ">=":
                return version >= self.version
        return version == self.version


@dataclass(frozen=True, slots=True)
class Requirement:
    """What versions are wanted; ``text`` is as it was written."""

    text: str
    alternatives: tuple[tuple[_Comparator, ...], ...]

    def __str__(self) -> str:
        return self.text

    def allows(self, version: Version) -> bool:
        """Whether the version satisfies any of the alternatives."""
        return any(_satisfies(version, comparators) for comparators in self.alternatives)


def parse_version(text: str) -> Version:
    """Read a full version, as ``1.2.3`` or ``1.2.3-beta.1``; VersionError otherwise."""
    match = _VERSION.fullmatch(text.strip())
    if match is None:
        raise VersionError(
            f"{text!r} is not a version: write MAJOR.MINOR.PATCH, as 1.0.0 or 1.0.0-beta.1"
        )
    major, minor, patch, prerelease = match.groups()
    tags = tuple(prerelease.split(".")) if prerelease else ()
    return Version(int(major), int(minor), int(patch), tags)


def parse_requirement(text: str) -> Requirement:
    """Read a requirement, as ``1.0.0``, ``^1.2``, ``>=1.0.0 <2.0.0``, ``1.x || 2.0.0`` or ``*``."""
    alternatives = tuple(_alternative(part, text) for part in text.split("||"))
    return Requirement(text.strip() or "*", alternatives)


def _satisfies(version: Version, comparators: tuple[_Comparator, ...]) -> bool:
    if not all(comparator.holds(version) for comparator in comparators):
        return False
    if not version.prerelease:
        return True
    return any(
        comparator.version.prerelease and comparator.version.core == version.core
        for comparator in comparators
    )


def _alternative(part: str, whole: str) -> tuple[_Comparator, ...]:
    if hyphen := _HYPHEN.fullmatch(part):
        return (*_primitive(">=", hyphen[1], whole), *_primitive("<=", hyphen[2], whole))
    comparators: list[_Comparator] = []
    for word in _OPERATOR_GAP.sub(r"\1", part).split():
        match = _COMPARATOR.fullmatch(word)
        if match is None:
            raise _not_a_requirement(whole, word)
        comparators.extend(_primitive(match[1] or "=", match[2], whole))
    return tuple(comparators)


def _primitive(operator: str, text: str, whole: str) -> tuple[_Comparator, ...]:
    match = _PARTIAL.fullmatch(text)
    if match is None:
        raise _not_a_requirement(whole, text)
    numbers: list[int] = []
    for group in match.groups()[:3]:
        if group is None or group in "xX*":
            break
        numbers.append(int(group))
    tags = tuple(match[4].split(".")) if match[4] and len(numbers) == 3 else ()
    low = _padded(numbers, tags)
    match operator:
        case "^":
            return _between(low, _next_caret(numbers))
        case "~" | "~>":
            return _between(low, _next(numbers, min(len(numbers), 2)))
        case "=" if len(numbers) < 3:
            return _between(low, _next(numbers, len(numbers)))
        case "<=" if len(numbers) < 3:
            above = _next(numbers, len(numbers))
            return () if above is None else (_Comparator("<", above),)
        case ">" if len(numbers) < 3:
            above = _next(numbers, len(numbers))
            # More than every version: nothing is.
            return (
                _Comparator("<", Version(0, 0, 0, ("0",)))
                if above is None
                else _Comparator(">=", above),
            )
    return (_Comparator(operator, low),)


def _between(low: Version, above: Version | None) -> tuple[_Comparator, ...]:
    if above is None:
        return (_Comparator(">=", low),)
    return (_Comparator(">=", low), _Comparator("<", above))


def _next(numbers: list[int], count: int) -> Version | None:
    """The first version beyond those that begin with the first ``count`` numbers."""
    if count == 0:
        return None
    kept = numbers[:count]
    kept[-1] += 1
    # The lowest pre-release of it: 2.0.0-beta is not below 2.0.0 for "^1.0.0".
    return _padded(kept, ("0",))


def _padded(numbers: list[int], tags: tuple[str, ...]) -> Version:
    major, minor, patch = [*numbers, 0, 0, 0][:3]
    return Version(major, minor, patch, tags)


def _next_caret(numbers: list[int]) -> Version | None:
    for place, number in enumerate(numbers):
        if number:
            return _next(numbers, place + 1)
    return _next(numbers, len(numbers))


def _not_a_requirement(whole: str, word: str) -> VersionError:
    return VersionError(
        f"{whole!r} is not a version requirement ({word!r} is not understood): write 1.0.0, "
        "'>=1.0.0 <2.0.0', ^1.0.0, ~1.0.0, 1.x or *"
    )
