"""`scripts/run` as a process, with everything it may touch in folders of its own."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

from localcore.control.client import Control
from localcore.errors import LocalcoreError
from tests.end_to_end.machine import Traces, left_behind, look
from tests.end_to_end.waiting import PATIENCE_S, wait_for

READ_SENSE_HAT = "com.hbs.hub.ReadSenseHAT"
AGGREGATOR = "com.hbs.hub.Aggregator"
WRITE_SENSE_HAT = "com.hbs.hub.WriteSenseHAT"
STREAM_MANAGER = "aws.greengrass.StreamManager"
LOCALCORE = "localcore"
CLOUD = "cloud"


class HubProcess:
    """One run below `folder`, in a process group of its own.

    Args:
        folder: Its own; the root, the report and three folders that must stay empty lie there.
        arguments: Of `scripts/run`, but for --root and --report.
        root: Another root than the one in `folder`.
    """

    def __init__(self, folder: Path, *arguments: str, root: Path | None = None) -> None:
        self.root = root or folder / "root"
        self.report_file = folder / "report.json"
        self.control = Control(self.root)
        self.traces = Traces()
        self._private = [folder / name for name in ("home", "temporary", "here")]
        for path in self._private:
            path.mkdir(parents=True)
        self._output = folder / "output.txt"
        home, temporary, here = self._private
        command = [sys.executable, "-m", "workbench.run", "--root", str(self.root)]
        with self._output.open("wb") as output:
            self.process = subprocess.Popen(
                [*command, "--report", str(self.report_file), *arguments],
                cwd=here,
                env={**os.environ, "HOME": str(home), "TMPDIR": str(temporary)},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )

    @property
    def output(self) -> str:
        """What it has said."""
        return self._output.read_text()

    @property
    def report(self) -> dict[str, Any]:
        """What it reported."""
        report: dict[str, Any] = json.loads(self.report_file.read_bytes())
        return report

    def wait_for(self, what: str, condition: Any) -> Any:
        """The condition's first true answer, while the run is alive."""
        return wait_for(what, condition, self._hopeless)

    def _hopeless(self) -> str | None:
        code = self.process.poll()
        return None if code is None else f"the run ended with {code}: {self.output[-2000:]}"

    def wait_until_running(self) -> None:
        """Return when every component of the suite runs and readings have been counted."""
        self.wait_for("readings", lambda: self.state(AGGREGATOR) == "RUNNING" and self._produces())

    def _produces(self) -> bool:
        # The journal is there when the Aggregator was configured; a ring when a device was.
        rings = self.root / "work" / READ_SENSE_HAT / "volatile"
        return any(ring.stat().st_size > 100 for ring in rings.glob("*/*.ring"))

    def component(self, name: str) -> dict[str, Any]:
        """One component as localcore sees it; empty while nobody answers."""
        try:
            return self.control.component(name)
        except LocalcoreError:
            return {}

    def state(self, name: str) -> str:
        """A component's state, "" while nobody answers."""
        return str(self.component(name).get("state", ""))

    def pid(self, name: str) -> int:
        """The process of a component, of localcore or of the cloud, as soon as it runs."""

        def find() -> int:
            try:
                if name == LOCALCORE:
                    return int(self.control.status()["pid"])
                if name == CLOUD:
                    return int(self.control.status()["cloud"]["pid"])
                pids = self.control.component(name)["pids"]
            except (LocalcoreError, TypeError):
                return 0
            return int(pids[0]) if pids else 0

        return int(self.wait_for(f"a process of {name}", find))

    def send(self, name: str, number: signal.Signals) -> int:
        """Send a signal to one of the run's processes; its pid."""
        pid = self.pid(name)
        os.kill(pid, number)
        return pid

    def kill(self, *names: str) -> None:
        """Kill processes of the run at once, and wait until others are in their place."""
        pids = {name: self.pid(name) for name in names}
        for pid in pids.values():
            os.kill(pid, signal.SIGKILL)
        for name, pid in pids.items():
            self.wait_for(f"another {name}", lambda n=name, p=pid: self.pid(n) != p)
        for name in set(names) - {LOCALCORE}:
            self.wait_for(f"{name} to run", lambda n=name: self.state(n) == "RUNNING")

    def interrupt(self, number: signal.Signals = signal.SIGINT) -> None:
        """Ctrl-C, or another signal, for `scripts/run` alone."""
        self.process.send_signal(number)

    def look(self) -> Traces:
        """Remember what the run's processes hold now; all that was seen."""
        look(self.root, self.traces)
        return self.traces

    def end(self) -> int:
        """Wait for the end; the exit code. Nothing may be left on the machine."""
        code = self.process.wait(PATIENCE_S)
        self.traces.written.discard(self._output)
        left = left_behind(self.root, self.traces)
        left |= {
            folder.name: found for folder in self._private if (found := list(folder.iterdir()))
        }
        assert not left, left
        return code

    def close(self) -> None:
        """End whatever is left, for the tests that come."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(PATIENCE_S)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
