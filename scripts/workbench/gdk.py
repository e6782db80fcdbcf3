"""One GDK project per component, and the real `gdk` run in each.

Law: what gdk builds is byte for byte what `scripts/build` made; gdk adds its checks and the upload.
A GDK project holds exactly one component, so each gets a folder `build/gdk/<ComponentName>/` with a
`gdk-config.json` made from the root's (author, bucket, region, gdk version) and its recipe. gdk
then calls `scripts/gdk collect` back, which puts recipe and artifact where gdk looks for them.
"""

import argparse
import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any, Final

from workbench.build import build, has_code
from workbench.names import REPOSITORY, Component, NamesDisagreeError, select

CONFIG_FILE: Final = "gdk-config.json"
PROJECTS: Final = Path("build") / "gdk"
HOW_TO_GET_GDK: Final = (
    "gdk is not installed: run `pip install "
    "git+https://github.com/aws-greengrass/aws-greengrass-gdk-cli.git@v1.6.2` "
    "(the package called gdk on PyPI is something else)"
)


def stage(repository: Path, component: Component) -> Path:
    """Make the component's GDK project and return its folder."""
    root_config: dict[str, Any] = json.loads((repository / CONFIG_FILE).read_text())
    (umbrella,) = root_config["component"].values()
    project = repository / PROJECTS / component.name
    shutil.rmtree(project, ignore_errors=True)
    project.mkdir(parents=True)
    config = {
        **root_config,
        "component": {
            component.name: {
                **umbrella,
                "version": component.version,
                "build": {
                    "build_system": "custom",
                    "custom_build_command": [str(repository / "scripts" / "gdk"), "collect"],
                },
            }
        },
    }
    (project / CONFIG_FILE).write_text(json.dumps(config, indent=2) + "\n")
    shutil.copy(repository / component.recipe, project / "recipe.yaml")
    return project


def collect(repository: Path, project: Path) -> None:
    """The custom build command: fill `greengrass-build/` of the project that gdk runs in."""
    config: dict[str, Any] = json.loads((project / CONFIG_FILE).read_text())
    ((name, settings),) = config["component"].items()
    (component,) = select(repository, [name])
    build(repository, [component])
    built = project / "greengrass-build"
    # gdk publishes greengrass-build/recipes/<file name of the recipe, links followed>.
    recipe_name = (project / "recipe.yaml").resolve().name
    recipes = built / "recipes"
    recipes.mkdir(parents=True, exist_ok=True)
    shutil.copy(repository / component.recipe, recipes / recipe_name)
    artifacts = built / "artifacts" / name / settings["version"]
    artifacts.mkdir(parents=True, exist_ok=True)
    if has_code(repository, component):
        shutil.copy(repository / component.artifact, artifacts)


def run_gdk(repository: Path, verb: str, chosen: list[Component]) -> int:
    """Run `gdk component <verb>` for each component; 1 when one failed."""
    gdk = shutil.which("gdk")
    if gdk is None:
        print(HOW_TO_GET_GDK, file=sys.stderr)
        return 1
    failed = []
    for component in chosen:
        project = stage(repository, component)
        print(f"gdk component {verb} {component.name} {component.version}", flush=True)
        for step in dict.fromkeys(["build", verb]):
            if subprocess.run([gdk, "component", step], cwd=project, check=False).returncode != 0:
                failed.append(component.name)
                break
    if failed:
        print(f"gdk component {verb} failed for {', '.join(failed)}", file=sys.stderr)
    return 1 if failed else 0


def main(arguments: list[str] | None = None) -> int:
    """`scripts/gdk build|publish [component ...]`."""
    parser = argparse.ArgumentParser(
        prog="scripts/gdk", description="Build or publish components with the real gdk."
    )
    parser.add_argument("verb", choices=["build", "publish", "collect"])
    parser.add_argument("component", nargs="*", help="full or short name; default: all")
    options = parser.parse_args(arguments)
    try:
        if options.verb == "collect":
            collect(REPOSITORY, Path.cwd())
            return 0
        return run_gdk(REPOSITORY, options.verb, select(REPOSITORY, options.component))
    except NamesDisagreeError as error:
        print(f"gdk refused: {error}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
