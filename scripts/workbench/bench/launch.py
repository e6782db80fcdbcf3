"""The programs that load what is measured, each in a process of its own.

Law: a program gets its order as JSON on its command line and prints one JSON document a line. It is
a component to the nucleus: socket and token are in its environment. When the `with` block ends it
does not run any more.
"""

import json
import os
import subprocess
import sys
import tempfile
from types import TracebackType
from typing import Any

import msgspec

from workbench.bench.arguments import Nucleus
from workbench.bench.device import BenchError

_PROGRAMS = "workbench.bench.programs"


class Program:
    """A running program. `order` is what its module's `Order` says."""

    def __init__(self, name: str, order: msgspec.Struct, nucleus: Nucleus | None = None) -> None:
        self._name = name
        environment = dict(os.environ)
        if nucleus is not None:
            environment["AWS_GG_NUCLEUS_DOMAIN_SOCKET_FILEPATH_FOR_COMPONENT"] = str(nucleus.socket)
            environment["SVCUID"] = nucleus.token
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115 (closed with the block)
        self._process = subprocess.Popen(
            [sys.executable, "-m", f"{_PROGRAMS}.{name}", msgspec.json.encode(order).decode()],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            env=environment,
            start_new_session=True,
        )

    def __enter__(self) -> "Program":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._process.kill()
        self._process.communicate()
        self._errors.close()

    def line(self) -> Any:
        """The next document that it prints.

        Raises:
            BenchError: It ended before; the message has its last words.
        """
        if self._process.stdout is None:
            raise TypeError("stdout is a pipe")
        line = self._process.stdout.readline()
        if not line:
            code = self._process.wait()
            self._errors.seek(0)
            words = self._errors.read().decode(errors="replace").strip().splitlines()
            reason = words[-1] if words else "it said nothing"
            raise BenchError(f"the program {self._name} ended with {code}: {reason}")
        return json.loads(line)


def run(name: str, order: msgspec.Struct, nucleus: Nucleus | None = None) -> Any:
    """Run a program to its end; the document it prints.

    Raises:
        BenchError: It printed none.
    """
    with Program(name, order, nucleus) as program:
        return program.line()
