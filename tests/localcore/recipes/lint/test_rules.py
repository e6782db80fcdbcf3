"""Every rule on a bad recipe of its own, in `bad/`: what is expected is found, and nothing else.

`# expect: L123` stands at the end of the line of a finding; `expected.txt` holds `FILE:LINE ID`
where no comment can stand. `used.jsonl` is a recorded run.
"""

import re
from pathlib import Path

import pytest

from localcore.recipes.lint.rules import BOTH, JAVA, LITE, Inputs
from localcore.recipes.lint.run import RULES, Finding, judge, lint

BAD = Path(__file__).parent / "bad"
CASES = sorted(each for each in BAD.iterdir() if each.is_dir())
# Found while reading, not by a rule of a family; L003 is an exception's.
READING = {"L001", "L002"}
_EXPECTED = re.compile(r"# expect: ((?:L\d{3} ?)+)$")


def recipes_of(case: Path) -> Path:
    return case / "recipes" if (case / "recipes").is_dir() else case


def expected_in(case: Path) -> set[str]:
    found = set()
    for file in recipes_of(case).glob("*.*ml"):
        for number, line in enumerate(file.read_text().splitlines(), 1):
            match = _EXPECTED.search(line)
            for rule in match[1].split() if match else ():
                found.add(f"{file.name}:{number} {rule}")
    listed = case / "expected.txt"
    return found | set(listed.read_text().splitlines() if listed.exists() else ())


def shown(finding: Finding) -> str:
    line = "" if finding.line is None else f":{finding.line}"
    return f"{Path(finding.path).name}{line} {finding.id}"


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_a_bad_recipe_has_the_findings_it_expects_and_no_other(case: Path) -> None:
    used = case / "used.jsonl"
    judged = lint([recipes_of(case)], used=used if used.exists() else None)
    expected = expected_in(case)
    assert expected
    assert {shown(finding) for finding in judged.findings} == expected


def test_every_rule_has_a_bad_recipe() -> None:
    tried = {expected.split()[1] for case in CASES for expected in expected_in(case)}
    assert tried == {rule.id for rule in RULES} | READING


def test_ids_are_unique_and_every_rule_says_why_and_what_to_do() -> None:
    assert len({rule.id for rule in RULES}) == len(RULES)
    for rule in RULES:
        assert re.fullmatch(r"L[1-9]\d\d", rule.id)
        assert rule.title
        assert rule.source
        assert rule.fix


def test_a_rule_of_one_nucleus_is_silent_for_the_other() -> None:
    for case in CASES:
        judged = lint([recipes_of(case)], nuclei=JAVA)
        assert all("java" in finding.nuclei for finding in judged.findings)
        for recipe in judged.recipes:
            inputs = Inputs(nuclei=LITE, by_name={recipe.name: [recipe]})
            assert all("lite" in finding.nuclei for finding in judge(recipe, inputs))
    assert {nucleus for rule in RULES for nucleus in rule.nuclei} == set(BOTH)
