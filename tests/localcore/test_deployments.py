"""Deployments alone, without components."""

import asyncio
from pathlib import Path

import pytest

from localcore.built_in import BuiltIns
from localcore.config_store import ConfigStore
from localcore.deployment_target import Document
from localcore.deployments import Deployments
from localcore.errors import NotFoundError
from localcore.supervisor.plan import ComponentPlan
from localcore.supervisor.supervisor import Supervisor


async def no_environment(_plan: ComponentPlan) -> dict[str, str]:
    return {}


def test_a_deployment_that_is_cancelled_while_it_waits_is_not_carried_out(tmp_path: Path) -> None:
    async def cancel_the_first_of_two() -> list[str]:
        store = ConfigStore(tmp_path)
        supervisor = Supervisor(tmp_path, store, no_environment)
        built_ins = BuiltIns(tmp_path, "eu-west-1")
        deployments = Deployments(tmp_path, "thing", store, supervisor, built_ins)
        first, second = (deployments.create(Document()) for _ in range(2))
        deployments.cancel(first)
        working = asyncio.create_task(deployments.work())
        await deployments.wait(second)
        deployments.cancel(second)
        working.cancel()
        with pytest.raises(NotFoundError):
            deployments.cancel("no such")
        statuses = [deployments.status(each).status for each in (first, second)]
        store.close()
        return list(statuses)

    assert asyncio.run(cancel_the_first_of_two()) == ["CANCELED", "SUCCEEDED"]
