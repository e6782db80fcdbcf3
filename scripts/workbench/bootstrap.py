"""The project's own virtual environment, `.venv`, as the scripts need it.

Law: once the stamp in `.venv` holds the name of a lock file's contents, that lock file is
installed, and nothing is done. The lock files are supersets (runtime, localcore, dev), so a larger
one is added to what is there. Two scripts that start at once wait for each other. For a machine
without a network, wheels in `requirements/wheels/` are installed, and those alone.

Runs on the system's Python, before anything is installed.
"""

import argparse
import fcntl
import json
import shutil
import sys
import time
from pathlib import Path
from typing import Final

from runtime.environment import (
    EnvironmentRefusedError,
    check_python,
    create,
    environment_name,
    install_requirements,
)
from workbench.names import REPOSITORY

STAMP: Final = "hub-installed.json"
SUPERSETS: Final = {"runtime": ["localcore", "dev"], "localcore": ["dev"], "dev": []}


def ensure(repository: Path, lock: str) -> None:
    """Make or complete `.venv` so that `requirements/<lock>.txt` is installed.

    Raises:
        EnvironmentRefusedError: It cannot be; the message is one line with the remedy.
    """
    venv = repository / ".venv"
    if _installed(repository, venv, lock):
        return
    (repository / "build").mkdir(exist_ok=True)
    with (repository / "build" / "venv.lock").open("a") as alone:
        fcntl.flock(alone, fcntl.LOCK_EX)
        if _installed(repository, venv, lock):
            return
        started_s = time.monotonic()
        check_python()
        stamp = _stamp(venv)
        if not stamp:
            shutil.rmtree(venv, ignore_errors=True)
            create(venv, _say)
        requirements = (repository / "requirements" / f"{lock}.txt").read_bytes()
        wheels = repository / "requirements" / "wheels"
        install_requirements(venv, requirements, wheels, _say)
        stamp[lock] = environment_name(requirements)
        (venv / STAMP).write_text(json.dumps(stamp) + "\n")
        _say(f"environment ready path=.venv seconds={time.monotonic() - started_s:.0f}")


def _installed(repository: Path, venv: Path, lock: str) -> bool:
    stamp = _stamp(venv)
    for name in (lock, *SUPERSETS[lock]):
        requirements = (repository / "requirements" / f"{name}.txt").read_bytes()
        if stamp.get(name) == environment_name(requirements):
            return True
    return False


def _stamp(venv: Path) -> dict[str, str]:
    """What was installed: lock file to environment name; empty when the environment is no use."""
    if not (venv / "bin" / "python").exists():
        return {}
    try:
        stamp: dict[str, str] = json.loads((venv / STAMP).read_text())
    except (OSError, ValueError):
        return {}
    tag = sys.implementation.cache_tag
    return stamp if all(name.endswith(tag) for name in stamp.values()) else {}


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def main(arguments: list[str] | None = None) -> int:
    """`python -m workbench.bootstrap localcore|dev`."""
    parser = argparse.ArgumentParser(prog="scripts/bootstrap")
    parser.add_argument("lock", choices=sorted(SUPERSETS))
    options = parser.parse_args(arguments)
    try:
        ensure(REPOSITORY, options.lock)
    except (EnvironmentRefusedError, OSError) as error:
        _say(f"cannot make .venv: {error}")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
