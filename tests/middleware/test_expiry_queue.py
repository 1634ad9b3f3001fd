"""The expiry queue against the plainest model, a list of deadlines that is searched at every step; and on loops."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial

from hypothesis import given
from hypothesis import strategies as st

from api_gateway.core.clock import NANOSECONDS, ManualClock, SystemClock
from api_gateway.middleware.deadline import Expiry
from api_gateway.middleware.expiry_queue import ExpiryQueue
from api_gateway.simulation import VirtualClock, run


class ManualTimer:
    """What `call_later` gives."""

    def __init__(self, when: float, callback: Callable[[], object]) -> None:
        self.when = when
        self.callback = callback
        self.cancelled = False

    def cancel(self) -> None:
        self.cancelled = True


class ManualLoop:
    """As much of an event loop and of a clock as the queue uses: timers, which fire when the time is moved."""

    def __init__(self) -> None:
        self.now = 0
        self._timers: list[ManualTimer] = []

    @property
    def timers(self) -> list[ManualTimer]:
        return [timer for timer in self._timers if not timer.cancelled]

    def monotonic(self) -> int:
        return self.now * NANOSECONDS

    def call_later(self, seconds: float, callback: Callable[..., object], *arguments: object) -> ManualTimer:
        self._timers.append(timer := ManualTimer(self.now + seconds, partial(callback, *arguments)))
        return timer

    def advance(self, seconds: int) -> None:
        for _ in range(seconds):
            self.now += 1
            self.fire()

    def fire(self) -> None:
        while due := [timer for timer in self.timers if timer.when <= self.now]:
            self._timers.remove(due[0])
            due[0].callback()


def queue_on(loop: ManualLoop) -> ExpiryQueue:
    return ExpiryQueue(loop, loop)  # type: ignore[arg-type]  # as much of a loop as is used


class Cancelled:
    """Stands for a task: notes when it was cancelled."""

    def __init__(self, loop: ManualLoop) -> None:
        self._loop = loop
        self.at: float | None = None

    def cancel(self) -> None:
        self.at = self._loop.now

    def cancelling(self) -> int:
        return int(self.at is not None)


def add(queue: ExpiryQueue, loop: ManualLoop, seconds: int) -> tuple[Expiry, Cancelled]:
    task = Cancelled(loop)
    return Expiry(task, queue, (loop.now + seconds) * NANOSECONDS), task  # type: ignore[arg-type]  # as much of a task as is used


Steps = st.lists(
    st.one_of(
        st.tuples(st.just("add"), st.integers(0, 12)),
        st.tuples(st.just("discard"), st.integers(0, 30)),
        st.tuples(st.just("wait"), st.integers(0, 6)),
    ),
    max_size=40,
)


@given(Steps)
def test_each_is_cancelled_at_its_deadline_unless_discarded_before(steps: list[tuple[str, int]]) -> None:
    loop = ManualLoop()
    queue = queue_on(loop)
    entries: list[tuple[Expiry, Cancelled]] = []
    dues: list[float] = []
    discarded: dict[int, float] = {}
    for step, number in steps:
        now = loop.now
        if step == "add":
            entries.append(add(queue, loop, number))
            dues.append(now + number)
        elif step == "wait":
            loop.advance(number)
        elif number < len(entries) and number not in discarded:
            discarded[number] = now
            queue.discard(entries[number][0])
    loop.advance(20)
    for index, ((expiry, task), due) in enumerate(zip(entries, dues, strict=True)):
        gone = discarded.get(index)
        if task.at is None:
            assert gone is not None
            assert gone <= due
        else:
            assert gone is None or gone >= due
            # A deadline of this very instant is noticed in the loop's next turn, here a second later.
            assert due <= task.at <= due + 1
        assert expiry.expired == (task.at is not None)
    assert not loop.timers, "nothing is left in the event loop"


def test_a_thousand_deadlines_in_order_share_one_timer() -> None:
    loop = ManualLoop()
    queue = queue_on(loop)
    for seconds in range(10, 1010):
        add(queue, loop, seconds)
    assert len(loop.timers) == 1


def test_a_deadline_before_the_others_has_a_timer_of_its_own() -> None:
    loop = ManualLoop()
    queue = queue_on(loop)
    _, late = add(queue, loop, 10)
    hurried, early = add(queue, loop, 5)
    assert len(loop.timers) == 2
    loop.advance(7)
    assert (early.at, late.at) == (5, None)
    queue.discard(hurried)
    loop.advance(7)
    assert late.at == 10


def test_who_arrives_in_one_turn_of_the_loop_shares_a_timer() -> None:
    """A bug that was: uvloop's time stood still, the time that was left of the same 3 s did not, and so they
    seemed to fall due in no order. Most requests paid for a timer of their own."""
    loop = ManualLoop()
    clock = ManualClock()
    queue = ExpiryQueue(loop, clock)  # type: ignore[arg-type]  # as much of a loop as is used
    for spent in (3, 1, 2, 0, 2):
        started = clock.monotonic()
        clock.advance(spent * 1e-6)  # until the request has come as far as its deadline
        queue.add(Noted([], 0), started + 3 * NANOSECONDS)
    assert len(loop.timers) == 1


class Noted:
    """Writes down when its delay was over."""

    def __init__(self, told: list[tuple[int, float]], number: int) -> None:
        self.told = told
        self.number = number

    def expire(self) -> None:
        self.told.append((self.number, round(asyncio.get_running_loop().time(), 6)))


@given(st.lists(st.tuples(st.integers(0, 30), st.none() | st.integers(0, 30)), max_size=40))
def test_who_is_not_discarded_is_told_on_time_and_in_order(script: list[tuple[int, int | None]]) -> None:
    """Each entry: how long after the one before it begins, and how long after that it is discarded."""

    async def main() -> None:
        loop = asyncio.get_running_loop()
        clock = VirtualClock()
        queue = ExpiryQueue(loop, clock)
        told: list[tuple[int, float]] = []
        expected: list[tuple[int, float]] = []
        for number, (pause, discarded_after) in enumerate(script):
            await asyncio.sleep(pause / 1000)
            noted = Noted(told, number)
            queue.add(noted, clock.monotonic() + 20_000_000)
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
        queue = ExpiryQueue(asyncio.get_running_loop(), VirtualClock())
        early, late = Noted(told, 1), Noted(told, 2)
        queue.add(early, NANOSECONDS // 2)
        queue.add(late, NANOSECONDS // 2)
        queue.discard(early)
        queue.discard(early)
        await asyncio.sleep(1)
        queue.discard(late)
        assert told == [(2, 0.5)]

    run(main)


async def test_many_delays_have_one_timer_of_the_loop() -> None:
    loop = asyncio.get_running_loop()
    queue = ExpiryQueue(loop, SystemClock())
    before = len(loop._scheduled)  # type: ignore[attr-defined]  # asyncio has no public count of its timers
    for number in range(1000):
        noted = Noted([], number)
        queue.add(noted, SystemClock.monotonic() + 60 * NANOSECONDS)
        queue.discard(noted)
    assert len(loop._scheduled) == before + 1  # type: ignore[attr-defined]  # as above
    assert len(queue) == 0
