"""What a recipe says, as types. Names follow AWS's component recipe reference.

A lifecycle is kept as the recipe wrote it, because its keys may be selections of a platform;
`lifecycle_steps` turns the chosen part into steps.
"""

from collections.abc import Mapping
from typing import Any, Literal

import msgspec

from localcore.config_tree import JsonValue
from localcore.errors import RecipeError

STEPS = ("bootstrap", "install", "startup", "run", "shutdown", "recover", "uninstall")
# Seconds; "run" has none. From the Java nucleus's Lifecycle and GenericExternalService.
DEFAULT_TIMEOUTS_S = {
    "bootstrap": 120.0,
    "install": 120.0,
    "startup": 120.0,
    "shutdown": 15.0,
    "recover": 60.0,
    "uninstall": 120.0,
}
DEFAULT_ERROR_RESET_S = 3600.0


class Dependency(msgspec.Struct, frozen=True):
    """A requirement on another component."""

    version_requirement: str = "*"
    dependency_type: Literal["HARD", "SOFT"] = "HARD"


class Artifact(msgspec.Struct, frozen=True):
    """A file that belongs to a component."""

    uri: str
    unarchive: Literal["NONE", "ZIP"] = "NONE"

    @property
    def file_name(self) -> str:
        """The last part of the URI: the name the file has in the artifact folder."""
        return self.uri.rstrip("/").rsplit("/", 1)[-1]


class Manifest(msgspec.Struct, frozen=True):
    """What holds on one platform. An absent ``platform`` fits every one."""

    platform: dict[str, JsonValue] = {}
    lifecycle: dict[str, JsonValue] = {}
    artifacts: tuple[Artifact, ...] = ()
    selections: tuple[str, ...] = ()
    name: str = ""


class Recipe(msgspec.Struct, frozen=True):
    """One version of one component."""

    component_name: str
    component_version: str
    manifests: tuple[Manifest, ...]
    lifecycle: dict[str, JsonValue] = {}
    default_configuration: dict[str, JsonValue] = {}
    dependencies: dict[str, Dependency] = {}
    component_type: str = "aws.greengrass.generic"


class Step(msgspec.Struct, frozen=True, omit_defaults=True):
    """One lifecycle step. ``setenv`` includes what the lifecycle sets for all steps."""

    script: str
    timeout_s: float | None = None
    requires_privilege: bool = False
    setenv: dict[str, str] = {}
    skip_if: str | None = None


class Steps(msgspec.Struct, frozen=True):
    """The steps of a component by name, and when its errors are forgotten."""

    by_name: dict[str, Step] = {}
    error_reset_s: float = DEFAULT_ERROR_RESET_S


def lifecycle_steps(component: str, lifecycle: Mapping[str, JsonValue]) -> Steps:
    """The steps of an interpolated lifecycle, whose keys may have any case, as on the Java nucleus.

    A step is its script, or a map with Script, Timeout (seconds), RequiresPrivilege, Setenv,
    Skipif. Unknown keys are ignored. RecipeError names the step and the key that cannot be used.
    """
    folded = {key.lower(): value for key, value in lifecycle.items()}
    shared = _environment(component, "lifecycle", folded.get("setenv"))
    steps = {
        name: _step(component, name, folded[name], shared)
        for name in STEPS
        if folded.get(name) is not None
    }
    reset_s = _seconds(component, "lifecycle", "ErrorResetTime", folded.get("errorresettime"))
    return Steps(steps, DEFAULT_ERROR_RESET_S if reset_s is None else reset_s)


def _step(component: str, name: str, value: JsonValue, shared: dict[str, str]) -> Step:
    timeout_s = DEFAULT_TIMEOUTS_S.get(name)
    if isinstance(value, str):
        return Step(value, timeout_s, setenv=shared)
    if not isinstance(value, dict):
        raise RecipeError(
            f"{component}: lifecycle step {name} is {_kind(value)}: "
            "give a script, or a map with Script"
        )
    folded = {key.lower(): item for key, item in value.items()}
    script = folded.get("script")
    if not isinstance(script, str):
        raise RecipeError(f"{component}: lifecycle step {name} has no Script that is a string")
    given_s = _seconds(component, name, "Timeout", folded.get("timeout"))
    privilege = folded.get("requiresprivilege", False)
    skip_if = folded.get("skipif")
    return Step(
        script,
        timeout_s if given_s is None else given_s,
        str(privilege).lower() == "true",
        {**shared, **_environment(component, name, folded.get("setenv"))},
        None if skip_if is None else str(skip_if),
    )


def _environment(component: str, place: str, value: JsonValue) -> dict[str, str]:
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise RecipeError(
            f"{component}: Setenv of {place} is {_kind(value)}: give a map of strings"
        )
    return {key: text(item) for key, item in value.items()}


def _seconds(component: str, place: str, key: str, value: JsonValue) -> float | None:
    if value is None:
        return None
    try:
        seconds = float(text(value))
    except ValueError:
        seconds = -1.0
    if seconds < 0:
        raise RecipeError(
            f"{component}: {key} of {place} is {value!r}: give a number of seconds, 0 or more"
        )
    return seconds


def text(value: JsonValue) -> str:
    """A value as the Java nucleus writes it into scripts and environments.

    >>> text(True), text(2.0), text(None), text({"b": [1, 2], "a": "x"})
    ('true', '2.0', 'null', '{"a":"x","b":[1,2]}')
    """
    if isinstance(value, str):
        return value
    return msgspec.json.encode(value, order="sorted").decode()


def _kind(value: Any) -> str:
    names = {bool: "a boolean", int: "a number", float: "a number", list: "a list", str: "a string"}
    return names.get(type(value), "nothing")
