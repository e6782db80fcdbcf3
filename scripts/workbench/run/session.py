"""The processes of a run: started, watched, started again when killed, stopped in order.

Law: the order of stopping follows the readings. The sensors stop and wait until all they produced
is accepted; the Aggregator stops and waits until all it accepted is delivered; then the core device
stops; the embedded cloud is asked last what it has, and goes last. What is killed on that way, or
does not get done in time, is started again and stopped again, until the cloud has everything.
"""

import contextlib
import json
import shlex
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

from botocore.exceptions import BotoCoreError, ClientError

from hubkit.payloads import Ledger, Payload, ProducerStatus
from localcore.cloud import endpoint
from localcore.cloud.contents import CloudContents
from localcore.control.client import Control
from localcore.errors import LocalcoreError, UnreachableError
from read_sense_hat.sources.sensehat import emulator_pid
from workbench.names import REPOSITORY
from workbench.run.arguments import Arguments
from workbench.run.deployment import (
    BUCKET,
    COMPONENTS,
    KINESIS_STREAM,
    THING_NAME,
    configuration_update,
)
from workbench.run.observation import TOPICS, ComponentPicture, Observation
from workbench.run.report import is_accepted, is_delivered
from workbench.run.root_folder import RootFolder, RunError
from workbench.run.trouble import Troubles

READY_S = 20.0
POLL_S = 0.5
LOOK_S = 0.05
STOP_S = 150.0
"""For delivering what is queued. The nucleus gives a component 15 s to end; some hundred thousand
readings of a recording take longer than that."""
ROUNDS_IN_VAIN = 3
REVIVE_S = 5.0
"""Least time between two chances for a component that was killed until it was BROKEN."""
SETTLE_S = 2.0
"""The last words of a component that has ended are on their way through two sockets."""

READ_SENSE_HAT = "com.hbs.hub.ReadSenseHAT"
AGGREGATOR = "com.hbs.hub.Aggregator"
_EMULATOR = "device-1"
WRITE_SENSE_HAT = "com.hbs.hub.WriteSenseHAT"


class StoppedError(Exception):
    """The user wanted to stop before the hub was running."""


class Session:
    """One run on one root folder.

    Args:
        arguments: What the user asked for.
        observation: Where everything that is seen goes.
        stop_wanted: Ends `start`, at a place where `close` knows of every process.
    """

    def __init__(
        self, arguments: Arguments, observation: Observation, stop_wanted: threading.Event
    ) -> None:
        self._arguments = arguments
        self._observation = observation
        self._stop_wanted = stop_wanted
        self._root: RootFolder | None = None
        self._control = Control(arguments.root)
        self._stream_manager_port = _free_port()
        self._daemon: subprocess.Popen[bytes] | None = None
        self._log = arguments.root / "run.log"
        self._troubles = Troubles(arguments.root / "logs")
        self._revived_s: dict[str, float] = {}
        self._ending = threading.Event()
        self._watchers: list[threading.Thread] = []
        self._keeper: threading.Thread | None = None
        self._contents: CloudContents | None = None

    def start(self) -> None:
        """Start the cloud and the core device, and deploy the suite.

        Raises:
            RunError: Something did not start.
            StoppedError: Stopping was wanted meanwhile.
        """
        root = self._arguments.root
        self._root = RootFolder(root)
        if self._arguments.source == "emulator":
            _refuse_other_emulator(None)
        try:
            cloud = endpoint.ensure(
                root / "cloud", buckets=[BUCKET], kinesis_streams=[KINESIS_STREAM]
            )
        except endpoint.CloudError as error:
            raise RunError(str(error)) from error
        self._contents = CloudContents(cloud.url, BUCKET, KINESIS_STREAM)
        if self._stop_wanted.is_set():
            raise StoppedError
        self._start_daemon()
        for topic in TOPICS:
            self._watch(lambda topic=topic: self._follow(topic))  # type: ignore[misc]
        self._watch(self._look_at_components)
        self._watch(self._look_at_logs)
        self._watch(self._look_at_cloud)
        if self._arguments.source == "emulator":
            self._wait_for_emulator()
        self._deploy()
        self._observation.started()
        self._keeper = self._watch(self._keep_daemon)

    def look(self) -> None:
        """Bring the picture of the components up to date, if localcore answers."""
        with contextlib.suppress(LocalcoreError):
            self._look_at_components()

    def stop(self) -> None:
        """Stop in order, deliver what is queued, and count the cloud a last time."""
        deadline = time.monotonic() + STOP_S
        arrived, in_vain = -1, 0
        while not self._stop_components(deadline) and time.monotonic() < deadline:
            cloud = self._observation.picture().cloud
            in_vain = 0 if cloud.s3_keys + cloud.kinesis_windows > arrived else in_vain + 1
            arrived = cloud.s3_keys + cloud.kinesis_windows
            if in_vain == ROUNDS_IN_VAIN:
                return
            self._observation.note("not everything is delivered yet: starting again to go on")
            self._restart_components()

    def close(self) -> None:
        """End every process of the run; may be called again."""
        self._ending.set()
        if self._keeper is not None:
            # Nobody may start localcore again from here on.
            self._keeper.join()
        if self._daemon is not None and self._daemon.poll() is None:
            self._daemon.send_signal(signal.SIGTERM)
            try:
                self._daemon.wait(READY_S)
            except subprocess.TimeoutExpired:
                self._daemon.kill()
                self._daemon.wait()
        for thread in self._watchers:
            thread.join(READY_S)
        if self._root is not None:
            endpoint.stop(self._root.path / "cloud")
            self._root.close()

    def _stop_components(self, deadline: float) -> bool:
        """Stop sensors and Aggregator; whether the cloud has everything then."""
        try:
            for name in (READ_SENSE_HAT, AGGREGATOR):
                self._control.stop(name)
                while self._control.component(name)["pids"]:
                    if time.monotonic() > deadline:
                        self._observation.note(f"{name} did not stop within {STOP_S:g} s")
                        return False
                    time.sleep(LOOK_S)
        except UnreachableError:
            return False
        settled_by = time.monotonic() + SETTLE_S
        while not self._is_delivered():
            if time.monotonic() > settled_by:
                return False
            time.sleep(LOOK_S)
        return True

    def _is_delivered(self) -> bool:
        try:
            self._refresh_cloud()
        except (BotoCoreError, ClientError) as error:
            self._observation.note(f"the embedded cloud does not answer: {error}")
        return is_delivered(self._observation.picture())

    def _restart_components(self) -> None:
        """Start what has something left to do again, and wait until it is heard.

        A component that is RUNNING to the nucleus may not have got as far as to understand SIGTERM.
        """
        restarted: dict[str, type[Payload]] = {AGGREGATOR: Ledger}
        if not is_accepted(self._observation.picture()):
            restarted[READ_SENSE_HAT] = ProducerStatus
        heard = {kind: self._observation.heard(kind) for kind in restarted.values()}
        for name in restarted:
            # A localcore that was killed comes back with all components running.
            with contextlib.suppress(LocalcoreError):
                self._control.restart(name)
        deadline = time.monotonic() + READY_S
        while restarted and time.monotonic() < deadline:
            for name, kind in list(restarted.items()):
                if self._observation.heard(kind) > heard[kind]:
                    del restarted[name]
            time.sleep(LOOK_S)

    def _start_daemon(self) -> None:
        arguments = self._arguments
        command = [sys.executable, "-m", "localcore", "start", "--root", str(arguments.root)]
        command += ["--thing-name", THING_NAME]
        command += ["--stream-manager-port", str(self._stream_manager_port)]
        if arguments.source == "emulator":
            device = [sys.executable, "-m", "read_sense_hat.emulated_device"]
            device += ["--seed", str(arguments.seed)]
            # exec: the process that localcore knows, and takes with it, holds the emulator's lock.
            command += ["--device", f"exec {shlex.join(device)}"]
        with self._log.open("ab") as log:
            # A session of its own: Ctrl-C is for this process, which stops the rest in order.
            self._daemon = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
            )
        deadline = time.monotonic() + READY_S
        while True:
            try:
                self._control.wait_until_ready(LOOK_S)
            except UnreachableError:
                code = self._daemon.poll()
                if code is not None or time.monotonic() > deadline:
                    reason = _last_line(self._log)
                    raise RunError(f"localcore did not start: {reason}; see {self._log}") from None
            else:
                return

    def _wait_for_emulator(self) -> None:
        """Return when the emulator is ours, so that nobody reads another's registers."""
        deadline = time.monotonic() + READY_S
        while emulator_pid() is None:
            if time.monotonic() > deadline:
                log = self._arguments.root / "logs" / f"{_EMULATOR}.log"
                raise RunError(f"the emulated Sense HAT did not start; see {log}")
            if self._stop_wanted.wait(LOOK_S):
                raise StoppedError
        _refuse_other_emulator(self._control.status()["devices"][_EMULATOR])

    def _deploy(self) -> None:
        arguments = self._arguments
        update = configuration_update(arguments, Path(sys.prefix), self._stream_manager_port)
        try:
            deployment_id = self._control.create_deployment(
                recipe_dir=REPOSITORY / "recipes",
                artifact_dir=REPOSITORY / "artifacts",
                merge=COMPONENTS,
                update_config=update,
            )
            while True:
                deployment = self._control.deployment(deployment_id)
                if deployment["status"] in {"SUCCEEDED", "FAILED"}:
                    break
                if self._stop_wanted.wait(LOOK_S):
                    raise StoppedError
        except LocalcoreError as error:
            raise RunError(f"the deployment was refused: {error}") from error
        if deployment["status"] != "SUCCEEDED":
            raise RunError(
                f"the deployment {json.dumps(deployment)[:500]}; see {arguments.root / 'logs'}"
            )

    # What runs in threads until the end.

    def _watch(self, look: Callable[[], None]) -> threading.Thread:
        def repeat() -> None:
            while not self._ending.is_set():
                with contextlib.suppress(LocalcoreError):
                    look()
                self._ending.wait(POLL_S)

        thread = threading.Thread(target=repeat, daemon=True)
        self._watchers.append(thread)
        thread.start()
        return thread

    def _follow(self, topic_filter: str) -> None:
        for topic, payload in self._control.subscribe(topic_filter):
            self._observation.receive(topic, payload)

    def _look_at_components(self) -> None:
        components = [
            ComponentPicture(
                name=component["name"],
                state=component["state"],
                restarts=component["restarts"],
                pss_bytes=component["pss_bytes"] or 0,
                reason=component["reason"],
            )
            for component in self._control.components()
        ]
        self._observation.set_components(components)
        for component in components:
            if component.state == "BROKEN":
                self._revive(component)
        frame = self._arguments.root / "work" / WRITE_SENSE_HAT / "frame.json"
        with contextlib.suppress(OSError):
            self._observation.set_led(frame.read_bytes())

    def _revive(self, component: ComponentPicture) -> None:
        """Give a component that was killed too often another chance, as its operator would."""
        now_s = time.monotonic()
        revived_s = self._revived_s.get(component.name)
        if "by signal" not in component.reason or (
            revived_s is not None and now_s - revived_s < REVIVE_S
        ):
            return
        self._revived_s[component.name] = now_s
        self._observation.note(
            f"{component.name} is BROKEN, as on a device after three errors in an hour: revived"
        )
        self._control.restart(component.name)

    def _look_at_logs(self) -> None:
        for complaint in self._troubles.look():
            self._observation.note(complaint)

    def _look_at_cloud(self) -> None:
        # An endpoint that is busy answers the next time.
        with contextlib.suppress(BotoCoreError, ClientError):
            self._refresh_cloud()

    def _refresh_cloud(self) -> None:
        if self._contents is not None:
            self._observation.set_cloud(self._contents.refresh())

    def _keep_daemon(self) -> None:
        daemon = self._daemon
        if daemon is not None and daemon.poll() is not None and not self._ending.is_set():
            self._observation.note(f"localcore ended with {daemon.returncode}: started again")
            try:
                self._start_daemon()
            except RunError as error:
                self._observation.note(str(error))


def _refuse_other_emulator(own_pid: int | None) -> None:
    """Raise RunError when an emulator is at work that is not `own_pid`."""
    pid = emulator_pid()
    if pid not in {None, own_pid}:
        raise RunError(
            f"another emulator is at work, process {pid}, and a machine has one: stop it, or "
            "use --source simulated"
        )


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _last_line(path: Path) -> str:
    try:
        lines = path.read_text(errors="replace").strip().splitlines()
    except OSError:
        return "no log"
    return lines[-1] if lines else "it said nothing"
