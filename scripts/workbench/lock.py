"""Pin every package by version and hash: requirements/*.txt from requirements/*.in.

Law: the lock files name no host and no path, and later ones keep the pins of earlier ones (each
`.in` takes the one before as a constraint). pip-tools runs in a throw-away environment: nothing
that is locked depends on it.
"""

import argparse
import subprocess
import sys
import tempfile
import venv
from pathlib import Path
from typing import Final

from workbench.names import REPOSITORY

PIP_TOOLS: Final = "pip-tools==7.6.2"
LOCKS: Final = ("runtime", "localcore", "dev")
_OPTIONS: Final = (
    *("--quiet", "--generate-hashes", "--strip-extras", "--no-header"),
    *("--no-emit-index-url", "--no-emit-find-links", "--annotation-style", "line"),
)


def main(arguments: list[str] | None = None) -> int:
    """`scripts/lock [--upgrade]`."""
    parser = argparse.ArgumentParser(prog="scripts/lock", description="Pin the packages again.")
    parser.add_argument("--upgrade", action="store_true", help="take the newest versions")
    options = parser.parse_args(arguments)
    if sys.version_info[:2] != (3, 11):
        print(
            "run scripts/lock with Python 3.11: the oldest needs the most packages", file=sys.stderr
        )
        return 1
    with tempfile.TemporaryDirectory(prefix="hub-lock-") as scratch:
        venv.create(scratch, with_pip=True)
        python = str(Path(scratch) / "bin" / "python")
        subprocess.run([python, "-m", "pip", "install", "--quiet", PIP_TOOLS], check=True)
        for name in LOCKS:
            source, target = f"requirements/{name}.in", f"requirements/{name}.txt"
            print(f"locking {target}", flush=True)
            upgrade = ["--upgrade"] if options.upgrade else []
            command = [
                python,
                "-m",
                "piptools",
                "compile",
                *_OPTIONS,
                *upgrade,
                "-o",
                target,
                source,
            ]
            subprocess.run(command, cwd=REPOSITORY, check=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
