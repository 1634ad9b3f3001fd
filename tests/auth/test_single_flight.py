"""Single flight: in virtual time, with every way in which a waiter or the work may end."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Awaitable, Callable

from hypothesis import given, settings
from hypothesis import strategies as st

from api_gateway.auth.single_flight import SingleFlight, WorkCancelled
from api_gateway.simulation import run


class Work:
    """Takes a second, and counts what becomes of it."""

    def __init__(self, error: Exception | None = None, seconds: float = 1.0) -> None:
        self.begun = self.ended = self.cancelled = 0
        self._error = error
        self._seconds = seconds

    async def __call__(self) -> int:
        self.begun += 1
        number = self.begun
        try:
            await asyncio.sleep(self._seconds)
        except asyncio.CancelledError:
            self.cancelled += 1
            raise
        self.ended += 1
        if self._error is not None:
            raise self._error
        return number


def simulate(main: Callable[[SingleFlight[str, int]], Awaitable[None]]) -> None:
    """Run `main`; afterwards nothing may be kept, and nobody may have complained to the event loop."""

    async def watched() -> None:
        complaints: list[object] = []
        asyncio.get_running_loop().set_exception_handler(lambda _, context: complaints.append(context))
        flights: SingleFlight[str, int] = SingleFlight()
        await main(flights)
        await asyncio.sleep(100)
        assert len(flights) == 0
        assert not flights._abandoned
        assert asyncio.all_tasks() == {asyncio.current_task()}
        gc.collect()
        await asyncio.sleep(0)
        assert complaints == []

    run(watched)


def test_a_thousand_who_want_the_same_are_served_by_one_call() -> None:
    async def main(flights: SingleFlight[str, int]) -> None:
        work = Work()
        results = await asyncio.gather(*(flights.run("k", work) for _ in range(1000)))
        assert results == [1] * 1000
        assert (work.begun, flights.started, flights.joined) == (1, 1, 999)
        assert asyncio.get_running_loop().time() == 1.0

    simulate(main)


def test_different_keys_do_not_wait_for_each_other() -> None:
    async def main(flights: SingleFlight[str, int]) -> None:
        slow, quick = Work(seconds=10), Work()
        waiting = asyncio.ensure_future(flights.run("slow", slow))
        await flights.run("quick", quick)
        assert asyncio.get_running_loop().time() == 1.0
        assert len(flights) == 1
        await waiting

    simulate(main)


def test_nothing_is_kept_the_next_one_starts_anew() -> None:
    async def main(flights: SingleFlight[str, int]) -> None:
        work = Work()
        assert [await flights.run("k", work), await flights.run("k", work)] == [1, 2]

    simulate(main)


def test_who_comes_in_the_turn_in_which_the_work_ends_starts_anew() -> None:
    async def main(flights: SingleFlight[str, int]) -> None:
        gate: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        late: list[asyncio.Task[int]] = []
        again = Work()

        async def ends() -> int:
            result = await gate
            # Its first step comes after the work has ended, and before anybody is told.
            late.append(asyncio.ensure_future(flights.run("k", again)))
            return result

        first = asyncio.ensure_future(flights.run("k", ends))
        await asyncio.sleep(0)
        gate.set_result(7)
        assert await first == 7
        assert await late[0] == 1

    simulate(main)


def test_the_first_one_leaving_does_not_take_the_work_away_from_the_others() -> None:
    async def main(flights: SingleFlight[str, int]) -> None:
        work = Work()
        first = asyncio.ensure_future(flights.run("k", work))
        others = [asyncio.ensure_future(flights.run("k", work)) for _ in range(10)]
        await asyncio.sleep(0.5)
        first.cancel()
        assert await asyncio.gather(*others) == [1] * 10
        assert first.cancelled()
        assert (work.begun, work.cancelled) == (1, 0)

    simulate(main)


def test_the_work_is_cancelled_when_the_last_one_leaves_and_not_before() -> None:
    async def main(flights: SingleFlight[str, int]) -> None:
        work = Work()
        waiters = [asyncio.ensure_future(flights.run("k", work)) for _ in range(3)]
        await asyncio.sleep(0.5)
        for waiter in waiters:
            assert work.cancelled == 0
            waiter.cancel()
            await asyncio.sleep(0)
            await asyncio.sleep(0)
        assert (work.begun, work.cancelled, work.ended) == (1, 1, 0)
        assert len(flights) == 0

    simulate(main)


def test_who_comes_while_abandoned_work_is_still_cleaning_up_starts_anew() -> None:
    async def main(flights: SingleFlight[str, int]) -> None:
        async def tidy() -> int:
            try:
                await asyncio.sleep(5)
            finally:
                await asyncio.sleep(5)
            return 0

        first = asyncio.ensure_future(flights.run("k", tidy))
        await asyncio.sleep(1)
        first.cancel()
        await asyncio.sleep(1)
        assert await flights.run("k", Work()) == 1
        assert asyncio.get_running_loop().time() == 3.0

    simulate(main)


def test_an_error_goes_to_everybody_and_is_not_kept() -> None:
    async def main(flights: SingleFlight[str, int]) -> None:
        failing = Work(LookupError("no"))
        results = await asyncio.gather(*(flights.run("k", failing) for _ in range(5)), return_exceptions=True)
        assert [type(result) for result in results] == [LookupError] * 5
        assert failing.begun == 1
        assert await flights.run("k", Work()) == 1

    simulate(main)


def test_an_error_that_nobody_stayed_for_makes_no_noise() -> None:
    async def main(flights: SingleFlight[str, int]) -> None:
        async def stubborn() -> int:
            try:
                await asyncio.sleep(5)
            except asyncio.CancelledError:
                raise LookupError("while cleaning up") from None
            return 0

        waiter = asyncio.ensure_future(flights.run("k", stubborn))
        await asyncio.sleep(1)
        waiter.cancel()
        await asyncio.wait([waiter])
        assert waiter.cancelled()

    simulate(main)


def test_work_cancelled_from_outside_is_an_error_for_the_waiters_not_their_cancellation() -> None:
    async def main(flights: SingleFlight[str, int]) -> None:
        waiters = [asyncio.ensure_future(flights.run("k", Work())) for _ in range(2)]
        await asyncio.sleep(0.5)
        (work,) = asyncio.all_tasks() - {asyncio.current_task(), *waiters}
        work.cancel()
        results = await asyncio.gather(*waiters, return_exceptions=True)
        assert [type(result) for result in results] == [WorkCancelled] * 2

    simulate(main)


def test_a_waiters_own_timeout_ends_its_waiting_only() -> None:
    async def main(flights: SingleFlight[str, int]) -> None:
        work = Work()

        async def impatient() -> int:
            async with asyncio.timeout(0.25):
                return await flights.run("k", work)

        results = await asyncio.gather(impatient(), flights.run("k", work), return_exceptions=True)
        assert isinstance(results[0], TimeoutError)
        assert results[1] == 1

    simulate(main)


def test_the_traceback_of_an_error_does_not_grow_with_the_number_of_waiters() -> None:
    async def main(flights: SingleFlight[str, int]) -> None:
        error = LookupError("no")
        failing = Work(error)
        await asyncio.gather(*(flights.run("k", failing) for _ in range(200)), return_exceptions=True)
        frames, trace = 0, error.__traceback__
        while trace is not None:
            frames, trace = frames + 1, trace.tb_next
        assert frames < 10

    simulate(main)


@settings(max_examples=50)  # each is an event loop, and forty coroutines
@given(
    st.lists(
        st.tuples(
            st.integers(0, 2),  # key
            st.integers(0, 40),  # tenths of seconds: begins
            st.none() | st.integers(0, 30),  # tenths until cancelled
        ),
        max_size=20,
    )
)
def test_however_they_come_and_go_who_stays_gets_a_result_of_the_time_in_which_it_waited(
    plan: list[tuple[int, int, int | None]],
) -> None:
    async def main(flights: SingleFlight[str, int]) -> None:
        running: dict[str, int] = dict.fromkeys("012", 0)

        async def ask(key: str, begins: int, leaves: int | None) -> None:
            await asyncio.sleep(begins / 10)

            async def work() -> int:
                running[key] += 1
                assert running[key] == 1, "two at once"
                try:
                    await asyncio.sleep(1.05)
                finally:
                    running[key] -= 1
                return round(asyncio.get_running_loop().time() * 1000)

            asked = asyncio.get_running_loop().time()
            try:
                async with asyncio.timeout(None if leaves is None else leaves / 10 + 0.001):
                    finished = await flights.run(key, work)
            except TimeoutError:
                return
            now = asyncio.get_running_loop().time()
            assert finished == round(now * 1000)
            assert now - asked <= 1.051

        await asyncio.gather(*(ask(str(key), begins, leaves) for key, begins, leaves in plan))

    simulate(main)
