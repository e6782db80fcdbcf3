"""Fixtures that every package's tests share."""

from pathlib import Path

import pytest

SHARED = Path(__file__).resolve().parents[2] / "shared"


@pytest.fixture(scope="session")
def shared_dir() -> Path:
    """The folder of recorded conversations and real recordings that lies beside the checkout."""
    if not SHARED.is_dir():
        pytest.skip("no ../shared beside the checkout: recordings and transcripts are missing")
    return SHARED
