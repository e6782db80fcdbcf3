"""The thin edge: payloads in, pictures out; a display that is away is tried again, for ever."""

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Final

from hubkit.backoff import Backoff
from hubkit.clock import Clock
from hubkit.health import HealthValue
from hubkit.payloads import Alert, Display, PayloadError, Window, decode
from hubkit.service import Service, Surroundings
from write_sense_hat.configuration import WriteSenseHatConfiguration
from write_sense_hat.displays import (
    DisplayUnavailableError,
    FrameBuffer,
    FrameFile,
    LedMatrix,
    find_emulator,
    find_sense_hat,
)
from write_sense_hat.matrix import IDLE, Picture
from write_sense_hat.panel import Panel

WINDOWS: Final = "hub/windows/"
ALERTS: Final = "hub/alerts"
DISPLAY: Final = "hub/display"
TOPIC_FILTERS: Final = (f"{WINDOWS}#", ALERTS, DISPLAY)

_log = logging.getLogger(__name__)


class SteadyDisplay:
    """A display that is written only when the picture changed, and tried again when it is away."""

    def __init__(self, name: str, matrix: LedMatrix, clock: Clock) -> None:
        self.reason = ""
        self._matrix = matrix
        self._clock = clock
        self._backoff = Backoff(base_s=1.0, cap_s=60.0, name=f"display {name}")
        self._shown: Picture | None = None
        self._retry_s = 0.0

    def show(self, picture: Picture) -> None:
        """Show the picture when it is not shown already and the display may be there."""
        now_s = self._clock.monotonic_s()
        if picture == self._shown or (self.reason and now_s < self._retry_s):
            return
        try:
            self._matrix.show(picture)
        except DisplayUnavailableError as error:
            self._shown = None
            self.reason = str(error)
            self._retry_s = now_s + self._backoff.failed(error)
        else:
            self._shown = picture
            self.reason = ""
            self._backoff.succeeded()


class WriteSenseHat(Service):
    """Shows what it receives."""

    topic_filters = TOPIC_FILTERS

    def __init__(
        self, panel: Panel, displays: list[SteadyDisplay], clock: Clock, columns_per_second: float
    ) -> None:
        self._panel = panel
        self._displays = displays
        self._clock = clock
        self._column_s = 1.0 / columns_per_second
        self._refused = 0

    def receive(self, topic: str, payload: bytes) -> None:
        """Take it in, and show at once what has become more urgent."""
        now_s = self._clock.monotonic_s()
        try:
            if topic == ALERTS:
                self._panel.alerted(decode(Alert, payload), now_s)
            elif topic == DISPLAY:
                self._panel.told(decode(Display, payload), now_s)
            elif topic.startswith(WINDOWS):
                self._panel.measured(decode(Window, payload), now_s)
        except PayloadError as error:
            self._refused += 1
            _log.warning("payload refused topic=%s reason=%s", topic, error)
            return
        self._show()

    def tick(self) -> float:
        """Move the text on by a column."""
        self._show()
        return self._column_s

    def finish(self) -> None:
        """Leave a dark matrix."""
        for display in self._displays:
            display.show(IDLE)

    def health(self) -> dict[str, HealthValue]:
        """How much is waiting, was shown and was refused, and why nothing is to be seen."""
        schedule = self._panel.schedule
        return {
            "items": len(schedule),
            "turns": schedule.turns,
            "dropped": schedule.dropped,
            "refused": self._refused,
            "display": "; ".join(d.reason for d in self._displays if d.reason) or "ok",
        }

    def _show(self) -> None:
        picture = self._panel.picture(self._clock.monotonic_s())
        for display in self._displays:
            display.show(picture)


def build(configuration: WriteSenseHatConfiguration, surroundings: Surroundings) -> WriteSenseHat:
    """The service with its real displays."""
    clock = surroundings.clock
    displays = []
    finders: dict[str, Callable[[], Path]] = {
        "sensehat": find_sense_hat,
        "emulator": find_emulator,
    }
    find = finders.get(configuration.display)
    if find is not None:
        matrix = FrameBuffer(find, configuration.rotation, configuration.brightness_percent)
        displays.append(SteadyDisplay(configuration.display, matrix, clock))
    if configuration.frame_file:
        frame_file = FrameFile(surroundings.work_folder / configuration.frame_file)
        displays.append(SteadyDisplay("frameFile", frame_file, clock))
    panel = Panel(
        columns_per_second=configuration.columns_per_second,
        metrics=configuration.metrics,
        comfort=configuration.comfort,
        stale_seconds=configuration.stale_seconds,
        alert_seconds=configuration.alert_seconds,
    )
    return WriteSenseHat(panel, displays, clock, configuration.columns_per_second)
