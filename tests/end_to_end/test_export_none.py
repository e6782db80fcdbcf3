"""The hub without an exporter: it journals, reports what is queued, and stays RUNNING.

This is what is deployed where no cloud is: Hub alone, on localcore alone.
"""

import contextlib
import functools
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from hubkit.payloads import Ledger, decode
from localcore.control.client import Control
from tests.end_to_end.far_end import produced
from tests.end_to_end.hub_process import AGGREGATOR, STREAM_MANAGER
from tests.end_to_end.machine import processes_of
from tests.end_to_end.waiting import PATIENCE_S, wait_for
from workbench.names import REPOSITORY
from workbench.run.arguments import parse
from workbench.run.deployment import COMPONENTS, configuration_update

WANTED = 20


@pytest.fixture
def control(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Control]:
    """A localcore with nothing deployed."""
    root = tmp_path_factory.mktemp("core") / "root"
    command = [sys.executable, "-m", "localcore", "start", "--root", str(root)]
    with subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL) as daemon:
        control = Control(root)
        try:
            control.wait_until_ready(PATIENCE_S)
            yield control
        finally:
            daemon.terminate()
            daemon.wait(PATIENCE_S)
    assert not processes_of(root)


def _first_ledger(control: Control) -> Ledger:
    """The next ledger that counts enough."""
    for _, payload in control.subscribe("hub/health/ledger"):
        ledger = decode(Ledger, payload)
        if ledger.total.produced >= WANTED:
            return ledger
    raise AssertionError("localcore ended")


def _has_ended(control: Control, name: str) -> bool:
    return not control.component(name)["pids"]


def test_without_an_exporter_readings_stay_in_the_journal(control: Control) -> None:
    arguments = parse(["--source", "simulated"], control.root)
    update = configuration_update(arguments, Path(sys.prefix), 8088)
    update[AGGREGATOR]["MERGE"]["export"] = "none"
    without = {n: v for n, v in COMPONENTS.items() if n != "com.hbs.hub.Export"}
    ended = control.deploy(
        recipe_dir=REPOSITORY / "recipes",
        artifact_dir=REPOSITORY / "artifacts",
        merge=without,
        update_config=update,
    )
    assert ended["status"] == "SUCCEEDED", ended

    ledger = _first_ledger(control)
    assert ledger.exporter == "none"
    assert (ledger.total.delivered, ledger.total.dropped) == (0, {})
    assert ledger.total.queued == ledger.total.produced
    states = {component["name"]: component for component in control.components()}
    assert STREAM_MANAGER not in states
    assert {n for n, c in states.items() if c["state"] == "RUNNING"} == without.keys() - {
        "com.hbs.hub.Hub"
    }
    assert all(component["restarts"] == 0 for component in states.values())
    assert not (control.root / "cloud").exists(), "nobody asked for a cloud"

    for name in ("com.hbs.hub.ReadSenseHAT", AGGREGATOR):
        control.stop(name)
        wait_for(f"the end of {name}", functools.partial(_has_ended, control, name))
    journal = control.root / "work" / AGGREGATOR / "journal.sqlite"
    with contextlib.closing(sqlite3.connect(journal)) as db:
        (kept,) = db.execute("SELECT sum(count) FROM rows WHERE kind = 'readings'").fetchone()
    assert kept == sum(produced(control.root).values()) >= WANTED
