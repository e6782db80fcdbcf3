"""What is shown of what was received: no I/O, no clock and no logging.

Law: critical alerts before warnings, alerts before messages, messages before measurements. An alert
lights the whole lowest row red at once, and blinks; a measurement says device, values and units,
each value coloured by its comfort range: blue below, green within, red above. All times are those
of a monotonic clock, so a wall clock that jumps changes nothing.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from hubkit.payloads import Alert, Display, Window
from write_sense_hat.matrix import IDLE, OFF, SIDE, Colour, Kind, Picture, dimmed
from write_sense_hat.schedule import Item, Schedule
from write_sense_hat.scroll import NO_BAR, Scroll, Segment

MEASUREMENT: Final = 0
MESSAGE_PRIORITIES: Final = (1, 2, 3)
"""By `Display.priority`: normal, warning, alert."""
ALERT_PRIORITIES: Final = {"info": 2, "warning": 3, "critical": 4}

RED: Final[Colour] = (255, 0, 0)
ORANGE: Final[Colour] = (255, 110, 0)
BLUE: Final[Colour] = (40, 90, 255)
GREEN: Final[Colour] = (0, 200, 60)
WHITE: Final[Colour] = (200, 200, 200)
GREY: Final[Colour] = (90, 90, 90)
ALERT_COLOURS: Final[Mapping[str, Colour]] = {"info": BLUE, "warning": ORANGE, "critical": RED}

BLINK_S: Final = 0.5
"""A period of blinking; half of it the matrix is dimmed, not dark: the text stays legible."""
BLINK_PERCENT: Final = 30

UNITS: Final = {"c": ("C", 1), "pct": ("%", 0), "hpa": ("hPa", 0), "g": ("g", 2), "w": ("W", 0)}
"""By the unit that ends a metric's name: how it is written, and digits after the point."""


@dataclass(frozen=True)
class _Content:
    scroll: Scroll
    kind: Kind
    blinks: bool


class Panel:
    """The contents of the matrix over time."""

    def __init__(
        self,
        *,
        columns_per_second: float,
        metrics: Sequence[str],
        comfort: Mapping[str, tuple[float, float]],
        stale_seconds: float,
        alert_seconds: float,
    ) -> None:
        self.schedule: Schedule[_Content] = Schedule()
        self._columns_per_second = columns_per_second
        self._metrics = metrics
        self._comfort = comfort
        self._stale_seconds = stale_seconds
        self._alert_seconds = alert_seconds

    def measured(self, window: Window, now_s: float) -> None:
        """Show a window's last values, instead of the device's window before."""
        segments, bar = describe(window, self._metrics, self._comfort)
        if segments:
            scroll = Scroll([Segment(f"{window.device_id} ", GREY), *segments], bar)
            self._put(
                ("window", window.device_id),
                MEASUREMENT,
                _Content(scroll, "measurement", blinks=False),
                now_s + self._stale_seconds,
            )

    def alerted(self, alert: Alert, now_s: float) -> None:
        """Show an alert until it is cleared or too old, or stop showing it."""
        key = ("alert", alert.id)
        if alert.state == "clear":
            self.schedule.remove(key)
            return
        colour = ALERT_COLOURS[alert.severity]
        scroll = Scroll([Segment(f"{alert.device_id}: {alert.reason}", colour)], (colour,) * SIDE)
        content = _Content(scroll, "alert", blinks=alert.severity != "info")
        priority = ALERT_PRIORITIES[alert.severity]
        self._put(key, priority, content, now_s + self._alert_seconds)

    def told(self, display: Display, now_s: float) -> None:
        """Show a message for its time."""
        scroll = Scroll([Segment(display.text, display.colour)])
        content = _Content(scroll, "message", blinks=display.priority == 2)
        priority = MESSAGE_PRIORITIES[display.priority]
        stale_s = now_s + max(self._stale_seconds, display.seconds)
        self._put(("message", display.text), priority, content, stale_s, display.seconds)

    def picture(self, now_s: float) -> Picture:
        """What is to be seen at this time."""
        turn = self.schedule.current(now_s)
        if turn is None:
            return IDLE
        content = turn.item.content
        passed_s = now_s - turn.since_s
        frame = content.scroll.frame(int(passed_s * self._columns_per_second))
        if content.blinks and passed_s % BLINK_S >= BLINK_S / 2:
            frame = dimmed(frame, BLINK_PERCENT)
        return Picture(frame, content.kind, content.scroll.text)

    def _put(
        self,
        key: tuple[str, str],
        priority: int,
        content: _Content,
        stale_s: float,
        seconds: float | None = None,
    ) -> None:
        turn_s = content.scroll.length / self._columns_per_second
        self.schedule.put(Item(key, priority, content, turn_s, stale_s, seconds))


def describe(
    window: Window, metrics: Sequence[str], comfort: Mapping[str, tuple[float, float]]
) -> tuple[list[Segment], Sequence[Colour]]:
    """The values of a window as text, and a bar of the first one that has a comfort range."""
    segments: list[Segment] = []
    bar: Sequence[Colour] = NO_BAR
    for metric in metrics:
        summary = window.metrics.get(metric)
        if summary is None or summary.last is None:
            continue
        limits = comfort.get(metric)
        colour = WHITE if limits is None else comfort_colour(summary.last, *limits)
        if limits is not None and bar is NO_BAR:
            bar = comfort_bar(summary.last, *limits)
        segments.append(Segment(f"{written(metric, summary.last)} ", colour))
    return segments, bar


def written(metric: str, value: float) -> str:
    """A value with its unit.

    >>> written("temperature_c", 21.46), written("pressure_hpa", 1013.2), written("load", 0.5)
    ('21.5C', '1013hPa', '0.5')
    """
    unit = UNITS.get(metric.rpartition("_")[2])
    return f"{value:.3g}" if unit is None else f"{value:.{unit[1]}f}{unit[0]}"


def comfort_colour(value: float, low: float, high: float) -> Colour:
    """Blue below the range, green within, red above."""
    if value < low:
        return BLUE
    return RED if value > high else GREEN


def comfort_bar(value: float, low: float, high: float) -> list[Colour]:
    """Eight pixels whose middle half is the range; they are lit up to the value.

    >>> [sum(pixel != OFF for pixel in comfort_bar(value, 20, 24)) for value in (0, 18, 22, 99)]
    [1, 1, 4, 8]
    """
    start = low - (high - low) / 2
    lit = round((value - start) / (high - low) * SIDE / 2)
    lit = min(max(lit, 1), SIDE)
    return [comfort_colour(value, low, high)] * lit + [OFF] * (SIDE - lit)
