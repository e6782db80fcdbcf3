"""A component's configuration: what the nucleus gives, checked and converted into a struct.

Law: defaults live in the recipe and nowhere else, so every key is required here and no other key is
accepted. The nuclei disagree on types (numbers come back as floats on Java, as strings on lite), so
"5", 5 and 5.0 are the same integer here, and "true" and True the same boolean.

>>> class Example(Configuration, frozen=True, kw_only=True):
...     window_seconds: Annotated[float, msgspec.Meta(gt=0, le=3600)]
...     batch_rows: int
>>> convert(Example, {"windowSeconds": "10", "batchRows": 5.0})
Example(window_seconds=10.0, batch_rows=5)
>>> convert(Example, {"windowSeconds": 0, "batchRows": 5})
Traceback (most recent call last):
hubkit.config.ConfigurationError: windowSeconds=0: Expected `float` > 0.0
>>> convert(Example, {"windowSeconds": 10, "batchRows": 5, "windowSecond": 1})
Traceback (most recent call last):
hubkit.config.ConfigurationError: windowSecond is no key of this component: windowSeconds, batchRows
"""

import re
from collections.abc import Mapping
from typing import Annotated, Any, TypeVar

import msgspec

__all__ = ["Annotated", "Configuration", "ConfigurationError", "convert"]

NUCLEUS_KEYS = frozenset({"accessControl"})
"""Keys of a component's configuration that the nucleus reads and the component does not."""


class ConfigurationError(ValueError):
    """A configuration was refused; the message names the key, its value and what is allowed."""


class Configuration(
    msgspec.Struct, frozen=True, kw_only=True, rename="camel", forbid_unknown_fields=True
):
    """Base of configuration structs: snake_case fields are lowerCamelCase keys."""

    def check(self) -> None:
        """Raise `ConfigurationError` where keys do not fit together."""


AnyConfiguration = TypeVar("AnyConfiguration", bound=Configuration)


def convert(cls: type[AnyConfiguration], raw: Mapping[str, Any]) -> AnyConfiguration:
    """The component's configuration as `cls`.

    Raises:
        ConfigurationError: A key is unknown, missing, of a wrong type or out of range.
    """
    given = {key: value for key, value in raw.items() if key not in NUCLEUS_KEYS}
    known = [field.encode_name for field in msgspec.structs.fields(cls)]
    for key in given:
        if key not in known:
            raise ConfigurationError(f"{key} is no key of this component: {', '.join(known)}")
    try:
        configuration = msgspec.convert(given, cls, strict=False)
    except msgspec.ValidationError as error:
        raise ConfigurationError(_worded(str(error), given)) from error
    configuration.check()
    return configuration


def _worded(message: str, given: Mapping[str, Any]) -> str:
    """Put the key and its value before msgspec's reason, which carries a path only.

    >>> _worded("Expected `int` - at `$.devices[0].seed`", {"devices": [{"seed": "x"}]})
    "devices[0].seed='x': Expected `int`"
    """
    match = re.fullmatch(r"(?P<reason>.*) - at `\$\.?(?P<path>.*)`", message, re.DOTALL)
    if match is None:
        return f"{message}: the recipe's DefaultConfiguration lists every key"
    value: Any = given
    for step in re.findall(r"[^.\[\]]+", match["path"]):
        try:
            value = value[int(step)] if isinstance(value, list) else value[step]
        except (KeyError, IndexError, TypeError, ValueError):
            return f"{match['path']}: {match['reason']}"
    return f"{match['path']}={value!r}: {match['reason']}"
