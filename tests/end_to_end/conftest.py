"""Runs of the whole hub, in folders that are theirs alone."""

import contextlib
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.end_to_end.hub_process import HubProcess
from workbench.build import build
from workbench.names import REPOSITORY, components
from workbench.run.arguments import parse
from workbench.run.observation import Observation
from workbench.run.session import Session

StartHub = Callable[..., HubProcess]


@pytest.fixture(scope="session", autouse=True)
def _built_artifacts() -> None:
    """What is deployed is what the sources are."""
    build(REPOSITORY, components(REPOSITORY))


@pytest.fixture
def start_hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StartHub]:
    """Starts `scripts/run --quiet ARGUMENTS`; more than one if wanted. Ends what is left."""
    with contextlib.ExitStack() as stack:

        def start(*arguments: str, root: Path | None = None) -> HubProcess:
            # Short names: a socket's path may have 107 bytes.
            hub = HubProcess(tmp_path_factory.mktemp("hub"), *arguments, root=root)
            stack.callback(hub.close)
            return hub

        yield start


class OpenSession:
    """A run whose cloud can be read after everything is delivered, and before it goes."""

    def __init__(self, root: Path, *arguments: str) -> None:
        self.root = root
        self.observation = Observation()
        given = parse([*arguments, "--root", str(root)], root)
        self.session = Session(given, self.observation, threading.Event())


@pytest.fixture
def open_session(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., OpenSession]]:
    """Starts a run in this process, as `scripts/run` does."""
    with contextlib.ExitStack() as stack:

        def start(*arguments: str) -> OpenSession:
            opened = OpenSession(tmp_path_factory.mktemp("hub") / "root", *arguments)
            stack.callback(opened.session.close)
            opened.session.start()
            return opened

        yield start
