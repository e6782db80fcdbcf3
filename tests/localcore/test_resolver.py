"""Dependency resolution: preferences, conflicts and cycles, explained by name."""

from collections.abc import Mapping

import pytest

from localcore.errors import ResolutionError
from localcore.resolver import Candidates, order, resolve
from localcore.versions import Version, parse_version


def candidates(
    recipes: Mapping[str, Mapping[str, str]], active: Mapping[str, str] | None = None
) -> Candidates:
    """Recipes as {"name version": {dependency: requirement}}."""
    versions: dict[str, list[Version]] = {}
    for key in recipes:
        name, version = key.split()
        versions.setdefault(name, []).append(parse_version(version))
    running = {name: parse_version(text) for name, text in (active or {}).items()}
    return Candidates(versions, lambda name, version: recipes.get(f"{name} {version}", {}), running)


def resolved(
    roots: Mapping[str, str],
    recipes: Mapping[str, Mapping[str, str]],
    active: Mapping[str, str] | None = None,
) -> dict[str, str]:
    return {
        name: str(version) for name, version in resolve(roots, candidates(recipes, active)).items()
    }


def test_dependencies_come_before_what_needs_them() -> None:
    recipes = {
        "hub 1.0.0": {"sensor": "^1.0.0"},
        "sensor 1.0.0": {"runtime": "*"},
        "runtime 1.0.0": {},
    }
    assert list(resolved({"hub": "1.0.0"}, recipes)) == ["runtime", "sensor", "hub"]


def test_the_highest_version_that_all_allow_is_taken() -> None:
    recipes = {
        "a 1.0.0": {"c": ">=1.0.0"},
        "b 1.0.0": {"c": "<3.0.0"},
        "c 1.0.0": {},
        "c 2.0.0": {},
        "c 3.0.0": {},
    }
    assert resolved({"a": "1.0.0", "b": "1.0.0"}, recipes)["c"] == "2.0.0"


def test_a_version_that_runs_and_satisfies_is_kept() -> None:
    recipes = {"a 1.0.0": {"c": "^1.0.0"}, "c 1.0.0": {}, "c 1.5.0": {}}
    assert resolved({"a": "1.0.0"}, recipes, {"c": "1.0.0"})["c"] == "1.0.0"


def test_a_lower_version_is_tried_when_the_highest_leads_nowhere() -> None:
    recipes = {"a 1.0.0": {"c": "*"}, "a 2.0.0": {"absent": "*"}, "c 1.0.0": {}}
    assert resolved({"a": ">=1.0.0"}, recipes) == {"c": "1.0.0", "a": "1.0.0"}


def test_built_in_components_need_no_recipe() -> None:
    recipes = {"a 1.0.0": {"aws.greengrass.StreamManager": ">=2.0.0 <3.0.0"}}
    assert resolved({"a": "1.0.0"}, recipes)["aws.greengrass.StreamManager"].startswith("2.")


def test_a_conflict_names_who_wants_what_and_what_is_there() -> None:
    recipes = {"a 1.0.0": {"c": "^1.0.0"}, "b 1.0.0": {"c": "^2.0.0"}, "c 1.0.0": {}, "c 2.0.0": {}}
    with pytest.raises(ResolutionError) as caught:
        resolved({"a": "1.0.0", "b": "1.0.0"}, recipes)
    message = str(caught.value)
    for part in ("a 1.0.0 wants ^1.0.0", "b 1.0.0 wants ^2.0.0", "1.0.0, 2.0.0"):
        assert part in message


def test_a_component_without_recipe_is_named_with_what_there_is() -> None:
    with pytest.raises(
        ResolutionError, match=r"component c \(a 1\.0\.0 wants \*\).*recipe here: a"
    ):
        resolved({"a": "1.0.0"}, {"a 1.0.0": {"c": "*"}})


def test_a_cycle_is_spelled_out() -> None:
    recipes = {"a 1.0.0": {"b": "*"}, "b 1.0.0": {"c": "*"}, "c 1.0.0": {"a": "*"}}
    with pytest.raises(ResolutionError, match="a -> b -> c -> a"):
        resolved({"a": "1.0.0"}, recipes)


def test_ordering_is_the_same_every_time() -> None:
    dependencies = {"d": ["b", "c"], "c": ["a"], "b": ["a"], "a": []}
    assert (
        order(dependencies) == order(dict(reversed(dependencies.items()))) == ["a", "b", "c", "d"]
    )
