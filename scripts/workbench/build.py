"""Build every artifact: one zipapp a component, the same bytes wherever and whenever it is built.

Law: the bytes depend on the sources alone. Entries are sorted, uncompressed (deflate differs
between zlib versions), dated 1980 and readable by all; nothing compiled goes in. A file is written
only when its bytes change, so a build that changes nothing touches nothing. Standard library only.
"""

import argparse
import io
import re
import sys
import tempfile
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from workbench.names import REPOSITORY, Component, NamesDisagreeError, components, select

SHARED_PACKAGE: Final = "hubkit"
CARRIED: Final = {"runtime": {"runtime/requirements.txt": Path("requirements/runtime.txt")}}
"""Files from outside of a package's folder, by package: the lock file that Runtime installs."""

_MAIN: Final = """\
import runpy

runpy.run_module("{package}", run_name="__main__", alter_sys=True)
"""
_EPOCH: Final = (1980, 1, 1, 0, 0, 0)
"""The earliest date that a zip file can hold."""


def build(repository: Path, chosen: list[Component]) -> list[Path]:
    """Build the artifacts of these components and return those that changed.

    Raises:
        NamesDisagreeError: Recipes, packages and artifacts do not fit together; all that could be
            built is built.
    """
    changed, problems = [], []
    for component in chosen:
        try:
            check_recipe(repository, component)
        except NamesDisagreeError as error:
            problems.append(str(error))
            continue
        if has_code(repository, component):
            path = repository / component.artifact
            if _write(path, zipapp(repository, component)):
                changed.append(path)
    if problems:
        raise NamesDisagreeError("; ".join(problems))
    return changed


def has_code(repository: Path, component: Component) -> bool:
    """Whether the component has a package, and so an artifact."""
    return (repository / component.source / "__main__.py").is_file()


def zipapp(repository: Path, component: Component) -> bytes:
    """The bytes of the component's artifact."""
    sources = {
        f"{component.package}/{name}": content
        for name, content in _files(repository / component.source)
    }
    if any(re.search(rb"^\s*(from|import) hubkit\b", c, re.MULTILINE) for c in sources.values()):
        shared = _files(repository / "components" / SHARED_PACKAGE)
        sources |= {f"{SHARED_PACKAGE}/{name}": content for name, content in shared}
    for name, path in CARRIED.get(component.package, {}).items():
        sources[name] = (repository / path).read_bytes()
    sources["__main__.py"] = _MAIN.format(package=component.package).encode()

    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        for name in sorted(sources):
            entry = zipfile.ZipInfo(name, _EPOCH)
            entry.create_system = 3  # Unix, wherever it is built
            entry.external_attr = 0o100644 << 16
            archive.writestr(entry, sources[name])
    return buffer.getvalue()


def check_recipe(repository: Path, component: Component) -> None:
    """Refuse a recipe whose name, version or artifact is not what its file name says.

    Reads lines, not YAML, so that a build needs nothing installed; the tests parse the recipes.
    """
    text = (repository / component.recipe).read_text(encoding="utf-8")
    for key, expected in (
        ("ComponentName", component.name),
        ("ComponentVersion", component.version),
    ):
        found = re.findall(rf"^{key}:\s*[\"']?([^\s\"']+)", text, re.MULTILINE)
        if found != [expected]:
            raise NamesDisagreeError(f"{component.recipe}: {key} is {found}, not {expected}")
    uris = re.findall(r"^\s*-?\s*Uri:\s*[\"']?([^\s\"']+)", text, re.MULTILINE)
    artifact = f"s3://BUCKET_NAME/COMPONENT_NAME/COMPONENT_VERSION/{component.artifact.name}"
    expected_uris = [artifact] if has_code(repository, component) else []
    if uris != expected_uris:
        raise NamesDisagreeError(
            f"{component.recipe}: artifacts are {uris}, {component.source} makes {expected_uris}"
        )


def check_all(repository: Path) -> None:
    """Refuse a package without a recipe, and an artifact that belongs to no recipe.

    Raises:
        NamesDisagreeError: The message names the folder and what to do with it.
    """
    known = components(repository)
    packages = {component.package for component in known}
    for folder in sorted((repository / "components").iterdir()):
        is_package = (folder / "__init__.py").is_file() and folder.name != SHARED_PACKAGE
        if is_package and folder.name not in packages:
            raise NamesDisagreeError(f"components/{folder.name} has no recipe in recipes/")
    artifact_folders = {repository / component.artifact_folder for component in known}
    for folder in sorted((repository / "artifacts").glob("*/*")):
        if folder not in artifact_folders:
            raise NamesDisagreeError(
                f"{folder.relative_to(repository)} belongs to no recipe: remove it"
            )


def _files(folder: Path) -> Iterator[tuple[str, bytes]]:
    """The files of a package, with their names relative to it."""
    for path in folder.rglob("*"):
        name = path.relative_to(folder)
        hidden = any(part.startswith(".") or part == "__pycache__" for part in name.parts)
        if path.is_file() and not hidden and path.name != "py.typed":
            yield name.as_posix(), path.read_bytes()


def _write(path: Path, content: bytes) -> bool:
    """Replace the file when its content differs; True when it did."""
    if path.is_file() and path.read_bytes() == content:
        return False
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile(dir=path.parent, prefix=".", delete=False) as fresh:
        fresh.write(content)
    Path(fresh.name).chmod(0o644)
    Path(fresh.name).replace(path)
    return True


def main(arguments: list[str] | None = None) -> int:
    """`scripts/build [component ...]`."""
    parser = argparse.ArgumentParser(prog="scripts/build", description="Build the artifacts.")
    parser.add_argument("component", nargs="*", help="full or short name; default: all")
    options = parser.parse_args(arguments)
    try:
        changed = build(REPOSITORY, select(REPOSITORY, options.component))
        if not options.component:
            check_all(REPOSITORY)
    except NamesDisagreeError as error:
        print(f"build refused: {error}", file=sys.stderr)
        return 1
    for path in changed:
        print(f"built {path.relative_to(REPOSITORY)} ({path.stat().st_size} bytes)")
    return 0


if __name__ == "__main__":
    sys.exit(main())
