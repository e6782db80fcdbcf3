"""What components have to say about deployments, through the unmodified awsiotsdk."""

from collections.abc import Callable
from queue import Queue
from typing import Any

import pytest
from awsiot.greengrasscoreipc import model

from localcore.update_consent import UpdateConsent

PATIENCE_S = 20.0
INVALID = "Components reported that their to-be-deployed configuration is invalid"


@pytest.fixture
def events() -> Queue[Any]:
    return Queue()


@pytest.fixture
def client(connect_v2: Callable[..., Any]) -> Any:
    return connect_v2()


def follow(client: Any, events: Queue[Any]) -> Any:
    _, operation = client.subscribe_to_component_updates(on_stream_event=events.put)
    return operation


def test_an_update_waits_for_every_answer_and_asks_again_when_deferred(
    core: Any, client: Any, events: Queue[Any]
) -> None:
    follow(client, events)
    waiting = core.begin(core.services.consent.wait("d1"))
    for delay_ms in (1, 0):
        event = events.get(timeout=PATIENCE_S).pre_update_event
        assert (event.deployment_id, event.is_ggc_restarting) == ("d1", False)
        assert not waiting.done()
        client.defer_component_update(deployment_id="d1", recheck_after_ms=delay_ms)
    waiting.result(PATIENCE_S)
    core.call(lambda: core.services.consent.finish("d1"))
    assert events.get(timeout=PATIENCE_S).post_update_event.deployment_id == "d1"


def test_who_says_nothing_agrees_after_a_while(core: Any, client: Any, events: Queue[Any]) -> None:
    core.services.consent = UpdateConsent(consent_s=0.01)
    follow(client, events)
    core.begin(core.services.consent.wait("d1")).result(PATIENCE_S)
    with pytest.raises(model.ServiceError) as late:
        client.defer_component_update(deployment_id="d1", recheck_after_ms=1)
    assert late.value.message == "Time limit to respond to PreComponentUpdateEvent exceeded"


def test_who_leaves_is_not_waited_for(core: Any, client: Any, events: Queue[Any]) -> None:
    operation = follow(client, events)
    waiting = core.begin(core.services.consent.wait("d1"))
    events.get(timeout=PATIENCE_S)
    operation.close()
    waiting.result(PATIENCE_S)


def test_only_followers_may_defer_and_only_by_id(client: Any, events: Queue[Any]) -> None:
    with pytest.raises(model.InvalidArgumentsError) as stranger:
        client.defer_component_update(deployment_id="d1")
    assert stranger.value.message == "Component is not subscribed to component update events"
    follow(client, events)
    with pytest.raises(model.InvalidArgumentsError) as nameless:
        client.defer_component_update()
    assert "the deployment ID provided was null" in nameless.value.message


def validate(client: Any, events: Queue[Any]) -> None:
    client.subscribe_to_validate_configuration_updates(on_stream_event=events.put)


def report(client: Any, status: str, message: str | None = None, deployment: Any = "d1") -> None:
    client.send_configuration_validity_report(
        configuration_validity_report=model.ConfigurationValidityReport(
            status=status, deployment_id=deployment, message=message
        )
    )


@pytest.mark.parametrize(
    ("status", "failure"),
    [
        ("ACCEPTED", None),
        ("REJECTED", f"{INVALID} {{ name = lab.Tester, message = too fast }}"),
    ],
)
def test_a_configuration_waits_for_the_verdict(
    core: Any, client: Any, events: Queue[Any], status: str, failure: str | None
) -> None:
    validate(client, events)
    configurations = {"lab.Tester": {"rate": 99}, "lab.Other": {}}
    waiting = core.begin(core.services.consent.validate("d1", configurations))
    event = events.get(timeout=PATIENCE_S).validate_configuration_update_event
    assert (event.deployment_id, event.configuration) == ("d1", {"rate": 99})
    report(client, status, "too fast")
    assert waiting.result(PATIENCE_S) == failure


def test_silence_fails_the_deployment_and_late_verdicts_are_refused(
    core: Any, client: Any, events: Queue[Any]
) -> None:
    core.services.consent = UpdateConsent(verdict_s=0.01)
    validate(client, events)
    failure = core.begin(core.services.consent.validate("d1", {"lab.Tester": {}})).result(
        PATIENCE_S
    )
    assert "lab.Tester did not answer" in failure
    with pytest.raises(model.InvalidArgumentsError) as late:
        report(client, "ACCEPTED")
    assert late.value.message == "Validation request either timed out or was never made"
    with pytest.raises(model.InvalidArgumentsError) as nameless:
        report(client, "ACCEPTED", deployment=None)
    assert "the deployment ID provided was null" in nameless.value.message


def test_nobody_is_waited_for_when_nobody_follows(core: Any) -> None:
    core.run(core.services.consent.wait("d1"))
    assert core.run(core.services.consent.validate("d1", {"lab.Tester": {}})) is None
