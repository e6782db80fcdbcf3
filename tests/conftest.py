"""Fixtures that every package's tests share."""

import os
from pathlib import Path

import pytest
from hypothesis import settings

PROJECT = Path(__file__).resolve().parents[1]
SHARED = PROJECT.parent / "shared"


def pytest_configure() -> None:
    """Let the processes that tests start import what the tests import."""
    ours = [str(PROJECT / folder) for folder in ("", "components", "scripts")]
    os.environ["PYTHONPATH"] = os.pathsep.join(ours)
    # How long an example takes says how busy the machine is, and nothing else.
    settings.register_profile("hub", deadline=None)
    settings.load_profile("hub")


@pytest.fixture(scope="session")
def shared_dir() -> Path:
    """The folder of recorded conversations and real recordings that lies beside the checkout."""
    if not SHARED.is_dir():
        pytest.skip("no ../shared beside the checkout: recordings and transcripts are missing")
    return SHARED
