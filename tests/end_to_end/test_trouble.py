"""What goes wrong is said where the user looks, and the exit code tells."""

from pathlib import Path

from tests.end_to_end.conftest import StartHub
from tests.end_to_end.hub_process import AGGREGATOR
from tests.end_to_end.test_run import assert_balanced


def test_a_recording_that_cannot_be_understood_ends_the_run_with_the_reason(
    start_hub: StartHub, tmp_path: Path
) -> None:
    recording = tmp_path / "unknown.csv"
    recording.write_text("a,b,c\n1,2,3\n")
    loud = start_hub("--source", f"replay:{recording}")
    quiet = start_hub("--source", f"replay:{recording}", "--quiet")
    for hub in (loud, quiet):
        assert hub.end() == 1, hub.output
        assert "the header 'a,b,c' is none of astro_pi, mark2, occupancy, skab, nab" in hub.output
        assert "no reading was produced" in hub.output
        assert hub.report["ledger"]["produced"] == 0


def test_a_recording_of_any_header_is_read_with_its_columns_named(
    start_hub: StartHub, tmp_path: Path
) -> None:
    recording = tmp_path / "mine.csv"
    recording.write_text("When,Temp\n2024-01-01T00:00:00,1.5\n2024-01-01T00:00:10,1.25\n")
    hub = start_hub("--source", f"replay:{recording}", "--columns", "When=time,Temp=temperature_c")
    assert hub.end() == 0, hub.output
    report = assert_balanced(hub)
    assert report["devices"]["mine"]["produced"] == 2


def test_a_missing_sense_hat_is_said_and_is_no_success(start_hub: StartHub) -> None:
    hub = start_hub("--source", "sensehat", "--seconds", "4")
    assert hub.end() == 1, hub.output
    assert "ReadSenseHAT: lost what=source of hat-1" in hub.output
    assert "hat-1 has no value to give" in hub.output


def test_a_component_that_was_killed_until_it_broke_is_revived_and_nothing_is_lost(
    start_hub: StartHub,
) -> None:
    hub = start_hub("--source", "simulated")
    hub.wait_until_running()
    for _ in range(4):
        hub.kill(AGGREGATOR)
    hub.interrupt()
    assert hub.end() == 0, hub.output
    assert f"{AGGREGATOR} is BROKEN" in hub.output
    report = assert_balanced(hub)
    assert report["components"][AGGREGATOR]["state"] == "RUNNING"
    assert report["components"][AGGREGATOR]["restarts"] == 4
