"""The GDK project: what the root says holds for every component."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from workbench.build import has_code
from workbench.gdk import collect, stage
from workbench.names import REPOSITORY, Component, components


def root_settings() -> dict[str, object]:
    config = json.loads((REPOSITORY / "gdk-config.json").read_text())
    ((name, settings),) = config["component"].items()
    assert name == "com.hbs.hub.Hub"
    assert isinstance(settings, dict)
    return settings


def test_the_root_project_is_the_umbrella() -> None:
    hub = next(c for c in components(REPOSITORY) if c.short_name == "Hub")
    recipe = REPOSITORY / "recipe.yaml"
    assert recipe.resolve() == REPOSITORY / hub.recipe
    assert root_settings()["version"] == hub.version


@pytest.mark.parametrize("component", components(REPOSITORY), ids=lambda c: c.short_name)
def test_the_author_is_the_publisher(component: Component) -> None:
    recipe = yaml.safe_load((REPOSITORY / component.recipe).read_text())
    assert recipe["ComponentPublisher"] == root_settings()["author"]


def test_a_staged_project_collects_the_recipe_and_the_artifact() -> None:
    component = next(c for c in components(REPOSITORY) if c.short_name == "Runtime")
    assert has_code(REPOSITORY, component)
    project = stage(REPOSITORY, component)
    config = json.loads((project / "gdk-config.json").read_text())
    settings = config["component"][component.name]
    assert settings["publish"] == root_settings()["publish"]
    collect(REPOSITORY, project)
    made = project / "greengrass-build"
    assert (made / "recipes" / "recipe.yaml").read_bytes() == (
        REPOSITORY / component.recipe
    ).read_bytes()
    artifact = made / "artifacts" / component.name / component.version / "runtime.pyz"
    assert artifact.read_bytes() == (REPOSITORY / component.artifact).read_bytes()


def test_without_gdk_one_line_says_how_to_get_it(tmp_path: Path) -> None:
    for program in ("sh", "dirname", "readlink"):
        found = subprocess.check_output(["sh", "-c", f"command -v {program}"], text=True).strip()
        (tmp_path / program).symlink_to(found)
    (tmp_path / "python3").write_text(f'#!/bin/sh\nexec "{sys.executable}" "$@"\n')
    (tmp_path / "python3").chmod(0o755)
    ended = subprocess.run(
        [REPOSITORY / "scripts" / "gdk", "build"],
        env={**os.environ, "PATH": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 1
    assert ended.stderr.count("\n") == 1
    assert "aws-greengrass-gdk-cli.git@v1.6.2" in ended.stderr
