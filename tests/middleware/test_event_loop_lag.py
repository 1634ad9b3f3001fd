"""Event-loop lag: what stands is seen, what passes is not, and nothing is left running."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from api_gateway.middleware.event_loop_lag import EVERY, EventLoopLag
from api_gateway.simulation import SimulationDeadlock, run, spend


async def asked(lag: EventLoopLag, times: int, work: Callable[[], Awaitable[None]]) -> list[float]:
    """The lag after each time of `work`, in milliseconds."""
    lag.seconds()
    found: list[float] = []
    for _ in range(times):
        await work()
        found.append(round(1000 * lag.seconds()))
    return found


async def busy_for_100_ms() -> None:
    await asyncio.sleep(0)
    spend(0.1)


async def idle_for_10_ms() -> None:
    await asyncio.sleep(0.01)


def test_an_idle_loop_is_never_late() -> None:
    async def main() -> list[float]:
        return await asked(EventLoopLag(), 50, idle_for_10_ms)

    assert run(main) == [0] * 50


def test_one_long_step_is_over_when_it_is_over() -> None:
    async def main() -> list[float]:
        lag = EventLoopLag()
        await asked(lag, 10, idle_for_10_ms)
        spend(1.0)
        return [round(lag.seconds()), *await asked(lag, 20, idle_for_10_ms)]

    assert run(main) == [0] * 21


def test_a_loop_that_is_always_busy_is_seen_in_its_third_turn() -> None:
    async def main() -> list[float]:
        return await asked(EventLoopLag(), 10, busy_for_100_ms)

    found = run(main)
    assert found[:2] == [0, 0]
    assert all(80 <= lag <= 200 for lag in found[2:])  # from a turn less 20 ms to two turns


def test_a_timer_that_is_overdue_counts_before_it_has_run() -> None:
    async def main() -> list[float]:
        lag = EventLoopLag()
        await asked(lag, 3, busy_for_100_ms)
        await asyncio.sleep(0)
        found: list[float] = []
        for _ in range(5):
            spend(0.05)
            found.append(round(1000 * lag.seconds()))
        return found

    assert run(main) == [130, 180, 180, 180, 180]  # it grows, until it is as late as the one before was


def test_who_only_looks_sees_the_lag_and_begins_nothing() -> None:
    async def main() -> tuple[float, list[float], float]:
        lag = EventLoopLag()
        before = lag.look()
        await asyncio.sleep(1.0)
        assert lag.seconds() == 0.0, "nothing was measured so far"
        await busy_for_100_ms()
        found = await asked(lag, 5, busy_for_100_ms)
        seen = round(1000 * lag.look())
        while lag._loop is not None:  # the measurement ends by itself, whoever looks
            lag.look()
            await idle_for_10_ms()
        return before, [found[-1], seen], lag.look()

    before, (asked_for, seen), after = run(main)
    assert (before, after) == (0.0, 0.0)
    assert seen == asked_for > 0


def test_it_recovers_as_soon_as_the_loop_does() -> None:
    async def main() -> list[float]:
        lag = EventLoopLag()
        await asked(lag, 5, busy_for_100_ms)
        return await asked(lag, 5, idle_for_10_ms)

    assert run(main)[2:] == [0, 0, 0]


def test_it_rests_when_nobody_asks() -> None:
    async def main() -> None:
        lag = EventLoopLag()
        lag.seconds()
        await asyncio.sleep(10 * EVERY)
        await asyncio.get_running_loop().create_future()

    with pytest.raises(SimulationDeadlock, match=r"at 0\.2 s nothing is scheduled"):
        run(main)


def test_after_a_rest_an_old_lag_is_forgotten() -> None:
    async def main() -> list[float]:
        lag = EventLoopLag()
        await asked(lag, 5, busy_for_100_ms)
        await asyncio.sleep(10)
        return [lag.seconds(), *await asked(lag, 5, idle_for_10_ms)]

    assert run(main) == [0] * 6


def test_in_another_loop_it_begins_anew() -> None:
    lag = EventLoopLag()

    async def busy() -> list[float]:
        return await asked(lag, 5, busy_for_100_ms)

    async def idle() -> list[float]:
        return [lag.seconds(), *await asked(lag, 5, idle_for_10_ms)]

    assert run(busy)[-1] > 0
    assert run(idle) == [0] * 6
