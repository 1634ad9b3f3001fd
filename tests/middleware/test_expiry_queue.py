"""The expiry queue against the plainest model: a list of deadlines that is searched at every step."""

from __future__ import annotations

from collections.abc import Callable

from hypothesis import given
from hypothesis import strategies as st

from api_gateway.middleware.expiry_queue import Expiry, ExpiryQueue


class ManualTimer:
    """What `call_at` gives."""

    def __init__(self, when: float, callback: Callable[[], object]) -> None:
        self.when = when
        self.callback = callback
        self.cancelled = False

    def cancel(self) -> None:
        self.cancelled = True


class ManualLoop:
    """As much of an event loop as the queue uses: timers, which fire when the time is moved."""

    def __init__(self) -> None:
        self.now = 0.0
        self._timers: list[ManualTimer] = []

    @property
    def timers(self) -> list[ManualTimer]:
        return [timer for timer in self._timers if not timer.cancelled]

    def time(self) -> float:
        return self.now

    def call_at(self, when: float, callback: Callable[[], object]) -> ManualTimer:
        self._timers.append(timer := ManualTimer(when, callback))
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
    return ExpiryQueue(loop)  # type: ignore[arg-type]  # as much of a loop as is used


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
    return queue.add(task, seconds), task  # type: ignore[arg-type]  # as much of a task as is used


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
    discarded: dict[int, float] = {}
    for step, number in steps:
        now = loop.now
        if step == "add":
            entries.append(add(queue, loop, number))
        elif step == "wait":
            loop.advance(number)
        elif number < len(entries) and number not in discarded:
            discarded[number] = now
            queue.discard(entries[number][0])
    loop.advance(20)
    for index, (expiry, task) in enumerate(entries):
        gone = discarded.get(index)
        if task.at is None:
            assert gone is not None
            assert gone <= expiry.due
        else:
            assert gone is None or gone >= expiry.due
            # A deadline of this very instant is noticed in the loop's next turn, here a second later.
            assert expiry.due <= task.at <= expiry.due + 1
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
