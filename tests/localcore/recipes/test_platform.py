"""Which part of a recipe is for this machine."""

from typing import Any

import pytest

from localcore.recipes.model import Manifest, Recipe
from localcore.recipes.platform import current_platform, select_lifecycle, select_manifest

LAPTOP = {"os": "linux", "architecture": "amd64"}


def recipe(*platforms: dict[str, Any], **fields: Any) -> Recipe:
    manifests = tuple(Manifest(platform, name=str(at)) for at, platform in enumerate(platforms))
    return Recipe("a", "1.0.0", manifests, **fields)


@pytest.mark.parametrize(
    ("platforms", "chosen"),
    [
        ([{}], "0"),
        ([{"os": "linux"}], "0"),
        ([{"os": "Linux"}], "0"),
        ([{"os": "all"}], "0"),
        ([{"os": "*", "architecture": "*"}], "0"),
        ([{"os": "windows"}, {"os": "linux"}], "1"),
        ([{"architecture": "aarch64"}, {}], "1"),
        ([{"architecture": "/amd64|aarch64/"}], "0"),
        ([{"os": "linux", "runtime": "*"}], "0"),
        ([{"os": "linux", "runtime": "aws_nucleus_lite"}], None),
        ([{"os": "darwin"}], None),
        ([{"os": "linux", "custom": "x"}], None),
    ],
)
def test_the_first_manifest_whose_every_key_fits_is_taken(
    platforms: list[dict[str, Any]], chosen: str | None
) -> None:
    manifest = select_manifest(recipe(*platforms), LAPTOP)
    assert (manifest.name if manifest else None) == chosen


def test_this_machine_has_a_platform() -> None:
    assert current_platform()["os"] == "linux"


def test_selections_narrow_the_recipes_own_lifecycle() -> None:
    manifest = Manifest({}, selections=("debian", "linux"))
    lifecycle: dict[str, Any] = {
        "install": {"debian": {"Script": "apt"}, "all": "true"},
        "linux": {"ignored": 1},
    }
    own = Recipe("a", "1.0.0", (manifest,), {"install": lifecycle["install"], "run": "x"})
    assert select_lifecycle(own, manifest) == {"install": {"Script": "apt"}, "run": "x"}


def test_a_manifests_own_lifecycle_comes_first() -> None:
    manifest = Manifest({}, {"run": "mine"})
    own = Recipe("a", "1.0.0", (manifest,), {"run": "shared"})
    assert select_lifecycle(own, manifest) == {"run": "mine"}
