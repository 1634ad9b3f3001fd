"""The event loop that never waits: its time, its order, and its ends."""

from __future__ import annotations

import asyncio
import contextvars
from collections.abc import AsyncIterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api_gateway import ApiGateway, Request, RequestContext, Response, Route, Router
from api_gateway.middleware.deadline import DeadlineMiddleware
from api_gateway.simulation import SimulationDeadlock, VirtualClock, VirtualTimeLoop, run, spend


def now() -> float:
    return asyncio.get_running_loop().time()


# Time.


def test_a_year_of_sleep_is_over_at_once_and_exact() -> None:
    async def main() -> float:
        await asyncio.sleep(365 * 86400)
        return now()

    assert run(main) == 365 * 86400


def test_time_stands_still_while_anything_is_ready() -> None:
    async def main() -> float:
        for _ in range(1000):
            await asyncio.sleep(0)
        return now()

    assert run(main) == 0


def test_a_timeout_passes_at_its_very_time() -> None:
    async def main() -> float:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(2.5):
                await asyncio.Event().wait()
        return now()

    assert run(main) == 2.5


def test_time_that_is_spent_makes_everything_else_late() -> None:
    async def main() -> list[float]:
        loop, ran = asyncio.get_running_loop(), []
        loop.call_later(1, lambda: ran.append(loop.time()))
        await asyncio.sleep(0.5)
        spend(2)
        await asyncio.sleep(0.1)
        return [*ran, loop.time()]

    assert run(main) == [2.5, 2.6]


async def test_real_time_cannot_be_spent() -> None:
    with pytest.raises(RuntimeError, match="only virtual time can be spent"):
        spend(1)


def test_the_clock_tells_the_loops_time_in_nanoseconds() -> None:
    async def main() -> list[float]:
        clock = VirtualClock(start=1_000_000.0)
        await asyncio.sleep(0.3)
        return [clock.monotonic(), clock.wall()]

    assert run(main) == [300_000_000, 1_000_000.3]


# Order, against the plainest model: a list, sorted by time, then by when it was set.

Timers = st.lists(st.tuples(st.integers(0, 5), st.booleans()), max_size=40)


@given(Timers)
def test_timers_run_by_time_and_then_in_the_order_in_which_they_were_set(timers: list[tuple[int, bool]]) -> None:
    async def main() -> list[tuple[float, int]]:
        loop = asyncio.get_running_loop()
        seen: list[tuple[float, int]] = []
        for number, (delay, cancelled) in enumerate(timers):
            timer = loop.call_later(delay, lambda which: seen.append((loop.time(), which)), number)
            if cancelled:
                timer.cancel()
        await asyncio.sleep(6)
        return seen

    kept = [(delay, number) for number, (delay, cancelled) in enumerate(timers) if not cancelled]
    assert run(main) == sorted(kept)


@given(st.lists(st.lists(st.integers(0, 3), max_size=5), max_size=6))
def test_sleeping_tasks_wake_in_the_order_of_their_times(sleeps: list[list[int]]) -> None:
    async def main() -> list[tuple[float, int]]:
        seen: list[tuple[float, int]] = []

        async def sleeper(number: int, delays: list[int]) -> None:
            for delay in delays:
                await asyncio.sleep(delay)
                seen.append((now(), number))

        await asyncio.gather(*(sleeper(number, delays) for number, delays in enumerate(sleeps)))
        return seen

    seen = run(main)
    assert [time for time, _ in seen] == sorted(time for time, _ in seen)
    for number, delays in enumerate(sleeps):
        assert [time for time, who in seen if who == number] == [sum(delays[: n + 1]) for n in range(len(delays))]
    assert run(main) == seen, "the same again"


def test_a_timer_whose_time_has_passed_is_due_at_once() -> None:
    async def main() -> float:
        loop = asyncio.get_running_loop()
        await asyncio.sleep(10)
        passed = loop.create_future()
        loop.call_at(3, passed.set_result, None)
        await passed
        return now()

    assert run(main) == 10


def test_cancelled_timers_do_not_fill_the_memory() -> None:
    async def main() -> int:
        loop = asyncio.get_running_loop()
        assert isinstance(loop, VirtualTimeLoop)
        for _ in range(10_000):
            loop.call_later(1, lambda: None).cancel()
        return len(loop._timers)

    assert run(main) < 300


def test_a_timer_cancelled_after_it_has_run_is_not_counted_as_waiting() -> None:
    async def main() -> int:
        loop = asyncio.get_running_loop()
        assert isinstance(loop, VirtualTimeLoop)
        timers = [loop.call_later(0, lambda: None) for _ in range(500)]
        await asyncio.sleep(1)
        for timer in timers:
            timer.cancel()
        return loop._timers_cancelled

    assert run(main) == 0


# The end.


def test_waiting_for_what_cannot_come_names_who_waits_and_where() -> None:
    async def waits_for_ever() -> None:
        await asyncio.get_running_loop().create_future()

    async def main() -> None:
        await asyncio.sleep(12.5)
        await asyncio.create_task(waits_for_ever(), name="the-one")

    with pytest.raises(SimulationDeadlock, match=r"at 12\.5 s .*") as caught:
        run(main)
    assert "the-one in test_waiting_for" in str(caught.value)
    assert "waits_for_ever" in str(caught.value)
    assert __file__ in str(caught.value)


def test_an_error_reaches_the_caller_as_it_is() -> None:
    async def main() -> None:
        raise KeyError("as it is")

    with pytest.raises(KeyError, match="as it is"):
        run(main)


def test_what_is_left_over_is_cancelled_and_closed() -> None:
    ended: list[str] = []

    async def endless() -> AsyncIterator[int]:
        try:
            while True:
                yield 1
        finally:
            ended.append("generator")

    async def background() -> None:
        try:
            await asyncio.sleep(1000)
        finally:
            ended.append("task")

    async def main() -> float:
        task = asyncio.create_task(background())
        await anext(endless())
        await asyncio.sleep(1)
        assert not task.done()
        return now()

    assert run(main) == 1
    assert sorted(ended) == ["generator", "task"]


# The world around.


async def test_it_runs_beside_a_loop_that_is_running_already() -> None:
    variable: contextvars.ContextVar[str] = contextvars.ContextVar("variable")
    variable.set("the caller's")

    async def main(factor: int, *, offset: int) -> tuple[float, str]:
        await asyncio.sleep(100)
        return now() * factor + offset, variable.get()

    before = asyncio.get_running_loop()
    assert run(main, 2, offset=1) == (201, "the caller's")
    assert asyncio.get_running_loop() is before


async def test_an_error_comes_out_of_the_simulations_thread() -> None:
    async def main() -> None:
        await asyncio.get_running_loop().create_future()

    with pytest.raises(SimulationDeadlock):
        run(main)


def test_an_executor_runs_on_the_spot_and_takes_no_time() -> None:
    def fails() -> None:
        raise ValueError("inside")

    async def main() -> tuple[int, float]:
        result = await asyncio.to_thread(lambda: 6 * 7)
        with pytest.raises(ValueError, match="inside"):
            await asyncio.to_thread(fails)
        return result, now()

    assert run(main) == (42, 0)


def test_sockets_are_refused_with_a_reason() -> None:
    async def main() -> None:
        with pytest.raises(NotImplementedError, match="virtual time has no sockets"):
            await asyncio.open_connection("127.0.0.1", 1)
        with pytest.raises(NotImplementedError, match="virtual time has no sockets"):
            await asyncio.start_server(lambda *_: None, "127.0.0.1", 0)

    run(main)


# The gateway in it.


def test_a_gateway_with_a_deadline_gives_up_at_the_very_nanosecond() -> None:
    async def hangs(request: Request, context: RequestContext) -> Response:
        await asyncio.sleep(60)
        return Response.text("too late")

    async def main() -> list[tuple[int, int]]:
        clock = VirtualClock()
        gateway = ApiGateway(Router([Route("/*", "s")]), {"s": hangs}, [DeadlineMiddleware(3, clock)], clock=clock)
        outcomes = []
        for _ in range(3):
            response = await gateway.handle(Request("GET", "/"))
            outcomes.append((response.status, clock.monotonic()))
            await asyncio.sleep(0.7)
        return outcomes

    assert run(main) == [(504, 3_000_000_000), (504, 6_700_000_000), (504, 10_400_000_000)]
