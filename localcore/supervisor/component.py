"""The life of one component: a state machine after the Java nucleus's Lifecycle.

    NEW -> INSTALLED -> STARTING -> RUNNING -> STOPPING -> FINISHED
     ^         ^            |          |           |
     |         |            v          v           |
     +---------+-- STOPPING <- ERRORED (3 times within an hour: BROKEN)

One task owns it. Everything that happens from outside (a request, the end of a process, another
component's state) only pokes it, and it looks again at what it should do: no wake-up is lost and
none is taken for another. Errors are counted by the state they happened in; leaving that state
without one forgets them, and so does the error reset time.
"""

import asyncio
import enum
import secrets
import shutil
import string
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Protocol

from localcore.recipes.model import DEFAULT_TIMEOUTS_S, Step
from localcore.supervisor.component_log import ComponentLog
from localcore.supervisor.plan import ComponentPlan
from localcore.supervisor.process import ProcessGroup


class State(enum.StrEnum):
    """The states of a component, as the nucleus names them."""

    NEW = "NEW"
    INSTALLED = "INSTALLED"
    STARTING = "STARTING"
    RUNNING = "RUNNING"
    ERRORED = "ERRORED"
    BROKEN = "BROKEN"
    STOPPING = "STOPPING"
    FINISHED = "FINISHED"


ERRORS_TO_BREAK = 3
# Seconds before a launch that follows the first, second, ... error in a row. The Java nucleus
# does not wait; the second wait keeps a component that fails at once from being BROKEN before
# anyone has looked.
BACK_OFF_S = (0.0, 1.0)
# How long a run script must have run for a deployment to succeed. The Java nucleus looks once a
# second, which has the same effect; half of it is enough for a Python program to find its
# configuration wrong.
PROBATION_S = 0.5
_TOKEN_LETTERS = string.ascii_uppercase + string.digits


class Host(Protocol):
    """What a component needs of the supervisor."""

    def dependencies_ready(self, component: str) -> bool:
        """Whether every HARD dependency has started."""

    def state_changed(self, component: str) -> None:
        """The component has another state now."""

    async def environment(self, plan: ComponentPlan) -> Mapping[str, str]:
        """What every process of the component finds in its environment, SVCUID aside."""

    def work_folder(self, component: str) -> Path:
        """Where its processes run; it exists."""

    def process_started(self, component: str, group: ProcessGroup, token: str) -> None:
        """Remember a process group, to end it should localcore be killed."""

    def process_ended(self, group: ProcessGroup) -> None:
        """Forget a process group."""


class Component:
    """A component and its processes. Call ``live`` once, in a task."""

    def __init__(self, plan: ComponentPlan, host: Host, log: ComponentLog) -> None:
        self.name = plan.name
        self.plan = plan
        self.state = State.NEW
        self.reason = ""
        self.launches = 0
        self.token = ""
        self._next_plan = plan
        self._host = host
        self._log = log
        self._poked = asyncio.Event()
        self._wanted = False
        self._restart = False
        self._reinstall = False
        self._closed = False
        self._group: ProcessGroup | None = None
        self._runs_startup = False
        self._reported: State | None = None
        self._failed_in = State.NEW
        self._errors: dict[State, list[float]] = {}
        self._not_before_s = 0.0
        self._entered_s = 0.0

    # -- requests: none of them waits

    def start(self) -> None:
        """Run it, unless it runs or is BROKEN."""
        self._wanted = True
        self.poke()

    def restart(self) -> None:
        """Stop and start it again; a BROKEN one gets a new chance."""
        self._wanted = self._restart = True
        self._reinstall = self._reinstall or self.state is State.BROKEN
        self.poke()

    def reinstall(self) -> None:
        """Stop it and begin anew with the install step, BROKEN or not."""
        self._wanted = self._reinstall = True
        self.poke()

    def stop(self) -> None:
        """Stop it until it is started again."""
        self._wanted = self._restart = False
        self.poke()

    def close(self) -> None:
        """Stop it for good: ``live`` returns when it has stopped."""
        self._closed = True
        self.stop()

    def pause(self) -> bool:
        """Freeze its processes; returns whether it runs, so that there are any."""
        if self.state is not State.RUNNING or self._group is None:
            return False
        self._group.pause()
        self._event("INFO", "Paused")
        return True

    def resume(self) -> bool:
        """Thaw its processes; returns whether it was paused."""
        if self._group is None or not self._group.paused:
            return False
        self._group.resume()
        self._event("INFO", "Resumed")
        return True

    def adopt(self, plan: ComponentPlan) -> None:
        """Run this plan from the next launch on."""
        self._next_plan = plan

    def report(self, state: str) -> None:
        """The component says over IPC that it is RUNNING or ERRORED."""
        if self.state in (State.STARTING, State.RUNNING):
            self._reported = State(state)
            self.poke()
        else:
            self._event("WARN", "Invalid reported state", newState=state)

    def dependency_changed(self) -> None:
        """A HARD dependency has another state: wait for it, or go with it."""
        if self.state in (State.STARTING, State.RUNNING) and self._wanted:
            self._restart = self._restart or not self._host.dependencies_ready(self.name)
        self.poke()

    def poke(self) -> None:
        """Have it look again at what it should do."""
        self._poked.set()

    # -- what can be asked

    @property
    def settles_at_s(self) -> float | None:
        """When (on the loop's clock) it counts as doing what it should; None: it does not yet.

        A run script counts a moment after its start: one that fails at once was never well.
        """
        if self._restart or self._reinstall or self.state not in (State.RUNNING, State.FINISHED):
            return None
        if self._wanted != (self.state is State.RUNNING):
            return None
        proved = self.state is State.FINISHED or self._runs_startup or self.plan.ready_file
        return self._entered_s + (0.0 if proved else PROBATION_S)

    @property
    def started(self) -> bool:
        """A HARD dependant may run. Stopping counts while what is stopping had been running."""
        if self.state is State.STOPPING:
            return self._failed_in is not State.STARTING
        return self.state in (State.RUNNING, State.FINISHED)

    @property
    def newest_plan(self) -> ComponentPlan:
        """The plan of the next launch, which is the present one's unless a deployment came."""
        return self._next_plan

    @property
    def begins_anew(self) -> bool:
        """A reinstallation was asked for and has not begun."""
        return self._reinstall

    @property
    def group_id(self) -> int | None:
        """The process group of its main process, None when it has none."""
        return None if self._group is None else self._group.pid

    # -- the state machine

    async def live(self) -> None:
        """Go from state to state until closed."""
        phases = {
            State.NEW: self._new,
            State.INSTALLED: self._installed,
            State.STARTING: self._starting,
            State.RUNNING: self._running,
            State.ERRORED: self._errored,
            State.BROKEN: self._broken,
            State.STOPPING: self._stopping,
            State.FINISHED: self._finished,
        }
        while (following := await phases[self.state]()) is not None:
            self._enter(following)
        self._log.close()

    async def _new(self) -> State | None:
        while self._early() or not self._wanted:
            if self._closed:
                return None
            await self._look_again(self._not_before_s)
        self.plan = self._next_plan
        self.token = _new_token()
        self._reinstall = self._restart = False
        return await self._step_to("install", State.INSTALLED, State.NEW)

    async def _installed(self) -> State:
        while True:
            if self._reinstall:
                return State.NEW
            if not self._wanted:
                return State.FINISHED
            if not self._early() and self._host.dependencies_ready(self.name):
                self._restart = False
                return State.STARTING
            await self._look_again(self._not_before_s)

    async def _starting(self) -> State:
        self.plan = self._next_plan
        self._reported = None
        self._failed_in = State.NEW
        self.token = _new_token()
        self.launches += 1
        for name in ("startup", "run"):
            step = self.plan.steps.get(name)
            if step is not None and not self._skipped(name, step):
                self._runs_startup = name == "startup"
                self._group = await self._spawn(name, step)
                if self._group is None:
                    return self._error(f"the {name} script could not be started")
                waits = self._runs_startup or self.plan.ready_file is not None
                return await self._started(step) if waits else State.RUNNING
        self._wanted = False
        return State.FINISHED

    async def _started(self, step: Step) -> State:
        limit_s = step.timeout_s if self._runs_startup else DEFAULT_TIMEOUTS_S["startup"]
        deadline_s = self._now_s() + (limit_s or DEFAULT_TIMEOUTS_S["startup"])
        ready_file = None if self.plan.ready_file is None else Path(self.plan.ready_file)
        while True:
            if self._leaving():
                return State.STOPPING
            if self._reported is State.ERRORED:
                return self._error("reported ERRORED over IPC")
            code = None if self._group is None else self._group.exit_code
            if self._reported is State.RUNNING or (ready_file and ready_file.exists()):
                return State.RUNNING
            if code is not None:
                if code == 0 and self._runs_startup:
                    return State.RUNNING
                return self._error(f"the startup script ended {_ending(code)}")
            if self._now_s() >= deadline_s:
                return self._error(f"not started within {limit_s:g} s, the step's Timeout")
            look_s = deadline_s if ready_file is None else min(deadline_s, self._now_s() + 0.02)
            await self._look_again(look_s)

    async def _running(self) -> State:
        step = self.plan.steps.get("run")
        deadline_s = 0.0
        if step is not None and step.timeout_s is not None and not self._runs_startup:
            deadline_s = self._now_s() + step.timeout_s
        while True:
            code = None if self._group is None else self._group.exit_code
            if code == 0 and not self._runs_startup:
                self._wanted = self._restart
                return State.STOPPING
            if code:
                name = "startup" if self._runs_startup else "run"
                return self._error(f"the {name} script ended {_ending(code)}")
            if self._leaving():
                return State.STOPPING
            if self._reported is State.ERRORED:
                return self._error("reported ERRORED over IPC")
            if deadline_s and self._now_s() >= deadline_s:
                return self._error("the run script did not end within its Timeout")
            await self._look_again(deadline_s)

    async def _errored(self) -> State:
        if "recover" in self.plan.steps:
            await self._run_step("recover")
        return State.NEW if self._failed_in is State.NEW else State.STOPPING

    async def _stopping(self) -> State:
        await self._end_processes()
        if self._reinstall:
            return State.NEW
        return State.INSTALLED if self._wanted else State.FINISHED

    async def _finished(self) -> State | None:
        while True:
            if self._reinstall:
                return State.NEW
            if self._wanted:
                return State.INSTALLED
            if self._closed:
                return None
            await self._look_again()

    async def _broken(self) -> State | None:
        await self._end_processes()
        while not self._reinstall:
            if self._closed:
                return None
            await self._look_again()
        self._errors.clear()
        self._not_before_s = 0.0
        return State.NEW

    def _enter(self, state: State) -> None:
        if state not in (State.ERRORED, State.BROKEN):
            self._errors.pop(self.state, None)
        if state is self.state:
            return
        self.state = state
        self._entered_s = self._now_s()
        if state in (State.RUNNING, State.FINISHED):
            self.reason = ""
        self._host.state_changed(self.name)

    def _error(self, reason: str) -> State:
        """Count an error in the present state; the state that follows."""
        self.reason = f"{reason} (state {self.state})"
        self._event("ERROR", "service-errored", reason=reason)
        self._failed_in = self.state
        now_s = self._now_s()
        errors = self._errors.setdefault(self.state, [])
        if errors and now_s - errors[-1] >= self.plan.error_reset_s:
            errors.clear()
        errors.append(now_s)
        if len(errors) >= ERRORS_TO_BREAK:
            return State.BROKEN
        self._not_before_s = now_s + BACK_OFF_S[len(errors) - 1]
        return State.ERRORED

    def _leaving(self) -> bool:
        return not self._wanted or self._restart or self._reinstall

    def _early(self) -> bool:
        """Whether the back-off after an error is not over; forgets it when it is."""
        if self._now_s() >= self._not_before_s:
            self._not_before_s = 0.0
        return self._not_before_s > 0

    # -- steps and processes

    async def _step_to(self, name: str, after: State, otherwise: State) -> State:
        """Run a step that must succeed; ``otherwise`` when something else was asked meanwhile."""
        outcome = await self._run_step(name, lambda: not self._wanted or self._reinstall)
        if outcome is None:
            return otherwise if self._wanted else State.FINISHED
        return after if outcome == "" else self._error(outcome)

    async def _run_step(
        self, name: str, interrupted: Callable[[], bool] = lambda: False
    ) -> str | None:
        """Run a step to its end: "" for success, the reason of a failure, None when interrupted."""
        step = self.plan.steps.get(name)
        if step is None or self._skipped(name, step):
            return ""
        limit_s = step.timeout_s or DEFAULT_TIMEOUTS_S[name]
        deadline_s = self._now_s() + limit_s
        group = await self._spawn(name, step)
        if group is None:
            return f"the {name} script could not be started"
        try:
            while group.exit_code is None:
                if interrupted():
                    return None
                if self._now_s() >= deadline_s:
                    return f"the {name} script did not end within its Timeout of {limit_s:g} s"
                await self._look_again(deadline_s)
        finally:
            await group.stop(DEFAULT_TIMEOUTS_S["shutdown"])
            self._host.process_ended(group)
        code = group.exit_code
        return "" if code == 0 else f"the {name} script ended {_ending(code)}"

    async def _end_processes(self) -> None:
        """The shutdown step and the end of the main process, together within its time-out."""
        shutdown = self.plan.steps.get("shutdown")
        limit_s = (shutdown and shutdown.timeout_s) or DEFAULT_TIMEOUTS_S["shutdown"]
        deadline_s = self._now_s() + limit_s
        failure = await self._run_step("shutdown")
        if failure:
            self._event("WARN", "Shutdown failed", reason=failure)
        if self._group is not None:
            if not await self._group.stop(max(0.0, deadline_s - self._now_s())):
                self._event("WARN", "Killed after the shutdown Timeout", timeoutSeconds=limit_s)
            self._host.process_ended(self._group)
            self._group = None
        self.token = ""

    async def _spawn(self, name: str, step: Step) -> ProcessGroup | None:
        script_name = f"services.{self.name}.lifecycle.{name}.script"
        environment = {
            **await self._host.environment(self.plan),
            **step.setenv,
            "SVCUID": self.token,
            "AWS_CONTAINER_AUTHORIZATION_TOKEN": self.token,
        }
        if step.requires_privilege:
            self._event("WARN", "RequiresPrivilege: localcore runs it as its own user", script_name)
        self._event("INFO", "shell-runner-start", script_name, command=f'["{step.script}"]')

        def on_line(stream: str, line: str) -> None:
            self._log.output(stream, line, script_name, self.state)

        def on_exit() -> None:
            text = f"{name.capitalize()} script exited"
            self._event("INFO", text, script_name, exitCode=group.exit_code)
            self.poke()

        folder = self._host.work_folder(self.name)
        try:
            group = ProcessGroup(["sh", "-c", step.script], folder, environment, on_line, on_exit)
        except OSError as error:
            self._event("ERROR", f"shell-runner-error {error}", script_name)
            return None
        self._host.process_started(self.name, group, self.token)
        return group

    def _skipped(self, name: str, step: Step) -> bool:
        if step.skip_if is None:
            return False
        expression = step.skip_if.strip()
        negated = expression.startswith("!")
        operator, _, operand = expression.removeprefix("!").strip().partition(" ")
        operand = operand.strip()
        match operator:
            case "onpath":
                holds = shutil.which(operand) is not None
            case "exists":
                holds = Path(operand).expanduser().exists()
            case _:
                self._event("ERROR", f"Unknown Skipif of {name}", skipif=expression)
                return False
        return holds != negated

    # -- small things

    def _event(self, level: str, text: str, script: str | None = None, **values: object) -> None:
        self._log.event(level, text, script, self.state, **values)

    def _now_s(self) -> float:
        return asyncio.get_running_loop().time()

    async def _look_again(self, at_s: float = 0.0) -> None:
        """Return when poked, or at the time ``at_s`` of the loop's clock; 0 is never."""
        try:
            async with asyncio.timeout_at(at_s or None):
                await self._poked.wait()
        except TimeoutError:
            return
        self._poked.clear()


def _new_token() -> str:
    """A SVCUID; the Java nucleus's have 16 characters from A to Z and 0 to 9."""
    return "".join(secrets.choice(_TOKEN_LETTERS) for _ in range(16))


def _ending(code: int) -> str:
    return f"with exit code {code}" if code >= 0 else f"by signal {-code}"
