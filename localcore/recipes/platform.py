"""The platform of this machine, and which part of a recipe is for it.

As on the Java nucleus the first manifest whose every platform key fits is taken. `runtime` is a
key of nucleus lite only: the Java nucleus does not run a manifest that asks for another runtime,
but takes `*` and an absent one.
"""

import os
import re
from collections.abc import Mapping, Sequence

from localcore.config_tree import JsonValue
from localcore.recipes.model import Manifest, Recipe

ALL = "all"
_ARCHITECTURES = {
    "x86_64": "amd64",
    "amd64": "amd64",
    "aarch64": "aarch64",
    "i386": "x86",
    "i686": "x86",
}


def current_platform() -> dict[str, str]:
    """The keys of this machine as the Java nucleus names them."""
    machine = os.uname().machine.lower()
    arm = "arm" if machine.startswith("arm") else "unknown"
    platform = {"os": "linux", "architecture": _ARCHITECTURES.get(machine, arm)}
    if platform["architecture"] in ("arm", "aarch64"):
        platform["architecture.detail"] = machine
    return platform


def select_manifest(recipe: Recipe, platform: Mapping[str, str]) -> Manifest | None:
    """The first manifest that fits; None when the component is not for this platform."""
    return next((each for each in recipe.manifests if _fits(each.platform, platform)), None)


def select_lifecycle(recipe: Recipe, manifest: Manifest) -> dict[str, JsonValue]:
    """The manifest's own lifecycle, or else the recipe's, narrowed to the manifest's selections."""
    if manifest.lifecycle:
        return manifest.lifecycle
    selectable = (name for each in recipe.manifests for name in each.selections)
    keywords = frozenset((ALL, *selectable))
    narrowed = _narrow(recipe.lifecycle, keywords, manifest.selections)
    return narrowed if isinstance(narrowed, dict) else {}


def _fits(wanted: Mapping[str, JsonValue], platform: Mapping[str, str]) -> bool:
    for key, value in wanted.items():
        pattern = str(value)
        if pattern == "*":
            continue
        there = platform.get(key.lower())
        if key.lower() == "runtime" or there is None:
            return False
        if pattern.startswith("/") and pattern.endswith("/") and len(pattern) > 1:
            if re.fullmatch(pattern[1:-1], there) is None:
                return False
        elif pattern.lower() != there and not (key.lower() == "os" and pattern.lower() == ALL):
            return False
    return True


def _narrow(value: JsonValue, keywords: frozenset[str], selections: Sequence[str]) -> JsonValue:
    if not isinstance(value, dict):
        return value
    if keywords.isdisjoint(value):
        narrowed = {key: _narrow(item, keywords, selections) for key, item in value.items()}
        return {key: item for key, item in narrowed.items() if item is not None}
    for selection in (*selections, ALL):
        if value.get(selection) is not None:
            return _narrow(value[selection], keywords, selections)
    return None
