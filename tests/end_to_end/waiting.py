"""Waiting for a condition: a test says what it waits for, never how long it takes."""

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")

# What a healthy hub never needs, on however slow a machine; a test that waits so long has failed.
PATIENCE_S = 90.0
_LOOK_S = 0.02


def wait_for(
    what: str, condition: Callable[[], T], hopeless: Callable[[], str | None] = lambda: None
) -> T:
    """The condition's first true answer; `hopeless` says why it cannot come any more."""
    deadline_s = time.monotonic() + PATIENCE_S
    while not (answer := condition()):
        reason = hopeless()
        if reason is not None:
            raise AssertionError(f"waited for {what}: {reason}")
        if time.monotonic() > deadline_s:
            raise AssertionError(f"waited {PATIENCE_S:g} s for {what}")
        time.sleep(_LOOK_S)
    return answer
