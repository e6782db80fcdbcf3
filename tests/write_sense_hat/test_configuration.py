"""What the configuration refuses, and how it says so."""

from typing import Any

import pytest
import yaml

from hubkit.config import ConfigurationError, convert
from workbench.names import REPOSITORY, select
from write_sense_hat.configuration import WriteSenseHatConfiguration


def defaults() -> dict[str, Any]:
    (component,) = select(REPOSITORY, ["WriteSenseHAT"])
    recipe = yaml.safe_load((REPOSITORY / component.recipe).read_text())
    found = recipe["ComponentConfiguration"]["DefaultConfiguration"]
    assert isinstance(found, dict)
    return found


@pytest.mark.parametrize(
    ("changed", "complaint"),
    [
        ({"display": "terminal"}, "display='terminal' shows nothing without a frameFile"),
        ({"display": "led"}, "display='led'"),
        ({"rotation": 45}, "rotation=45: 0, 90, 180 or 270"),
        ({"brightnessPercent": 0}, "brightnessPercent=0"),
        ({"comfort": {"temperature_c": [26, 19]}}, "comfort.temperature_c=.*low must be below"),
        ({"brightness": 5}, "brightness is no key"),
    ],
)
def test_a_wrong_value_is_named_with_its_key(changed: dict[str, Any], complaint: str) -> None:
    with pytest.raises(ConfigurationError, match=complaint):
        convert(WriteSenseHatConfiguration, {**defaults(), **changed})


def test_the_recipes_default_is_the_hardware() -> None:
    assert convert(WriteSenseHatConfiguration, defaults()).display == "sensehat"
