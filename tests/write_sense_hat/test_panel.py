"""What is shown of what was received."""

import pytest

from hubkit.payloads import Alert, Display, MetricSummary, Window
from write_sense_hat.matrix import IDLE, OFF, SIDE
from write_sense_hat.panel import BLINK_S, BLUE, GREEN, RED, Panel, describe

COMFORT = {"temperature_c": (19.0, 26.0), "humidity_pct": (30.0, 65.0)}
METRICS = ["temperature_c", "humidity_pct", "pressure_hpa"]


@pytest.fixture
def panel() -> Panel:
    return Panel(
        columns_per_second=10,
        metrics=METRICS,
        comfort=COMFORT,
        stale_seconds=120,
        alert_seconds=3600,
    )


def window(device_id: str = "hat-1", **metrics: float | None) -> Window:
    return Window(
        device_id=device_id,
        source="simulated",
        boot="00000001-9f3a2b1c",
        first_seq=0,
        last_seq=9,
        start_s=1_700_000_000.0,
        length_s=10.0,
        count=10,
        metrics={
            name: MetricSummary(count=0 if last is None else 10, last=last)
            for name, last in metrics.items()
        },
    )


def alert(state: str = "raise", severity: str = "critical", reason: str = "leak") -> Alert:
    return Alert(
        id="fridge/leak",
        device_id="fridge",
        severity=severity,  # type: ignore[arg-type]
        state=state,  # type: ignore[arg-type]
        reason=reason,
        time_s=1_700_000_000.0,
    )


def test_without_anything_the_matrix_is_dark(panel: Panel) -> None:
    assert panel.picture(0.0) == IDLE


def test_a_window_is_a_line_of_values_with_units(panel: Panel) -> None:
    panel.measured(window(temperature_c=21.46, humidity_pct=45.2, pressure_hpa=1013.4), 0.0)
    picture = panel.picture(0.0)
    assert (picture.kind, picture.text) == ("measurement", "hat-1 21.5C 45% 1013hPa")


def test_values_are_coloured_by_comfort_in_the_order_of_the_configuration() -> None:
    segments, bar = describe(
        window(humidity_pct=10.0, temperature_c=30.0, pressure_hpa=1013.0), METRICS, COMFORT
    )
    assert [segment.colour for segment in segments[:2]] == [RED, BLUE]
    assert [segment.text for segment in segments] == ["30.0C ", "10% ", "1013hPa "]
    assert bar[0] == RED


def test_metrics_without_a_value_and_unknown_ones_are_left_out(panel: Panel) -> None:
    panel.measured(window(temperature_c=None, gas_ppm=3.0), 0.0)
    assert panel.picture(0.0) == IDLE


def test_a_newer_window_replaces_the_devices_older_one(panel: Panel) -> None:
    for value in (20.0, 21.0):
        panel.measured(window(temperature_c=value), 0.0)
    panel.measured(window("fridge", temperature_c=4.0), 0.0)
    assert len(panel.schedule) == 2
    assert panel.picture(0.0).text == "hat-1 21.0C"


def test_an_alert_takes_over_at_once_with_a_red_row(panel: Panel) -> None:
    panel.measured(window(temperature_c=21.0), 0.0)
    panel.picture(0.0)
    panel.alerted(alert(), 0.4)
    picture = panel.picture(0.4)
    assert (picture.kind, picture.text) == ("alert", "fridge: leak")
    assert picture.frame[-SIDE:] == (RED,) * SIDE


def test_an_alert_blinks_without_going_dark(panel: Panel) -> None:
    panel.alerted(alert(), 0.0)
    panel.picture(0.0)
    bright, dim = panel.picture(1.0).frame, panel.picture(1.0 + BLINK_S * 0.75).frame
    assert bright[-1] == RED
    assert OFF < dim[-1] < RED


def test_a_cleared_alert_is_gone_at_once(panel: Panel) -> None:
    panel.measured(window(temperature_c=21.0), 0.0)
    panel.alerted(alert(), 0.0)
    assert panel.picture(0.1).kind == "alert"
    panel.alerted(alert("clear"), 0.2)
    assert panel.picture(0.2).kind == "measurement"


def test_an_alert_that_nobody_clears_ends_in_the_end(panel: Panel) -> None:
    panel.alerted(alert(), 0.0)
    assert panel.picture(3599.0).kind == "alert"
    assert panel.picture(3700.0) == IDLE


def test_critical_comes_before_warning_and_alerts_before_messages(panel: Panel) -> None:
    panel.told(Display(text="hello"), 0.0)
    warning = alert(severity="warning", reason="filter")
    warning.id = "hvac/filter"
    panel.alerted(warning, 0.0)
    panel.alerted(alert(), 0.0)
    assert panel.picture(0.0).text == "fridge: leak"
    panel.alerted(alert("clear"), 0.1)
    assert panel.picture(0.1).text == "fridge: filter"


def test_measurements_are_still_seen_while_an_alert_lasts(panel: Panel) -> None:
    panel.alerted(alert(), 0.0)
    panel.measured(window(temperature_c=21.0), 0.0)
    kinds = {panel.picture(tenth / 10).kind for tenth in range(600)}
    assert kinds == {"alert", "measurement"}


def test_a_message_is_shown_for_its_seconds_in_its_colour(panel: Panel) -> None:
    panel.told(Display(text="door", colour=(0, 9, 200), seconds=3.0), 0.0)
    assert panel.picture(0.0).text == "door"
    assert (0, 9, 200) in panel.picture(1.0).frame
    assert panel.picture(60.0) == IDLE


def test_green_means_comfortable() -> None:
    segments, _ = describe(window(temperature_c=22.0), METRICS, COMFORT)
    assert segments[0].colour == GREEN
