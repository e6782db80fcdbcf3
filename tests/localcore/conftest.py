"""A real localcore in a root of its own, driven over its control channel."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from localcore.control.client import Control

REPOSITORY = Path(__file__).parents[2]


class Daemon:
    """`localcore start` as a child process; ``start`` again after ``kill``."""

    def __init__(self, root: Path, *arguments: str) -> None:
        self.root = root
        self.control = Control(root)
        self._arguments = arguments
        self._process: subprocess.Popen[str] | None = None

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    def start(self) -> None:
        """Return when it says that it is ready."""
        self._process = subprocess.Popen(
            [
                sys.executable,
                "-m",
                "localcore",
                "start",
                "--root",
                str(self.root),
                *self._arguments,
            ],
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONPATH": str(REPOSITORY)},
        )
        assert self._process.stdout is not None
        assert "ready" in self._process.stdout.readline()

    def kill(self) -> None:
        """kill -9."""
        assert self._process is not None
        self._process.kill()
        self._reap()

    def stop(self) -> int:
        """SIGTERM and its exit status."""
        if self._process is None:
            return 0
        self._process.send_signal(signal.SIGTERM)
        return self._reap()

    def deploy(self, recipes: Mapping[str, Mapping[str, Any]], **options: Any) -> dict[str, Any]:
        """Deploy components, as {"name version": {"run": ..., further keys of the recipe}}."""
        folder = self.root / "recipes-given"
        folder.mkdir(parents=True, exist_ok=True)
        roots = {}
        for key, fields in recipes.items():
            name, version = key.split()
            roots[name] = version
            (folder / f"{name}-{version}.json").write_text(json.dumps(recipe(key, **fields)))
        return self.control.deploy(recipe_dir=folder, **{"merge": roots, **options})

    def wait_for(self, condition: Callable[[dict[str, str]], bool]) -> dict[str, str]:
        """Follow the components' states until they satisfy the condition."""
        states: dict[str, str] = {}
        for event in self.control.watch():
            if event["event"] == "state":
                states[event["name"]] = event["state"]
            else:
                states.pop(event["name"], None)
            if condition(states):
                return states
        raise AssertionError(f"localcore ended with {states}")

    def main_pid(self, name: str) -> int:
        """The process of a component."""
        pids: list[int] = self.control.component(name)["pids"]
        return pids[0]

    def log(self, name: str) -> str:
        """What a component's log holds."""
        return (self.root / "logs" / f"{name}.log").read_text(encoding="utf-8")

    def _reap(self) -> int:
        assert self._process is not None
        code = self._process.wait()
        if self._process.stdout is not None:
            self._process.stdout.close()
        self._process = None
        return code


def recipe(key: str, *, dependencies: Mapping[str, str] | None = None, **fields: Any) -> Any:
    """A recipe whose other fields are lifecycle steps and ``configuration``."""
    name, version = key.split()
    configuration = fields.pop("configuration", {})
    artifacts = fields.pop("artifacts", [])
    return {
        "RecipeFormatVersion": "2020-01-25",
        "ComponentName": name,
        "ComponentVersion": version,
        "ComponentConfiguration": {"DefaultConfiguration": configuration},
        "ComponentDependencies": {
            other: {"VersionRequirement": "*", "DependencyType": kind}
            for other, kind in (dependencies or {}).items()
        },
        "Manifests": [{"Platform": {"os": "linux"}, "Lifecycle": fields, "Artifacts": artifacts}],
    }


@pytest.fixture
def daemon(tmp_path: Path) -> Iterator[Daemon]:
    """A localcore that runs; stopped at the end, whatever has become of it."""
    started = Daemon(tmp_path / "root")
    started.start()
    yield started
    started.stop()


class Lines:
    """What components write to ``path`` as it comes: a named pipe that never ends."""

    def __init__(self, path: Path) -> None:
        os.mkfifo(path)
        self.path = path
        # Open for writing too, so that a writer that ends is not the end of the file.
        self._file = os.fdopen(os.open(path, os.O_RDWR), "r+b", buffering=0)

    def next(self) -> str:
        """Wait for the next line."""
        return self._file.readline().decode().strip()

    def close(self) -> None:
        self._file.close()


@pytest.fixture
def lines(tmp_path: Path) -> Iterator[Lines]:
    """For components to tell the test something: `echo word > PATH`."""
    made = Lines(tmp_path / "lines")
    yield made
    made.close()
