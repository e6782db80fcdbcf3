"""L4xx: braces in scripts and environments.

The Java nucleus replaces `{namespace:key}` where it knows it and leaves the rest. Nucleus lite
takes every `{` for the beginning of a variable, in comments too: where it cannot replace one it
cuts the script there and runs what it has, and the deployment succeeds (measured on lite 2.6).
"""

import difflib
import re
from collections.abc import Iterator
from dataclasses import dataclass

from localcore.recipes.interpolate import at_pointer
from localcore.recipes.lint.document import Scalar
from localcore.recipes.lint.recipe_file import RecipeFile
from localcore.recipes.lint.rules import LITE, Family, Found, Inputs

family = Family()

_OWN = re.compile(r"([.\w-]+):([^:}]*)", re.ASCII)
_OTHER = re.compile(r"([.\w-]+):([.\w-]+):([^:}]*)", re.ASCII)
_KNOWN = (
    "artifacts:path", "artifacts:decompressedPath", "work:path", "kernel:rootPath", "iot:thingName",
)  # fmt: skip
_LITE_LONGEST = 256
_LITE = "aws-greengrass-lite recipe-runner and ggl-config-interpolation; measured on lite 2.6: the "
_CUT = "script is cut at the brace and run"


@dataclass(frozen=True, slots=True)
class Brace:
    """One `{` and what is before the next `}`; ``content`` is None when there is none."""

    scalar: Scalar
    line: int
    content: str | None
    after_dollar: bool

    @property
    def shown(self) -> str:
        """As it stands in the script, shortened."""
        if self.content is None:
            return "{ without }"
        text = self.content if len(self.content) < 40 else self.content[:37] + "..."
        return f"{'$' if self.after_dollar else ''}{{{text}}}".replace("\n", " ")

    @property
    def own(self) -> tuple[str, str] | None:
        """Namespace and key of a variable of the component itself."""
        match = _OWN.fullmatch(self.content or "")
        return None if match is None else (match[1], match[2])

    @property
    def other(self) -> tuple[str, str, str] | None:
        """Component, namespace and key of a variable of another component."""
        match = _OTHER.fullmatch(self.content or "")
        return None if match is None else (match[1], match[2], match[3])


def braces(recipe: RecipeFile) -> Iterator[Brace]:
    """Every brace of every script and environment, as nucleus lite comes upon them."""
    scripts = [step.script for step in recipe.steps if step.script is not None]
    values = (e.value for mapping in recipe.environments for e in mapping.entries)
    for scalar in (*scripts, *(value for value in values if isinstance(value, Scalar))):
        text, at = scalar.text, scalar.text.find("{")
        while at >= 0:
            end = text.find("}", at)
            content = None if end < 0 else text[at + 1 : end]
            yield Brace(scalar, scalar.line_at(at), content, text[at - 1 : at] == "$")
            at = -1 if end < 0 else text.find("{", end)


@family.rule(
    "L401",
    "error",
    "an unknown recipe variable",
    source=_LITE + _CUT + "; the Java nucleus leaves it as it is",
    fix="use artifacts:path, artifacts:decompressedPath, work:path, kernel:rootPath, "
    "iot:thingName or configuration:/pointer",
)
def unknown(recipe: RecipeFile, _inputs: Inputs) -> Iterator[Found]:
    """`{namespace:key}` that neither nucleus has."""
    for brace in braces(recipe):
        if brace.own is None or brace.after_dollar or brace.own[0] == "configuration":
            continue
        name = ":".join(brace.own)
        if name not in _KNOWN:
            near = difflib.get_close_matches(name[:80], _KNOWN, 1)
            fix = f"did you mean {{{near[0]}}}?" if near else ""
            yield Found(brace.line, f"{brace.shown} is no recipe variable", fix)


@family.rule(
    "L402",
    "error",
    "${...} in a script",
    source=_LITE + _CUT,
    fix="write $NAME, or move the logic into an artifact",
    nuclei=LITE,
)
def shell_braces(recipe: RecipeFile, _inputs: Inputs) -> Iterator[Found]:
    """The shell's parameter expansion."""
    for brace in braces(recipe):
        if brace.after_dollar:
            yield Found(brace.line, f"{brace.shown} is no recipe variable for lite")


@family.rule(
    "L403",
    "error",
    "braces in a script",
    source=_LITE + _CUT,
    fix="move awk, JSON, functions and find -exec {} into an artifact",
    nuclei=LITE,
)
def other_braces(recipe: RecipeFile, _inputs: Inputs) -> Iterator[Found]:
    """Awk programs, JSON, shell functions, brace expansion, `find -exec {}`."""
    for brace in braces(recipe):
        if brace.content is None:
            yield Found(brace.line, "{ without } ends the script for lite")
        elif not brace.after_dollar and brace.own is None and brace.other is None:
            yield Found(brace.line, f"{brace.shown} is no recipe variable for lite")


@family.rule(
    "L404",
    "error",
    "a configuration pointer that leads nowhere",
    source=_LITE + "script is cut there, in Setenv a quote stays open; the Java nucleus leaves the "
    "variable in the script",
    fix="add the key to DefaultConfiguration, case and all",
)
def dangling(recipe: RecipeFile, inputs: Inputs) -> Iterator[Found]:
    """`{configuration:/key}` without a default, also of a dependency that is linted too."""
    for brace in braces(recipe):
        if brace.own is not None and brace.own[0] == "configuration":
            yield from _dangling(brace, brace.own[1], recipe)
        elif brace.other is not None and brace.other[1] == "configuration":
            for owner in inputs.by_name.get(brace.other[0], ())[:1]:
                yield from _dangling(brace, brace.other[2], owner)


def _dangling(brace: Brace, pointer: str, owner: RecipeFile) -> Iterator[Found]:
    try:
        at_pointer(owner.default_values, pointer)
    except KeyError:
        yield Found(
            brace.line, f"{brace.shown}: DefaultConfiguration of {owner.name} has no such key"
        )


@family.rule(
    "L405",
    "error",
    "a variable of another component on nucleus lite",
    source=_LITE + "form {component:namespace:key} is not known",
    fix="write {kernel:rootPath}/work/<component>/..., or give the value to the component itself",
    nuclei=LITE,
)
def cross_component(recipe: RecipeFile, _inputs: Inputs) -> Iterator[Found]:
    """`{component:namespace:key}`."""
    for brace in braces(recipe):
        if brace.other is not None and not brace.after_dollar:
            yield Found(brace.line, f"{brace.shown} is the Java nucleus's only")


@family.rule(
    "L406",
    "error",
    "a variable of a component that is no dependency",
    source="aws-greengrass-nucleus KernelConfigResolver replaces those of direct dependencies only",
    fix="add the component to ComponentDependencies",
)
def not_a_dependency(recipe: RecipeFile, _inputs: Inputs) -> Iterator[Found]:
    """`{component:namespace:key}` of a stranger."""
    names = {dependency.name for dependency in recipe.dependencies}
    for brace in braces(recipe):
        if brace.other is not None and not brace.after_dollar and brace.other[0] not in names:
            yield Found(brace.line, f"{brace.other[0]} is not among ComponentDependencies")


@family.rule(
    "L407",
    "error",
    "a variable longer than nucleus lite reads",
    source="aws-greengrass-lite recipe-runner handle_escape has 256 bytes",
    fix="shorten the pointer",
    nuclei=LITE,
)
def too_long(recipe: RecipeFile, _inputs: Inputs) -> Iterator[Found]:
    """More than 256 bytes between the braces of a variable."""
    for brace in braces(recipe):
        is_variable = brace.own is not None and not brace.after_dollar
        size = len((brace.content or "").encode(errors="surrogatepass"))
        if is_variable and size > _LITE_LONGEST:
            yield Found(brace.line, f"{brace.shown} has {size} bytes")
