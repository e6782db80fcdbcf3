"""What aws.greengrass.Cli serves, and component metrics, through the unmodified awsiotsdk."""

from collections.abc import Callable
from typing import Any

import pytest
from awsiot.greengrasscoreipc import model

CLI = "aws.greengrass.Cli"
METRICS = "aws.greengrass.ipc.componentmetric"
MISSING_ID = "11111111-2222-3333-4444-555555555555"


@pytest.fixture
def client(core: Any, connect_v2: Callable[..., Any]) -> Any:
    core.grant("lab.Tester", CLI, "*")
    return connect_v2()


def test_components_are_listed_and_described(core: Any, client: Any) -> None:
    core.configure("lab.Other", {"rate": 5})
    core.supervisor.launch("lab.Other")
    listed = client.list_components().components
    assert [each.component_name for each in listed] == ["lab.Tester", "lab.Other"]
    details = client.get_component_details(component_name="lab.Other").component_details
    assert (details.version, details.state) == ("1.2.3", model.LifecycleState.RUNNING)
    assert details.configuration == {"rate": 5}


def test_components_are_restarted_and_stopped(core: Any, client: Any) -> None:
    core.supervisor.launch("lab.Other")
    assert client.restart_component(component_name="lab.Other").restart_status == "SUCCEEDED"
    assert client.stop_component(component_name="lab.Other").stop_status == "SUCCEEDED"
    assert (core.supervisor.restarted, core.supervisor.stopped) == (["lab.Other"], ["lab.Other"])


@pytest.mark.parametrize(
    "operation", ["get_component_details", "restart_component", "stop_component"]
)
def test_a_component_that_is_none_is_not_found(client: Any, operation: str) -> None:
    with pytest.raises(model.ResourceNotFoundError) as missing:
        getattr(client, operation)(component_name="no.Such")
    assert missing.value.message == "Component with name no.Such not found in Greengrass"
    with pytest.raises(model.InvalidArgumentsError) as empty:
        getattr(client, operation)(component_name="")
    assert empty.value.message == "Component name cannot be empty"


def test_a_deployment_is_created_listed_and_cancelled(core: Any, client: Any) -> None:
    deployment_id = client.create_local_deployment(
        recipe_directory_path="/r",
        artifacts_directory_path="/a",
        root_component_versions_to_add={"lab.New": "1.0.0"},
        root_components_to_remove=["lab.Old"],
        component_to_configuration={"lab.New": {"MERGE": {"n": 1}, "RESET": ["/m"]}},
    ).deployment_id
    document = core.supervisor.deployments[deployment_id].document
    assert (document.recipe_dir, document.artifact_dir) == ("/r", "/a")
    assert (document.merge, document.remove) == ({"lab.New": "1.0.0"}, ("lab.Old",))
    assert document.update_config["lab.New"].merge == {"n": 1}
    (listed,) = client.list_local_deployments().local_deployments
    assert (listed.deployment_id, listed.status) == (deployment_id, "QUEUED")
    assert listed.created_on == "22-11-2026 20:15:01 UTC"
    message = client.cancel_local_deployment(deployment_id=deployment_id).message
    assert message == f"Cancel request submitted. Deployment ID: {deployment_id}"
    found = client.get_local_deployment_status(deployment_id=deployment_id).deployment
    assert found.status == model.DeploymentStatus.CANCELED
    message = client.cancel_local_deployment(deployment_id=deployment_id).message
    assert "already finished" in message


@pytest.mark.parametrize(
    ("status", "components", "detailed"),
    [
        ("SUCCEEDED", {"lab.New": "1.0.0"}, "SUCCESSFUL"),
        ("FAILED", {}, "FAILED_NO_STATE_CHANGE"),
        ("FAILED", {"lab.New": "1.0.0"}, "FAILED_ROLLBACK_COMPLETE"),
    ],
)
def test_a_deployment_that_ended_says_how(
    core: Any, client: Any, status: Any, components: dict[str, str], detailed: str
) -> None:
    deployment_id = client.create_local_deployment().deployment_id
    record = core.supervisor.deployments[deployment_id]
    record.status, record.components, record.reason = status, components, "why"
    found = client.get_local_deployment_status(deployment_id=deployment_id).deployment
    details = found.deployment_status_details
    assert details.detailed_deployment_status == detailed
    assert details.deployment_failure_cause == (None if status == "SUCCEEDED" else "why")


def test_wrong_deployments_are_refused(core: Any, client: Any) -> None:
    with pytest.raises(model.InvalidArgumentsError) as group:
        client.create_local_deployment(group_name="a:b")
    assert group.value.message == "Thing group name cannot contain colon characters"
    with pytest.raises(model.InvalidArtifactsDirectoryPathError):
        client.create_local_deployment(artifacts_directory_path=str(core.services.root))
    with pytest.raises(model.InvalidArgumentsError) as update:
        client.create_local_deployment(component_to_configuration={"lab.New": {"merged": {}}})
    assert "RESET" in update.value.message


@pytest.mark.parametrize("operation", ["get_local_deployment_status", "cancel_local_deployment"])
def test_a_deployment_id_must_be_one(client: Any, operation: str) -> None:
    with pytest.raises(model.InvalidArgumentsError) as wrong:
        getattr(client, operation)(deployment_id="x")
    assert wrong.value.message == "Invalid deploymentId format received. DeploymentId is a UUID"
    with pytest.raises(model.ResourceNotFoundError) as missing:
        getattr(client, operation)(deployment_id=MISSING_ID)
    assert missing.value.resource_name == MISSING_ID


def test_only_who_is_granted_it_may(core: Any, connect_v2: Callable[..., Any]) -> None:
    core.grant("lab.Tester", CLI, "lab.Other")
    core.supervisor.launch("lab.Other")
    client = connect_v2()
    client.get_component_details(component_name="lab.Other")
    with pytest.raises(model.UnauthorizedError) as refused:
        client.list_components()
    assert refused.value.message == (
        "Principal lab.Tester is not authorized to perform"
        " aws.greengrass.Cli:aws.greengrass#ListComponents on resource *"
    )
    connect_v2(CLI).list_components()


def metric(name: str = "a", unit: str = "COUNT_PER_SECOND", value: float = 1.0) -> Any:
    return model.Metric(name=name, unit=unit, value=value)


def test_metrics_of_granted_components_go_to_the_log(
    core: Any, connect_v2: Callable[..., Any], caplog: pytest.LogCaptureFixture
) -> None:
    core.grant("aws.lab", METRICS, "a")
    caplog.set_level("INFO")
    client = connect_v2("aws.lab")
    client.put_component_metric(metrics=[metric()])
    assert "name=a value=1.0 unit=COUNT_PER_SECOND" in caplog.text
    with pytest.raises(model.UnauthorizedError):
        client.put_component_metric(metrics=[metric("b")])
    connect_v2("aws.greengrass.StreamManager").put_component_metric(metrics=[metric("b")])


@pytest.mark.parametrize(
    ("metrics", "message"),
    [
        ([], "Null or Empty list of metrics found in PutComponentMetricRequest"),
        ([metric("x" * 33)], "Invalid argument found in PutComponentMetricRequest"),
        ([metric(value=-1.0)], "Invalid argument found in PutComponentMetricRequest"),
        ([metric(unit="parsecs")], "Invalid telemetry unit: No matching TelemetryUnit type found"),
    ],
)
def test_metrics_are_validated(
    core: Any, connect_v2: Callable[..., Any], metrics: list[Any], message: str
) -> None:
    core.grant("aws.lab", METRICS, "*")
    with pytest.raises(model.InvalidArgumentsError) as invalid:
        connect_v2("aws.lab").put_component_metric(metrics=metrics)
    assert invalid.value.message == message


def test_metrics_are_for_components_of_aws(connect_v2: Callable[..., Any]) -> None:
    with pytest.raises(model.UnauthorizedError):
        connect_v2().put_component_metric(metrics=[metric()])
