"""Files and folders, exceptions, the command line, and whatever input there may be."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from localcore.access_record import Access
from localcore.cli import main
from localcore.recipes.lint.document import MAX_BYTES, Mapping, Unreadable, plain, read
from localcore.recipes.lint.recipe_file import RecipeFile
from localcore.recipes.lint.rules import Inputs
from localcore.recipes.lint.run import Finding, InputError, judge, lint, read_uses

REPOSITORY = Path(__file__).parents[4]
GOOD = """\
---
RecipeFormatVersion: "2020-01-25"
ComponentName: com.x.A
ComponentVersion: "1.0.0"
ComponentDescription: Does one thing.
Manifests:
  - Platform:
      os: linux
      runtime: "*"
    Lifecycle:
      run: exec sleep infinity
    Artifacts: []
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    recipes = tmp_path / "recipes"
    recipes.mkdir()
    (recipes / "com.x.A-1.0.0.yaml").write_text(GOOD)
    return recipes


def test_a_good_recipe_has_no_findings(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["recipe", "lint", str(folder)]) == 0
    assert capsys.readouterr().out == "1 recipes: 0 errors, 0 warnings\n"


def test_the_suites_own_recipes_have_no_errors() -> None:
    findings = lint([REPOSITORY / "recipes"]).findings
    assert [finding for finding in findings if finding.severity == "error"] == []


def test_the_same_recipe_as_json_is_judged_alike() -> None:
    bad = GOOD.replace("run: exec sleep infinity", "Run: sudo reboot")
    as_json = json.dumps(plain(read(bad, ".yaml")), indent=1)
    found = [
        {
            (each.id, each.reason)
            for each in judge(
                RecipeFile(Path(f"com.x.A-1.0.0{suffix}"), len(text), mapping(text, suffix)),
                Inputs(),
            )
        }
        for text, suffix in ((bad, ".yaml"), (as_json, ".json"))
    ]
    assert found[0] == found[1]
    assert {rule for rule, _reason in found[0]} == {"L201", "L902"}


def mapping(text: str, suffix: str) -> Mapping:
    root = read(text, suffix)
    assert isinstance(root, Mapping)
    return root


def test_lines_are_those_of_the_file_also_inside_a_literal_script(folder: Path) -> None:
    script = "run: |\n        set -e\n        echo ${A}\n        exec sleep infinity"
    file = folder / "com.x.A-1.0.0.yaml"
    file.write_text(GOOD.replace("run: exec sleep infinity", script))
    (finding,) = lint([file]).findings
    assert (finding.id, finding.line) == ("L402", 13)


def test_findings_are_sorted_by_file_line_and_id(folder: Path) -> None:
    (folder / "com.x.0-1.0.0.yaml").write_text(GOOD.replace("Does one thing.", '""'))
    (folder / "com.x.A-1.0.0.yaml").write_text(GOOD.replace("run: exec", "Run: sudo"))
    found = [(each.path, each.line, each.id) for each in lint([folder]).findings]
    assert found == sorted(found, key=lambda item: (item[0], item[1] or 0, item[2]))
    assert len(found) > 2


def test_errors_are_status_1_and_warnings_status_0(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = folder / "com.x.A-1.0.0.yaml"
    file.write_text(GOOD.replace("    Artifacts: []\n", ""))
    assert main(["recipe", "lint", str(folder)]) == 0
    assert "warning L209 (lite)" in capsys.readouterr().out
    file.write_text(GOOD.replace("run: exec", "run: sudo"))
    assert main(["recipe", "lint", str(folder), "--json"]) == 1
    (finding,) = json.loads(capsys.readouterr().out)["findings"]
    assert (finding["id"], finding["severity"], finding["line"]) == ("L902", "error", 11)
    assert finding["source"]
    assert finding["fix"]


@pytest.mark.parametrize(
    ("content", "said"),
    [(b"a: [", "not YAML"), (b"\xff\xfe", "not UTF-8"), (b"a" * (MAX_BYTES + 1), "bytes")],
)
def test_what_cannot_be_read_is_status_2(
    folder: Path, content: bytes, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "com.x.A-1.0.0.yaml").write_bytes(content)
    assert main(["recipe", "lint", str(folder)]) == 2
    assert said in capsys.readouterr().out


@pytest.mark.parametrize(
    "arguments", [[], ["missing"], ["empty"], ["recipes", "--used", "missing"]]
)
def test_nothing_to_judge_is_status_2_and_one_line(
    folder: Path,
    arguments: list[str],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    (folder.parent / "empty").mkdir()
    monkeypatch.chdir(folder.parent)
    assert main(["recipe", "lint", *arguments]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith("localcore: ")
    assert captured.err.count("\n") == 1


def test_every_rule_is_listed_with_its_reason(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["recipe", "lint", "--rules", "--json"]) == 0
    rules = json.loads(capsys.readouterr().out)
    assert all(rule["source"] and rule["fix"] for rule in rules)


def accept(folder: Path, because: str = "it is old", rule: str = "L902") -> None:
    (folder.parent / "recipe-lint.toml").write_text(
        f'[[accept]]\nrule = "{rule}"\ncomponent = "com.x.A"\nabout = "sudo"\n'
        f'because = "{because}"\n'
    )


def test_what_a_project_accepts_with_a_reason_is_left_out_and_counted(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "com.x.A-1.0.0.yaml").write_text(GOOD.replace("run: exec", "run: sudo"))
    accept(folder)
    assert main(["recipe", "lint", str(folder)]) == 0
    assert "0 errors, 0 warnings, 1 accepted" in capsys.readouterr().out


def test_an_exception_that_matches_nothing_is_a_warning(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    accept(folder)
    assert main(["recipe", "lint", str(folder)]) == 0
    assert "warning L003" in capsys.readouterr().out


def test_an_exception_without_a_reason_is_refused(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    accept(folder, because=" ")
    assert main(["recipe", "lint", str(folder)]) == 2
    assert "because is empty" in capsys.readouterr().err


def test_a_recording_that_is_none_names_its_line(tmp_path: Path) -> None:
    file = tmp_path / "used.jsonl"
    file.write_text('{"component":"a","service":"s","operation":"o","resource":"r"}\n{}\n')
    with pytest.raises(InputError, match=r"used.jsonl:2: .*component"):
        read_uses(file)
    file.write_text(file.read_text().splitlines()[0])
    assert read_uses(file) == (Access("a", "s", "o", "r"),)


def test_aliases_are_never_followed() -> None:
    bomb = "a: &a [x]\n" + "".join(
        f"{b}: &{b} [*{a},*{a}]\n" for a, b in zip("abcdefgh", "bcdefghi", strict=True)
    )
    found = findings(bomb + "r: &r [*r]\n", ".yaml")
    assert {finding.id for finding in found} >= {"L111"}


def findings(text: str, suffix: str) -> list[Finding]:
    """All there is to say of a text as the recipe of a component."""
    try:
        root = read(text, suffix)
    except Unreadable:
        return []
    if not isinstance(root, Mapping):
        return []
    recipe = RecipeFile(Path("com.x.A-1.0.0" + suffix), len(text), root)
    uses = (Access("com.x.A", "aws.greengrass.ipc.pubsub", "PublishToTopic", "x"),)
    inputs = Inputs((recipe,), REPOSITORY / "artifacts", uses, by_name={recipe.name: [recipe]})
    return list(judge(recipe, inputs))


WORDS = st.sampled_from(
    """RecipeFormatVersion ComponentName ComponentVersion ComponentDescription Manifests Platform os
    linux runtime * Lifecycle lifecycle run Run install startup Script Timeout Setenv Skipif
    RequiresPrivilege Artifacts Uri URI s3://b/a.zip Unarchive ZIP Permission Execute OWNER
    ComponentDependencies com.x.A com.x.B VersionRequirement ^1.0.0 >=1.0.0 DependencyType HARD
    ComponentConfiguration DefaultConfiguration accessControl aws.greengrass.ipc.pubsub operations
    resources aws.greengrass#PublishToTopic {configuration:/a} {a:b:c} ${*} ${ ? { } all Selections
    1.0.0 1.0 true null 2020-01-25 password sudo""".split()  # noqa: SIM905 (a long list reads worse)
)
TEXTS = WORDS | st.text(max_size=12) | st.lists(WORDS, max_size=4).map(" ".join)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=4),
    max_leaves=24,
)


@given(st.dictionaries(TEXTS, VALUES, max_size=8))
@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_no_document_makes_the_linter_crash(document: dict[str, object]) -> None:
    text = json.dumps({"ComponentName": "com.x.A", **document})
    for finding in (*findings(text, ".json"), *findings(text, ".yaml")):
        assert finding.line is None or finding.line >= 1


@given(st.data())
@settings(max_examples=300, deadline=None)
def test_no_edit_of_a_recipe_makes_the_linter_crash(data: st.DataObject) -> None:
    text = data.draw(st.sampled_from(list(real_recipes())))
    for _edit in range(data.draw(st.integers(1, 4))):
        start = data.draw(st.integers(0, len(text)))
        end = data.draw(st.integers(start, min(len(text), start + 30)))
        text = text[:start] + data.draw(TEXTS) + text[end:]
    for suffix in (".yaml", ".json"):
        findings(text, suffix)


@given(st.text(alphabet=st.sampled_from("[]{}:,-?&*!|>\"'#%@ \n\tab1")))
@settings(max_examples=300, deadline=None)
def test_no_text_makes_the_readers_crash(text: str) -> None:
    for suffix in (".yaml", ".json"):
        findings(text, suffix)


@pytest.mark.parametrize(
    "text", ["[" * 20_000, "{a: " * 9_000, "- " * 20_000, "? " * 20_000, '{"a":' * 9_000]
)
def test_depth_is_refused_and_not_a_crash(text: str) -> None:
    for suffix in (".yaml", ".json"):
        with pytest.raises(Unreadable):
            read(text, suffix)


@pytest.mark.parametrize(
    "script",
    [
        "{" * 8_000, "{a:" * 3_000, "${" * 4_000, "pip " * 2_000, "pip install -" * 600,
        "curl " * 1_600, "curl | " * 1_100, "a&" * 4_000, "sh <(" * 1_600, " " * 8_000,
        "chmod " * 1_300, "{artifacts:path}/" * 470, "{artifacts:path}/" + "a/" * 4_000 + "{",
        "a://" * 2_000, "eyJ" * 2_600, "apt -" * 1_600, "password=" * 880, "true " * 1_600,
    ],
)  # fmt: skip
def test_no_script_makes_a_pattern_run_away(script: str) -> None:
    document = json.loads(json.dumps(plain(read(GOOD, ".yaml"))))
    steps = {"install": {"Script": script}, "run": {"Script": script}}
    document["Manifests"][0]["Lifecycle"] = steps
    findings(json.dumps(document), ".json")


def real_recipes() -> Iterator[str]:
    for file in sorted((REPOSITORY / "recipes").glob("*.yaml")):
        yield file.read_text()
