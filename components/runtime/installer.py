"""What an install does in the work folder: `environments/<name>/`, and the link `venv` to one.

Law: `venv` always leads to a complete environment once it was there. A new environment is made
beside the old one, then the link is replaced by a rename, which is atomic. Users start Python from
the folder behind the link, so the switch touches no running process; a folder is removed at a later
install, when no process runs from it any more. Doing it again changes nothing.
"""

import fcntl
import importlib.machinery
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from importlib.machinery import EXTENSION_SUFFIXES
from pathlib import Path
from typing import Final

from runtime.environment import EnvironmentRefusedError, Say, environment_name, make

LINK: Final = "venv"
ENVIRONMENTS: Final = "environments"
SYSTEM_MODULE: Final = "RTIMU"
"""The sensors' driver of the Sense HAT: not on PyPI, it comes with the system package sense-hat."""


def install(*, work: Path, requirements: bytes, wheels: Path, existing: str, say: Say) -> Path:
    """Make `venv` in `work` lead to an environment with `requirements`, and return that one.

    `existing` is the absolute path of an environment to use as it is, "" to make one.

    Raises:
        EnvironmentRefusedError: There is none; `venv` leads where it led before.
    """
    link = work / LINK
    with _alone(work):
        if existing:
            environment = _checked(Path(existing), requirements, say)
        else:
            environment = work / ENVIRONMENTS / environment_name(requirements)
            # Follows the link to the base interpreter: gone when the system's Python was replaced.
            if not (environment / "bin" / "python").exists():
                shutil.rmtree(environment, ignore_errors=True)
                make(environment, requirements, wheels, say)
            _link_system_module(environment, sys.path, say)
        before = link.resolve()
        _switch(link, environment)
        remove_unused(work / ENVIRONMENTS, {before, environment.resolve()}, say)
    say(f"environment ready path={environment}")
    return environment


def remove_unused(environments: Path, keep: set[Path], say: Say) -> None:
    """Remove the environments that are neither kept nor run by a process."""
    if not environments.is_dir():
        return
    running = _command_lines()
    for folder in sorted(environments.iterdir()):
        path = folder.resolve()
        if path in keep or any(f"{path}/" in command for command in running):
            continue
        say(f"removing an environment nobody uses path={folder}")
        shutil.rmtree(folder, ignore_errors=True)


def _switch(link: Path, environment: Path) -> None:
    """Let `link` lead to `environment`, at once."""
    inside = environment.is_relative_to(link.parent)
    target = environment.relative_to(link.parent) if inside else environment
    if link.is_symlink() and link.readlink() == target:
        return
    fresh = link.with_name(f".{link.name}.new")
    fresh.unlink(missing_ok=True)
    fresh.symlink_to(target)
    try:
        fresh.replace(link)
    except OSError as error:
        fresh.unlink()
        raise EnvironmentRefusedError(
            f"{link} is no link ({error.strerror}): remove it, then deploy again"
        ) from error


def _checked(environment: Path, requirements: bytes, say: Say) -> Path:
    """An environment of somebody else's, when it has every package."""
    python = environment / "bin" / "python"
    if not environment.is_absolute() or not os.access(python, os.X_OK):
        raise EnvironmentRefusedError(
            f"environment={str(environment)!r} is no absolute path of a virtual environment "
            f'({python} cannot be run): give one, or "" to have one made'
        )
    wanted = dict(_pins(requirements))
    present = _versions(python, wanted)
    missing = sorted(name for name in wanted if present.get(name) is None)
    if missing:
        raise EnvironmentRefusedError(
            f'environment={environment} lacks {", ".join(missing)}: install them, or give "" to '
            "have an environment made"
        )
    for name, version in wanted.items():
        if present[name] != version:
            say(f"environment differs from the lock file {name}={present[name]} locked={version}")
    return environment


def _pins(requirements: bytes) -> Iterable[tuple[str, str]]:
    r"""The (name, version) pairs of a lock file.

    >>> list(_pins(b"msgspec==0.22.0 \\\n    --hash=sha256:00\n# six==1\n"))
    [('msgspec', '0.22.0')]
    """
    return re.findall(r"^([A-Za-z0-9._-]+)==([^\s;\\]+)", requirements.decode(), re.MULTILINE)


def _versions(python: Path, names: Iterable[str]) -> dict[str, str | None]:
    """The versions of these distributions in the environment, None where one is not there."""
    program = (
        "import importlib.metadata as m, json, sys\n"
        "def version(name):\n"
        "    try: return m.version(name)\n"
        "    except m.PackageNotFoundError: return None\n"
        "json.dump({name: version(name) for name in sys.argv[1:]}, sys.stdout)\n"
    )
    command = [str(python), "-I", "-c", program, *names]
    asked = subprocess.run(command, capture_output=True, text=True, check=False)
    if asked.returncode != 0:
        raise EnvironmentRefusedError(f"{python} does not run: {asked.stderr.strip()[-200:]}")
    answer: dict[str, str | None] = json.loads(asked.stdout)
    return answer


def _link_system_module(environment: Path, path: list[str], say: Say) -> None:
    """Link the one module that only the system has into the isolated environment."""
    spec = importlib.machinery.PathFinder.find_spec(SYSTEM_MODULE, path)
    if spec is None or spec.origin is None or not spec.origin.endswith(tuple(EXTENSION_SUFFIXES)):
        return
    module = Path(spec.origin).resolve()
    for packages in environment.glob("lib/python3.*/site-packages"):
        link = packages / module.name
        if link.is_symlink() and link.readlink() == module:
            continue
        link.unlink(missing_ok=True)
        link.symlink_to(module)
        say(f"linked the system's {SYSTEM_MODULE} path={module}")


def _command_lines() -> list[str]:
    """The command line of every process that can be seen."""
    commands = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            commands.append((folder / "cmdline").read_bytes().decode(errors="replace"))
        except OSError:  # it ended meanwhile
            continue
    return commands


@contextmanager
def _alone(work: Path) -> Iterator[None]:
    """One install at a time in a work folder."""
    with (work / ".install.lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
