"""A recipe's parts, found in its nodes whatever is wrong with them: no I/O.

Keys are found in any case, as the Java nucleus reads them; that nucleus lite does not is a rule's
business. What is missing is None or empty, and what has the wrong shape is left out here and named
by the rules on shape.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from localcore.config_tree import JsonValue
from localcore.recipes.lint.document import Entry, Mapping, Node, Scalar, Sequence, plain
from localcore.recipes.model import STEPS

# What gdk writes the real name and version over when it builds.
GDK_PLACEHOLDERS = frozenset(
    {"NEXT_PATCH", "COMPONENT_NAME", "COMPONENT_VERSION", "{COMPONENT_NAME}", "{COMPONENT_VERSION}"}
)
_GDK_NAMES = frozenset({"recipe.yaml", "recipe.yml", "recipe.json"})


@dataclass(frozen=True, slots=True)
class Step:
    """A lifecycle step. ``script`` and ``fields`` are None when the step has none."""

    name: str
    entry: Entry
    script: Scalar | None
    fields: Mapping | None

    @property
    def line(self) -> int:
        """Where the step begins."""
        return self.entry.line

    def field(self, name: str) -> Entry | None:
        """A key of the step, in any case."""
        return None if self.fields is None else self.fields.find(name)


@dataclass(frozen=True, slots=True)
class Dependency:
    """One of ComponentDependencies; what is not written is None."""

    name: str
    line: int
    requirement: Entry | None
    kind: Entry | None

    @property
    def is_hard(self) -> bool:
        """HARD is written, or nothing, which the Java nucleus takes for HARD."""
        return self.kind is None or text_of(self.kind).upper() == "HARD"


@dataclass(frozen=True, slots=True)
class ArtifactEntry:
    """One of a manifest's artifacts."""

    line: int
    fields: Mapping
    uri: str

    @property
    def file_name(self) -> str:
        """The name it has in the artifact folder."""
        return self.uri.rstrip("/").rsplit("/", 1)[-1]

    @property
    def is_archive(self) -> bool:
        """Whether the nucleus is asked to unzip it."""
        return text_of(self.fields.find("Unarchive")).upper() == "ZIP"


class RecipeFile:
    """One recipe and where it was read: ``path``, its size, and the document's map."""

    def __init__(self, path: Path, size_bytes: int, root: Mapping) -> None:
        self.path = path
        self.size_bytes = size_bytes
        self.root = root

    @cached_property
    def name(self) -> str:
        """ComponentName, empty when there is none."""
        return text_of(self.root.find("ComponentName"))

    @cached_property
    def version(self) -> str:
        """ComponentVersion, empty when there is none."""
        return text_of(self.root.find("ComponentVersion"))

    @property
    def is_gdk_source(self) -> bool:
        """A `recipe.yaml` that gdk completes before anything deploys it."""
        return self.path.name in _GDK_NAMES

    @cached_property
    def defaults(self) -> Mapping | None:
        """DefaultConfiguration."""
        configuration = mapping_of(self.root.find("ComponentConfiguration"))
        return (
            None
            if configuration is None
            else mapping_of(configuration.find("DefaultConfiguration"))
        )

    @cached_property
    def default_values(self) -> JsonValue:
        """DefaultConfiguration as plain values."""
        return {} if self.defaults is None else plain(self.defaults)

    @cached_property
    def manifests(self) -> tuple[Mapping, ...]:
        """The manifests that are maps."""
        entry = self.root.find("Manifests")
        if entry is None or not isinstance(entry.value, Sequence):
            return ()
        return tuple(item for item in entry.value.items if isinstance(item, Mapping))

    @cached_property
    def lifecycles(self) -> tuple[Mapping, ...]:
        """The manifests' lifecycles and the recipe's own."""
        entries = (holder.find("Lifecycle") for holder in (*self.manifests, self.root))
        found = (mapping_of(entry) for entry in entries)
        return tuple(each for each in found if each is not None)

    @cached_property
    def steps(self) -> tuple[Step, ...]:
        """Every step of every lifecycle, whatever platform it is for."""
        return tuple(step for lifecycle in self.lifecycles for step in _steps(lifecycle))

    @cached_property
    def environments(self) -> tuple[Mapping, ...]:
        """Every Setenv: of the lifecycles and of their steps."""
        holders = [*self.lifecycles, *(step.fields for step in self.steps if step.fields)]
        entries = (holder.find("Setenv") for holder in holders)
        found = (mapping_of(entry) for entry in entries)
        return tuple(each for each in found if each is not None)

    @cached_property
    def dependencies(self) -> tuple[Dependency, ...]:
        """ComponentDependencies."""
        found = mapping_of(self.root.find("ComponentDependencies"))
        if found is None:
            return ()
        return tuple(_dependency(entry) for entry in found.entries)

    @cached_property
    def artifacts(self) -> tuple[ArtifactEntry, ...]:
        """The artifacts of all manifests."""
        return tuple(artifact for manifest in self.manifests for artifact in _artifacts(manifest))

    @cached_property
    def access_control(self) -> Mapping | None:
        """AccessControl of the default configuration."""
        return None if self.defaults is None else mapping_of(self.defaults.find("accessControl"))

    def line_of(self, name: str) -> int:
        """The line of a key at the top, or of the document."""
        entry = self.root.find(name)
        return self.root.line if entry is None else entry.line


def text_of(entry: Entry | None) -> str:
    """The text of a scalar entry, else empty."""
    return entry.value.text if entry is not None and isinstance(entry.value, Scalar) else ""


def mapping_of(entry: Entry | None) -> Mapping | None:
    """The value of an entry when it is a map."""
    return entry.value if entry is not None and isinstance(entry.value, Mapping) else None


def items_of(entry: Entry | None) -> tuple[Node, ...]:
    """The items of an entry that is a list."""
    return entry.value.items if entry is not None and isinstance(entry.value, Sequence) else ()


def _steps(lifecycle: Mapping) -> Iterator[Step]:
    """Steps by name, also below selections such as `linux`."""
    for entry in lifecycle.entries:
        name = entry.key.lower()
        if name in STEPS:
            yield from _step(name, entry)
        elif name != "setenv" and isinstance(entry.value, Mapping):
            yield from _steps(entry.value)


def _step(name: str, entry: Entry) -> Iterator[Step]:
    fields = mapping_of(entry)
    if fields is None:
        yield Step(name, entry, _scalar(entry), None)
        return
    script = fields.find("Script")
    chosen = [each for each in fields.entries if is_selection(each)] if script is None else []
    for each in chosen:
        yield from _step(name, Entry(each.line, entry.key, each.value))
    selections = mapping_of(script)
    if selections is not None:
        for each in selections.entries:
            yield Step(name, entry, _scalar(each), fields)
    elif not chosen:
        yield Step(name, entry, _scalar(script), fields)


def _scalar(entry: Entry | None) -> Scalar | None:
    return entry.value if entry is not None and isinstance(entry.value, Scalar) else None


def is_selection(entry: Entry) -> bool:
    """Whether a key inside a step names a platform rather than a field of the step."""
    fields = ("script", "timeout", "requiresprivilege", "setenv", "skipif")
    return entry.key.lower() not in fields and isinstance(entry.value, Mapping | Scalar)


def _dependency(entry: Entry) -> Dependency:
    fields = mapping_of(entry)
    if fields is None:
        return Dependency(entry.key, entry.line, None, None)
    return Dependency(
        entry.key, entry.line, fields.find("VersionRequirement"), fields.find("DependencyType")
    )


def _artifacts(manifest: Mapping) -> Iterator[ArtifactEntry]:
    for item in items_of(manifest.find("Artifacts")):
        if isinstance(item, Mapping):
            yield ArtifactEntry(item.line, item, text_of(item.find("Uri")))
