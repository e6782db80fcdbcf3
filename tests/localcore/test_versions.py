"""Versions and requirements, against tables and a brute-force second opinion."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from localcore.errors import VersionError
from localcore.versions import Version, parse_requirement, parse_version

numbers = st.integers(0, 4)
versions = st.builds(Version, numbers, numbers, numbers)


@pytest.mark.parametrize(
    ("requirement", "allowed", "refused"),
    [
        ("1.0.0", ["1.0.0"], ["1.0.1", "0.9.9"]),
        ("=1.0.0", ["1.0.0"], ["1.0.1"]),
        (">=1.0.0 <2.0.0", ["1.0.0", "1.9.9"], ["2.0.0", "0.9.9", "2.0.0-beta"]),
        (">= 1.0.0 < 2.0.0", ["1.0.0", "1.9.9"], ["2.0.0"]),
        ("^1.2.3", ["1.2.3", "1.9.0"], ["1.2.2", "2.0.0", "2.0.0-beta"]),
        ("^0.2.3", ["0.2.3", "0.2.9"], ["0.3.0", "0.2.2"]),
        ("^0.0.3", ["0.0.3"], ["0.0.4"]),
        ("^1", ["1.0.0", "1.9.9"], ["2.0.0"]),
        ("^0.0", ["0.0.0", "0.0.9"], ["0.1.0"]),
        ("~1.2.3", ["1.2.3", "1.2.9"], ["1.3.0"]),
        ("~1.2", ["1.2.0"], ["1.3.0"]),
        ("~1", ["1.0.0", "1.9.9"], ["2.0.0"]),
        ("1.x", ["1.0.0", "1.5.5"], ["2.0.0"]),
        ("1.2.*", ["1.2.9"], ["1.3.0"]),
        ("*", ["0.0.0", "9.9.9"], ["1.0.0-alpha"]),
        ("", ["3.2.1"], []),
        ("1.0.0 - 2.0.0", ["1.0.0", "2.0.0"], ["2.0.1"]),
        ("1.0.0 - 2", ["2.9.9"], ["3.0.0"]),
        ("1.0.0 || >=3.0.0", ["1.0.0", "3.1.0"], ["2.0.0"]),
        (">1", ["2.0.0"], ["1.9.9"]),
        ("<=1", ["1.9.9"], ["2.0.0"]),
        (">1.2.3-alpha", ["1.2.3-beta", "1.2.3"], ["1.2.4-beta"]),
        ("v1.0.0", ["1.0.0"], ["1.0.1"]),
        (">*", [], ["1.0.0"]),
    ],
)
def test_requirements_mean_what_npm_means(
    requirement: str, allowed: list[str], refused: list[str]
) -> None:
    parsed = parse_requirement(requirement)
    assert all(parsed.allows(parse_version(text)) for text in allowed)
    assert not any(parsed.allows(parse_version(text)) for text in refused)


@pytest.mark.parametrize("text", ["1", "1.0", "1.0.0.0", "01.0.0", "a.b.c", "", "1.0.0-"])
def test_what_is_no_version_is_refused_with_the_form(text: str) -> None:
    with pytest.raises(VersionError, match=r"MAJOR\.MINOR\.PATCH"):
        parse_version(text)


@pytest.mark.parametrize("text", [">=", "1.0.0.0", "latest please", ">=1.0.0 and <2", "1.0.0 -"])
def test_what_is_no_requirement_is_refused_and_quoted(text: str) -> None:
    with pytest.raises(VersionError, match="is not a version requirement"):
        parse_requirement(text)


def test_versions_are_ordered_as_semver_orders_them() -> None:
    ordered = (
        "1.0.0-alpha 1.0.0-alpha.1 1.0.0-alpha.beta 1.0.0-beta 1.0.0-beta.2 1.0.0-beta.11 1.0.0"
    )
    parsed = [parse_version(text) for text in ordered.split()]
    parsed.reverse()
    assert [str(version) for version in sorted(parsed)] == ordered.split()


@given(versions)
def test_a_version_survives_being_written(version: Version) -> None:
    assert parse_version(str(version)) == version


@given(versions, versions)
def test_caret_is_same_leftmost_number_and_not_less(base: Version, other: Version) -> None:
    leading = next((at for at, number in enumerate(base.core) if number), 2)
    same = base.core[: leading + 1] == other.core[: leading + 1]
    assert parse_requirement(f"^{base}").allows(other) == (same and other >= base)


@given(versions, versions)
def test_tilde_is_same_minor_and_not_less(base: Version, other: Version) -> None:
    expected = base.core[:2] == other.core[:2] and other >= base
    assert parse_requirement(f"~{base}").allows(other) == expected


@given(versions, versions, versions)
def test_a_range_is_both_of_its_comparators(low: Version, high: Version, other: Version) -> None:
    expected = low <= other < high
    assert parse_requirement(f">={low} <{high}").allows(other) == expected
    assert parse_requirement(f"<{low} || >={high}").allows(other) == (other < low or other >= high)
