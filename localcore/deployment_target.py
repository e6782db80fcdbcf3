"""What a deployment leads to, worked out before anything changes but `packages/`.

Recipes and artifacts are copied, versions resolved, configurations merged, scripts filled in.
Whatever is wrong with a deployment is found here, with the reason.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

from localcore.built_in import BuiltIns
from localcore.config_store import ConfigStore, split_pointer
from localcore.config_tree import JsonValue
from localcore.errors import DeploymentError, ResolutionError
from localcore.package_store import PackageStore
from localcore.recipes.interpolate import Facts, Interpolation
from localcore.recipes.model import Recipe, lifecycle_steps
from localcore.recipes.platform import current_platform, select_lifecycle, select_manifest
from localcore.resolver import BUILT_IN, Candidates, resolve
from localcore.supervisor.plan import ComponentPlan
from localcore.versions import Version, parse_version


class ConfigurationUpdate(msgspec.Struct, frozen=True):
    """What `--update-config` asks for one component."""

    merge: dict[str, Any] = {}
    reset: tuple[str, ...] = ()


class Document(msgspec.Struct, frozen=True):
    """A deployment as it was asked for. Folders are absolute."""

    recipe_dir: str | None = None
    artifact_dir: str | None = None
    merge: dict[str, str] = {}
    remove: tuple[str, ...] = ()
    update_config: dict[str, ConfigurationUpdate] = {}


class Deployed(msgspec.Struct, frozen=True):
    """What the device should run: the requirement on every root, and every component's plan."""

    roots: dict[str, str] = {}
    plans: tuple[ComponentPlan, ...] = ()

    def names(self) -> set[str]:
        """All components."""
        return {plan.name for plan in self.plans}


class Target(msgspec.Struct, frozen=True):
    """Where a deployment leads."""

    deployed: Deployed
    configurations: dict[str, dict[str, Any]]


def parse_update_config(value: object) -> dict[str, ConfigurationUpdate]:
    """Read `{"component": {"MERGE": {...}, "RESET": ["/pointer"]}}`, keys in any case."""
    if not isinstance(value, dict):
        raise DeploymentError(_UPDATE_CONFIG_FORM)
    updates: dict[str, ConfigurationUpdate] = {}
    for name, update in value.items():
        folded = (
            {str(key).upper(): item for key, item in update.items()}
            if isinstance(update, dict)
            else {}
        )
        merge, reset = folded.get("MERGE", {}), folded.get("RESET", [])
        if not folded or folded.keys() - {"MERGE", "RESET"}:
            raise DeploymentError(f"{_UPDATE_CONFIG_FORM}; wrong for {name!r}: {update!r:.80}")
        if not isinstance(merge, dict) or not isinstance(reset, list):
            raise DeploymentError(f"{_UPDATE_CONFIG_FORM}; wrong for {name!r}: {update!r:.80}")
        for pointer in reset:
            split_pointer(str(pointer))
        updates[str(name)] = ConfigurationUpdate(merge, tuple(map(str, reset)))
    return updates


_UPDATE_CONFIG_FORM = (
    'a configuration update is {"<component>": {"MERGE": {...}, "RESET": ["/pointer", ...]}}'
)


class TargetFinder:
    """Works out targets for the device in ``root``."""

    def __init__(
        self, root: Path, thing_name: str, store: ConfigStore, built_ins: BuiltIns
    ) -> None:
        self._root = root
        self._thing_name = thing_name
        self._store = store
        self._built_ins = built_ins
        self._packages = PackageStore(root)

    async def find(self, document: Document, now: Deployed) -> Target:
        """Where the document leads from what is deployed now; LocalcoreError when nowhere."""
        if document.recipe_dir is not None:
            await self._packages.add_recipes(Path(document.recipe_dir))
        if document.artifact_dir is not None:
            await self._packages.add_artifacts(Path(document.artifact_dir))
        roots = self._roots(now, document)
        active = {plan.name: parse_version(plan.version) for plan in now.plans}
        versions = resolve(roots, Candidates(self._packages.versions(), self._dependencies, active))
        recipes = {
            name: self._packages.recipe(name, str(version))
            for name, version in versions.items()
            if not self._is_built_in(name)
        }
        configurations = {
            name: self._configuration(name, recipes.get(name), document) for name in versions
        }
        facts = {
            name: Facts(self._system(name, str(version)), configurations[name])
            for name, version in versions.items()
        }
        plans = []
        for name in versions:
            recipe = recipes.get(name)
            if recipe is None:
                plans.append(self._built_ins.plan(name, configurations[name]))
            else:
                plans.append(await self._plan(recipe, facts))
        return Target(Deployed(roots, tuple(plans)), configurations)

    def _roots(self, now: Deployed, document: Document) -> dict[str, str]:
        for name in document.remove:
            if name not in now.roots:
                known = ", ".join(now.roots) or "none"
                raise DeploymentError(f"--remove {name}: no root component; the roots are: {known}")
        kept = {name: text for name, text in now.roots.items() if name not in document.remove}
        roots = {**kept, **document.merge}
        for name in document.update_config:
            if name not in roots:
                raise DeploymentError(
                    f"--update-config names {name}, which is no root component of this device: the "
                    f'Java nucleus would ignore it. Add --merge "{name}=<version>".'
                )
        return roots

    def _dependencies(self, name: str, version: Version) -> Mapping[str, str]:
        if self._is_built_in(name):
            return {}
        dependencies = self._packages.recipe(name, str(version)).dependencies
        return {each: dependency.version_requirement for each, dependency in dependencies.items()}

    def _is_built_in(self, name: str) -> bool:
        return name in BUILT_IN and name not in self._packages.versions()

    def _configuration(
        self, name: str, recipe: Recipe | None, document: Document
    ) -> dict[str, JsonValue]:
        if recipe is None:
            defaults = self._built_ins.defaults(name)
        else:
            defaults = recipe.default_configuration
        update = document.update_config.get(name, ConfigurationUpdate())
        return self._store.resolve(name, defaults, update.merge, update.reset)

    def _system(self, name: str, version: str) -> dict[tuple[str, str], str]:
        unarchived = self._packages.unarchived_folder(name, version)
        return {
            ("artifacts", "path"): str(self._packages.artifact_folder(name, version)),
            ("artifacts", "decompressedPath"): str(unarchived),
            ("work", "path"): str(self._root / "work" / name),
            ("kernel", "rootPath"): str(self._root),
            ("iot", "thingName"): self._thing_name,
        }

    async def _plan(self, recipe: Recipe, facts: Mapping[str, Facts]) -> ComponentPlan:
        name, version = recipe.component_name, recipe.component_version
        platform = current_platform()
        manifest = select_manifest(recipe, platform)
        if manifest is None:
            raise ResolutionError(
                f"{name} {version} has no manifest for this platform, {platform}: "
                "change or add a Platform in its recipe"
            )
        for artifact in manifest.artifacts:
            await self._packages.prepare(name, version, artifact)
        filled = Interpolation(name, facts, recipe.dependencies.keys()).fill(
            select_lifecycle(recipe, manifest)
        )
        steps = lifecycle_steps(name, filled if isinstance(filled, dict) else {})
        dependencies = {each: item.dependency_type for each, item in recipe.dependencies.items()}
        return ComponentPlan(name, version, steps.by_name, dependencies, steps.error_reset_s)
