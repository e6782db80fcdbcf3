"""A core device of its own for a measurement: a new folder, started, deployed to, and gone after.

Law: leaving a device's `with` block ends every process that it started, whatever happened inside.
"""

import contextlib
import json
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any

from localcore.built_in import STREAM_MANAGER, free_port
from localcore.cloud import endpoint
from localcore.control.client import Control
from localcore.errors import LocalcoreError, UnreachableError
from workbench.bench.arguments import Nucleus
from workbench.names import REPOSITORY

START_S = 20.0
STOP_S = 20.0
LAUNCH_S = 10.0

CLIENT = "com.hbs.bench.Client"
RUNTIME = "com.hbs.hub.Runtime"
_CLIENT_RECIPES = Path(__file__).parent / "recipes"


class BenchError(Exception):
    """A suite cannot be measured; the message is one line with the remedy."""


class Device:
    """A localcore on `root`, which must not exist yet. Use it in a `with` block."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.stream_manager_port = free_port()
        self.control = Control(root)
        self._log = root.with_suffix(".log")
        self._daemon: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> "Device":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    @property
    def pid(self) -> int:
        """The daemon's process."""
        return int(self.control.status()["pid"])

    @property
    def socket(self) -> Path:
        """Where it serves Greengrass IPC."""
        return Path(self.control.status()["ipcSocket"])

    def start(self) -> float:
        """Start the daemon; the seconds until it answers.

        Raises:
            BenchError: It does not start.
        """
        self.root.mkdir(parents=True)
        command = [sys.executable, "-m", "localcore", "start", "--root", str(self.root)]
        command += ["--stream-manager-port", str(self.stream_manager_port)]
        started_s = time.monotonic()
        with self._log.open("wb") as log:
            # A session of its own: Ctrl-C is for this process, which stops the rest in order.
            self._daemon = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
            )
        try:
            self.control.wait_until_ready(START_S)
        except UnreachableError as error:
            text = self._log.read_text(errors="replace").strip()
            reason = text.splitlines()[-1] if text else "it said nothing"
            raise BenchError(f"localcore does not start: {reason}") from error
        return time.monotonic() - started_s

    def start_cloud(self, *, buckets: list[str], kinesis_streams: list[str]) -> None:
        """Start its embedded cloud with these in it, before anything asks for it."""
        endpoint.ensure(self.root / "cloud", buckets=buckets, kinesis_streams=kinesis_streams)

    def deploy(
        self,
        merge: Mapping[str, str],
        update: Mapping[str, Any] | None = None,
        recipes: Path = REPOSITORY / "recipes",
    ) -> float:
        """Deploy and wait; the seconds until it succeeded.

        Raises:
            BenchError: It did not succeed.
        """
        started_s = time.monotonic()
        try:
            ended = self.control.deploy(
                recipe_dir=recipes,
                artifact_dir=REPOSITORY / "artifacts",
                merge=merge,
                update_config=update,
            )
        except LocalcoreError as error:
            raise BenchError(f"the deployment was refused: {error}") from error
        seconds = time.monotonic() - started_s
        if ended["status"] != "SUCCEEDED":
            raise BenchError(f"the deployment {json.dumps(ended)[:500]}")
        return seconds

    def admit_client(self, *, streams: bool = False) -> Nucleus:
        """Deploy the bench's own component, and the stream manager if wanted; how to connect."""
        self.deploy({CLIENT: "1.0.0"}, recipes=_CLIENT_RECIPES)
        if streams:
            self.deploy({STREAM_MANAGER: ">=2.0.0 <3.0.0"}, recipes=_CLIENT_RECIPES)
        return Nucleus(self.socket, self._token())

    def close(self) -> None:
        """Stop everything and remove the folder; may be called again."""
        daemon, self._daemon = self._daemon, None
        if daemon is not None:
            daemon.send_signal(signal.SIGTERM)
            try:
                daemon.wait(STOP_S)
            except subprocess.TimeoutExpired:
                daemon.kill()
                daemon.wait()
        endpoint.stop(self.root / "cloud")
        shutil.rmtree(self.root, ignore_errors=True)
        self._log.unlink(missing_ok=True)

    def _token(self) -> str:
        """The SVCUID that the bench's component was launched with."""
        deadline_s = time.monotonic() + LAUNCH_S
        while True:
            for pid in self.control.component(CLIENT)["pids"]:
                with contextlib.suppress(OSError):
                    for entry in Path(f"/proc/{pid}/environ").read_bytes().split(b"\0"):
                        name, _, value = entry.partition(b"=")
                        if name == b"SVCUID":
                            return value.decode()
            if time.monotonic() > deadline_s:
                raise BenchError(f"{CLIENT} has no process after {LAUNCH_S:g} s")
            time.sleep(0.02)
