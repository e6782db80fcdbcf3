"""L6xx: what a component depends on, and what becomes of it when that dies."""

import re
from collections.abc import Iterator, Mapping

from localcore.errors import VersionError
from localcore.recipes.lint.recipe_file import Dependency, RecipeFile, text_of
from localcore.recipes.lint.rules import BOTH, LITE, Family, Found, Inputs
from localcore.versions import Version, parse_requirement, parse_version

family = Family()

# Part of the nucleus itself: a local deployment asks nobody for them.
_JAVA_BUILT_IN = frozenset({"aws.greengrass.Nucleus"})
_LITE_BUILT_IN = frozenset(
    {"aws.greengrass.Nucleus", "aws.greengrass.Cli", "aws.greengrass.TokenExchangeService"}
)
# In the Java nucleus, and resolved without the cloud when its plugin is there.
_JAVA_INTERNAL = frozenset({"aws.greengrass.TokenExchangeService", "aws.greengrass.Cli"})
_LITE_COMPARATOR = re.compile(r"(?:>=|<=|>|<|=)?\d+\.\d+\.\d+(?:[-+][0-9A-Za-z.+-]+)?")
# A run step that ends at once, and one that does nothing until it is told to stop.
_ENDS = re.compile(r"\s*(?:exec\s+)?(?:true|:|exit(?:\s+0)?|/bin/true|echo\b[^;&|\n]*)\s*;?\s*")
_SLEEPS = re.compile(r"\s*(?:exec\s+)?(?:sleep\s+infinity|tail\s+-f\s+/dev/null)\s*;?\s*")


@family.rule(
    "L601",
    "error",
    "a version range that nucleus lite does not understand",
    source="aws-greengrass-lite ggl-semver: =, >, >=, <, <= with a full version, parted by "
    "single blanks; anything else matches nothing, and the component stays in the root list, so "
    "that every later deployment fails too (measured on lite 2.6)",
    fix='write ">=1.0.0 <2.0.0"',
    nuclei=LITE,
)
def lite_range(recipe: RecipeFile, _inputs: Inputs) -> Iterator[Found]:
    """`^`, `~`, `x`, `*`, `||`, hyphen ranges, `>= 1.0.0`."""
    for dependency in recipe.dependencies:
        text = text_of(dependency.requirement)
        if dependency.name in _LITE_BUILT_IN or not _is_requirement(text):
            continue
        if not all(_LITE_COMPARATOR.fullmatch(part) for part in text.split(" ")):
            yield Found(
                _line(dependency),
                f"{text:.60} of {dependency.name}",
                _for_lite(text),
            )


@family.rule(
    "L602",
    "error",
    "not a version range",
    source="aws-greengrass-component-common DependencyProperties: an npm requirement, and one must "
    "be there; so in gdk's recipe_schema.json and in nucleus lite",
    fix='write VersionRequirement: ">=1.0.0 <2.0.0"',
)
def no_range(recipe: RecipeFile, _inputs: Inputs) -> Iterator[Found]:
    """VersionRequirement absent or unreadable."""
    for dependency in recipe.dependencies:
        text = text_of(dependency.requirement)
        if not _is_requirement(text):
            reason = f"{text!r:.60} is no requirement" if text else "no VersionRequirement"
            yield Found(_line(dependency), f"{dependency.name}: {reason}")


@family.rule(
    "L603",
    "error",
    "no DependencyType on nucleus lite",
    source="aws-greengrass-lite parse_dependency_type writes no ordering at all without it; the "
    "Java nucleus takes HARD",
    fix="write DependencyType: SOFT or HARD",
    nuclei=LITE,
)
def no_type(recipe: RecipeFile, _inputs: Inputs) -> Iterator[Found]:
    """DependencyType absent."""
    for dependency in recipe.dependencies:
        if dependency.kind is None and dependency.name not in _LITE_BUILT_IN:
            yield Found(dependency.line, f"{dependency.name} has no DependencyType")


@family.rule(
    "L604",
    "error",
    "not a DependencyType",
    source="aws-greengrass-component-common DependencyType; lite takes anything but HARD for SOFT",
    fix="write HARD or SOFT",
)
def bad_type(recipe: RecipeFile, _inputs: Inputs) -> Iterator[Found]:
    """Anything but HARD and SOFT."""
    for dependency in recipe.dependencies:
        text = text_of(dependency.kind)
        if dependency.kind is not None and text.upper() not in ("HARD", "SOFT"):
            yield Found(dependency.kind.line, f"{text!r:.40} of {dependency.name}")


@family.rule(
    "L605",
    "warning",
    "a dependency that a local deployment cannot resolve",
    source="both nuclei ask the cloud for what is not local; without provisioning the deployment "
    'fails, HARD or SOFT: "configured to run offline and no local component version" (Java), '
    '"Failed to get dataplane endpoint" (lite)',
    fix="deploy it from the cloud, or keep the dependency in a component of its own",
)
def not_local(recipe: RecipeFile, inputs: Inputs) -> Iterator[Found]:
    """Neither among the recipes nor part of the nucleus."""
    known = _JAVA_BUILT_IN | _JAVA_INTERNAL | _LITE_BUILT_IN
    for dependency in recipe.dependencies:
        name = dependency.name
        if name in known or name in inputs.by_name:
            continue
        whose = "comes from the cloud" if name.startswith("aws.") else "is not among these recipes"
        yield Found(dependency.line, f"{name} {whose}")


@family.rule(
    "L606",
    "error",
    "no version satisfies",
    source="both nuclei fail the deployment",
    fix="change the range, or add a recipe",
)
def unsatisfied(recipe: RecipeFile, inputs: Inputs) -> Iterator[Found]:
    """A dependency among these recipes, in other versions only."""
    for dependency in recipe.dependencies:
        there = _versions(dependency.name, inputs)
        text = text_of(dependency.requirement)
        if there and _is_requirement(text):
            wanted = parse_requirement(text)
            if not any(wanted.allows(version) for version in there):
                versions = ", ".join(map(str, there))
                yield Found(_line(dependency), f"{dependency.name} {text:.60}: there is {versions}")


@family.rule(
    "L607",
    "error",
    "a circle of dependencies",
    source="aws-greengrass-nucleus refuses one; units of nucleus lite would wait for each other",
    fix="remove one of them",
)
def circle(recipe: RecipeFile, inputs: Inputs) -> Iterator[Found]:
    """Named once, at the first of its names."""
    path = _circle(recipe.name, inputs)
    if path and min(path) == recipe.name and inputs.by_name[recipe.name][0] is recipe:
        yield Found(recipe.line_of("ComponentDependencies"), " -> ".join([*path, path[0]]))


@family.rule(
    "L608",
    "error",
    "a HARD dependency that ends by itself",
    source="measured on lite 2.6: HARD is BindsTo; when the dependency's process ends, also with "
    "exit status 0, the dependant is stopped and stays stopped",
    fix="make it SOFT, or let the dependency run: exec sleep infinity",
    nuclei=LITE,
)
def hard_on_finished(recipe: RecipeFile, inputs: Inputs) -> Iterator[Found]:
    """HARD on a component with `run: "true"` or without a run step."""
    if _has_no_process(recipe):
        return
    for dependency, other in _hard(recipe, inputs):
        if not any(step.name in ("run", "startup") for step in other.steps):
            yield Found(
                dependency.line, f"{dependency.name} has no run step: this one never starts on lite"
            )
        elif _has_no_process(other):
            yield Found(dependency.line, f"{dependency.name} ends at once")


@family.rule(
    "L609",
    "warning",
    "a HARD dependency on what may crash",
    source="measured on lite 2.6: HARD is BindsTo; when the dependency is killed or fails once, "
    "systemd starts it again, but the dependant stays stopped until the next deployment or reboot",
    fix="make it SOFT and let the component cope with the other's absence",
    nuclei=LITE,
)
def hard_on_process(recipe: RecipeFile, inputs: Inputs) -> Iterator[Found]:
    """HARD between two components with processes; one that only sleeps does not crash."""
    if _has_no_process(recipe):
        return
    for dependency, other in _hard(recipe, inputs):
        runs = [step for step in other.steps if step.name in ("run", "startup")]
        scripts = [step.script.text for step in runs if step.script is not None]
        if scripts and not _has_no_process(other) and not all(map(_SLEEPS.fullmatch, scripts)):
            yield Found(dependency.line, f"{dependency.name} has a process of its own")


@family.rule(
    "L610",
    "warning",
    "several versions, of which nucleus lite takes any",
    source="aws-greengrass-lite find_available_component takes the first file that the folder "
    "lists and that is in range, not the highest version",
    fix="deploy from a folder with one version of each component, or name the version",
    nuclei=LITE,
)
def several(recipe: RecipeFile, inputs: Inputs) -> Iterator[Found]:
    """A range that more than one of these recipes satisfies."""
    for dependency in recipe.dependencies:
        text = text_of(dependency.requirement)
        if _is_requirement(text):
            wanted = parse_requirement(text)
            fitting = [v for v in _versions(dependency.name, inputs) if wanted.allows(v)]
            if len(set(fitting)) > 1:
                versions = ", ".join(map(str, fitting))
                yield Found(_line(dependency), f"{dependency.name} {text:.60}: {versions}")


@family.rule(
    "L611",
    "warning",
    "no upper bound",
    source="the next major version may change what this component relies on, and a fleet "
    "deployment takes the highest that fits",
    fix='add one, as ">=1.0.0 <2.0.0"',
    nuclei=BOTH,
)
def unbounded(recipe: RecipeFile, _inputs: Inputs) -> Iterator[Found]:
    """`*` and `>=1.0.0`; the nucleus itself excepted, which the deployment chooses."""
    far = Version(999_999, 0, 0)
    for dependency in recipe.dependencies:
        text = text_of(dependency.requirement)
        if dependency.name == "aws.greengrass.Nucleus" or not _is_requirement(text):
            continue
        if parse_requirement(text).allows(far):
            yield Found(_line(dependency), f"{text:.60} of {dependency.name}")


def _line(dependency: Dependency) -> int:
    return dependency.line if dependency.requirement is None else dependency.requirement.line


def _is_requirement(text: str) -> bool:
    try:
        parse_requirement(text)
    except (VersionError, ValueError):
        return False
    return bool(text.strip())


def _for_lite(text: str) -> str:
    """The same range in lite's words, where it has bounds."""
    alternatives = parse_requirement(text).alternatives
    if len(alternatives) != 1 or not alternatives[0]:
        return ""
    words = [
        f"{each.operator if each.operator != '=' else ''}{'.'.join(map(str, each.version.core))}"
        for each in alternatives[0]
    ]
    return f'write "{" ".join(words)}"'


def _versions(name: str, inputs: Inputs) -> list[Version]:
    found = []
    for recipe in inputs.by_name.get(name, ()):
        try:
            found.append(parse_version(recipe.version))
        except (VersionError, ValueError):
            continue
    return sorted(found)


def _hard(recipe: RecipeFile, inputs: Inputs) -> Iterator[tuple[Dependency, RecipeFile]]:
    for dependency in recipe.dependencies:
        # On lite, HARD must be written; nothing and "hard" are the findings of other rules.
        if dependency.is_hard:
            for other in inputs.by_name.get(dependency.name, ())[:1]:
                if other is not recipe:
                    yield dependency, other


def _has_no_process(recipe: RecipeFile) -> bool:
    """Whether nothing of the component lasts: an umbrella, files, or a run step that ends."""
    runs = [step for step in recipe.steps if step.name in ("run", "startup")]
    return all(step.script is not None and _ENDS.fullmatch(step.script.text) for step in runs)


def _circle(start: str, inputs: Inputs) -> list[str]:
    """The shortest path from a component back to itself, empty when there is none."""
    came_from: dict[str, str] = {}
    waiting = [start]
    for name in waiting:
        for other in _needs(name, inputs.by_name):
            if other == start:
                path = [name]
                while path[-1] != start:
                    path.append(came_from[path[-1]])
                return path[::-1]
            if other not in came_from:
                came_from[other] = name
                waiting.append(other)
    return []


def _needs(name: str, by_name: Mapping[str, list[RecipeFile]]) -> list[str]:
    return [each.name for recipe in by_name.get(name, ())[:1] for each in recipe.dependencies]
