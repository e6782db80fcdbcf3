"""The life of a component: connect, configure, work, finish.

Law: one thread owns the state. IPC's threads put what arrives into a bounded inbox; the main thread
takes it out and calls the service, which therefore needs no lock. When the inbox is full the newest
payload is dropped and counted: nothing that matters is lost, as producers keep a ring.

A process ends with 0 after SIGTERM or SIGINT, with 1 when its configuration is wrong or the nucleus
refuses it, and for no other reason.
"""

import logging
import os
import queue
import signal
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, TypeVar

import msgspec

from hubkit.backoff import Backoff
from hubkit.clock import Clock, SystemClock
from hubkit.config import Configuration, ConfigurationError, convert
from hubkit.health import Health, HealthValue, health_topic, heartbeat_topic
from hubkit.ipc import Bus, Ipc, IpcError, NotAuthorizedError
from hubkit.payloads import Payload, PayloadError, encode

INBOX_LIMIT = 10_000
"""Payloads waiting for the owner thread: ten seconds of all that a nucleus lite can deliver."""
INBOX_BYTES = 8_000_000
"""What they hold together: a flood must not take the memory of the whole hub."""

LONGEST_WAIT_S = 3600.0

_log = logging.getLogger(__name__)


class ServiceConfiguration(Configuration, frozen=True, kw_only=True):
    """The keys that every component with a process has."""

    log_level: str
    health_seconds: Annotated[float, msgspec.Meta(ge=1, le=3600)]

    def check(self) -> None:
        """Raise `ConfigurationError` for a level that logging does not know."""
        if self.log_level not in {"DEBUG", "INFO", "WARNING", "ERROR"}:
            raise ConfigurationError(
                f"logLevel={self.log_level!r}: DEBUG, INFO, WARNING or ERROR is allowed"
            )


class NotNowError(Exception):
    """A service cannot begin now, and may later: a full disk, a folder that is not there yet."""


AnyServiceConfiguration = TypeVar("AnyServiceConfiguration", bound=ServiceConfiguration)


class Service:
    """What a component does, called by one thread only; the base class does nothing."""

    topic_filters: tuple[str, ...] = ()

    def begin(self) -> None:
        """The connection is up. What raises `NotNowError`, here or in the constructor, is built
        again later.
        """

    def receive(self, topic: str, payload: bytes) -> None:
        """A payload arrived. Bad input is counted here, not raised."""

    def tick(self) -> float:
        """Do what time asks for; returns the seconds until the next tick is wanted."""
        return 3600.0

    def disconnected(self) -> None:
        """The connection is lost; `reconnected` tells when there is another.

        A nucleus that stops takes its socket away before it stops its components.
        """

    def reconnected(self) -> None:
        """The connection is up again after a loss: payloads may have been missed."""

    def finish(self) -> None:
        """The process is asked to end: write what is unwritten, in bounded time."""

    def finished(self) -> bool:
        """Whether the process may end now; until then payloads and ticks go on after `finish`."""
        return True

    def close(self) -> None:
        """Let go of files and locks; nothing is called afterwards."""

    def health(self) -> dict[str, HealthValue] | Payload:
        """What to report: values for a `Health`, or a payload of the component's own."""
        return {}


@dataclass(frozen=True)
class Surroundings:
    """What a service is built from."""

    bus: Bus
    clock: Clock
    work_folder: Path
    thing_name: str


Build = Callable[[AnyServiceConfiguration, Surroundings], Service]


class _Stop:
    pass


class _Connected:
    pass


class _Disconnected:
    pass


class _ConfigurationChanged:
    pass


@dataclass(frozen=True)
class _Refused:
    reason: str


_Item = tuple[str, bytes] | _Stop | _Connected | _Disconnected | _ConfigurationChanged | _Refused


class Inbox:
    """The bounded queue between IPC's threads and the owner thread; an `ipc.Events`.

    Control items are always taken; payloads only below the limit. SimpleQueue, as its `put` may be
    called from a signal handler.
    """

    def __init__(self, limit: int = INBOX_LIMIT, limit_bytes: int = INBOX_BYTES) -> None:
        self.dropped = 0
        self._limit = limit
        self._limit_bytes = limit_bytes
        # Each is written by one thread only.
        self._put_bytes = 0
        self._taken_bytes = 0
        self._queue: queue.SimpleQueue[_Item] = queue.SimpleQueue()

    def delivered(self, topic: str, payload: bytes) -> None:
        """Take a payload, or drop and count it when the inbox is full."""
        waiting_bytes = self._put_bytes - self._taken_bytes
        if self._queue.qsize() >= self._limit or waiting_bytes + len(payload) > self._limit_bytes:
            self.dropped += 1
        else:
            self._put_bytes += len(payload)
            self._queue.put((topic, payload))

    def connected(self) -> None:
        """Tell the owner that the connection is up."""
        self._queue.put(_Connected())

    def disconnected(self) -> None:
        """Tell the owner that the connection is lost."""
        self._queue.put(_Disconnected())

    def configuration_changed(self) -> None:
        """Tell the owner to read the configuration again."""
        self._queue.put(_ConfigurationChanged())

    def refused(self, reason: str) -> None:
        """Tell the owner that the nucleus refuses this process."""
        self._queue.put(_Refused(reason))

    def stop(self) -> None:
        """Tell the owner to end; safe in a signal handler."""
        self._queue.put(_Stop())

    def take(self, timeout_s: float) -> _Item | None:
        """The next item, or None after `timeout_s`."""
        try:
            item = self._queue.get(timeout=max(0.0, timeout_s))
        except queue.Empty:
            return None
        if isinstance(item, tuple):
            self._taken_bytes += len(item[1])
        return item


def run(
    component: str,
    configuration_type: type[AnyServiceConfiguration],
    build: Build[AnyServiceConfiguration],
    topic_filters: tuple[str, ...] = (),
) -> int:
    """Live a component's life and return the process's exit code.

    Args:
        component: The full name, `com.hbs.hub.X`.
        configuration_type: What its configuration must be.
        build: Makes the service, again after each change of the configuration.
        topic_filters: What it subscribes to.
    """
    logging.basicConfig(
        stream=sys.stdout, level=logging.INFO, format="%(levelname)s %(name)s: %(message)s"
    )
    # Who connects reports the cause once; AWS's client would at every try.
    logging.getLogger("awsiot").setLevel(logging.CRITICAL)
    inbox = Inbox()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: inbox.stop())
    ipc = Ipc(inbox, topic_filters, heartbeat_topic(component))
    surroundings = Surroundings(
        bus=ipc,
        clock=SystemClock(),
        work_folder=Path.cwd(),
        thing_name=os.environ.get("AWS_IOT_THING_NAME", "unprovisioned"),
    )
    ipc.start()
    try:
        return _Life(component, configuration_type, build, inbox, ipc, surroundings).live()
    except (ConfigurationError, NotAuthorizedError) as error:
        _log.error("ending component=%s reason=%s", component, error)
        return 1
    finally:
        ipc.close()


class _Life:
    """The owner thread's loop and what it remembers between turns."""

    def __init__(
        self,
        component: str,
        configuration_type: type[Any],
        build: Build[Any],
        inbox: Inbox,
        ipc: Ipc,
        surroundings: Surroundings,
    ) -> None:
        self._component = component
        self._configuration_type = configuration_type
        self._build = build
        self._inbox = inbox
        self._ipc = ipc
        self._surroundings = surroundings
        self._clock = surroundings.clock
        self._started_s = self._clock.monotonic_s()
        self._raw: dict[str, Any] | None = None
        self._proven: Any = None
        self._service: Service | None = None
        self._stopping = False
        self._health_seconds = 10.0
        self._next_health_s = 0.0
        self._next_tick_s = 0.0
        self._beginning = Backoff(base_s=0.5, cap_s=3.0, name=f"begin {component}")
        self._next_attempt_s = float("inf")

    def live(self) -> int:
        """Turn until SIGTERM and until the service is finished; a second SIGTERM ends at once."""
        while not (self._stopping and (self._service is None or self._service.finished())):
            item = self._inbox.take(self._wait_s())
            if isinstance(item, tuple):
                if self._service is not None:
                    self._service.receive(*item)
            elif isinstance(item, _Disconnected):
                if self._service is not None:
                    self._service.disconnected()
            elif isinstance(item, _Stop | _Refused):
                if self._stopping:
                    break
                self._stop(item)
            elif item is not None or self._is_attempt_due():
                self._configure(reconnected=isinstance(item, _Connected))
            if self._service is not None:
                self._turn(self._service)
        if self._service is not None:
            self._service.close()
        _log.info("stopped component=%s", self._component)
        return 0

    def _wait_s(self) -> float:
        wake_s = self._next_attempt_s
        if self._service is not None:
            wake_s = min(wake_s, self._next_tick_s, self._next_health_s)
        return min(wake_s - self._clock.monotonic_s(), LONGEST_WAIT_S)

    def _is_attempt_due(self) -> bool:
        return self._clock.monotonic_s() >= self._next_attempt_s

    def _stop(self, reason: _Stop | _Refused) -> None:
        if isinstance(reason, _Refused):
            raise NotAuthorizedError(reason.reason)
        self._stopping = True
        if self._service is not None:
            self._service.finish()
            self._next_tick_s = self._clock.monotonic_s()

    def _turn(self, service: Service) -> None:
        now_s = self._clock.monotonic_s()
        if now_s >= self._next_tick_s:
            self._next_tick_s = now_s + service.tick()
        if now_s >= self._next_health_s:
            self._next_health_s = now_s + self._health_seconds
            self._report(service)

    def _configure(self, *, reconnected: bool) -> None:
        """Read the configuration; build the service when there is none or the keys changed."""
        if self._stopping:
            if reconnected and self._service is not None:
                self._service.reconnected()
            return
        try:
            raw = self._ipc.get_configuration()
            if raw != self._raw or self._service is None:
                self._begin(raw)
            elif reconnected:
                self._service.reconnected()
        except NotAuthorizedError:
            raise
        except (IpcError, NotNowError) as error:
            self._next_attempt_s = self._clock.monotonic_s() + self._beginning.failed(error)
            return
        self._beginning.succeeded()
        self._next_attempt_s = float("inf")

    def _begin(self, raw: dict[str, Any]) -> None:
        """Put a service of this configuration in the place of the one before.

        Raises:
            ConfigurationError: It is wrong, and there was none before that was not.
            NotNowError: The service cannot begin; there is none now.
        """
        try:
            configuration = convert(self._configuration_type, raw)
        except ConfigurationError as error:
            if self._proven is None:
                raise
            _log.warning("configuration refused, the one before stays reason=%s", error)
            if self._service is None:
                self._start(self._proven)
            return
        if self._service is not None:
            _log.info("configuration changed component=%s", self._component)
            service, self._service = self._service, None
            service.finish()
            service.close()
        self._raw = raw
        try:
            self._start(configuration)
        except ConfigurationError as error:
            if self._proven is None:
                raise
            _log.warning("configuration refused, the one before is back reason=%s", error)
            self._start(self._proven)

    def _start(self, configuration: Any) -> None:
        """Build a service and let it begin; one that cannot begin is closed."""
        logging.getLogger().setLevel(configuration.log_level)
        self._health_seconds = configuration.health_seconds
        service = self._build(configuration, self._surroundings)
        try:
            service.begin()
        except (ConfigurationError, NotNowError):
            service.close()
            raise
        self._service, self._proven = service, configuration
        self._next_tick_s = self._next_health_s = self._clock.monotonic_s()
        _log.info("running component=%s", self._component)

    def _report(self, service: Service) -> None:
        health = service.health()
        if isinstance(health, dict):
            health = Health(
                component=self._component,
                state="running",
                uptime_s=round(self._clock.monotonic_s() - self._started_s, 1),
                values={
                    "inbox_dropped": self._inbox.dropped,
                    "connections": self._ipc.connections,
                    **health,
                },
            )
        try:
            self._ipc.publish(health_topic(self._component), encode(health))
        except NotAuthorizedError:
            raise
        except (IpcError, PayloadError) as error:
            _log.debug("health not published reason=%s", error)
