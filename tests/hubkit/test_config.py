"""Configuration as Java (floats), lite (strings) and YAML give it, and what is refused."""

from typing import Annotated, Any

import msgspec
import pytest
import yaml

from aggregator.configuration import AggregatorConfiguration
from hubkit.config import Configuration, ConfigurationError, convert
from tests.conftest import PROJECT


class Device(Configuration, frozen=True, kw_only=True):
    device_id: str
    period_seconds: Annotated[float, msgspec.Meta(gt=0, le=3600)]
    enabled: bool


class Lab(Configuration, frozen=True, kw_only=True):
    batch_rows: Annotated[int, msgspec.Meta(ge=1, le=100)]
    room: str
    devices: list[Device]

    def check(self) -> None:
        if len({device.device_id for device in self.devices}) < len(self.devices):
            raise ConfigurationError("devices: a deviceId is there twice")


DEVICE = {"deviceId": "hat-1", "periodSeconds": 5, "enabled": True}
RAW: dict[str, Any] = {"batchRows": 5, "room": "lab", "devices": [DEVICE]}


def test_floats_of_the_java_nucleus_and_strings_of_lite_mean_the_same() -> None:
    java = {**RAW, "batchRows": 5.0, "devices": [{**DEVICE, "periodSeconds": 5.0}]}
    lite = {
        **RAW,
        "batchRows": "5",
        "devices": [{**DEVICE, "periodSeconds": "5", "enabled": "true"}],
    }
    assert convert(Lab, java) == convert(Lab, lite) == convert(Lab, RAW)


@pytest.mark.parametrize(("text", "value"), [("false", False), ("True", True), ("0", False)])
def test_booleans_come_as_strings(text: str, value: bool) -> None:
    lab = convert(Lab, {**RAW, "devices": [{**DEVICE, "enabled": text}]})
    assert lab.devices[0].enabled is value


def test_the_policies_of_the_nucleus_are_no_key_of_the_component() -> None:
    assert convert(Lab, {**RAW, "accessControl": {"x": 1}}) == convert(Lab, RAW)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"batchRows": 0}, r"batchRows=0: Expected `int` >= 1"),
        ({"batchRows": "101"}, r"batchRows='101': Expected `int` <= 100"),
        ({"batchRows": 5.5}, r"batchRows=5.5: "),
        ({"batchRows": "five"}, r"batchRows='five': "),
        ({"batchRows": None}, r"batchRows=None: "),
        ({"batchRow": 5}, r"batchRow is no key of this component: batchRows, room, devices"),
        ({"batch_rows": 5}, r"batch_rows is no key of this component"),
        (
            {"devices": [{**DEVICE, "periodSeconds": "0"}]},
            r"devices\[0\].periodSeconds='0': .* > 0",
        ),
        ({"devices": [DEVICE, {**DEVICE, "enabled": "maybe"}]}, r"devices\[1\].enabled='maybe': "),
        ({"devices": [{**DEVICE, "colour": 1}]}, r"devices\[0\].*colour"),
        ({"devices": [{"deviceId": "x"}]}, r"devices\[0\].*periodSeconds"),
        ({"devices": DEVICE}, r"devices=.*: Expected `array`"),
        ({"devices": [DEVICE, DEVICE]}, "deviceId is there twice"),
    ],
)
def test_what_is_wrong_is_named_with_its_value_and_what_is_allowed(
    changes: dict[str, Any], message: str
) -> None:
    with pytest.raises(ConfigurationError, match=message):
        convert(Lab, {**RAW, **changes})


def test_a_missing_key_is_named() -> None:
    with pytest.raises(ConfigurationError, match=r"room.*DefaultConfiguration lists every key"):
        convert(Lab, {key: value for key, value in RAW.items() if key != "room"})


def test_the_recipes_defaults_are_a_configuration_as_numbers_and_as_strings() -> None:
    (path,) = PROJECT.glob("recipes/com.hbs.hub.Aggregator-*.yaml")
    recipe = yaml.safe_load(path.read_text())
    defaults = recipe["ComponentConfiguration"]["DefaultConfiguration"]

    def as_lite(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: as_lite(each) for key, each in value.items()}
        return value if isinstance(value, list) else str(value)

    assert convert(AggregatorConfiguration, as_lite(defaults)) == convert(
        AggregatorConfiguration, defaults
    )
