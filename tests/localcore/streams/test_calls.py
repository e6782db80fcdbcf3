"""Blocking calls: in threads, a few at a time, the most urgent first."""

import asyncio
import threading

import pytest

from localcore.streams.exporters.calls import BlockingCalls


def test_the_most_urgent_call_goes_next() -> None:
    async def scenario() -> list[str]:
        calls = BlockingCalls(threads=1)
        order: list[str] = []
        release = threading.Event()
        first = asyncio.create_task(calls.run(1, release.wait))
        await asyncio.sleep(0)
        waiting = [
            asyncio.create_task(calls.run(priority, order.append, name))
            for priority, name in ((None, "last"), (5, "second"), (1, "first"), (5, "third"))
        ]
        await asyncio.sleep(0)
        release.set()
        await asyncio.gather(first, *waiting)
        return order

    assert asyncio.run(scenario()) == ["first", "second", "third", "last"]


def test_a_call_that_raises_raises_here_and_frees_its_turn() -> None:
    async def scenario() -> int:
        calls = BlockingCalls(threads=1)
        with pytest.raises(ZeroDivisionError):
            await calls.run(1, divmod, 1, 0)
        return await calls.run(1, len, "abc")

    assert asyncio.run(scenario()) == 3


def test_a_canceled_wait_gives_its_turn_to_the_next() -> None:
    async def scenario() -> int:
        calls = BlockingCalls(threads=1)
        release = threading.Event()
        first = asyncio.create_task(calls.run(1, release.wait))
        await asyncio.sleep(0)
        doomed = asyncio.create_task(calls.run(1, len, "x"))
        after = asyncio.create_task(calls.run(2, len, "abc"))
        await asyncio.sleep(0)
        doomed.cancel()
        release.set()
        await first
        return await after

    assert asyncio.run(scenario()) == 3
