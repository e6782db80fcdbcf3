"""The rules applied to files and folders.

A folder is read as both command lines read `--recipeDir`: every YAML and JSON file in it, so one
that is no recipe is a finding. All recipes of one run are judged as one deployment's.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from localcore.access_record import Access
from localcore.errors import LocalcoreError
from localcore.recipes.lint import (
    rules_access,
    rules_artifacts,
    rules_dependencies,
    rules_identity,
    rules_lifecycle,
    rules_safety,
    rules_shape,
    rules_sizes,
    rules_variables,
)
from localcore.recipes.lint.document import MAX_BYTES, Mapping, Unreadable, read
from localcore.recipes.lint.recipe_file import RecipeFile
from localcore.recipes.lint.rules import BOTH, Inputs, Nucleus, Rule, Severity
from localcore.recipes.parse import SUFFIXES

RULES: tuple[Rule, ...] = tuple(
    rule
    for module in (
        rules_identity,
        rules_shape,
        rules_lifecycle,
        rules_variables,
        rules_sizes,
        rules_dependencies,
        rules_artifacts,
        rules_access,
        rules_safety,
    )
    for rule in module.family.rules
)


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that is wrong, and where. ``unusable``: the file could not be judged at all."""

    id: str
    severity: Severity
    path: str
    line: int | None
    component: str
    reason: str
    source: str
    fix: str
    nuclei: tuple[str, ...] = BOTH
    unusable: bool = False


@dataclass(frozen=True, slots=True)
class Judged:
    """What came of a run: the findings in order, and the recipes they are about."""

    findings: tuple[Finding, ...]
    recipes: tuple[RecipeFile, ...]


class InputError(LocalcoreError):
    """What was given cannot be linted: a missing path, an empty folder, an unreadable recording."""


def lint(
    paths: Sequence[Path],
    *,
    nuclei: tuple[Nucleus, ...] = BOTH,
    artifacts: Path | None = None,
    used: Path | None = None,
) -> Judged:
    """Judge recipes, as files or folders of them.

    Args:
        paths: what to read.
        nuclei: which nuclei the recipes are for.
        artifacts: the folder as `--artifactDir`; None looks for `artifacts` beside a recipe folder.
        used: a recorded run; None judges no use of rights.

    Raises:
        InputError: there is nothing to judge.
    """
    files = [file for path in paths for file in _files(path)]
    if artifacts is not None and not artifacts.is_dir():
        raise InputError(f"--artifacts {artifacts} is not a folder")
    readings = [_read(file) for file in dict.fromkeys(files)]
    recipes = tuple(each for each in readings if isinstance(each, RecipeFile))
    findings = [each for each in readings if isinstance(each, Finding)]
    by_name: dict[str, list[RecipeFile]] = {}
    for recipe in recipes:
        by_name.setdefault(recipe.name, []).append(recipe)
    uses = None if used is None else read_uses(used)
    for recipe in recipes:
        folder = artifacts or _beside(recipe.path)
        inputs = Inputs(recipes, folder, uses, nuclei, by_name)
        findings += judge(recipe, inputs)
    return Judged(tuple(sorted(set(findings), key=_order)), recipes)


def judge(recipe: RecipeFile, inputs: Inputs) -> Iterator[Finding]:
    """What the rules for the chosen nuclei find in one recipe."""
    for rule in RULES:
        if not set(rule.nuclei) & set(inputs.nuclei):
            continue
        for found in rule.check(recipe, inputs):
            yield Finding(
                id=rule.id,
                severity=rule.severity,
                path=str(recipe.path),
                line=found.line,
                component=recipe.name,
                reason=f"{rule.title}: {found.reason}",
                source=rule.source,
                fix=found.fix or rule.fix,
                nuclei=rule.nuclei,
            )


def read_uses(file: Path) -> tuple[Access, ...]:
    """A recorded run: one JSON object a line, as `localcore start --record-access` writes them."""
    uses = []
    try:
        lines = file.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"--used {file} cannot be read: {error}") from error
    for number, line in enumerate(lines, 1):
        if line.strip():
            try:
                uses.append(msgspec.json.decode(line, type=Access))
            except (msgspec.MsgspecError, RecursionError) as error:
                raise InputError(f"--used {file}:{number}: {error}") from error
    return tuple(uses)


def _files(path: Path) -> list[Path]:
    if path.is_file():
        return [path]
    if not path.is_dir():
        raise InputError(f"{path} is neither a file nor a folder")
    found = sorted(each for each in path.rglob("*") if each.suffix in SUFFIXES and each.is_file())
    if not found:
        raise InputError(f"no {', '.join(SUFFIXES)} file in {path}: give a recipe or their folder")
    return found


def _read(file: Path) -> RecipeFile | Finding:
    try:
        size = file.stat().st_size
        if size > MAX_BYTES:
            raise Unreadable(f"{size:,} bytes: no recipe may have more than 16,000")
        root = read(file.read_text(encoding="utf-8"), file.suffix)
    except UnicodeDecodeError as error:
        return _unusable(file, None, f"not UTF-8: {error.reason}")
    except (OSError, Unreadable) as error:
        reason = error.reason if isinstance(error, Unreadable) else str(error)
        return _unusable(file, error.line if isinstance(error, Unreadable) else None, reason)
    if not isinstance(root, Mapping) or root.find("ComponentName") is None:
        return _finding(
            "L002",
            file,
            root.line,
            "not a recipe: it has no ComponentName",
            source="the Java nucleus reads every YAML and JSON file of the recipe folder, and one "
            "that is no recipe fails the deployment",
            fix="keep recipes in a folder of their own",
        )
    return RecipeFile(file, size, root)


def _unusable(file: Path, line: int | None, reason: str) -> Finding:
    return _finding(
        "L001",
        file,
        line,
        f"cannot be read: {reason}",
        source="YAML 1.1 as both nuclei's parsers read it, JSON by RFC 8259",
        fix="correct the file",
        unusable=True,
    )


def _finding(rule_id: str, file: Path, line: int | None, reason: str, **more: Any) -> Finding:
    return Finding(
        id=rule_id, severity="error", path=str(file), line=line, component="", reason=reason, **more
    )


def _beside(recipe: Path) -> Path | None:
    """`artifacts` next to a folder of recipes, as `scripts/build` and both CLIs lay them out."""
    folder = recipe.absolute().parent
    artifacts = folder.parent / "artifacts"
    return artifacts if folder.name == "recipes" and artifacts.is_dir() else None


def _order(finding: Finding) -> tuple[str, int, str, str]:
    return finding.path, finding.line or 0, finding.id, finding.reason
