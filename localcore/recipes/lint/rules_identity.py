"""L1xx: which component a file is, and what every recipe says of itself."""

import re
from collections.abc import Iterator

from localcore.errors import RecipeError, VersionError
from localcore.recipes.lint.document import Scalar, mappings, plain, scalars
from localcore.recipes.lint.recipe_file import GDK_PLACEHOLDERS, RecipeFile, items_of, text_of
from localcore.recipes.lint.rules import BOTH, JAVA, LITE, Family, Found, Inputs
from localcore.recipes.parse import parse_recipe
from localcore.versions import parse_version

family = Family()

_NAME = re.compile(r"[a-zA-Z0-9-_.]{1,128}")
_COMPONENT_TYPES = ("aws.greengrass.generic", "aws.greengrass.plugin", "aws.greengrass.lambda")
# Reasons of the recipe reader that rules of other families have.
_SAID_ELSEWHERE = ("VersionRequirement", "DependencyType", "no Manifests", "must have a Uri")
_LARGEST_NUMBER = 999_999
_LONGEST_VERSION = 64


@family.rule(
    "L101",
    "error",
    "the file's name is not the component's",
    source="aws-greengrass-lite component_store.c and ggl-recipe: a recipe is found by "
    "<ComponentName>-<version>.yaml or .json; both CLIs take this shape",
    fix="rename the file",
    nuclei=LITE,
)
def file_name(recipe: RecipeFile, _inputs: Inputs) -> Iterator[Found]:
    """`recipe.yaml` beside a gdk-config.json is renamed by gdk."""
    if recipe.is_gdk_source or not recipe.name or not recipe.version:
        return
    wanted = f"{recipe.name}-{recipe.version}"
    if recipe.path.stem != wanted:
        yield Found(
            recipe.line_of("ComponentName"),
            f"the file is {recipe.path.name}, the component is {recipe.name} {recipe.version}",
            f"rename it to {wanted}{recipe.path.suffix}",
        )


@family.rule(
    "L102",
    "error",
    "the same component and version twice",
    source="both nuclei keep one recipe of a component and version; which one wins is the order "
    "of the files",
    fix="delete one, or give it another ComponentVersion",
)
def same_twice(recipe: RecipeFile, inputs: Inputs) -> Iterator[Found]:
    """Named at the second file of the two."""
    if not recipe.version or recipe.is_gdk_source:
        return
    for other in inputs.by_name.get(recipe.name, ()):
        if other is recipe:
            return
        if other.version == recipe.version and not other.is_gdk_source:
            yield Found(
                recipe.line_of("ComponentVersion"),
                f"{recipe.name} {recipe.version} is in {other.path} too",
            )


@family.rule(
    "L103",
    "error",
    "a component name that no nucleus takes",
    source="aws-greengrass-component-common ComponentRecipe: [a-zA-Z0-9-_.]+, 128 characters",
    fix="use letters, digits, '-', '_' and '.', at most 128 of them",
)
def component_name(recipe: RecipeFile, _inputs: Inputs) -> Iterator[Found]:
    """ComponentName."""
    if recipe.is_gdk_source and recipe.name in GDK_PLACEHOLDERS:
        return
    if not _NAME.fullmatch(recipe.name):
        yield Found(recipe.line_of("ComponentName"), f"ComponentName is {recipe.name!r:.150}")


@family.rule(
    "L104",
    "error",
    "not a version",
    source="aws-greengrass-component-common ComponentRecipe: a semantic version of 64 characters, "
    "numbers of six digits; recipe2unit refuses what is no semantic version",
    fix='write MAJOR.MINOR.PATCH in quotes, as "1.0.0"',
)
def component_version(recipe: RecipeFile, _inputs: Inputs) -> Iterator[Found]:
    """ComponentVersion."""
    line = recipe.line_of("ComponentVersion")
    if recipe.is_gdk_source and recipe.version in GDK_PLACEHOLDERS:
        return
    if not recipe.version:
        yield Found(line, "there is no ComponentVersion that is a string")
        return
    try:
        version = parse_version(recipe.version)
    except (VersionError, ValueError) as error:
        yield Found(line, f"ComponentVersion: {error!s:.200}")
        return
    if max(version.core) > _LARGEST_NUMBER or len(recipe.version) > _LONGEST_VERSION:
        yield Found(line, f"ComponentVersion {recipe.version:.80} is too large")


@family.rule(
    "L105",
    "error",
    "another or no recipe format",
    source="AWS component recipe reference; aws-greengrass-component-common RecipeFormatVersion "
    "knows 2020-01-25 only",
    fix='write RecipeFormatVersion: "2020-01-25"',
    nuclei=JAVA,
)
def format_version(recipe: RecipeFile, _inputs: Inputs) -> Iterator[Found]:
    """RecipeFormatVersion."""
    found = text_of(recipe.root.find("RecipeFormatVersion"))
    if found != "2020-01-25":
        yield Found(
            recipe.line_of("RecipeFormatVersion"),
            f"RecipeFormatVersion is {found:.40}" if found else "there is no RecipeFormatVersion",
        )


@family.rule(
    "L106",
    "error",
    "a pre-release that nucleus lite does not find locally",
    source="aws-greengrass-lite component_store.c cuts the file's name at its last '-': "
    "com.x-1.0.0-beta.yaml is version beta of com.x-1.0.0",
    fix="deploy a version without '-' locally",
    nuclei=LITE,
)
def prerelease(recipe: RecipeFile, _inputs: Inputs) -> Iterator[Found]:
    """ComponentVersion with a tag."""
    if "-" in recipe.version and recipe.version not in GDK_PLACEHOLDERS:
        yield Found(recipe.line_of("ComponentVersion"), f"ComponentVersion is {recipe.version:.80}")


@family.rule(
    "L107",
    "error",
    "no ComponentDescription",
    source="aws-greengrass-lite unit_file_generator.c writes Description= without an end of line "
    "then, which swallows PartOf=greengrass-lite.target: the component does not stop with lite "
    "(measured on lite 2.6)",
    fix="add ComponentDescription: one line that says what it does",
    nuclei=LITE,
)
def description(recipe: RecipeFile, _inputs: Inputs) -> Iterator[Found]:
    """ComponentDescription, spelled exactly so."""
    if all(entry.key != "ComponentDescription" for entry in recipe.root.entries):
        yield Found(recipe.root.line, "the generated systemd unit is damaged without a description")


@family.rule(
    "L108",
    "warning",
    "a description that nucleus lite cuts",
    source="aws-greengrass-lite unit_file_generator.c ends it at the first line break or backslash",
    fix="write one line without a backslash",
    nuclei=LITE,
)
def description_cut(recipe: RecipeFile, _inputs: Inputs) -> Iterator[Found]:
    """ComponentDescription of several lines."""
    entry = recipe.root.find("ComponentDescription")
    if re.search(r"[\r\n\\]", text_of(entry).rstrip("\n")):
        yield Found(recipe.line_of("ComponentDescription"), "only its beginning will be seen")


@family.rule(
    "L109",
    "error",
    "a component type that needs Java",
    source="plugins run inside the Java nucleus and Lambda functions in its launcher; "
    "aws-greengrass-lite has neither",
    fix="make it a generic component, or lint with --nucleus java",
    nuclei=LITE,
)
def component_type(recipe: RecipeFile, _inputs: Inputs) -> Iterator[Found]:
    """ComponentType plugin or lambda."""
    kind = text_of(recipe.root.find("ComponentType")).lower()
    if kind in _COMPONENT_TYPES[1:]:
        yield Found(recipe.line_of("ComponentType"), f"ComponentType is {kind}")


@family.rule(
    "L110",
    "error",
    "a key twice in one map",
    source="the Java nucleus keeps the last of the two, nucleus lite the first (gg_map_get)",
    fix="delete one",
)
def duplicate_key(recipe: RecipeFile, _inputs: Inputs) -> Iterator[Found]:
    """Anywhere in the document."""
    for mapping in mappings(recipe.root):
        lines: dict[str, int] = {}
        for entry in mapping.entries:
            if entry.key in lines:
                yield Found(entry.line, f"{entry.key:.80} is on line {lines[entry.key]} already")
            lines.setdefault(entry.key, entry.line)


@family.rule(
    "L111",
    "error",
    "a YAML alias or merge key",
    source="Jackson's YAML parser, which the Java nucleus uses, gives the anchor's name for an "
    "alias and keeps << as a key",
    fix="write the value out",
)
def alias(recipe: RecipeFile, _inputs: Inputs) -> Iterator[Found]:
    """`*name` and `<<`."""
    for scalar in scalars(recipe.root):
        if scalar.kind == "alias":
            yield Found(scalar.line, "an alias is not followed")
    for mapping in mappings(recipe.root):
        for entry in mapping.entries:
            if entry.key == "<<":
                yield Found(entry.line, "a merge key merges nothing")


@family.rule(
    "L112",
    "error",
    "refused by the recipe reader",
    source="localcore.recipes.parse, which follows aws-greengrass-component-common",
    fix="see the reason",
    nuclei=BOTH,
)
def unusable(recipe: RecipeFile, inputs: Inputs) -> Iterator[Found]:
    """What `localcore deployment create` says, where no other rule of this family has said it."""
    checks = (component_name, component_version, alias, null_item)
    if any(True for check in checks for _ in check(recipe, inputs)) or (
        recipe.is_gdk_source and {recipe.name, recipe.version} & GDK_PLACEHOLDERS
    ):
        return
    try:
        parse_recipe(_as_json(recipe), recipe.path.with_suffix(".json"))
    except RecipeError as error:
        if not any(word in error.reason for word in _SAID_ELSEWHERE):
            yield Found(_line(recipe, error), error.reason)


def _as_json(recipe: RecipeFile) -> str:
    import msgspec  # noqa: PLC0415

    return msgspec.json.encode(plain(recipe.root)).decode(errors="replace")


def _line(recipe: RecipeFile, error: RecipeError) -> int | None:
    """The reader has seen the document as JSON: find the part again that its reason names."""
    for name in ("Manifests", "ComponentDependencies", "ComponentConfiguration", "Lifecycle"):
        if name.lower() in error.reason.lower().replace(" ", ""):
            return recipe.line_of(name)
    if "Artifact" in error.reason or "Unarchive" in error.reason or "Uri" in error.reason:
        return next((each.line for each in recipe.artifacts), recipe.line_of("Manifests"))
    return recipe.root.line


@family.rule(
    "L113",
    "error",
    "a null among manifests or artifacts",
    source="aws-greengrass-component-common PlatformSpecificManifest and ComponentRecipe refuse it",
    fix="delete the empty item",
    nuclei=JAVA,
)
def null_item(recipe: RecipeFile, _inputs: Inputs) -> Iterator[Found]:
    """`-` with nothing behind it."""
    holders = [("Manifests", recipe.root), *(("Artifacts", each) for each in recipe.manifests)]
    for name, holder in holders:
        for item in items_of(holder.find(name)):
            if isinstance(item, Scalar) and item.kind == "null":
                yield Found(item.line, f"an item of {name} is empty")
