"""Recipe variables filled in: no I/O.

`{namespace:key}` and, for direct dependencies, `{component:namespace:key}`. What is not known
stays as it is, braces and all, as on the Java nucleus; what was filled in is not looked at again.
"""

import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass

from localcore.config_store import split_pointer
from localcore.config_tree import JsonValue
from localcore.errors import DeploymentError
from localcore.recipes.model import text

# The Java nucleus's patterns: the key is a JSON pointer or a name, without colon or brace.
_OWN = re.compile(r"\{([.\w-]+):([^:}]*)\}", re.ASCII)
_OTHER = re.compile(r"\{([.\w-]+):([.\w-]+):([^:}]*)\}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Facts:
    """What variables stand for in one component.

    ``system`` maps namespace and key, as ("artifacts", "path"), to text.
    """

    system: Mapping[tuple[str, str], str]
    configuration: Mapping[str, JsonValue]


@dataclass(frozen=True, slots=True)
class Interpolation:
    """Fills in the variables of ``component``, who may name its ``dependencies``."""

    component: str
    facts: Mapping[str, Facts]
    dependencies: Collection[str] = ()

    def fill(self, value: JsonValue) -> JsonValue:
        """The value with every known variable in its strings filled in."""
        if isinstance(value, dict):
            return {key: self.fill(item) for key, item in value.items()}
        if isinstance(value, list):
            return [self.fill(item) for item in value]
        if isinstance(value, str) and "{" in value:
            filled = _replace(_OWN, value, self._own)
            return _replace(_OTHER, filled, self._other)
        return value

    def _own(self, match: re.Match[str]) -> str | None:
        return _look_up(self.facts[self.component], match[1], match[2])

    def _other(self, match: re.Match[str]) -> str | None:
        if match[1] not in self.dependencies or match[1] not in self.facts:
            return None
        return _look_up(self.facts[match[1]], match[2], match[3])


def at_pointer(value: JsonValue, pointer: str) -> JsonValue:
    """The value a JSON pointer leads to; KeyError when there is none.

    >>> at_pointer({"rates": [1, 5]}, "/rates/1")
    5
    """
    try:
        path = split_pointer(pointer)
    except DeploymentError as error:
        raise KeyError(pointer) from error
    for name in path:
        if isinstance(value, dict) and name in value:
            value = value[name]
        elif isinstance(value, list) and name.isdecimal() and int(name) < len(value):
            value = value[int(name)]
        else:
            raise KeyError(pointer)
    return value


def _look_up(facts: Facts, namespace: str, key: str) -> str | None:
    if namespace == "configuration":
        try:
            return text(at_pointer(dict(facts.configuration), key))
        except KeyError:
            return None
    return facts.system.get((namespace, key))


def _replace(
    pattern: re.Pattern[str], value: str, look_up: Callable[[re.Match[str]], str | None]
) -> str:
    def replacement(match: re.Match[str]) -> str:
        found = look_up(match)
        return match[0] if found is None else found

    return pattern.sub(replacement, value)
