"""Which version of which component a deployment needs: no I/O.

The roots and everything they depend on, each in one version that satisfies every requirement on
it. As on the Java nucleus an active version is kept when it satisfies, otherwise the highest
does; SOFT and HARD dependencies are resolved alike. When a choice turns out wrong the next lower
version is tried, so a solution is found whenever there is one among the local recipes.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from localcore.errors import ResolutionError
from localcore.versions import Requirement, Version, parse_requirement, parse_version

# Components of AWS that localcore itself stands in for, with the versions it behaves like.
BUILT_IN = {
    "aws.greengrass.Nucleus": "2.18.0",
    "aws.greengrass.Cli": "2.18.0",
    "aws.greengrass.TokenExchangeService": "2.0.3",
    "aws.greengrass.StreamManager": "2.2.1",
}

Dependencies = Callable[[str, Version], Mapping[str, str]]


@dataclass(frozen=True, slots=True)
class Candidates:
    """What there is to choose from.

    ``versions``: the local versions by component; ``dependencies`` gives the requirements of one
    version by component name; ``active`` is what runs now.
    """

    versions: Mapping[str, Sequence[Version]]
    dependencies: Dependencies
    active: Mapping[str, Version] = field(default_factory=dict)


def resolve(roots: Mapping[str, str], candidates: Candidates) -> dict[str, Version]:
    """Choose versions for the roots (name to requirement) and all they need, dependencies first.

    ResolutionError names the component, who wants what of it, and what is there; or the cycle.
    """
    wanted = {name: {"the deployment": parse_requirement(text)} for name, text in roots.items()}
    chosen = _Search(candidates).choose({}, wanted)
    return {name: chosen[name] for name in _ordered(chosen, candidates.dependencies)}


def order(dependencies: Mapping[str, Sequence[str]]) -> list[str]:
    """The names so that each comes after all it depends on; ResolutionError names a cycle.

    >>> order({"hub": ["sensor", "runtime"], "sensor": ["runtime"], "runtime": []})
    ['runtime', 'sensor', 'hub']
    """
    done: dict[str, None] = {}
    path: list[str] = []

    def visit(name: str) -> None:
        if name in done:
            return
        if name in path:
            cycle = " -> ".join([*path[path.index(name) :], name])
            raise ResolutionError(
                f"Circular dependency: {cycle}. Remove one of these dependencies from its recipe."
            )
        path.append(name)
        for dependency in sorted(dependencies.get(name, ())):
            visit(dependency)
        path.pop()
        done[name] = None

    for name in sorted(dependencies):
        visit(name)
    return list(done)


class _Search:
    """Depth-first search with the Java nucleus's preference first."""

    def __init__(self, candidates: Candidates) -> None:
        self._candidates = candidates

    def choose(
        self, chosen: dict[str, Version], wanted: dict[str, dict[str, Requirement]]
    ) -> dict[str, Version]:
        name = next((name for name in wanted if name not in chosen), None)
        if name is None:
            return chosen
        versions = self._preferred(name, wanted[name])
        first_error: ResolutionError | None = None
        for version in versions:
            try:
                extended = self._wanting(wanted, name, version)
                self._check({**chosen, name: version}, extended)
                return self.choose({**chosen, name: version}, extended)
            except ResolutionError as error:
                first_error = first_error or error
        raise first_error or self._none(name, wanted[name])

    def _preferred(self, name: str, requirements: Mapping[str, Requirement]) -> list[Version]:
        fitting = [
            version
            for version in self._versions(name)
            if all(requirement.allows(version) for requirement in requirements.values())
        ]
        active = self._candidates.active.get(name)
        return sorted(fitting, key=lambda version: (version == active, version), reverse=True)

    def _versions(self, name: str) -> list[Version]:
        local = list(self._candidates.versions.get(name, ()))
        return local or ([parse_version(BUILT_IN[name])] if name in BUILT_IN else [])

    def _wanting(
        self, wanted: dict[str, dict[str, Requirement]], name: str, version: Version
    ) -> dict[str, dict[str, Requirement]]:
        extended = dict(wanted)
        for dependency, text in self._candidates.dependencies(name, version).items():
            by = f"{name} {version}"
            extended[dependency] = {**extended.get(dependency, {}), by: parse_requirement(text)}
        return extended

    def _check(
        self, chosen: Mapping[str, Version], wanted: Mapping[str, Mapping[str, Requirement]]
    ) -> None:
        for name, version in chosen.items():
            if not all(requirement.allows(version) for requirement in wanted[name].values()):
                raise self._none(name, wanted[name])

    def _none(self, name: str, requirements: Mapping[str, Requirement]) -> ResolutionError:
        asked = ", ".join(f"{by} wants {text}" for by, text in requirements.items())
        versions = self._versions(name)
        if not versions:
            known = ", ".join(sorted(self._candidates.versions)) or "none"
            return ResolutionError(
                f"No local version of component {name} ({asked}). Put {name}-<version>.yaml into "
                f"the recipe folder. Components with a recipe here: {known}."
            )
        there = ", ".join(map(str, sorted(versions)))
        return ResolutionError(
            f"No version of component {name} satisfies all requirements: {asked}; "
            f"there is {there}. Change a requirement or add a recipe."
        )


def _ordered(chosen: Mapping[str, Version], dependencies: Dependencies) -> list[str]:
    return order({name: list(dependencies(name, version)) for name, version in chosen.items()})
