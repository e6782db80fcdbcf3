"""YAML or JSON in, `model.Recipe` out; errors name file and line.

Keys of the recipe format may have any case, as the Java nucleus reads them; keys inside
DefaultConfiguration stay as they are. YAML scalars are read as the Java nucleus's parser reads
them: only true and false are booleans, and dates and times of day are strings.
"""

import functools
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Never, TypeVar, cast

import msgspec

from localcore.config_tree import JsonValue
from localcore.errors import RecipeError, VersionError
from localcore.recipes.model import Artifact, Dependency, Manifest, Recipe
from localcore.versions import parse_requirement, parse_version

T = TypeVar("T")
SUFFIXES = (".yaml", ".yml", ".json")
_NAME = re.compile(r"[a-zA-Z0-9-_.]+")
_NAME_LIMIT = 128  # the cloud refuses longer component names


def read_recipe(path: Path) -> Recipe:
    """The recipe in a file; RecipeError when it is none, OSError when it cannot be read."""
    return parse_recipe(path.read_text(encoding="utf-8"), path)


def parse_recipe(source: str, path: Path) -> Recipe:
    """The recipe in a text; ``path`` chooses the format by its suffix and is named in errors."""
    document = _load(source, path)
    return _Reader(source, path).recipe(document)


def _load(source: str, path: Path) -> object:
    if path.suffix == ".json":
        try:
            return msgspec.json.decode(source)
        except msgspec.DecodeError as error:
            line = _json_line(source, str(error))
            raise RecipeError(f"not JSON: {error}", path=path, line=line) from error
    import yaml  # noqa: PLC0415 (takes 20 ms, and a start without a deployment needs none)

    try:
        return yaml.load(source, Loader=yaml_loader())  # noqa: S506 (derived from SafeLoader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = None if mark is None else mark.line + 1
        raise RecipeError(f"not YAML: {error.problem}", path=path, line=line) from error
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise RecipeError(f"not YAML: {error}", path=path) from error


@functools.cache
def yaml_loader() -> Any:
    """PyYAML's loader class that reads scalars as the Java nucleus's parser does."""
    import yaml  # noqa: PLC0415

    class RecipeLoader(yaml.SafeLoader):
        """SafeLoader with the scalars of the Java nucleus's parser."""

    RecipeLoader.yaml_implicit_resolvers = {}
    for tag, pattern, first in (
        ("bool", r"true|True|TRUE|false|False|FALSE", "tTfF"),
        ("null", r"~|null|Null|NULL|", "~nN\0"),
        ("int", r"[-+]?(?:0|[1-9][0-9_]*)|0x[0-9a-fA-F]+", "-+0123456789"),
        (
            "float",
            r"[-+]?(?:[0-9]+\.[0-9]*|\.[0-9]+)(?:[eE][-+]?[0-9]+)?|[-+]?[0-9]+[eE][-+]?[0-9]+",
            "-+.0123456789",
        ),
        ("merge", "<<", "<"),
    ):
        letters = ["" if letter == "\0" else letter for letter in first]
        RecipeLoader.add_implicit_resolver(
            f"tag:yaml.org,2002:{tag}", re.compile(rf"^(?:{pattern})$"), letters
        )
    return RecipeLoader


class _Reader:
    """Walks a loaded document; knows its text to say where something is wrong."""

    def __init__(self, source: str, path: Path) -> None:
        self._source = source
        self._path = path

    def recipe(self, document: object) -> Recipe:
        top = self._map(document, ())
        if "componentname" not in top:
            self._fail("not a recipe: it has no ComponentName", ())
        name = self._string(top, "componentname", ())
        if not _NAME.fullmatch(name) or len(name) > _NAME_LIMIT:
            self._fail(
                f"ComponentName {name!r} may have letters, digits, '-', '_' and '.', "
                f"at most {_NAME_LIMIT} of them",
                ("componentname",),
            )
        version = self._string(top, "componentversion", ())
        try:
            parse_version(version)
        except VersionError as error:
            self._fail(f"ComponentVersion {error}", ("componentversion",))
        manifests = self._list(top.get("manifests"), ("manifests",))
        if not manifests:
            self._fail("no Manifests: a component needs at least one, if only '- Platform: {}'", ())
        configuration = self._map(
            top.get("componentconfiguration") or {}, ("componentconfiguration",)
        )
        return Recipe(
            name,
            version,
            tuple(self._manifest(item, ("manifests", at)) for at, item in enumerate(manifests)),
            self._json_map(top.get("lifecycle"), ("lifecycle",)),
            self._json_map(
                configuration.get("defaultconfiguration"),
                ("componentconfiguration", "defaultconfiguration"),
            ),
            self._dependencies(top.get("componentdependencies")),
            str(top.get("componenttype") or "aws.greengrass.generic"),
        )

    def _manifest(self, value: object, at: tuple[str | int, ...]) -> Manifest:
        fields = self._map(value, at)
        artifacts = self._list(fields.get("artifacts"), (*at, "artifacts"))
        selections = self._list(fields.get("selections"), (*at, "selections"))
        return Manifest(
            self._json_map(fields.get("platform"), (*at, "platform")),
            self._json_map(fields.get("lifecycle"), (*at, "lifecycle")),
            tuple(
                self._artifact(item, (*at, "artifacts", number))
                for number, item in enumerate(artifacts)
            ),
            tuple(map(str, selections)),
            str(fields.get("name") or ""),
        )

    def _artifact(self, value: object, at: tuple[str | int, ...]) -> Artifact:
        fields = self._map(value, at)
        unarchive = str(fields.get("unarchive") or "NONE").upper()
        if unarchive not in ("NONE", "ZIP"):
            self._fail(f"Unarchive {unarchive!r} must be NONE or ZIP", (*at, "unarchive"))
        uri = self._string(fields, "uri", at)
        return Artifact(uri, "ZIP" if unarchive == "ZIP" else "NONE")

    def _dependencies(self, value: object) -> dict[str, Dependency]:
        at = ("componentdependencies",)
        dependencies: dict[str, Dependency] = {}
        for name, item in self._json_map(value, at).items():
            fields = self._map(item if item is not None else {}, (*at, name))
            requirement = str(fields.get("versionrequirement") or "*")
            try:
                parse_requirement(requirement)
            except VersionError as error:
                self._fail(f"VersionRequirement of {name}: {error}", (*at, name))
            kind = str(fields.get("dependencytype") or "HARD").upper()
            if kind not in ("HARD", "SOFT"):
                self._fail(f"DependencyType {kind!r} of {name} must be HARD or SOFT", (*at, name))
            dependencies[name] = Dependency(requirement, "SOFT" if kind == "SOFT" else "HARD")
        return dependencies

    def _string(self, fields: Mapping[str, object], key: str, at: tuple[str | int, ...]) -> str:
        value = fields.get(key)
        if not isinstance(value, str) or not value:
            self._fail(f"{_spelled(key)} must be a string, not {value!r}", (*at, key))
        return value

    def _map(self, value: object, at: tuple[str | int, ...]) -> dict[str, object]:
        """A map of the recipe format, keys in lower case."""
        if not isinstance(value, dict):
            what = _spelled(at[-1]) if at else "a recipe"
            self._fail(f"{what} must be a map, not {value!r:.60}", at)
        return {str(key).lower(): item for key, item in value.items()}

    def _json_map(self, value: object, at: tuple[str | int, ...]) -> dict[str, JsonValue]:
        """A map whose keys are the author's."""
        if value is None:
            return {}
        if not isinstance(value, dict):
            self._fail(f"{_spelled(at[-1])} must be a map, not {value!r:.60}", at)
        return cast("dict[str, JsonValue]", _string_keys(value))

    def _list(self, value: object, at: tuple[str | int, ...]) -> list[object]:
        if value is None:
            return []
        if not isinstance(value, list):
            self._fail(f"{_spelled(at[-1])} must be a list, not {value!r:.60}", at)
        return value

    def _fail(self, reason: str, at: tuple[str | int, ...]) -> Never:
        raise RecipeError(reason, path=self._path, line=self._line(at))

    def _line(self, at: tuple[str | int, ...]) -> int | None:
        """The line of the deepest node on the path that exists; JSON is YAML enough for this."""
        import yaml  # noqa: PLC0415

        try:
            node = yaml.compose(self._source, Loader=yaml.SafeLoader)
        except yaml.YAMLError:
            return None
        line = None
        for part in at:
            child = _child(node, part)
            if child is None:
                break
            line, node = child
        return line


def _child(node: Any, part: str | int) -> tuple[int, Any] | None:
    import yaml  # noqa: PLC0415

    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            if str(key.value).lower() == str(part).lower():
                return key.start_mark.line + 1, value
    if isinstance(node, yaml.SequenceNode) and isinstance(part, int) and part < len(node.value):
        return node.value[part].start_mark.line + 1, node.value[part]
    return None


def _string_keys(value: object) -> object:
    if isinstance(value, dict):
        return {str(key): _string_keys(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_string_keys(item) for item in value]
    return value


_SPELLINGS = {
    "componentname": "ComponentName",
    "componentversion": "ComponentVersion",
    "componentconfiguration": "ComponentConfiguration",
    "defaultconfiguration": "DefaultConfiguration",
    "componentdependencies": "ComponentDependencies",
}


def _spelled(part: str | int) -> str:
    return f"item {part + 1}" if isinstance(part, int) else _SPELLINGS.get(part, part.title())


def _json_line(source: str, message: str) -> int | None:
    match = re.search(r"byte (\d+)", message)
    return None if match is None else source.encode()[: int(match[1])].count(b"\n") + 1
