from typing import Any

import pytest

from hubkit.config import ConfigurationError, convert
from read_sense_hat.configuration import ReadSenseHatConfiguration, ReplayDevice, SimulatedDevice

DEFAULTS: dict[str, Any] = {
    "devices": [{"id": "hat-1", "source": "sensehat", "periodSeconds": 5}],
    "speed": 1,
    "batchSeconds": 1,
    "ringKilobytes": 4096,
    "volatileFolder": "/dev/shm",
    "drainSeconds": 4,
    "logLevel": "INFO",
    "healthSeconds": 10,
}
FRIDGE = {
    "id": "fridge",
    "source": "simulated",
    "periodSeconds": 1,
    "appliance": "refrigerator",
    "seed": 1,
}


def converted(**changes: Any) -> ReadSenseHatConfiguration:
    return convert(ReadSenseHatConfiguration, DEFAULTS | changes)


def test_numbers_may_come_as_strings_from_lite_and_as_floats_from_java() -> None:
    as_strings = converted(
        devices=[{**FRIDGE, "periodSeconds": "0.5", "seed": "7"}],
        speed="60",
        ringKilobytes="4096",
        drainSeconds="4",
    )
    as_floats = converted(
        devices=[{**FRIDGE, "periodSeconds": 0.5, "seed": 7.0}], speed=60.0, ringKilobytes=4096.0
    )
    assert as_strings == as_floats
    device = as_floats.devices[0]
    assert isinstance(device, SimulatedDevice)
    assert device.seed == 7


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"devices": [{"id": "a/b", "source": "sensehat", "periodSeconds": 1}]}, r"id='a/b'"),
        ({"devices": [{"id": "", "source": "sensehat", "periodSeconds": 1}]}, r"id=''"),
        ({"devices": [{"id": "x" * 65, "source": "sensehat", "periodSeconds": 1}]}, r"id='x"),
        ({"devices": [{"id": "a", "source": "magic", "periodSeconds": 1}]}, r"magic"),
        ({"devices": [{"id": "a", "source": "sensehat", "periodSeconds": 0}]}, r"periodSeconds=0"),
        ({"devices": [{"id": "a", "source": "sensehat"}]}, r"periodSeconds"),
        ({"devices": [FRIDGE, FRIDGE]}, r"another device has this id"),
        ({"devices": [{**FRIDGE, "faults": ["bearing@5"]}]}, r"a refrigerator has leak, repair"),
        ({"devices": [{**FRIDGE, "faults": ["leak"]}]}, r"<fault>@<seconds>"),
        ({"devices": [{**FRIDGE, "appliance": "toaster"}]}, r"appliance='toaster'"),
        ({"devices": [{**FRIDGE, "file": "x"}]}, r"file"),
        (
            {"devices": [{"id": "a", "source": "replay", "file": "x", "columns": {"T": "Temp"}}]},
            r"columns\['T'\]='Temp'",
        ),
        (
            {"devices": [{"id": "a", "source": "replay", "file": "x", "columns": {"T": "time"}}]},
            r"time only",
        ),
        (
            {
                "devices": [
                    {"id": "a", "source": "replay", "file": "x", "columns": {"A": "b", "C": "b"}}
                ]
            },
            r"two columns",
        ),
        ({"speed": 0}, r"speed=0"),
        ({"batchSeconds": 2}, r"batchSeconds=2"),
        ({"ringKilobytes": 1}, r"ringKilobytes=1"),
        ({"logLevel": "LOUD"}, r"logLevel='LOUD'"),
        ({"period": 1}, r"period is no key"),
    ],
)
def test_a_wrong_value_is_named_with_its_key(changes: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigurationError, match=said):
        converted(**changes)


def test_the_speed_of_a_device_is_its_own_or_the_components() -> None:
    replay = {"id": "r", "source": "replay", "file": "f"}
    configuration = converted(
        devices=[*DEFAULTS["devices"], FRIDGE, replay, {**replay, "id": "q", "speed": 5}], speed=60
    )
    assert isinstance(configuration.devices[3], ReplayDevice)
    assert [configuration.speed_of(device) for device in configuration.devices] == [1, 60, 60, 5]
