"""Deployments alone, without components."""

import asyncio
import os
from pathlib import Path
from typing import Any

import pytest

from localcore.built_in import BuiltIns
from localcore.config_store import ConfigStore
from localcore.deployment_target import ConfigurationUpdate, Document
from localcore.deployments import Deployments
from localcore.errors import NotFoundError
from localcore.supervisor.plan import ComponentPlan
from localcore.supervisor.supervisor import Supervisor
from localcore.update_consent import UpdateConsent


async def environment(_plan: ComponentPlan) -> dict[str, str]:
    return {"PATH": os.environ["PATH"]}


def test_a_deployment_that_is_cancelled_while_it_waits_is_not_carried_out(tmp_path: Path) -> None:
    async def cancel_the_first_of_two() -> list[str]:
        store = ConfigStore(tmp_path)
        supervisor = Supervisor(tmp_path, store, environment)
        built_ins = BuiltIns(tmp_path, "eu-west-1")
        deployments = Deployments(tmp_path, "thing", store, supervisor, built_ins, UpdateConsent())
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


RECIPE = """
RecipeFormatVersion: "2020-01-25"
ComponentName: lab.A
ComponentVersion: 1.0.0
ComponentConfiguration:
  DefaultConfiguration:
    rate: 1
Manifests:
  - Lifecycle:
      run: "true"
"""


def test_a_configuration_that_the_component_rejects_is_not_deployed(tmp_path: Path) -> None:
    recipes = tmp_path / "recipes"
    recipes.mkdir()
    (recipes / "lab.A-1.0.0.yaml").write_text(RECIPE)
    asked: list[tuple[str, Any]] = []

    async def deploy_three_times() -> list[tuple[str, Any]]:
        store, consent = ConfigStore(tmp_path), UpdateConsent()
        supervisor = Supervisor(tmp_path, store, environment)
        built_ins = BuiltIns(tmp_path, "eu-west-1")
        deployments = Deployments(tmp_path, "thing", store, supervisor, built_ins, consent)
        working = asyncio.create_task(deployments.work())

        def judge(event: dict[str, Any]) -> None:
            question = event["validateConfigurationUpdateEvent"]
            rate = question["configuration"]["rate"]
            asked.append(("judged", rate))
            verdict = "REJECTED" if rate == 99 else "ACCEPTED"
            deployment_id = question["deploymentId"]
            asyncio.get_running_loop().call_soon(
                consent.report, "lab.A", deployment_id, verdict, "too fast"
            )

        def agree(event: dict[str, Any]) -> None:
            asked.append(("told", next(iter(event))))
            if "preUpdateEvent" in event:
                deployment_id = event["preUpdateEvent"]["deploymentId"]
                asyncio.get_running_loop().call_soon(consent.defer, "lab.A", deployment_id, 0)

        results: list[tuple[str, Any]] = []
        for rate in (1, 99, 5):
            document = Document(
                str(recipes), None, {"lab.A": "1.0.0"},
                update_config={"lab.A": ConfigurationUpdate({"rate": rate}, ())},
            )  # fmt: skip
            status = await deployments.wait(deployments.create(document))
            results.append((status.status, store.get("lab.A", ["rate"])))
            if rate == 1:
                consent.follow_validations("lab.A", judge)
                consent.follow_updates("lab.A", agree)
        working.cancel()
        await supervisor.close()
        store.close()
        return results

    assert asyncio.run(deploy_three_times()) == [("SUCCEEDED", 1), ("FAILED", 1), ("SUCCEEDED", 5)]
    # The last word may come after the result.
    assert asked[:3] == [("judged", 99), ("judged", 5), ("told", "preUpdateEvent")]
