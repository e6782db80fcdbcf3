"""The edge: topics in, a display that comes and goes out."""

import json
from pathlib import Path

import pytest

from hubkit.clock import ManualClock
from hubkit.payloads import Alert, Display, encode
from hubkit.service import Surroundings
from write_sense_hat.configuration import WriteSenseHatConfiguration
from write_sense_hat.displays import DisplayUnavailableError
from write_sense_hat.matrix import IDLE, Picture
from write_sense_hat.service import SteadyDisplay, WriteSenseHat, build


class Matrix:
    """A display that can be taken away."""

    def __init__(self) -> None:
        self.shown: list[Picture] = []
        self.attempts = 0
        self.gone = False

    def show(self, picture: Picture) -> None:
        self.attempts += 1
        if self.gone:
            raise DisplayUnavailableError("unplugged")
        self.shown.append(picture)


class Silence:
    """A bus that nobody may use: this component publishes nothing of its own."""

    def publish(self, topic: str, payload: bytes) -> None:
        raise AssertionError(topic)


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(1_700_000_000.0)


def configuration(**changed: object) -> WriteSenseHatConfiguration:
    values: dict[str, object] = {
        "display": "terminal",
        "frame_file": "frame.json",
        "rotation": 0,
        "brightness_percent": 100,
        "columns_per_second": 10.0,
        "metrics": ["temperature_c"],
        "comfort": {},
        "stale_seconds": 60.0,
        "alert_seconds": 60.0,
        "log_level": "INFO",
        "health_seconds": 10.0,
    }
    return WriteSenseHatConfiguration(**{**values, **changed})  # type: ignore[arg-type]


@pytest.fixture
def service(tmp_path: Path, clock: ManualClock) -> WriteSenseHat:
    return build(configuration(), Surroundings(Silence(), clock, tmp_path, "thing"))


def frame(folder: Path) -> dict[str, object]:
    content = json.loads((folder / "frame.json").read_text())
    assert isinstance(content, dict)
    return content


def test_a_message_is_in_the_frame_file_before_the_next_tick(
    service: WriteSenseHat, tmp_path: Path
) -> None:
    service.receive("hub/display", encode(Display(text="hello")))
    assert frame(tmp_path)["text"] == "hello"


def test_an_alert_is_shown_when_it_arrives(service: WriteSenseHat, tmp_path: Path) -> None:
    alert = Alert(
        id="a", device_id="d", severity="critical", state="raise", reason="hot", time_s=0.0
    )
    service.receive("hub/display", encode(Display(text="hello")))
    service.receive("hub/alerts", encode(alert))
    assert frame(tmp_path)["kind"] == "alert"


def test_ticks_come_with_each_column(service: WriteSenseHat) -> None:
    assert service.tick() == pytest.approx(0.1)


@pytest.mark.parametrize("topic", ["hub/windows/hat-1", "hub/alerts", "hub/display"])
@pytest.mark.parametrize("payload", [b"", b"{}", b"\xff", b'{"v": 2}', b"[" * 4000])
def test_bad_input_is_counted_and_ends_nothing(
    service: WriteSenseHat, topic: str, payload: bytes
) -> None:
    service.receive(topic, payload)
    assert service.health()["refused"] == 1


def test_the_matrix_is_dark_after_the_end(service: WriteSenseHat, tmp_path: Path) -> None:
    service.receive("hub/display", encode(Display(text="hello")))
    service.finish()
    assert frame(tmp_path)["kind"] == "idle"


def test_an_unchanged_picture_is_not_written_again(clock: ManualClock) -> None:
    matrix = Matrix()
    display = SteadyDisplay("matrix", matrix, clock)
    for _ in range(3):
        display.show(IDLE)
    assert matrix.attempts == 1


def test_a_display_that_is_away_is_tried_less_and_less_often_and_comes_back(
    clock: ManualClock,
) -> None:
    matrix = Matrix()
    matrix.gone = True
    display = SteadyDisplay("matrix", matrix, clock)
    for _ in range(600):
        display.show(IDLE)
        clock.advance(1.0)
    assert 10 <= matrix.attempts < 200
    assert display.reason == "unplugged"
    matrix.gone = False
    clock.advance(60.0)
    display.show(IDLE)
    assert (matrix.shown, display.reason) == ([IDLE], "")


def test_a_missing_display_is_in_the_health_and_the_frame_file_is_still_written(
    tmp_path: Path, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    def nowhere() -> Path:
        raise DisplayUnavailableError("no emulator")

    monkeypatch.setattr("write_sense_hat.service.find_emulator", nowhere)
    service = build(
        configuration(display="emulator"), Surroundings(Silence(), clock, tmp_path, "thing")
    )
    service.receive("hub/display", encode(Display(text="hello")))
    assert service.health()["display"] == "no emulator"
    assert frame(tmp_path)["text"] == "hello"
