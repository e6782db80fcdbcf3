"""`scripts/run` as a user has it: what it reports, what it leaves, what it refuses."""

from pathlib import Path
from typing import Any

import pytest

from tests.end_to_end.conftest import StartHub
from tests.end_to_end.far_end import produced
from tests.end_to_end.hub_process import HubProcess

COMPONENTS = {
    "aws.greengrass.StreamManager": "RUNNING",
    "com.hbs.hub.Aggregator": "RUNNING",
    "com.hbs.hub.Export": "FINISHED",
    "com.hbs.hub.Hub": "FINISHED",
    "com.hbs.hub.ReadSenseHAT": "RUNNING",
    "com.hbs.hub.Runtime": "RUNNING",
    "com.hbs.hub.WriteSenseHAT": "RUNNING",
}
DEVICES = {
    "hvac-1": {"temperature_c", "humidity_pct", "pressure_hpa", "supply_temperature_c", "power_w"},
    "refrigerator-1": {"temperature_c", "evaporator_temperature_c", "power_w", "door_open"},
    "washing-machine-1": {
        "vibration_rms_g",
        "drum_speed_rpm",
        "water_temperature_c",
        "power_w",
    },
}


def assert_balanced(hub: HubProcess) -> dict[str, Any]:
    """Every reading that the rings say was produced is in S3 once, and so the report says."""
    report = hub.report
    ledger, cloud = report["ledger"], report["cloud"]
    in_rings = sum(produced(hub.root).values())
    assert ledger["produced"] == in_rings > 0
    assert cloud["s3_readings"] == cloud["s3_keys"] == in_rings
    assert ledger["delivered"] == in_rings
    assert (ledger["queued"], ledger["dropped"]) == (0, {})
    assert cloud["bad_lines"] == 0
    devices = report["devices"].values()
    # A window that is still open when its sensor is killed stays in the journal.
    assert cloud["kinesis_windows"] == sum(device["windows"] for device in devices)
    return report


def test_two_runs_at_once_balance_and_leave_nothing(
    start_hub: StartHub, tmp_path_factory: pytest.TempPathFactory
) -> None:
    # The path of the second one's sockets is longer than a unix socket's address may be.
    deep = tmp_path_factory.mktemp("deep") / ("a" * 60) / ("b" * 60)
    deep.parent.mkdir()
    hubs = [start_hub("--source", "simulated"), start_hub("--source", "simulated", root=deep)]
    for hub in hubs:
        hub.wait_for("the first object in S3", lambda h=hub: "S3 0 " not in _last(h))
        hub.look()
        assert hub.traces.ports
        assert len(hub.traces.processes) == 8, "run, localcore, cloud and five components"

    # The same folder a second time: one line, and the first run goes on.
    other = start_hub("--source", "simulated", root=hubs[0].root)
    assert other.process.wait(60) == 2
    assert other.output == (
        f"starting the hub in {hubs[0].root}\n"
        f"scripts/run: another run is at work in {hubs[0].root}: stop it, or name another --root\n"
    )

    for hub in hubs:
        hub.interrupt()
    for hub in hubs:
        assert hub.end() == 0, hub.output
        report = assert_balanced(hub)
        assert report["cloud"]["s3_objects"] > 0
        assert report["cloud"]["kinesis_records"] > 0
        assert report["cloud"]["kinesis_windows"] >= len(DEVICES)
        assert report["cloud"]["bytes"] > 0
        assert report["ledger"]["duplicates"] == 0
        assert report["seconds"] > 0
        assert {n: c["state"] for n, c in report["components"].items()} == COMPONENTS
        assert {c["restarts"] for c in report["components"].values()} == {0}
        for name in ("Aggregator", "ReadSenseHAT", "WriteSenseHAT"):
            assert 0 < report["components"][f"com.hbs.hub.{name}"]["pss_mb"] < 100
        assert report["devices"].keys() == DEVICES.keys()
        for device_id, device in report["devices"].items():
            assert (device["source"], device["refused"]) == ("simulated", {})
            assert device["produced"] > 0
            assert device["windows"] > 0
            assert device["last"].keys() == DEVICES[device_id]
        assert "produced" in hub.output


def _last(hub: HubProcess) -> str:
    """The last line of figures; one of nothing before the first."""
    lines = [line for line in hub.output.splitlines() if "Kinesis" in line]
    return lines[-1] if lines else "S3 0 "


def test_it_ends_by_itself_after_the_seconds_it_was_given(start_hub: StartHub) -> None:
    hub = start_hub("--source", "simulated", "--seconds", "1", "--quiet")
    assert hub.end() == 0, hub.output
    assert_balanced(hub)
    assert hub.report["seconds"] >= 1
    assert hub.output.startswith("produced ")


def test_a_folder_of_something_else_is_refused_and_not_touched(
    start_hub: StartHub, tmp_path: Path
) -> None:
    letter = tmp_path / "letter.txt"
    letter.write_text("mine")
    hub = start_hub("--source", "simulated", "--quiet", root=tmp_path)
    assert hub.process.wait(60) == 2
    assert hub.output == (
        f"scripts/run: --root {tmp_path} is not empty and no earlier run made it: name another\n"
    )
    assert [path.name for path in tmp_path.iterdir()] == ["letter.txt"]
    assert letter.read_text() == "mine"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--source", "thermometer"], "--source thermometer: emulator, simulated, replay:FILE"),
        (["--source", "simulated:x"], "--source simulated:x: only replay takes a file"),
        (["--source", "replay:"], "--source replay:: name a recording, as replay:FILE"),
        (["--source", "replay:/no/such.csv"], "/no/such.csv is no file"),
        (["--speed", "0"], "--speed 0: must be above 0 and at most 1000000"),
        (["--speed", "nan"], "--speed nan: must be above 0 and at most 1000000"),
        (["--source", "emulator", "--speed", "2"], "cannot be hurried; use simulated or replay"),
        (["--source", "simulated", "--seconds", "-1"], "--seconds -1: must be above 0"),
        (["--source", "simulated", "--seconds", "nan"], "--seconds nan: must be above 0"),
        (["--picture", "/no/such/folder/a.svg"], "there is no folder /no/such/folder"),
        (["--report", "/"], "--report / is a folder: name a file"),
        (["--root", "/proc/x"], "--root /proc/x: "),
        (["--root", "/dev/null"], "--root /dev/null is no folder: name another"),
        (["--fault", "refrigerator:frostbite@1"], "a refrigerator has leak, repair"),
        (["--fault", "toaster:leak@1"], "has hvac, refrigerator, washing_machine"),
    ],
)
def test_what_cannot_be_is_said_with_value_limit_and_remedy(
    start_hub: StartHub, arguments: list[str], said: str
) -> None:
    source = [] if "--source" in arguments else ["--source", "simulated"]
    hub = start_hub(*source, *arguments)
    assert hub.end() == 2, hub.output
    assert said in hub.output
    assert "Traceback" not in hub.output
    assert not hub.root.exists()


def test_a_report_that_cannot_be_written_is_said_and_the_ledger_is_printed(
    start_hub: StartHub,
) -> None:
    hub = start_hub("--source", "simulated", "--seconds", "1", "--quiet", "--report", "/dev/full")
    assert hub.end() == 1, hub.output
    assert "produced " in hub.output
    assert "--report /dev/full: " in hub.output
    assert "No space left on device" in hub.output
    assert "Traceback" not in hub.output
