"""kill -9 of everything that runs, at moments that hurt: every reading is in S3 once.

What was produced is counted in the rings, which nothing but ReadSenseHAT writes.
"""

import contextlib
import os
import signal

from tests.end_to_end.conftest import StartHub
from tests.end_to_end.far_end import produced
from tests.end_to_end.hub_process import (
    AGGREGATOR,
    CLOUD,
    LOCALCORE,
    READ_SENSE_HAT,
    STREAM_MANAGER,
    WRITE_SENSE_HAT,
    HubProcess,
)
from tests.end_to_end.test_run import assert_balanced


def _produce_more(hub: HubProcess) -> None:
    """Wait until there are new readings."""
    before = sum(produced(hub.root).values())
    hub.wait_for("new readings", lambda: sum(produced(hub.root).values()) > before)


def _end(hub: HubProcess) -> None:
    hub.look()
    assert hub.end() == 0, hub.output
    report = assert_balanced(hub)
    states = {name: component["state"] for name, component in report["components"].items()}
    assert set(states.values()) == {"RUNNING", "FINISHED"}, states


def test_every_process_is_killed_during_a_run_and_comes_back(start_hub: StartHub) -> None:
    hub = start_hub("--source", "simulated", "--quiet")
    hub.wait_until_running()
    for victims in (
        (AGGREGATOR,),
        (READ_SENSE_HAT,),
        (STREAM_MANAGER,),
        (WRITE_SENSE_HAT,),
        (AGGREGATOR, READ_SENSE_HAT, STREAM_MANAGER),
    ):
        _produce_more(hub)
        hub.kill(*victims)
    _produce_more(hub)
    hub.interrupt()
    _end(hub)
    restarts = {name: c["restarts"] for name, c in hub.report["components"].items()}
    assert restarts[AGGREGATOR] == restarts[READ_SENSE_HAT] == restarts[STREAM_MANAGER] == 2
    assert restarts[WRITE_SENSE_HAT] == 1


def test_localcore_is_killed_during_a_run_and_started_again(start_hub: StartHub) -> None:
    hub = start_hub("--source", "simulated", "--quiet")
    hub.wait_until_running()
    _produce_more(hub)
    for victims in ((LOCALCORE,), (LOCALCORE, AGGREGATOR)):
        hub.kill(*victims)
        for name in (AGGREGATOR, READ_SENSE_HAT, STREAM_MANAGER, WRITE_SENSE_HAT):
            hub.wait_for(f"{name} to run", lambda n=name: hub.state(n) == "RUNNING")
        _produce_more(hub)
    hub.interrupt()
    _end(hub)


def test_who_is_killed_while_delivering_the_last_readings_delivers_them(
    start_hub: StartHub,
) -> None:
    hubs = {
        victim: start_hub("--source", "simulated", "--quiet")
        for victim in (AGGREGATOR, STREAM_MANAGER, LOCALCORE)
    }
    clouds = {}
    for victim, hub in hubs.items():
        hub.wait_until_running()
        clouds[victim] = hub.send(CLOUD, signal.SIGSTOP)
        _produce_more(hub)
        hub.interrupt()
    for victim, hub in hubs.items():
        # It cannot end while the cloud answers nothing.
        hub.wait_for("the last export", lambda h=hub: h.state(AGGREGATOR) == "STOPPING")
        os.kill(hub.pid(victim), signal.SIGKILL)
        os.kill(clouds[victim], signal.SIGCONT)
    for hub in hubs.values():
        _end(hub)


def test_who_is_killed_before_the_last_readings_are_accepted_publishes_them_again(
    start_hub: StartHub,
) -> None:
    hubs = {
        victim: start_hub("--source", "simulated", "--quiet")
        for victim in (READ_SENSE_HAT, LOCALCORE)
    }
    aggregators = {}
    for victim, hub in hubs.items():
        hub.wait_until_running()
        aggregators[victim] = hub.send(AGGREGATOR, signal.SIGSTOP)
        _produce_more(hub)
        hub.interrupt()
    for victim, hub in hubs.items():
        # It cannot end while nobody accepts.
        hub.wait_for("the last batches", lambda h=hub: h.state(READ_SENSE_HAT) == "STOPPING")
        os.kill(hub.pid(victim), signal.SIGKILL)
        with contextlib.suppress(ProcessLookupError):  # it dies with localcore
            os.kill(aggregators[victim], signal.SIGCONT)
    for hub in hubs.values():
        _end(hub)
