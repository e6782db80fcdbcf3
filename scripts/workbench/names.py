"""One component, one name, four spellings, made by one function.

Law: the recipe files name the components; every other spelling is derived here and nowhere else.

>>> one = spell("com.hbs.hub.ReadSenseHAT", "1.0.0")
>>> one.package, str(one.recipe)
('read_sense_hat', 'recipes/com.hbs.hub.ReadSenseHAT-1.0.0.yaml')
>>> str(one.artifact)
'artifacts/com.hbs.hub.ReadSenseHAT/1.0.0/read_sense_hat.pyz'
"""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final

REPOSITORY: Final = Path(__file__).resolve().parents[2]
"""The checkout this file lies in."""

PREFIX: Final = "com.hbs.hub."
RECIPE_FILE: Final = re.compile(
    r"(?P<name>[A-Za-z0-9_.-]+)-(?P<version>\d+\.\d+\.\d+(?:-[0-9A-Za-z.-]+)?)\.yaml"
)


class NamesDisagreeError(ValueError):
    """Two spellings of a component's name or version contradict each other."""


@dataclass(frozen=True)
class Component:
    """The spellings of one component; paths are relative to the repository."""

    name: str
    version: str
    package: str

    @property
    def short_name(self) -> str:
        """The last part, as topics spell it: `hub/health/<short name>`."""
        return self.name.removeprefix(PREFIX)

    @property
    def source(self) -> Path:
        """Where its Python package is; a component without code has none."""
        return Path("components") / self.package

    @property
    def recipe(self) -> Path:
        """Its recipe."""
        return Path("recipes") / f"{self.name}-{self.version}.yaml"

    @property
    def artifact_folder(self) -> Path:
        """Where greengrass-cli and ggl-cli look for its artifacts."""
        return Path("artifacts") / self.name / self.version

    @property
    def artifact(self) -> Path:
        """Its one artifact."""
        return self.artifact_folder / f"{self.package}.pyz"


def spell(name: str, version: str) -> Component:
    """All spellings of a component.

    >>> [spell("com.hbs.hub." + short, "1.0.0").package for short in ("Hub", "CloudConnector")]
    ['hub', 'cloud_connector']
    """
    short = name.removeprefix(PREFIX)
    words = re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", short)
    return Component(name, version, words.replace(".", "_").lower())


def components(repository: Path) -> list[Component]:
    """The components that have a recipe, by name.

    Raises:
        NamesDisagreeError: A file in `recipes/` is no recipe (every nucleus reads each file there
            and fails the deployment), or a component has two.
    """
    found: dict[str, Component] = {}
    for path in sorted((repository / "recipes").iterdir()):
        match = RECIPE_FILE.fullmatch(path.name)
        if match is None:
            raise NamesDisagreeError(
                f"recipes/{path.name} is not <ComponentName>-<version>.yaml: move it elsewhere"
            )
        component = spell(match["name"], match["version"])
        if component.name in found:
            raise NamesDisagreeError(
                f"{component.name} has the recipes {found[component.name].version} and "
                f"{component.version}: keep one"
            )
        found[component.name] = component
    return list(found.values())


def select(repository: Path, wanted: list[str]) -> list[Component]:
    """The components called so, by full or short name; all when none is named.

    Raises:
        NamesDisagreeError: There is no such component.
    """
    known = components(repository)
    if not wanted:
        return known
    by_name = {c.name: c for c in known} | {c.short_name: c for c in known}
    unknown = [name for name in wanted if name not in by_name]
    if unknown:
        raise NamesDisagreeError(
            f"{', '.join(unknown)}: no such component; there are {', '.join(c.name for c in known)}"
        )
    return [by_name[name] for name in wanted]
