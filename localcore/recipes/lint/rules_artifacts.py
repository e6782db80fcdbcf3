"""L7xx: files that are not there, not unzipped, or not executable."""

import re
from collections.abc import Iterator
from pathlib import PurePosixPath

from localcore.recipes.lint.document import Mapping
from localcore.recipes.lint.recipe_file import RecipeFile, items_of, mapping_of, text_of
from localcore.recipes.lint.rules import LITE, Family, Found, Inputs

family = Family()

_SCHEMES = ("s3", "docker", "greengrass", "https", "http")
_PATH = re.compile(
    r"\{artifacts:(path|decompressedPath)\}/*([\w.@+-]++(?:/[\w.@+-]++)*+(?!/?[{$*?\[]))?"
)
# A command's first word, directly or behind exec: no interpreter runs it.
_EXECUTED = re.compile(
    r"(?:^|[;&|(\n]|\bexec|\bthen|\bdo|\belse)[ \t]*\"?"
    r"\{artifacts:path\}/*([\w.@+-]+)\"?(?=[\s;&|]|$)"
)


@family.rule(
    "L701",
    "error",
    "an artifact that does not exist",
    source="greengrass-cli and ggl-cli take <artifacts>/<component>/<version>/<file>; the "
    "deployment fails, or goes to S3 for it",
    fix="build it, or correct the Uri",
)
def missing(recipe: RecipeFile, inputs: Inputs) -> Iterator[Found]:
    """Only when there is an artifact folder."""
    if inputs.artifacts is None or recipe.is_gdk_source:
        return
    for artifact in recipe.artifacts:
        scheme = artifact.uri.partition(":")[0]
        relative = f"{recipe.name}/{recipe.version}/{artifact.file_name}"
        if scheme == "docker" or not artifact.file_name or "\0" in relative:
            continue
        try:
            is_there = (inputs.artifacts / relative).is_file()
        except OSError:
            is_there = False
        if not is_there:
            yield Found(artifact.line, f"{relative:.200} is not in {inputs.artifacts}")


@family.rule(
    "L702",
    "error",
    "an archive that nucleus lite does not unzip locally",
    source="measured on lite 2.6: a local deployment copies the file and unzips nothing, so "
    "{artifacts:decompressedPath} is empty",
    fix="ship one file that runs as it is, such as a Python zipapp (.pyz)",
    nuclei=LITE,
)
def archive(recipe: RecipeFile, _inputs: Inputs) -> Iterator[Found]:
    """Unarchive: ZIP."""
    for artifact in recipe.artifacts:
        if artifact.is_archive:
            yield Found(artifact.line, f"{artifact.file_name:.80} has Unarchive: ZIP")


@family.rule(
    "L703",
    "error",
    "not an artifact URI",
    source="AWS component recipe reference: s3://, docker: (greengrass: for Lambda functions)",
    fix="write s3://BUCKET/PATH/FILE or docker:IMAGE",
)
def uri(recipe: RecipeFile, _inputs: Inputs) -> Iterator[Found]:
    """Uri of every artifact."""
    for artifact in recipe.artifacts:
        scheme, colon, rest = artifact.uri.partition(":")
        if not artifact.uri:
            yield Found(artifact.line, "an artifact has no Uri")
        elif scheme.lower() not in _SCHEMES or not colon or not rest.strip("/"):
            yield Found(artifact.line, f"Uri {artifact.uri:.80}")


@family.rule(
    "L704",
    "warning",
    "a script names a file that is no artifact",
    source="a local deployment copies the component's whole artifact folder; one from the cloud "
    "brings only what Artifacts names",
    fix="add it to Artifacts, or correct the name",
)
def unknown_file(recipe: RecipeFile, _inputs: Inputs) -> Iterator[Found]:
    """`{artifacts:path}/file`; what is inside an archive is not looked at."""
    names = {artifact.file_name for artifact in recipe.artifacts}
    if any("*" in name for name in names):
        return
    for step in recipe.steps:
        if step.script is None:
            continue
        for match in _PATH.finditer(step.script.text):
            first = PurePosixPath(match[2]).parts[0] if match[2] else ""
            if match[1] == "path" and first and first not in names:
                line = step.script.line_at(match.start())
                yield Found(line, f"{first:.80} is not among the artifacts")


@family.rule(
    "L705",
    "error",
    "{artifacts:decompressedPath} without an archive",
    source="both nuclei unzip artifacts with Unarchive: ZIP only",
    fix="add Unarchive: ZIP, or use {artifacts:path}",
)
def nothing_unzipped(recipe: RecipeFile, _inputs: Inputs) -> Iterator[Found]:
    """The variable in scripts."""
    if any(artifact.is_archive for artifact in recipe.artifacts):
        return
    for step in recipe.steps:
        for match in () if step.script is None else _PATH.finditer(step.script.text):
            if match[1] == "decompressedPath" and step.script is not None:
                yield Found(step.script.line_at(match.start()), "no artifact has Unarchive: ZIP")


@family.rule(
    "L706",
    "error",
    "an artifact that may not be executed",
    source="Permission: Execute is NONE by default on both nuclei",
    fix="run it by its interpreter (exec sh FILE, exec python3 FILE), or add Permission: "
    "Execute: OWNER",
)
def not_executable(recipe: RecipeFile, _inputs: Inputs) -> Iterator[Found]:
    """An artifact as a command, without the permission."""
    executable = _executable(recipe)
    for line, name in _executed(recipe):
        if name not in executable:
            yield Found(line, f"{name:.80} is a command, but has no Permission: Execute")


@family.rule(
    "L709",
    "warning",
    "an artifact that a local deployment of nucleus lite may not execute",
    source="aws-greengrass-lite copies local artifacts with cp -RP: the file's own mode "
    "counts there, Permission only for what comes from the cloud",
    fix="run it by its interpreter (exec sh FILE), or chmod 755 it in the artifact folder",
    nuclei=LITE,
)
def executable_on_lite(recipe: RecipeFile, inputs: Inputs) -> Iterator[Found]:
    """An artifact as a command, whose file is not known to be executable."""
    executable = _executable(recipe)
    for line, name in _executed(recipe):
        if name in executable and not _mode(recipe, name, inputs) & 0o001:
            yield Found(line, f"{name:.80} is a command")


@family.rule(
    "L707",
    "error",
    "two artifacts of one name",
    source="both nuclei keep artifacts by the last part of their URI; one overwrites the other",
    fix="rename one",
)
def same_name(recipe: RecipeFile, _inputs: Inputs) -> Iterator[Found]:
    """Within one manifest."""
    for manifest in recipe.manifests:
        seen: dict[str, int] = {}
        items = items_of(manifest.find("Artifacts"))
        mine = [each for each in recipe.artifacts if any(each.fields is item for item in items)]
        for artifact in mine:
            if artifact.uri.startswith("docker"):
                continue
            if artifact.file_name in seen:
                first = seen[artifact.file_name]
                yield Found(artifact.line, f"{artifact.file_name:.80} is on line {first} already")
            seen.setdefault(artifact.file_name, artifact.line)


@family.rule(
    "L708",
    "warning",
    "a container image without its manager",
    source="AWS developer guide, Run a Docker container: the Java nucleus pulls images through "
    "aws.greengrass.DockerApplicationManager",
    fix="add it to ComponentDependencies",
)
def docker(recipe: RecipeFile, _inputs: Inputs) -> Iterator[Found]:
    """`docker:` artifacts."""
    names = {dependency.name for dependency in recipe.dependencies}
    for artifact in recipe.artifacts:
        is_image = artifact.uri.startswith("docker:")
        if is_image and "aws.greengrass.DockerApplicationManager" not in names:
            yield Found(artifact.line, f"{artifact.uri:.80}: nothing pulls it on the Java nucleus")


def _mode(recipe: RecipeFile, name: str, inputs: Inputs) -> int:
    if inputs.artifacts is None:
        return 0
    try:
        return (inputs.artifacts / recipe.name / recipe.version / name).stat().st_mode
    except (OSError, ValueError):
        return 0


def _executed(recipe: RecipeFile) -> Iterator[tuple[int, str]]:
    """Line and name of every artifact that a script uses as a command."""
    names = {artifact.file_name for artifact in recipe.artifacts}
    for step in recipe.steps:
        if step.script is not None:
            for match in _EXECUTED.finditer(step.script.text):
                if match[1] in names:
                    yield step.script.line_at(match.start(1)), match[1]


def _executable(recipe: RecipeFile) -> set[str]:
    return {
        artifact.file_name
        for artifact in recipe.artifacts
        if _execute(mapping_of(artifact.fields.find("Permission"))) in ("OWNER", "ALL")
    }


def _execute(permission: Mapping | None) -> str:
    return "" if permission is None else text_of(permission.find("Execute")).upper()
