"""Local deployments: one after the other, all or nothing.

A deployment copies recipes and artifacts, resolves versions, works out every component's
configuration and steps, and only then changes anything: configurations and what is deployed go
into the store in one transaction, then the supervisor is told. It has succeeded when every
component runs or has finished. When one breaks, configurations and components are put back. A
deployment that a kill of localcore interrupts goes on at the next start.
"""

import asyncio
import datetime as dt
import logging
import uuid
from pathlib import Path
from typing import Any, Literal, TypeAlias

import msgspec

from localcore.built_in import BuiltIns
from localcore.config_store import ConfigStore
from localcore.config_tree import Dump
from localcore.deployment_target import Deployed, Document, Target, TargetFinder
from localcore.errors import DeploymentError, LocalcoreError, NotFoundError
from localcore.supervisor.plan import ComponentPlan
from localcore.supervisor.supervisor import Supervisor
from localcore.update_consent import UpdateConsent
from localcore.versions import parse_requirement

log = logging.getLogger(__name__)

StatusName: TypeAlias = Literal["QUEUED", "IN_PROGRESS", "SUCCEEDED", "FAILED", "CANCELED"]
_STATUS, _BEFORE, _DEPLOYED = "deployment:", "before:", "deployed"
# Statuses kept; the Java nucleus keeps its local ones until they are reported.
_KEPT = 50


class DeploymentStatus(msgspec.Struct):
    """How a deployment stands. ``reason`` is empty unless it failed."""

    deployment_id: str
    status: StatusName
    created_on: str
    document: Document
    reason: str = ""
    components: dict[str, str] = {}


class _Before(msgspec.Struct, frozen=True):
    """What to go back to."""

    deployed: Deployed
    configurations: dict[str, Any]
    broken: tuple[str, ...]


class Deployments:
    """The deployments of one device; ``work`` carries them out, in a task."""

    def __init__(
        self,
        root: Path,
        thing_name: str,
        store: ConfigStore,
        supervisor: Supervisor,
        built_ins: BuiltIns,
        consent: UpdateConsent,
    ) -> None:
        self._store = store
        self._supervisor = supervisor
        self._built_ins = built_ins
        self._consent = consent
        self._targets = TargetFinder(root, thing_name, store, built_ins)
        self._queue: asyncio.Queue[str] = asyncio.Queue()
        self._changed = asyncio.Event()

    # -- what can be asked

    def create(self, document: Document) -> str:
        """Queue a deployment; its id. What can be seen to be wrong at once raises
        DeploymentError.
        """
        for requirement in document.merge.values():
            parse_requirement(requirement)
        deployment_id = str(uuid.uuid4())
        created_on = dt.datetime.now(dt.UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        with self._store.transaction():
            for old in list(self._store.records(_STATUS))[: -_KEPT + 1]:
                self._store.set_record(old, None)
            self._keep(DeploymentStatus(deployment_id, "QUEUED", created_on, document))
        self._queue.put_nowait(deployment_id)
        return deployment_id

    def cancel(self, deployment_id: str) -> None:
        """Do not carry out a deployment that waits; one that has begun goes on. NotFoundError
        when there is none of that id.
        """
        status = self.status(deployment_id)
        if status.status == "QUEUED":
            self._update(status, "CANCELED")

    def status(self, deployment_id: str) -> DeploymentStatus:
        """How a deployment stands; NotFoundError when there is none of that id."""
        record = self._store.record(_STATUS + deployment_id)
        if record is None:
            raise NotFoundError(f"No deployment {deployment_id!r} here: see `deployment list`.")
        return msgspec.convert(record, DeploymentStatus)

    def statuses(self) -> list[DeploymentStatus]:
        """The deployments kept, the latest first."""
        records = self._store.records(_STATUS).values()
        found = [msgspec.convert(record, DeploymentStatus) for record in records]
        return sorted(found, key=lambda status: status.created_on, reverse=True)

    async def wait(self, deployment_id: str) -> DeploymentStatus:
        """Return when a deployment has ended."""
        while (status := self.status(deployment_id)).status in ("QUEUED", "IN_PROGRESS"):
            await self._changed.wait()
        return status

    def deployed(self) -> Deployed:
        """What the device should run now."""
        record = self._store.record(_DEPLOYED)
        return Deployed() if record is None else msgspec.convert(record, Deployed)

    # -- carrying out

    def launch_deployed(self) -> None:
        """Start what was deployed when localcore ended, and take up unfinished deployments."""
        plans = []
        for plan in self.deployed().plans:
            if plan.built_in:
                plans.append(self._relaunched(plan))
            else:
                plans.append(plan)
        self._supervisor.apply(plans)
        for status in reversed(self.statuses()):
            if status.status in ("QUEUED", "IN_PROGRESS"):
                self._queue.put_nowait(status.deployment_id)

    async def work(self) -> None:
        """Carry out deployments for ever."""
        while True:
            status = self.status(await self._queue.get())
            if status.status == "CANCELED":
                continue
            self._update(status, "IN_PROGRESS")
            try:
                await self._deploy(status)
            except (LocalcoreError, OSError) as error:
                self._update(status, "FAILED", str(error))

    async def _deploy(self, status: DeploymentStatus) -> None:
        record = self._store.record(_BEFORE + status.deployment_id)
        if record is None:
            target = await self._targets.find(status.document, self.deployed())
            await self._ask_components(status.deployment_id, target)
            before = self._before()
            self._commit(status, before, target)
            self._supervisor.apply(target.deployed.plans)
        else:  # it was interrupted after the commit, so its components are starting
            before = msgspec.convert(record, _Before)
        deployed = self.deployed()
        status.components = {plan.name: plan.version for plan in deployed.plans}
        failure = await self._supervisor.wait_settled(deployed.names())
        if failure is None:
            await self._remove(before.deployed.names() - deployed.names())
        else:
            failure += await self._roll_back(before, deployed)
        with self._store.transaction():
            self._store.set_record(_BEFORE + status.deployment_id, None)
            self._update(status, "SUCCEEDED" if failure is None else "FAILED", failure or "")
        self._store.sync()
        self._consent.finish(status.deployment_id)

    async def _ask_components(self, deployment_id: str, target: Target) -> None:
        """Have running components check their new configurations and agree to the time."""
        versions = {plan.name: plan.version for plan in self.deployed().plans}
        changed = {
            plan.name: target.configurations[plan.name]
            for plan in target.deployed.plans
            if versions.get(plan.name) == plan.version
            and plan.name in target.configurations
            and self._store.get(plan.name) != target.configurations[plan.name]
        }
        failure = await self._consent.validate(deployment_id, changed)
        if failure is not None:
            raise DeploymentError(failure)
        await self._consent.wait(deployment_id)

    def _before(self) -> _Before:
        deployed = self.deployed()
        configurations: dict[str, Dump | None] = {
            name: self._store.dump(name) for name in deployed.names()
        }
        return _Before(deployed, configurations, tuple(self._supervisor.broken()))

    def _commit(self, status: DeploymentStatus, before: _Before, target: Target) -> None:
        created = dt.datetime.fromisoformat(status.created_on)
        with self._store.transaction():
            self._store.set_record(_BEFORE + status.deployment_id, msgspec.to_builtins(before))
            for name, configuration in target.configurations.items():
                self._store.replace(name, configuration, created.timestamp() * 1000)
            self._store.set_record(_DEPLOYED, msgspec.to_builtins(target.deployed))

    async def _roll_back(self, before: _Before, failed: Deployed) -> str:
        """Put everything back; what to add to the reason of the failure."""
        log.warning("Rolling back a failed deployment")
        with self._store.transaction():
            self._store.set_record(_DEPLOYED, msgspec.to_builtins(before.deployed))
            for name, dumped in before.configurations.items():
                if dumped is not None:
                    self._store.restore(name, dumped)
        await self._remove(failed.names() - before.deployed.names())
        self._supervisor.apply(before.deployed.plans)
        waited = before.deployed.names() - set(before.broken)
        failure = await self._supervisor.wait_settled(waited)
        if failure is not None:
            return f". The roll-back failed too: {failure}"
        return ". Everything is as it was before the deployment." if before.deployed.plans else ""

    async def _remove(self, names: set[str]) -> None:
        await self._supervisor.remove(names)
        with self._store.transaction():
            for name in names:
                self._store.remove(name)

    # -- small things

    def _relaunched(self, plan: ComponentPlan) -> ComponentPlan:
        """A built-in component's plan for this start: its port may have to be another one."""
        defaults = self._built_ins.defaults(plan.name)
        configuration = self._store.resolve(plan.name, defaults)
        port = self._built_ins.new_port(configuration) if defaults else None
        if port is not None:
            now_ms = dt.datetime.now(dt.UTC).timestamp() * 1000
            configuration = {**configuration, **dict.fromkeys(defaults, port)}
            self._store.replace(plan.name, configuration, now_ms)
        return self._built_ins.plan(plan.name, configuration)

    def _update(self, status: DeploymentStatus, name: StatusName, reason: str = "") -> None:
        status.status, status.reason = name, reason
        self._keep(status)
        words = f"Deployment {name.lower().replace('_', ' ')}"
        log.info("%s deployment=%s reason=%s", words, status.deployment_id, reason or "none")
        changed, self._changed = self._changed, asyncio.Event()
        changed.set()

    def _keep(self, status: DeploymentStatus) -> None:
        self._store.set_record(_STATUS + status.deployment_id, msgspec.to_builtins(status))
