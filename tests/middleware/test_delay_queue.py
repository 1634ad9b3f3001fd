"""Delay queue: who is told, when, and that the rest costs one timer."""

from __future__ import annotations

import asyncio

from hypothesis import given, settings
from hypothesis import strategies as st

from api_gateway.middleware.delay_queue import DelayQueue
from api_gateway.simulation import run


class Noted:
    """Writes down when its delay was over."""

    def __init__(self, told: list[tuple[int, float]], number: int) -> None:
        self.told = told
        self.number = number

    def overdue(self) -> None:
        self.told.append((self.number, round(asyncio.get_running_loop().time(), 6)))


@settings(deadline=None)
@given(st.lists(st.tuples(st.integers(0, 30), st.none() | st.integers(0, 30)), max_size=40))
def test_who_is_not_discarded_is_told_on_time_and_in_order(script: list[tuple[int, int | None]]) -> None:
    """Each entry: how long after the one before it begins, and how long after that it is discarded."""

    async def main() -> None:
        loop = asyncio.get_running_loop()
        queue = DelayQueue(loop, 0.02)
        told: list[tuple[int, float]] = []
        expected: list[tuple[int, float]] = []
        for number, (pause, discarded_after) in enumerate(script):
            await asyncio.sleep(pause / 1000)
            noted = Noted(told, number)
            queue.add(noted)
            if discarded_after is None or discarded_after > 20:
                expected.append((number, round(loop.time() + 0.02, 6)))
            if discarded_after is not None and discarded_after != 20:
                loop.call_later(discarded_after / 1000, queue.discard, noted)
            elif discarded_after == 20:
                queue.discard(noted)
        await asyncio.sleep(1)
        assert told == expected
        assert len(queue) == 0

    run(main)


def test_discarding_twice_or_afterwards_is_nothing() -> None:
    async def main() -> None:
        told: list[tuple[int, float]] = []
        queue = DelayQueue(asyncio.get_running_loop(), 0.5)
        early, late = Noted(told, 1), Noted(told, 2)
        queue.add(early)
        queue.add(late)
        queue.discard(early)
        queue.discard(early)
        await asyncio.sleep(1)
        queue.discard(late)
        assert told == [(2, 0.5)]

    run(main)


async def test_many_delays_have_one_timer_of_the_loop() -> None:
    loop = asyncio.get_running_loop()
    queue = DelayQueue(loop, 60)
    before = len(loop._scheduled)  # type: ignore[attr-defined]  # asyncio has no public count of its timers
    for number in range(1000):
        noted = Noted([], number)
        queue.add(noted)
        queue.discard(noted)
    assert len(loop._scheduled) == before + 1  # type: ignore[attr-defined]  # as above
    assert len(queue) == 0
