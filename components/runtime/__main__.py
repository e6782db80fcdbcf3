"""The install step of com.hbs.hub.Runtime, run by the system's Python.

`runtime.pyz --work FOLDER [--environment FOLDER]`; exits 1 with one line when it cannot be done.
"""

import argparse
import sys
from importlib import resources
from pathlib import Path

from runtime.environment import EnvironmentRefusedError
from runtime.installer import install


def main(arguments: list[str] | None = None) -> int:
    """Install, and say in one line how it went."""
    parser = argparse.ArgumentParser(prog="runtime.pyz")
    parser.add_argument("--work", type=Path, required=True, help="the component's work folder")
    parser.add_argument(
        "--environment", default="", help="an existing environment to use instead of making one"
    )
    options = parser.parse_args(arguments)
    requirements = resources.files("runtime").joinpath("requirements.txt").read_bytes()
    try:
        install(
            work=options.work,
            requirements=requirements,
            wheels=Path(sys.argv[0]).resolve().parent / "wheels",
            existing=options.environment,
            say=_say,
        )
    except EnvironmentRefusedError as error:
        _say(f"install failed: {error}")
        return 1
    return 0


def _say(line: str) -> None:
    # Standard output: the Java nucleus logs standard error as warnings.
    print(line, flush=True)  # noqa: T201


if __name__ == "__main__":
    sys.exit(main())
