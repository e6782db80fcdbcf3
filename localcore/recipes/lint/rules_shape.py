"""L2xx: keys and platforms, where nucleus lite reads less than the Java nucleus."""

import difflib
from collections.abc import Iterator

from localcore.recipes.lint.document import Entry, Mapping, Scalar
from localcore.recipes.lint.recipe_file import RecipeFile, items_of, mapping_of, text_of
from localcore.recipes.lint.rules import BOTH, JAVA, LITE, Family, Found, Inputs
from localcore.recipes.model import STEPS
from localcore.recipes.platform import ALL

family = Family()

_TOP = (
    "RecipeFormatVersion", "ComponentName", "ComponentVersion", "ComponentType",
    "ComponentDescription", "ComponentPublisher", "ComponentSource", "ComponentConfiguration",
    "ComponentDependencies", "Manifests", "Lifecycle",
)  # fmt: skip
_MANIFEST = ("Name", "Platform", "Lifecycle", "Artifacts", "Selections")
_ARTIFACT = ("Uri", "Unarchive", "Permission", "Digest", "Algorithm")
_PERMISSION = ("Read", "Execute")
_DEPENDENCY = ("VersionRequirement", "DependencyType")
_STEP = ("Script", "RequiresPrivilege", "Skipif", "Timeout", "Setenv")
_LIFECYCLE = (*STEPS, "Setenv", "ErrorResetTime")
_LITE_RUNTIMES = ("*", "aws_nucleus_lite")


def _places(recipe: RecipeFile) -> Iterator[tuple[str, Mapping, tuple[str, ...]]]:
    """Every map of the recipe format with its name and its keys."""
    yield "a recipe", recipe.root, _TOP
    configuration = mapping_of(recipe.root.find("ComponentConfiguration"))
    if configuration is not None:
        yield "ComponentConfiguration", configuration, ("DefaultConfiguration",)
    dependencies = mapping_of(recipe.root.find("ComponentDependencies"))
    for entry in () if dependencies is None else dependencies.entries:
        if isinstance(entry.value, Mapping):
            yield "a dependency", entry.value, _DEPENDENCY
    for manifest in recipe.manifests:
        yield "a manifest", manifest, _MANIFEST
    for artifact in recipe.artifacts:
        yield "an artifact", artifact.fields, _ARTIFACT
        permission = mapping_of(artifact.fields.find("Permission"))
        if permission is not None:
            yield "Permission", permission, _PERMISSION
    for lifecycle in recipe.lifecycles:
        yield "a lifecycle", lifecycle, _LIFECYCLE
    for step in recipe.steps:
        if step.fields is not None:
            yield f"step {step.name}", step.fields, _STEP


def _spelling(key: str, known: tuple[str, ...]) -> str | None:
    return next((each for each in known if each.lower() == key.lower()), None)


@family.rule(
    "L201",
    "error",
    "a key in another case",
    source="aws-greengrass-lite compares keys exactly (gg_map_get); the Java nucleus takes any",
    fix="spell it as lite reads it",
    nuclei=LITE,
)
def key_case(recipe: RecipeFile, _inputs: Inputs) -> Iterator[Found]:
    """Known keys, and HARD among dependency types."""
    for place, mapping, known in _places(recipe):
        for entry in mapping.entries:
            spelling = _spelling(entry.key, known)
            if spelling is not None and spelling != entry.key:
                yield Found(entry.line, f"{entry.key} in {place}", f"write {spelling}")
    for manifest in recipe.manifests:
        platform = mapping_of(manifest.find("Platform"))
        for entry in () if platform is None else platform.entries:
            if entry.key.lower() != entry.key:
                yield Found(entry.line, f"{entry.key} in Platform", f"write {entry.key.lower()}")
    for dependency in recipe.dependencies:
        kind = text_of(dependency.kind)
        if kind.upper() == "HARD" and kind != "HARD":
            yield Found(
                dependency.line,
                f"DependencyType {kind} of {dependency.name}: for lite it is SOFT",
                "write HARD",
            )


@family.rule(
    "L202",
    "warning",
    "an unknown key",
    source="both nuclei ignore it; gdk refuses one at the top (recipe_schema.json)",
    fix="delete it, or correct its spelling",
)
def unknown_key(recipe: RecipeFile, _inputs: Inputs) -> Iterator[Found]:
    """Keys that neither nucleus has, apart from selections."""
    selections = _selections(recipe)
    for place, mapping, known in _places(recipe):
        for entry in mapping.entries:
            if _spelling(entry.key, known) is not None or _is_elsewhere(entry, known, selections):
                continue
            near = difflib.get_close_matches(entry.key.lower()[:80], [k.lower() for k in known], 1)
            spelling = _spelling(near[0], known) if near else None
            fix = f"did you mean {spelling}?" if spelling else ""
            yield Found(entry.line, f"{entry.key:.80} in {place} means nothing", fix)


def _is_elsewhere(entry: Entry, known: tuple[str, ...], selections: frozenset[str]) -> bool:
    """Whether another rule speaks of the key: runtime in a manifest, runWith, a selection."""
    if entry.key.lower() in ("runtime", "runwith", "conflictswith", "<<"):
        return True
    if known not in (_LIFECYCLE, _STEP):
        return False
    return entry.key.lower() in selections and isinstance(entry.value, Mapping | Scalar)


def _selections(recipe: RecipeFile) -> frozenset[str]:
    named = (item for each in recipe.manifests for item in items_of(each.find("Selections")))
    texts = (item.text.lower() for item in named if isinstance(item, Scalar))
    return frozenset({*texts, ALL, "linux", "windows", "macos", "darwin", "ubuntu", "debian"})


@family.rule(
    "L203",
    "error",
    "no manifest that nucleus lite takes",
    source="aws-greengrass-lite ggl-recipe manifest_selection: a manifest is skipped unless its "
    'Platform has runtime "*" or aws_nucleus_lite; the Java nucleus takes none and "*"',
    fix='add runtime: "*" to Platform',
    nuclei=LITE,
)
def runtime(recipe: RecipeFile, _inputs: Inputs) -> Iterator[Found]:
    """`runtime`, when no manifest for Linux has it."""
    linux = [each for each in recipe.manifests if _may_be_linux(each)]
    runtimes = [_platform(each, "runtime") for each in linux]
    if linux and not any(each in _LITE_RUNTIMES for each in runtimes):
        written = next((each for each in runtimes if each), "")
        reason = f"runtime is {written}" if written else "no Platform has a runtime"
        yield Found(linux[0].line, f"{reason}: lite finds no lifecycle for linux")


@family.rule(
    "L204",
    "error",
    "runtime in the wrong place",
    source="aws-greengrass-lite ggl-recipe reads it inside Platform only",
    fix="move it into Platform",
    nuclei=LITE,
)
def runtime_outside(recipe: RecipeFile, _inputs: Inputs) -> Iterator[Found]:
    """Beside Platform, or at the top."""
    for holder in (recipe.root, *recipe.manifests):
        entry = holder.find("runtime")
        if entry is not None:
            yield Found(entry.line, "runtime is not inside Platform")


@family.rule(
    "L205",
    "error",
    "no manifest for Linux on the Java nucleus",
    source="aws-greengrass-nucleus PlatformResolver: every key of Platform must fit; runtime fits "
    'when it is absent or "*"',
    fix='add a manifest with os: linux and runtime: "*"',
    nuclei=JAVA,
)
def java_manifest(recipe: RecipeFile, _inputs: Inputs) -> Iterator[Found]:
    """Only windows, or only aws_nucleus_lite."""
    if not recipe.manifests:
        return
    linux = [each for each in recipe.manifests if _may_be_linux(each)]
    if not any(_platform(each, "runtime") in ("", "*") for each in linux):
        name = "aws_nucleus_lite" if linux else "other systems"
        yield Found(recipe.line_of("Manifests"), f"all manifests are for {name} only")


@family.rule(
    "L206",
    "error",
    "a manifest that nucleus lite passes over",
    source="aws-greengrass-lite ggl-recipe manifest_selection: without Platform the recipe is "
    "refused, without os the manifest is skipped; os must be linux, all or *, spelled so",
    fix="write os: linux in Platform",
    nuclei=LITE,
)
def lite_platform(recipe: RecipeFile, _inputs: Inputs) -> Iterator[Found]:
    """Manifests with a runtime for lite, but no os; or without a Platform."""
    for manifest in recipe.manifests:
        entry = manifest.find("Platform")
        if entry is None or mapping_of(entry) is None:
            yield Found(manifest.line, "there is no Platform that is a map")
        elif _platform(manifest, "runtime") in _LITE_RUNTIMES:
            system = _platform(manifest, "os")
            if not system:
                yield Found(entry.line, "Platform has no os")
            elif system.lower() == "linux" and system != "linux":
                yield Found(entry.line, f"os is {system}")


@family.rule(
    "L207",
    "warning",
    "a platform pattern that nucleus lite does not know",
    source="aws-greengrass-lite compares architecture exactly and reads no architecture.detail; "
    "/patterns/ are the Java nucleus's",
    fix="one manifest an architecture: amd64, aarch64, arm, x86, riscv64, or *",
    nuclei=LITE,
)
def lite_pattern(recipe: RecipeFile, _inputs: Inputs) -> Iterator[Found]:
    """`/a|b/` and architecture.detail in manifests for lite."""
    for manifest in recipe.manifests:
        platform = mapping_of(manifest.find("Platform"))
        if platform is None or _platform(manifest, "runtime") not in _LITE_RUNTIMES:
            continue
        for entry in platform.entries:
            text = text_of(entry)
            if text.startswith("/") or entry.key.lower() == "architecture.detail":
                yield Found(entry.line, f"{entry.key}: {text:.60}")


@family.rule(
    "L208",
    "warning",
    "a manifest that is never reached",
    source="both nuclei take the first manifest that fits",
    fix="put the more special manifest first",
)
def unreachable(recipe: RecipeFile, _inputs: Inputs) -> Iterator[Found]:
    """Behind one whose every key it repeats."""
    for number, manifest in enumerate(recipe.manifests):
        mine = _wanted(manifest)
        for earlier in recipe.manifests[:number]:
            if _wanted(earlier).items() <= mine.items():
                yield Found(manifest.line, f"the manifest on line {earlier.line} fits first")
                break


@family.rule(
    "L209",
    "warning",
    "no list of artifacts",
    source="aws-greengrass-lite ggl_get_recipe_artifacts_for_platform: a component that comes from "
    "the cloud fails with \"Missing required 'Artifacts' key in Manifest\"; local ones do not ask",
    fix="write Artifacts: []",
    nuclei=LITE,
)
def no_artifacts(recipe: RecipeFile, _inputs: Inputs) -> Iterator[Found]:
    """Manifests for lite without Artifacts."""
    for manifest in recipe.manifests:
        if _platform(manifest, "runtime") in _LITE_RUNTIMES and manifest.find("Artifacts") is None:
            yield Found(manifest.line, "the manifest has no Artifacts")


@family.rule(
    "L210",
    "error",
    "no manifests",
    source="both nuclei refuse a recipe without manifests (RECIPE_MISSING_MANIFEST)",
    fix="add Manifests with one item",
    nuclei=BOTH,
)
def no_manifests(recipe: RecipeFile, _inputs: Inputs) -> Iterator[Found]:
    """Manifests absent, empty, or no list of maps."""
    if not recipe.manifests:
        yield Found(recipe.line_of("Manifests"), "there is no manifest that is a map")


def _platform(manifest: Mapping, key: str) -> str:
    platform = mapping_of(manifest.find("Platform"))
    return "" if platform is None else text_of(platform.find(key))


def _may_be_linux(manifest: Mapping) -> bool:
    system = _platform(manifest, "os").lower()
    return system in ("", "linux", "*", "all", "any") or system.startswith("/")


def _wanted(manifest: Mapping) -> dict[str, str]:
    platform = mapping_of(manifest.find("Platform"))
    pairs = {} if platform is None else {e.key.lower(): text_of(e) for e in platform.entries}
    return {key: value for key, value in pairs.items() if value not in ("*", "all", "")}
