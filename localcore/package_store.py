"""The recipes and artifacts on the device, under `packages/` as the nucleus keeps them.

    packages/recipes/<component>-<version>.yaml|json
    packages/artifacts/<component>/<version>/...
    packages/artifacts-unarchived/<component>/<version>/<archive without suffix>/...

A file is replaced atomically, and only when its size or time differs. Copying gives the event
loop a turn between files.
"""

import asyncio
import re
import shutil
import zipfile
from pathlib import Path

from localcore.errors import DeploymentError
from localcore.recipes.model import Artifact, Recipe
from localcore.recipes.parse import SUFFIXES, read_recipe
from localcore.versions import Version, parse_version

_FILE_NAME = re.compile(r"(?P<name>.+?)-(?P<version>\d+\.\d+\.\d+[^/]*)\.(?:yaml|yml|json)")


class PackageStore:
    """Packages under ``root``, the daemon's folder."""

    def __init__(self, root: Path) -> None:
        self._recipes = root / "packages" / "recipes"
        self._artifacts = root / "packages" / "artifacts"
        self._unarchived = root / "packages" / "artifacts-unarchived"
        self._parsed: dict[Path, tuple[int, Recipe]] = {}
        for folder in (self._recipes, self._artifacts, self._unarchived):
            folder.mkdir(parents=True, exist_ok=True)

    def artifact_folder(self, component: str, version: str) -> Path:
        """What `{artifacts:path}` stands for."""
        return self._artifacts / component / version

    def unarchived_folder(self, component: str, version: str) -> Path:
        """What `{artifacts:decompressedPath}` stands for."""
        return self._unarchived / component / version

    async def add_recipes(self, folder: Path) -> None:
        """Copy every recipe of a folder, as `--recipeDir`; RecipeError for a file that is none."""
        if not folder.is_dir():
            raise DeploymentError(f"--recipeDir {folder} is not a folder")
        for file in sorted(folder.rglob("*")):
            if file.suffix not in SUFFIXES or not file.is_file():
                continue
            recipe = read_recipe(file)
            stem = f"{recipe.component_name}-{recipe.component_version}"
            for suffix in SUFFIXES:
                if suffix != file.suffix:
                    (self._recipes / (stem + suffix)).unlink(missing_ok=True)
            _copy(file, self._recipes / (stem + file.suffix))
            await asyncio.sleep(0)

    async def add_artifacts(self, folder: Path) -> None:
        """Copy artifacts from `<component>/<version>/` in a folder, as `--artifactDir`."""
        if not folder.is_dir():
            raise DeploymentError(f"--artifactDir {folder} is not a folder")
        for file in sorted(folder.glob("*/*/**/*")):
            if file.is_file():
                _copy(file, self._artifacts / file.relative_to(folder))
                await asyncio.sleep(0)

    def versions(self) -> dict[str, list[Version]]:
        """The versions there are of each component."""
        found: dict[str, list[Version]] = {}
        for file in self._recipes.iterdir():
            match = _FILE_NAME.fullmatch(file.name)
            if match is not None:
                found.setdefault(match["name"], []).append(parse_version(match["version"]))
        return found

    def recipe(self, component: str, version: str) -> Recipe:
        """The recipe of a version that ``versions`` names."""
        for suffix in SUFFIXES:
            path = self._recipes / f"{component}-{version}{suffix}"
            if path.exists():
                return self._read(path)
        raise DeploymentError(f"No recipe of {component} {version} under {self._recipes}")

    async def prepare(self, component: str, version: str, artifact: Artifact) -> None:
        """Check that an artifact is there, and unarchive it when its recipe says so."""
        file = self.artifact_folder(component, version) / artifact.file_name
        if not file.is_file():
            raise DeploymentError(
                f"Artifact {artifact.file_name} of {component} {version} is not on the device: put "
                f"it at {component}/{version}/{artifact.file_name} in the folder of --artifactDir"
            )
        if artifact.unarchive == "ZIP":
            await _unzip(file, self.unarchived_folder(component, version) / file.stem)

    def _read(self, path: Path) -> Recipe:
        modified_ns = path.stat().st_mtime_ns
        known = self._parsed.get(path)
        if known is None or known[0] != modified_ns:
            known = self._parsed[path] = (modified_ns, read_recipe(path))
        return known[1]


def _copy(source: Path, target: Path) -> None:
    there, here = target.stat() if target.exists() else None, source.stat()
    if there and (there.st_size, there.st_mtime_ns) == (here.st_size, here.st_mtime_ns):
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    fresh = target.with_name(f".{target.name}.new")
    shutil.copy2(source, fresh)
    fresh.replace(target)


async def _unzip(archive: Path, folder: Path) -> None:
    stamp = folder.with_name(f".{folder.name}.of")
    identity = f"{archive.stat().st_size} {archive.stat().st_mtime_ns}"
    if folder.is_dir() and stamp.exists() and stamp.read_text(encoding="ascii") == identity:
        return
    fresh = folder.with_name(f".{folder.name}.new")
    shutil.rmtree(fresh, ignore_errors=True)
    try:
        with zipfile.ZipFile(archive) as opened:
            for member in opened.infolist():
                opened.extract(member, fresh)
                await asyncio.sleep(0)
    except (zipfile.BadZipFile, NotImplementedError) as error:
        raise DeploymentError(f"{archive.name} cannot be unarchived: {error}") from error
    fresh.mkdir(parents=True, exist_ok=True)
    shutil.rmtree(folder, ignore_errors=True)
    fresh.rename(folder)
    stamp.write_text(identity, encoding="ascii")
