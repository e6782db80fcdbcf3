"""Recipes as the Java nucleus reads them, and errors that say where."""

from pathlib import Path

import pytest

from localcore.errors import RecipeError
from localcore.recipes.model import Dependency, lifecycle_steps
from localcore.recipes.parse import parse_recipe, read_recipe

YAML = Path("com.x.A-1.0.0.yaml")
RECIPE = """\
RecipeFormatVersion: "2020-01-25"
ComponentName: com.x.A
ComponentVersion: "1.0.0"
ComponentConfiguration:
  DefaultConfiguration:
    Rate: 5
    on: yes
    date: 2026-01-02
    at: 12:30:00
    flag: true
ComponentDependencies:
  com.x.B:
    VersionRequirement: ^1.0.0
    DependencyType: soft
  com.x.C: {}
Manifests:
  - Platform: {os: linux}
    Lifecycle:
      Run: echo hello
    Artifacts:
      - Uri: s3://BUCKET/a.zip
        Unarchive: zip
"""


def test_a_recipe_is_read_with_its_defaults() -> None:
    recipe = parse_recipe(RECIPE, YAML)
    assert (recipe.component_name, recipe.component_version) == ("com.x.A", "1.0.0")
    assert recipe.dependencies == {
        "com.x.B": Dependency("^1.0.0", "SOFT"),
        "com.x.C": Dependency("*", "HARD"),
    }
    artifact = recipe.manifests[0].artifacts[0]
    assert (artifact.file_name, artifact.unarchive) == ("a.zip", "ZIP")


def test_yaml_scalars_are_those_of_the_nucleuss_parser() -> None:
    assert parse_recipe(RECIPE, YAML).default_configuration == {
        "Rate": 5,
        "on": "yes",
        "date": "2026-01-02",
        "at": "12:30:00",
        "flag": True,
    }


def test_keys_of_the_format_may_have_any_case() -> None:
    lower = "\n".join(
        line.lower() if "efault" not in line else line for line in RECIPE.splitlines()
    )
    assert parse_recipe(lower, YAML).manifests[0].artifacts[0].unarchive == "ZIP"


def test_json_is_read_too() -> None:
    source = (
        '{"componentname":"a","ComponentVersion":"1.0.0","Manifests":[{"Lifecycle":{"run":"x"}}]}'
    )
    assert parse_recipe(source, Path("a-1.0.0.json")).manifests[0].lifecycle == {"run": "x"}


@pytest.mark.parametrize(
    ("old", "new", "line", "words"),
    [
        ("ComponentName: com.x.A", "Component: com.x.A", None, "not a recipe"),
        ("ComponentName: com.x.A", "ComponentName: 'a b'", 2, "letters, digits"),
        ('"1.0.0"\n', '"1.0"\n', 3, "MAJOR.MINOR.PATCH"),
        ('"1.0.0"\n', "1.0\n", 3, "ComponentVersion must be a string, not 1.0"),
        ("^1.0.0", "'>>1'", 12, "VersionRequirement of com.x.B"),
        ("soft", "sometimes", 12, "must be HARD or SOFT"),
        ("Unarchive: zip", "Unarchive: tar", 22, "must be NONE or ZIP"),
        ("Uri: s3://BUCKET/a.zip", "Path: a.zip", 21, "Uri must be a string"),
        ("Manifests:", "Manifest:", None, "no Manifests"),
        ("  DefaultConfiguration:\n", "  DefaultConfiguration: [1]\n  x:\n", 5, "must be a map"),
        ("Manifests:\n", "Manifests:\n\t- x\n", 17, "not YAML"),
    ],
)
def test_errors_name_file_line_and_reason(old: str, new: str, line: int | None, words: str) -> None:
    with pytest.raises(RecipeError) as caught:
        parse_recipe(RECIPE.replace(old, new, 1), YAML)
    assert words in str(caught.value)
    assert caught.value.line == line
    assert str(YAML) in str(caught.value)


def test_broken_json_names_the_file() -> None:
    with pytest.raises(RecipeError, match="not JSON"):
        parse_recipe('{"a": \n nonsense}', Path("a.json"))


def test_every_recipe_of_this_repository_is_read() -> None:
    folder = Path(__file__).parents[3] / "recipes"
    for path in sorted(folder.glob("*.yaml")):
        recipe = read_recipe(path)
        assert path.stem == f"{recipe.component_name}-{recipe.component_version}"


def test_steps_are_read_in_their_short_and_long_forms() -> None:
    steps = lifecycle_steps(
        "x",
        {
            "Setenv": {"A": 1, "B": True},
            "INSTALL": {"script": "make", "TIMEOUT": "900", "setenv": {"B": "own"}},
            "run": "serve",
            "Shutdown": {"Script": "bye", "RequiresPrivilege": "true", "SkipIf": "onpath sh"},
            "unknown": {"x": 1},
        },
    ).by_name
    assert steps["install"].timeout_s == 900
    assert steps["install"].setenv == {"A": "1", "B": "own"}
    assert (steps["run"].script, steps["run"].timeout_s) == ("serve", None)
    assert (steps["shutdown"].timeout_s, steps["shutdown"].requires_privilege) == (15, True)
    assert steps["shutdown"].skip_if == "onpath sh"
    assert set(steps) == {"install", "run", "shutdown"}


@pytest.mark.parametrize(
    ("lifecycle", "words"),
    [
        ({"run": 5}, "run is a number"),
        ({"run": {"Timeout": 5}}, "run has no Script"),
        ({"run": {"Script": "x", "Timeout": "soon"}}, "Timeout of run is 'soon'"),
        ({"run": {"Script": "x", "Setenv": []}}, "Setenv of run is a list"),
    ],
)
def test_a_step_that_cannot_be_used_is_refused_by_name(
    lifecycle: dict[str, object], words: str
) -> None:
    with pytest.raises(RecipeError, match=words):
        lifecycle_steps("x", lifecycle)  # type: ignore[arg-type]
