"""PauseComponent and ResumeComponent through the unmodified awsiotsdk, and real processes."""

import asyncio
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from awsiot.greengrasscoreipc import model

from localcore.config_store import ConfigStore
from localcore.recipes.model import Step
from localcore.supervisor.plan import ComponentPlan
from localcore.supervisor.supervisor import Supervisor

LIFECYCLE = "aws.greengrass.ipc.lifecycle"


def test_a_component_is_paused_and_resumed(core: Any, connect_v2: Callable[..., Any]) -> None:
    core.grant("lab.Tester", LIFECYCLE, "lab.Other", "no.Such")
    core.supervisor.launch("lab.Other")
    client = connect_v2()
    client.pause_component(component_name="lab.Other")
    assert core.supervisor.paused == {"lab.Other"}
    client.resume_component(component_name="lab.Other")
    with pytest.raises(model.InvalidArgumentsError) as running:
        client.resume_component(component_name="lab.Other")
    assert running.value.message == "Component lab.Other is not paused"
    core.supervisor.paused.add("lab.Other")
    with pytest.raises(model.InvalidArgumentsError) as idle:
        client.pause_component(component_name="lab.Other")
    assert idle.value.message == "Component lab.Other is not running"
    for operation in (client.pause_component, client.resume_component):
        with pytest.raises(model.ResourceNotFoundError):
            operation(component_name="no.Such")
        with pytest.raises(model.InvalidArgumentsError) as nameless:
            operation(component_name="")
        assert nameless.value.message == "Component name is required."
        with pytest.raises(model.UnauthorizedError):
            operation(component_name="lab.Tester")


def process_states(group: int) -> set[str]:
    """The letters of the states of a group's processes, T for stopped (proc(5))."""
    states = set()
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            letter, _, pgrp = stat.read_text().rpartition(")")[2].split()[:3]
        except (FileNotFoundError, ProcessLookupError):
            continue
        # A dead one waits for its parent to be buried.
        if int(pgrp) == group and letter != "Z":
            states.add(letter)
    return states


def test_pausing_stops_every_process_and_a_paused_component_can_be_ended(tmp_path: Path) -> None:
    async def environment(_plan: ComponentPlan) -> dict[str, str]:
        return {"PATH": os.environ["PATH"]}

    async def wait_for(group: int, paused: bool) -> None:
        async with asyncio.timeout(20):
            while (process_states(group) == {"T"}) is not paused:
                await asyncio.sleep(0.005)

    async def pause_resume_pause_and_end() -> list[bool]:
        store = ConfigStore(tmp_path)
        supervisor = Supervisor(tmp_path, store, environment)
        plan = ComponentPlan("lab.A", "1.0.0", {"run": Step("sleep 1000 & sleep 1000")}, {})
        early = asyncio.Event()
        supervisor.watch(lambda _, state: early.set() if state == "RUNNING" else None)
        supervisor.apply([plan])
        await early.wait()
        group = supervisor.status("lab.A").pids[0]
        done = [supervisor.resume("lab.A"), supervisor.pause("lab.A")]
        await wait_for(group, paused=True)
        done.append(supervisor.resume("lab.A"))
        await wait_for(group, paused=False)
        done.append(supervisor.pause("lab.A"))
        await supervisor.close()
        assert process_states(group) == set()
        store.close()
        return done

    assert asyncio.run(pause_resume_pause_and_end()) == [False, True, True, True]
