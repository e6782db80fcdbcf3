"""What running components have to say about a deployment, before it changes anything.

A component that follows validations is asked whether its new configuration is right, when its
version stays and its configuration changes; one REJECTED, or silence, fails the deployment. Then
those that follow updates are asked whether now is a good time, and asked again when one has
deferred; silence is consent after a while. They are told when all is over. (The Java nucleus waits
for a verdict of every component whose configuration changes, asked or not; here only for those
that were asked. Its local deployments do not ask for consent, those from the cloud do by default;
here every one does, or nobody could try it.)
"""

import asyncio
import logging
from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

log = logging.getLogger(__name__)

Deliver: TypeAlias = Callable[[dict[str, Any]], None]

# The default of a deployment's componentUpdatePolicy.
CONSENT_S = 60.0
# DynamicComponentConfigurationValidator.DEFAULT_TIMEOUT_SECOND
VERDICT_S = 20.0

REJECTED = "REJECTED"


class NotAskedError(Exception):
    """Nobody has asked the component, or not for so long any more; the text says it."""


class UpdateConsent:
    """Both kinds of questions; the times are how long to wait for answers."""

    def __init__(self, consent_s: float = CONSENT_S, verdict_s: float = VERDICT_S) -> None:
        self._consent_s = consent_s
        self._verdict_s = verdict_s
        self._followers: dict[str, list[Deliver]] = {}
        self._validators: dict[str, Deliver] = {}
        # How many milliseconds each component wants to have the update deferred.
        self._deferrals: dict[tuple[str, str], asyncio.Future[int]] = {}
        self._verdicts: dict[tuple[str, str], asyncio.Future[str | None]] = {}

    # -- updates

    def follow_updates(self, component: str, deliver: Deliver) -> Callable[[], None]:
        """Ask this component before updates; returns what ends it."""
        followers = self._followers.setdefault(component, [])
        followers.append(deliver)

        def end() -> None:
            if deliver in followers:
                followers.remove(deliver)
            if not followers:
                self._let_go(component)

        return end

    def follows_updates(self, component: str) -> bool:
        """Whether the component is asked before updates."""
        return bool(self._followers.get(component))

    def defer(self, component: str, deployment_id: str, milliseconds: int | None) -> None:
        """The component's answer: ask again after that long, 0 for go on.

        Raises:
            NotAskedError: it was not asked, or too long ago.
        """
        answer = self._deferrals.pop((component, deployment_id), None)
        if answer is None or answer.done():
            raise NotAskedError("Time limit to respond to PreComponentUpdateEvent exceeded")
        if milliseconds is None:
            log.warning("deferral without recheckAfterMs ignored: component=%s", component)
        else:
            answer.set_result(milliseconds)

    async def wait(self, deployment_id: str) -> None:
        """Return when no component defers the deployment any more."""
        event = {"deploymentId": deployment_id, "isGgcRestarting": False}
        while True:
            answers = self._ask({"preUpdateEvent": event}, deployment_id)
            if not answers:
                return
            done, _ = await asyncio.wait(answers, timeout=self._consent_s)
            self._deferrals.clear()
            deferred_ms = max((answer.result() for answer in done), default=0)
            if deferred_ms <= 0:
                return
            log.info("update deferred: deployment=%s milliseconds=%s", deployment_id, deferred_ms)
            await asyncio.sleep(deferred_ms / 1000)

    def finish(self, deployment_id: str) -> None:
        """Tell the followers that the deployment is over."""
        self._tell({"postUpdateEvent": {"deploymentId": deployment_id}})

    def _ask(self, event: dict[str, Any], deployment_id: str) -> list[asyncio.Future[int]]:
        loop = asyncio.get_running_loop()
        asked = [component for component in self._followers if self.follows_updates(component)]
        self._deferrals = {(component, deployment_id): loop.create_future() for component in asked}
        answers = list(self._deferrals.values())
        self._tell(event)
        return answers

    def _tell(self, event: dict[str, Any]) -> None:
        for followers in list(self._followers.values()):
            for deliver in list(followers):
                deliver(event)

    def _let_go(self, component: str) -> None:
        """It does not listen any more: wait for no answer of its."""
        for (asked, _), answer in self._deferrals.items():
            if asked == component and not answer.done():
                answer.set_result(0)

    # -- configurations

    def follow_validations(self, component: str, deliver: Deliver) -> Callable[[], None]:
        """Ask this component about its new configurations; a second follower of it is not asked.

        Returns what ends it.
        """
        self._validators.setdefault(component, deliver)

        def end() -> None:
            self._validators.pop(component, None)

        return end

    def report(self, component: str, deployment_id: str, status: str, message: str | None) -> None:
        """The component's verdict, ACCEPTED or REJECTED.

        Raises:
            NotAskedError: it was not asked, or too long ago.
        """
        verdict = self._verdicts.pop((component, deployment_id), None)
        if verdict is None or verdict.done():
            raise NotAskedError("Validation request either timed out or was never made")
        verdict.set_result(message or "" if status == REJECTED else None)

    async def validate(
        self, deployment_id: str, configurations: Mapping[str, Mapping[str, Any]]
    ) -> str | None:
        """Ask about these new configurations; why the deployment fails, None when it does not."""
        loop = asyncio.get_running_loop()
        asked = {
            name: self._validators[name] for name in configurations if name in self._validators
        }
        verdicts = {name: loop.create_future() for name in asked}
        self._verdicts = {(name, deployment_id): verdict for name, verdict in verdicts.items()}
        for name, deliver in asked.items():
            event = {"configuration": configurations[name], "deploymentId": deployment_id}
            deliver({"validateConfigurationUpdateEvent": event})
        if not verdicts:
            return None
        _, silent = await asyncio.wait(verdicts.values(), timeout=self._verdict_s)
        self._verdicts.clear()
        if silent:
            names = ", ".join(name for name, verdict in verdicts.items() if verdict in silent)
            return (
                "Error while waiting for validation report for one or more components:"
                f" {names} did not answer within {self._verdict_s:g} s"
            )
        rejected = [
            f" {{ name = {name}, message = {verdict.result()} }}"
            for name, verdict in verdicts.items()
            if verdict.result() is not None
        ]
        if not rejected:
            return None
        text = "Components reported that their to-be-deployed configuration is invalid"
        return text + "".join(rejected)
