"""What a rule is, and how a family of rules is made."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, TypeAlias

from localcore.access_record import Access
from localcore.recipes.lint.recipe_file import RecipeFile

Nucleus: TypeAlias = Literal["java", "lite"]
Severity: TypeAlias = Literal["error", "warning"]

BOTH: tuple[Nucleus, ...] = ("java", "lite")
JAVA: tuple[Nucleus, ...] = ("java",)
LITE: tuple[Nucleus, ...] = ("lite",)


@dataclass(frozen=True, slots=True)
class Found:
    """What a rule found: where, what is wrong, and a better fix than the rule's when it has one."""

    line: int | None
    reason: str
    fix: str = ""


@dataclass(frozen=True, slots=True)
class Inputs:
    """What a rule may know beside the recipe itself.

    ``recipes``: all that are linted together, as one deployment's recipe folder. ``artifacts``: the
    folder as `--artifactDir` takes it, None when there is none. ``used``: a recorded run, None when
    there is none. ``nuclei``: those that are judged.
    """

    recipes: tuple[RecipeFile, ...] = ()
    artifacts: Path | None = None
    used: tuple[Access, ...] | None = None
    nuclei: tuple[Nucleus, ...] = BOTH
    by_name: dict[str, list[RecipeFile]] = field(default_factory=dict)


Check: TypeAlias = Callable[[RecipeFile, Inputs], Iterator[Found]]


@dataclass(frozen=True, slots=True)
class Rule:
    """One thing that can be wrong. ``source`` says how it is known, ``fix`` what to do."""

    id: str
    severity: Severity
    title: str
    source: str
    fix: str
    nuclei: tuple[Nucleus, ...]
    check: Check


class Family:
    """Collects the rules of one module, in the order they are written."""

    def __init__(self) -> None:
        self.rules: list[Rule] = []

    def rule(
        self,
        rule_id: str,
        severity: Severity,
        title: str,
        *,
        source: str,
        fix: str,
        nuclei: tuple[Nucleus, ...] = BOTH,
    ) -> Callable[[Check], Check]:
        """Makes a rule of the function below it."""

        def collect(check: Check) -> Check:
            self.rules.append(Rule(rule_id, severity, title, source, fix, nuclei, check))
            return check

        return collect
