import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from read_sense_hat.sources import SourceError
from read_sense_hat.sources.sensehat import METRICS, SenseHatSource


class FakeHat:
    """The public methods of sense_hat.SenseHat that are used, and its way to fail."""

    SETTINGS_HOME_PATH = ".config/sense_hat"
    present = True

    def __init__(self) -> None:
        if not self.present:
            raise OSError("Cannot detect RPi-Sense FB device")
        # As the library does it.
        self.settings = Path.home() / self.SETTINGS_HOME_PATH
        self.settings.mkdir(parents=True, exist_ok=True)

    def get_temperature(self) -> Any:
        return 21.123456789

    def get_humidity(self) -> Any:
        return 45.5

    def get_pressure(self) -> Any:
        return 1013.25

    def get_accelerometer_raw(self) -> Any:
        return {"x": 0.0, "y": 0.5, "z": 1.0}


def broken(self: FakeHat) -> Any:
    raise OSError(121, "Remote I/O error")


@pytest.fixture
def hat(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[type[FakeHat]]:
    class Hat(FakeHat):
        pass

    module = ModuleType("sense_hat")
    module.SenseHat = Hat  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "sense_hat", module)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    yield Hat
    assert not (tmp_path / "home").exists(), "nothing is written outside the work folder"


def opened(folder: Path) -> SenseHatSource:
    source = SenseHatSource(folder / "sense_hat")
    source.open()
    return source


@pytest.mark.usefixtures("hat")
def test_all_chips_are_read_and_the_calibration_lies_in_the_work_folder(tmp_path: Path) -> None:
    sample = opened(tmp_path).read(5.0)
    assert sample == (5.0, (21.12346, 45.5, 1013.25, 0.0, 0.5, 1.0), {})
    assert (tmp_path / "sense_hat").is_dir()


def test_one_chip_that_fails_is_flagged_and_the_others_are_read(
    hat: type[FakeHat], tmp_path: Path
) -> None:
    hat.get_pressure = broken  # type: ignore[method-assign]
    sample = opened(tmp_path).read(5.0)
    assert sample.quality == {"pressure_hpa": "io_error"}
    assert sample.values == (21.12346, 45.5, None, 0.0, 0.5, 1.0)


def test_a_value_that_the_library_calls_invalid_is_no_zero(
    hat: type[FakeHat], tmp_path: Path
) -> None:
    hat.get_humidity = lambda self: 0  # type: ignore[method-assign]
    hat.get_temperature = lambda self: 0.0  # type: ignore[method-assign]
    sample = opened(tmp_path).read(5.0)
    assert sample.quality == {"humidity_pct": "not_finite"}
    assert sample.values[:2] == (0.0, None)


def test_a_dead_bus_is_an_error_with_its_reason(hat: type[FakeHat], tmp_path: Path) -> None:
    for name in ("get_temperature", "get_humidity", "get_pressure", "get_accelerometer_raw"):
        setattr(hat, name, broken)
    source = opened(tmp_path)
    with pytest.raises(SourceError, match="Remote I/O error"):
        source.read(5.0)


def test_a_missing_hat_says_what_it_needs(hat: type[FakeHat], tmp_path: Path) -> None:
    hat.present = False
    with pytest.raises(SourceError, match="groups i2c, input and video"):
        opened(tmp_path)


def test_a_missing_library_is_an_error_of_the_source(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setitem(sys.modules, "sense_hat", None)
    with pytest.raises(SourceError, match="open sense_hat"):
        opened(tmp_path)


@pytest.mark.usefixtures("hat")
def test_a_closed_source_cannot_be_read_and_may_be_closed_again(tmp_path: Path) -> None:
    source = opened(tmp_path)
    source.close()
    source.close()
    with pytest.raises(SourceError, match="not open"):
        source.read(5.0)
    assert source.metrics == METRICS
