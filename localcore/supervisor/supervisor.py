"""All components of the device: started after what they depend on, stopped before it.

The set of components changes only through ``apply`` and ``remove``. It knows every component's
SVCUID (a new one for each launch) and takes the states that components report over IPC.
"""

import asyncio
import contextlib
import logging
import os
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from localcore.config_store import ConfigStore, JsonValue
from localcore.errors import NotFoundError
from localcore.supervisor import process_table
from localcore.supervisor.component import Component, State
from localcore.supervisor.component_log import ComponentLog
from localcore.supervisor.leftovers import PROCESS_RECORD
from localcore.supervisor.plan import ComponentPlan
from localcore.supervisor.process import ProcessGroup

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class ComponentStatus:
    """What `component list` shows. ``restarts``: launches after the first since localcore
    started.
    """

    name: str
    version: str
    state: str
    reason: str
    restarts: int
    pids: list[int]
    pss_bytes: int


class Supervisor:
    """Runs components under ``root``; ``environment`` gives what their processes find in theirs."""

    def __init__(
        self,
        root: Path,
        store: ConfigStore,
        environment: Callable[[ComponentPlan], Awaitable[Mapping[str, str]]],
        on_stopped: Callable[[str], None] = lambda _: None,
    ) -> None:
        self._root = root
        self._store = store
        self._environment = environment
        self._on_stopped = on_stopped
        self._components: dict[str, Component] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._changed = asyncio.Event()
        self._watchers: list[Callable[[str, str | None], None]] = []

    # -- changing what runs

    def apply(self, plans: Iterable[ComponentPlan]) -> None:
        """Start components that are new and restart those whose plan differs; BROKEN ones begin
        anew.

        Components that are not in ``plans`` go on: ``remove`` ends them.
        """
        for plan in plans:
            component = self._components.get(plan.name)
            if component is None:
                self._add(plan).start()
                continue
            change = plan.change_from(component.newest_plan)
            component.adopt(plan)
            if change == "reinstall" or component.state is State.BROKEN:
                component.reinstall()
            elif change == "restart":
                component.restart()

    async def remove(self, names: Iterable[str]) -> None:
        """Stop these components for good, dependants first."""
        going = [name for name in names if name in self._components]
        await asyncio.gather(*(self._close(name, set(going)) for name in going))

    async def close(self) -> None:
        """Stop everything, each component after those that depend on it."""
        await self.remove(list(self._components))

    def restart(self, name: str) -> None:
        """Restart one component; NotFoundError when there is none of that name."""
        self._component(name).restart()

    def stop(self, name: str) -> None:
        """Stop one component until it is restarted, deployed, or localcore starts again."""
        self._component(name).stop()

    def pause(self, name: str) -> bool:
        """Freeze a component that runs; returns whether it does. NotFoundError when there is none
        of that name.
        """
        return self._component(name).pause()

    def resume(self, name: str) -> bool:
        """Thaw a paused component; returns whether it was. NotFoundError when there is none of
        that name.
        """
        return self._component(name).resume()

    # -- what can be asked

    def names(self) -> list[str]:
        """The components, in the order in which they were added."""
        return list(self._components)

    def state(self, name: str) -> State:
        """The state of one component; NotFoundError when there is none of that name."""
        return self._component(name).state

    def version(self, name: str) -> str:
        """The version of one component; NotFoundError when there is none of that name."""
        return self._component(name).newest_plan.version

    def statuses(self) -> list[ComponentStatus]:
        """All components as they are now, with their memory."""
        groups = process_table.live_groups()
        return [self._status(component, groups) for component in self._components.values()]

    def status(self, name: str) -> ComponentStatus:
        """One component as it is now; NotFoundError when there is none of that name."""
        return self._status(self._component(name), process_table.live_groups())

    def broken(self) -> set[str]:
        """The components that are BROKEN."""
        return {each.name for each in self._components.values() if each.state is State.BROKEN}

    def watch(self, callback: Callable[[str, str | None], None]) -> Callable[[], None]:
        """Call ``callback(component, state)`` for each, now and at every change; None: removed.

        Returns the function that ends it.
        """
        self._watchers.append(callback)
        for component in self._components.values():
            callback(component.name, component.state)
        return lambda: self._watchers.remove(callback)

    async def wait_settled(self, names: Iterable[str]) -> str | None:
        """Return when all of these run or have finished: None; or the reason why one is BROKEN."""
        waited = set(names)
        while True:
            there = [each for each in self._components.values() if each.name in waited]
            for component in there:
                if component.state is State.BROKEN and not component.begins_anew:
                    return f"{component.name} is BROKEN: {component.reason}"
            times = [component.settles_at_s for component in there]
            known = [at_s for at_s in times if at_s is not None]
            at_s = max(known, default=0.0) if len(known) == len(times) else None
            if at_s is not None and at_s <= asyncio.get_running_loop().time():
                return None
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout_at(at_s):
                    await self._changed.wait()

    # -- ports of the IPC services

    def component_for_token(self, svcuid: str) -> str | None:
        """Whose SVCUID this is; None when it is nobody's, or of an earlier launch."""
        if not svcuid:
            return None
        owners = (each.name for each in self._components.values() if each.token == svcuid)
        return next(owners, None)

    def token_of_process(self, pid: int, component: str) -> str | None:
        """The component's SVCUID when the process is in its process group."""
        known = self._components.get(component)
        if known is None or known.group_id is None or pid <= 0:
            return None
        try:
            return known.token if os.getpgid(pid) == known.group_id else None
        except ProcessLookupError:
            return None

    def forget_tokens(self) -> None:
        """Recognise no SVCUID given so far; a component gets a new one when it is launched."""
        for component in self._components.values():
            component.token = ""

    def report_state(self, component: str, state: str) -> None:
        """UpdateState: the component is RUNNING or ERRORED, it says. KeyError when unknown."""
        self._components[component].report(state)

    # -- Host: what components ask of their supervisor

    def dependencies_ready(self, component: str) -> bool:
        """Whether every HARD dependency has started."""
        return all(
            self._components[name].started
            for name in self._hard_dependencies(self._components[component])
            if name in self._components
        )

    def state_changed(self, component: str) -> None:
        """Tell the dependants, and whoever waits."""
        changed = self._components[component]
        log.info("Component state changed component=%s state=%s", component, changed.state)
        if changed.state in (State.INSTALLED, State.FINISHED, State.BROKEN, State.NEW):
            self._on_stopped(component)
        for other in self._components.values():
            if component in self._hard_dependencies(other):
                other.dependency_changed()
        self._tell(component, changed.state)

    async def environment(self, plan: ComponentPlan) -> Mapping[str, str]:
        """What the processes of a component find in their environment."""
        return await self._environment(plan)

    def work_folder(self, component: str) -> Path:
        """Where a component's processes run."""
        folder = self._root / "work" / component
        folder.mkdir(parents=True, exist_ok=True)
        return folder

    def process_started(self, component: str, group: ProcessGroup, token: str) -> None:
        """Record a process group, so that the next start can end it should localcore be killed."""
        record: JsonValue = {"component": component, "token": token, "launch": list(group.launch)}
        self._store.set_record(f"{PROCESS_RECORD}{group.pid}", record)

    def process_ended(self, group: ProcessGroup) -> None:
        """Forget a process group."""
        self._store.set_record(f"{PROCESS_RECORD}{group.pid}", None)

    # -- its own affairs

    def _add(self, plan: ComponentPlan) -> Component:
        logs = self._root / "logs"
        logs.mkdir(parents=True, exist_ok=True)
        component = Component(plan, self, ComponentLog(logs, plan.name))
        self._components[plan.name] = component
        task = asyncio.create_task(component.live(), name=plan.name)
        task.add_done_callback(_log_crash)
        self._tasks[plan.name] = task
        return component

    async def _close(self, name: str, going: set[str]) -> None:
        dependants = [
            self._tasks[other.name]
            for other in self._components.values()
            if other.name in going and name in other.newest_plan.dependencies
        ]
        if dependants:
            await asyncio.wait(dependants)
        self._components[name].close()
        await self._tasks[name]
        # Others that wait for the same task still look it up, so it goes only now.
        self._components.pop(name)
        self._tasks.pop(name)
        self._tell(name, None)

    def _tell(self, name: str, state: State | None) -> None:
        """Wake whoever waits for a change; who waits from now on waits for the next one."""
        for callback in self._watchers:
            callback(name, state)
        changed, self._changed = self._changed, asyncio.Event()
        changed.set()

    def _component(self, name: str) -> Component:
        component = self._components.get(name)
        if component is None:
            known = ", ".join(self._components) or "none"
            raise NotFoundError(f"No component {name!r} is deployed here; deployed: {known}.")
        return component

    def _hard_dependencies(self, component: Component) -> list[str]:
        dependencies = component.newest_plan.dependencies
        return [name for name, kind in dependencies.items() if kind == "HARD"]

    def _status(
        self, component: Component, groups: Mapping[int, list[process_table.Stat]]
    ) -> ComponentStatus:
        members = [] if component.group_id is None else groups.get(component.group_id, [])
        pids = [member.pid for member in members]
        return ComponentStatus(
            component.name,
            component.plan.version,
            component.state,
            component.reason,
            max(0, component.launches - 1),
            pids,
            process_table.pss_bytes(pids),
        )


def _log_crash(task: asyncio.Task[None]) -> None:
    if not task.cancelled() and (error := task.exception()) is not None:
        log.error("A component's life ended by a defect of localcore", exc_info=error)
