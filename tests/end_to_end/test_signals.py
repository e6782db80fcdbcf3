"""Ctrl-C and SIGTERM at any moment: everything stops in order and nothing is left."""

import signal
from collections.abc import Callable

import pytest

from tests.end_to_end.conftest import StartHub
from tests.end_to_end.hub_process import AGGREGATOR, HubProcess
from tests.end_to_end.test_run import assert_balanced

MOMENTS: dict[str, Callable[[HubProcess], object]] = {
    "the folder is made": lambda hub: (hub.root / "run.json").exists(),
    "the cloud answers": lambda hub: (hub.root / "cloud" / "endpoint.json").exists(),
    "localcore answers": lambda hub: (hub.root / "control.socket").exists(),
    "components start": lambda hub: hub.state(AGGREGATOR),
}


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_start_is_stopped_at_any_moment_and_leaves_nothing(
    start_hub: StartHub, number: signal.Signals
) -> None:
    hubs = {moment: start_hub("--source", "simulated", "--quiet") for moment in MOMENTS}
    for moment, hub in hubs.items():
        hub.wait_for(moment, lambda m=moment, h=hub: MOMENTS[m](h))
        hub.interrupt(number)
        hub.interrupt(number)
    for hub in hubs.values():
        hub.look()
        # On a slow machine the hub may have been running by the time it was interrupted.
        assert hub.end() in {130, 0}, hub.output
        assert "Traceback" not in hub.output


def test_a_run_is_stopped_in_order_by_sigterm_and_by_ctrl_c_twice(start_hub: StartHub) -> None:
    hubs = [start_hub("--source", "simulated", "--quiet") for _ in range(2)]
    for hub in hubs:
        hub.wait_until_running()
        hub.look()
    hubs[0].interrupt(signal.SIGTERM)
    hubs[1].interrupt()
    hubs[1].interrupt()
    for hub in hubs:
        assert hub.end() == 0, hub.output
        assert_balanced(hub)


def test_a_closed_terminal_stops_the_run_in_order(start_hub: StartHub) -> None:
    hub = start_hub("--source", "simulated")
    hub.wait_until_running()
    hub.look()
    hub.interrupt(signal.SIGHUP)
    assert hub.end() == 0, hub.output
    assert_balanced(hub)


def test_a_root_of_a_run_that_was_killed_is_taken_over(start_hub: StartHub) -> None:
    killed = start_hub("--source", "simulated", "--quiet")
    killed.wait_until_running()
    killed.process.kill()
    killed.process.wait()
    hub = start_hub("--source", "simulated", "--quiet", "--seconds", "1", root=killed.root)
    assert hub.end() == 0, hub.output
    assert_balanced(hub)
