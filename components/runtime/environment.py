"""A virtual environment from requirements pinned by hash: complete under its name, or not there.

Law: what is installed is what the lock file's hashes say, or nothing is. `make` works under another
name and renames at the end, so a power cut, a full disk or a dead network leaves no environment
that looks finished. Whatever goes wrong is one line with what to do about it.
"""

import hashlib
import importlib.util
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Final

Say = Callable[[str], None]

OLDEST_PYTHON: Final = (3, 11)
"""The components' syntax and standard library; Raspberry Pi OS bookworm has exactly this one."""

_RETRIES: Final = 3
_TIMEOUT_S: Final = 30
"""Per connection. The recipe's time-out for the whole step is 900 s."""


class EnvironmentRefusedError(RuntimeError):
    """No environment can be made or used; the message says why and what to do."""


def environment_name(requirements: bytes) -> str:
    """Folder name of the environment that these requirements give with this Python.

    The Python's tag is part of it, so that an upgrade of the system's Python makes a new one.

    >>> environment_name(b"msgspec==0.22.0").partition("-")[0]
    '18aeccd8d1f2e5ed'
    """
    digest = hashlib.sha256(requirements).hexdigest()[:16]
    return f"{digest}-{sys.implementation.cache_tag}"


def check_python() -> None:
    """Refuse a Python that cannot make the environment.

    Raises:
        EnvironmentRefusedError: It is too old, or Debian's `python3-venv` is not installed.
    """
    version = ".".join(map(str, sys.version_info[:3]))
    if sys.version_info < OLDEST_PYTHON:
        oldest = ".".join(map(str, OLDEST_PYTHON))
        raise EnvironmentRefusedError(
            f"Python {version} is too old, {oldest} is needed: install a newer python3"
        )
    for module in ("venv", "ensurepip"):
        if importlib.util.find_spec(module) is None:
            raise EnvironmentRefusedError(
                f"Python {version} has no module {module}: run `sudo apt install python3-venv`"
            )


def make(folder: Path, requirements: bytes, wheels: Path, say: Say) -> None:
    """Make the environment `folder`, from `wheels` alone where that folder exists.

    Raises:
        EnvironmentRefusedError: It could not be made; nothing is left behind.
    """
    check_python()
    folder.parent.mkdir(parents=True, exist_ok=True)
    part = folder.parent / f".{folder.name}.part"
    shutil.rmtree(part, ignore_errors=True)
    try:
        create(part, say)
        install_requirements(part, requirements, wheels, say)
        part.rename(folder)
    except OSError as error:
        raise EnvironmentRefusedError(f"{folder}: {error.strerror or error}") from error
    finally:
        shutil.rmtree(part, ignore_errors=True)


def create(folder: Path, say: Say) -> None:
    """Make an empty, isolated environment with pip in it.

    Raises:
        EnvironmentRefusedError: `python3 -m venv` failed.
    """
    say(f"making an environment with Python {'.'.join(map(str, sys.version_info[:3]))}")
    command = [sys.executable, "-I", "-m", "venv", "--clear", str(folder)]
    made = subprocess.run(command, capture_output=True, text=True, check=False)
    if made.returncode != 0:
        lines = (made.stdout + made.stderr).split("\n")
        reason = next((line for line in reversed(lines) if line.strip()), "no output")
        raise EnvironmentRefusedError(f"{' '.join(command)} failed: {reason.strip()}")


def install_requirements(folder: Path, requirements: bytes, wheels: Path, say: Say) -> None:
    """Install exactly these requirements into the environment, wheels only, hashes checked.

    Raises:
        EnvironmentRefusedError: pip refused; the line says whether it was the network, a hash, a
            missing wheel or the disk.
    """
    with tempfile.TemporaryDirectory(prefix="hub-requirements-") as scratch:
        lock_file = Path(scratch) / "requirements.txt"
        lock_file.write_bytes(requirements)
        command = [
            *(str(folder / "bin" / "python"), "-I", "-m", "pip", "install"),
            *("--require-hashes", "--only-binary", ":all:", "--requirement", str(lock_file)),
            *("--no-cache-dir", "--no-input", "--disable-pip-version-check"),
            *("--progress-bar", "off", "--no-color"),
            *("--retries", str(_RETRIES), "--timeout", str(_TIMEOUT_S)),
        ]
        if wheels.is_dir():
            say(f"installing from {wheels}, without a network")
            command += ["--no-index", "--find-links", str(wheels)]
        output = _run_pip(command, say)
    if output is not None:
        raise EnvironmentRefusedError(_reason(output, wheels if wheels.is_dir() else None))


def _run_pip(command: list[str], say: Say) -> str | None:
    """Run pip, pass its progress on, and return its output when it failed."""
    kept: list[str] = []
    with subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        env={**os.environ, "PIP_ROOT_USER_ACTION": "ignore"},
    ) as pip:
        for line in pip.stdout or ():
            kept.append(line)
            progress = _progress(line)
            if progress:
                say(progress)
    return "".join(kept) if pip.returncode else None


def _progress(line: str) -> str | None:
    r"""The part of a line of pip's that is worth showing.

    >>> _progress("  Downloading https://x.example/ab/msgspec-0.22.0-cp311.whl (213 kB)\n")
    'downloading msgspec-0.22.0-cp311.whl (213 kB)'
    >>> _progress("Collecting msgspec==0.22.0\n") is None
    True
    """
    text = line.strip()
    if text.startswith("Downloading ") and ".whl" in text and ".whl.metadata" not in text:
        return "downloading " + re.sub(r"^Downloading (?:\S*/)?", "", text)
    if text.startswith("Installing collected packages:"):
        return f"installing {text.count(',') + 1} packages"
    return None


_NETWORK = re.compile(
    r"NewConnectionError|ConnectTimeout|ReadTimeout|NameResolutionError|ProxyError|SSLError"
    r"|Temporary failure in name resolution|Name or service not known"
    r"|Connection (?:broken|reset|aborted|refused|error)|Network is unreachable|timed out"
    r"|Could not fetch URL|HTTP error"
)
_MISSING = re.compile(r"No matching distribution found for (?P<package>\S+)")
_MISMATCH = re.compile(r"DO NOT MATCH THE HASHES")


def _reason(output: str, wheels: Path | None) -> str:
    r"""What pip says in many lines in one, with the remedy.

    >>> _reason("WARNING: Retrying ... Temporary failure in name resolution\nERROR: No "
    ...         "matching distribution found for numpy==2.4.6\n", None)
    'the package index cannot be reached (numpy==2.4.6): check the network, then run this again'
    """
    missing = _MISSING.search(output)
    package = missing["package"] if missing else ""
    if _MISMATCH.search(output):
        return "a downloaded package does not match the lock file's hash: it was refused"
    if "No space left on device" in output:
        return "the disk is full: free 300 MB, then run this again"
    if wheels is not None and package:
        return f"{wheels} has no wheel of {package} for {_machine()}: add it, or remove the folder"
    if _NETWORK.search(output):
        named = f" ({package})" if package else ""
        return f"the package index cannot be reached{named}: check the network, then run this again"
    if package:
        return (
            f"the index has no wheel of {package} for {_machine()}: 64-bit Linux on aarch64 or "
            "x86_64 with Python 3.11 to 3.13 is supported"
        )
    errors = [line for line in output.splitlines() if line.startswith("ERROR:")]
    last = (errors or output.splitlines() or ["no output"])[-1].strip()
    return f"pip failed: {last.removeprefix('ERROR: ')}"


def _machine() -> str:
    return f"Python {sys.version_info[0]}.{sys.version_info[1]} on {os.uname().machine}"
