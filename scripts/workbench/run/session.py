"""The processes of a run: started, watched, started again when killed, stopped in order.

Law: the order of stopping follows the readings. The sensors stop and wait until all they produced
is accepted; the Aggregator stops and waits until all it accepted is delivered; then the core device
stops; the embedded cloud is asked last what it has, and goes last.
"""

import contextlib
import json
import os
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

from localcore.cloud import endpoint
from localcore.cloud.contents import CloudContents
from localcore.control.client import Control
from localcore.errors import LocalcoreError, UnreachableError
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

READY_S = 20.0
SENSORS_STOP_S = 40.0
AGGREGATOR_STOP_S = 90.0
POLL_S = 0.5

READ_SENSE_HAT = "com.hbs.hub.ReadSenseHAT"
AGGREGATOR = "com.hbs.hub.Aggregator"
WRITE_SENSE_HAT = "com.hbs.hub.WriteSenseHAT"


class RunError(Exception):
    """The run cannot go on; the message is one line with the remedy."""


class Session:
    """One run on one root folder.

    Args:
        arguments: What the user asked for.
        observation: Where everything that is seen goes.
    """

    def __init__(self, arguments: Arguments, observation: Observation) -> None:
        self._arguments = arguments
        self._observation = observation
        self._control = Control(arguments.root)
        self._stream_manager_port = _free_port()
        self._daemon: subprocess.Popen[bytes] | None = None
        self._log = arguments.root / "run.log"
        self._ending = threading.Event()
        self._watchers: list[threading.Thread] = []
        self._contents: CloudContents | None = None

    def start(self) -> None:
        """Start the cloud and the core device, and deploy the suite.

        Raises:
            RunError: Something did not start.
        """
        root = self._arguments.root
        _prepare(root)
        try:
            cloud = endpoint.ensure(
                root / "cloud", buckets=[BUCKET], kinesis_streams=[KINESIS_STREAM]
            )
        except endpoint.CloudError as error:
            raise RunError(str(error)) from error
        self._contents = CloudContents(cloud.url, BUCKET, KINESIS_STREAM)
        self._start_daemon()
        for topic in TOPICS:
            self._watch(lambda topic=topic: self._follow(topic))  # type: ignore[misc]
        self._watch(self._look_at_components)
        self._watch(self._look_at_cloud)
        self._deploy()
        self._observation.started()
        self._watch(self._keep_daemon)

    def stop(self) -> None:
        """Stop in order, deliver what is queued, and count the cloud a last time."""
        with contextlib.suppress(LocalcoreError):
            self._stop_component(READ_SENSE_HAT, SENSORS_STOP_S)
            self._stop_component(AGGREGATOR, AGGREGATOR_STOP_S)
        self._refresh_cloud()

    def close(self) -> None:
        """End every process of the run; may be called again."""
        self._ending.set()
        if self._daemon is not None and self._daemon.poll() is None:
            self._daemon.send_signal(signal.SIGTERM)
            try:
                self._daemon.wait(READY_S)
            except subprocess.TimeoutExpired:
                self._daemon.kill()
                self._daemon.wait()
        for thread in self._watchers:
            thread.join(READY_S)
        endpoint.stop(self._arguments.root / "cloud")

    def _start_daemon(self) -> None:
        arguments = self._arguments
        command = [sys.executable, "-m", "localcore", "start", "--root", str(arguments.root)]
        command += ["--thing-name", THING_NAME]
        command += ["--stream-manager-port", str(self._stream_manager_port)]
        if arguments.source == "emulator":
            device = [sys.executable, "-m", "read_sense_hat.emulated_device"]
            device += ["--seed", str(arguments.seed)]
            command += ["--device", shlex.join(device)]
        with self._log.open("ab") as log:
            # A session of its own: Ctrl-C is for this process, which stops the rest in order.
            self._daemon = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
            )
        deadline = time.monotonic() + READY_S
        while True:
            try:
                self._control.wait_until_ready(POLL_S)
            except UnreachableError:
                code = self._daemon.poll()
                if code is not None or time.monotonic() > deadline:
                    reason = _last_line(self._log)
                    raise RunError(f"localcore did not start: {reason}; see {self._log}") from None
            else:
                return

    def _deploy(self) -> None:
        arguments = self._arguments
        update = configuration_update(arguments, Path(sys.prefix), self._stream_manager_port)
        try:
            result = self._control.deploy(
                recipe_dir=REPOSITORY / "recipes",
                artifact_dir=REPOSITORY / "artifacts",
                merge=COMPONENTS,
                update_config=update,
            )
        except LocalcoreError as error:
            raise RunError(f"the deployment was refused: {error}") from error
        deployment = result.get("deployment", result)
        if deployment.get("status") != "SUCCEEDED":
            raise RunError(
                f"the deployment {json.dumps(deployment)[:500]}; see {arguments.root / 'logs'}"
            )

    def _stop_component(self, name: str, timeout_s: float) -> None:
        self._control.stop(name)
        deadline = time.monotonic() + timeout_s
        while self._control.component(name)["pids"]:
            if time.monotonic() > deadline:
                self._observation.note(f"{name} did not stop within {timeout_s:g} s")
                return
            time.sleep(0.05)

    # What runs in threads until the end.

    def _watch(self, look: Callable[[], None]) -> None:
        def repeat() -> None:
            while not self._ending.is_set():
                with contextlib.suppress(LocalcoreError):
                    look()
                self._ending.wait(POLL_S)

        thread = threading.Thread(target=repeat, daemon=True)
        self._watchers.append(thread)
        thread.start()

    def _follow(self, topic_filter: str) -> None:
        for topic, payload in self._control.subscribe(topic_filter):
            self._observation.receive(topic, payload)

    def _look_at_components(self) -> None:
        self._observation.set_components(
            [
                ComponentPicture(
                    name=component["name"],
                    state=component["state"],
                    restarts=component["restarts"],
                    pss_bytes=component["pss_bytes"] or 0,
                )
                for component in self._control.components()
            ]
        )
        frame = self._arguments.root / "work" / WRITE_SENSE_HAT / "frame.json"
        with contextlib.suppress(OSError):
            self._observation.set_led(frame.read_bytes())

    def _look_at_cloud(self) -> None:
        # botocore's errors: an endpoint that is busy answers the next time.
        with contextlib.suppress(Exception):
            self._refresh_cloud()

    def _refresh_cloud(self) -> None:
        if self._contents is not None:
            self._observation.set_cloud(self._contents.refresh())

    def _keep_daemon(self) -> None:
        daemon = self._daemon
        if daemon is not None and daemon.poll() is not None and not self._ending.is_set():
            self._observation.note(f"localcore ended with {daemon.returncode}: started again")
            self._start_daemon()


def _prepare(root: Path) -> None:
    """An empty folder for the run; a folder of something else is refused.

    Raises:
        RunError: Someone runs there, or it holds what no run made.
    """
    marker = root / "run.json"
    if root.exists() and any(root.iterdir()) and not marker.exists():
        raise RunError(f"--root {root} is not empty and no earlier run made it: name another")
    try:
        Control(root).status()
    except LocalcoreError:
        pass
    else:
        raise RunError(f"another run is at work in {root}: stop it, or name another --root")
    endpoint.stop(root / "cloud")
    if root.exists():
        shutil.rmtree(root)
    root.mkdir(parents=True)
    marker.write_text(json.dumps({"pid": os.getpid()}) + "\n")


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
