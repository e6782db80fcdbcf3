"""What to run for a component, with every variable filled in: kept in the store across restarts."""

from typing import Literal

import msgspec

from localcore.recipes.model import DEFAULT_ERROR_RESET_S, Step


class ComponentPlan(msgspec.Struct, frozen=True):
    """One component of a deployment.

    ``ready_file``: the component is RUNNING when this file appears, not when its process has
    started (for the parts of localcore that run as components). ``services``: what it needs of
    the device, found through its dependencies, built-in components' names.
    """

    name: str
    version: str
    steps: dict[str, Step] = {}
    dependencies: dict[str, Literal["HARD", "SOFT"]] = {}
    error_reset_s: float = DEFAULT_ERROR_RESET_S
    ready_file: str | None = None
    built_in: bool = False

    def change_from(self, before: "ComponentPlan") -> Literal["nothing", "restart", "reinstall"]:
        """What the Java nucleus does on a deployment that turns ``before`` into this."""
        if self.version != before.version or _install(self) != _install(before):
            return "reinstall"
        if self.dependencies != before.dependencies or _restarting(self) != _restarting(before):
            return "restart"
        return "nothing"


def _install(plan: ComponentPlan) -> Step | None:
    return plan.steps.get("install")


def _restarting(plan: ComponentPlan) -> object:
    """What a change of calls for a restart: a new shutdown step is only remembered."""
    steps = {name: step for name, step in plan.steps.items() if name != "shutdown"}
    return steps, plan.ready_file
