"""The circuit breaker against an oracle that keeps the whole history, and its promises one by one."""

from __future__ import annotations

import heapq
from collections.abc import Callable
from dataclasses import dataclass, field
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from api_gateway.resilience.circuit_breaker import CircuitBreaker, Observer, Permit
from api_gateway.resilience.circuit_states import TRANSITIONS, CircuitEvent, CircuitState, Transition
from api_gateway.resilience.outcome_window import CountWindow, Outcomes, TimeWindow

OPEN_FOR = 50
LOST_AFTER = 30
SLOW_AFTER = 8
SECOND = 1_000_000_000


def _breaker(
    *,
    window: int = 10,
    min_calls: int = 4,
    failure_rate: float = 0.5,
    half_open_calls: int = 3,
    slow_rate: float = 1.0,
    slow_after: int | None = None,
    observer: Observer | None = None,
) -> CircuitBreaker:
    return CircuitBreaker(
        CountWindow(window),
        min_calls=min_calls,
        failure_rate=failure_rate,
        open_for=OPEN_FOR,
        half_open_calls=half_open_calls,
        slow_after=slow_after,
        slow_rate=slow_rate,
        lost_after=LOST_AFTER,
        observer=observer,
    )


def _take(breaker: CircuitBreaker, now: int) -> Permit:
    permit = breaker.acquire(now)
    assert permit is not None
    return permit


def _call(breaker: CircuitBreaker, now: int, *, failed: bool) -> None:
    breaker.report(_take(breaker, now), now, failed=failed)


def _trip(breaker: CircuitBreaker, now: int, calls: int = 4) -> None:
    for _ in range(calls):
        _call(breaker, now, failed=True)
    assert breaker.state(now) is CircuitState.OPEN


# The oracle. It keeps all that was ever said, in lists, and counts again each time.


@dataclass
class _Call:
    taken: int
    era: int
    ended: tuple[bool, bool] | None = None
    cancelled: bool = False
    result: int | None = None


@dataclass
class _Oracle:
    window: int
    min_calls: int
    failure_rate: Fraction
    slow_rate: Fraction
    half_open_calls: int
    eras: list[tuple[str, int]] = field(default_factory=lambda: [("closed", 0)])
    calls: list[_Call] = field(default_factory=list)
    results: list[tuple[int, bool, bool]] = field(default_factory=list)

    @property
    def state(self) -> str:
        return self.eras[-1][0]

    @property
    def era(self) -> int:
        return len(self.eras) - 1

    def probes(self) -> list[_Call]:
        return [call for call in self.calls if call.era == self.era and not call.cancelled]

    def pass_time(self, now: int) -> None:
        for moment in range(self.eras[-1][1], now + 1):  # nanosecond by nanosecond
            if self.state == "half_open":
                for call in self.probes():
                    if self.state == "half_open" and call.ended is None and call.taken + LOST_AFTER == moment:
                        call.ended = (True, True)
                        self.judge_probes(moment)
            if self.state == "open" and self.eras[-1][1] + OPEN_FOR == moment:
                self.eras.append(("half_open", moment))

    def judge_probes(self, now: int) -> None:
        ended = [call.ended for call in self.probes() if call.ended is not None]
        to_come = self.half_open_calls - len(ended)

        def bad(more: int) -> bool:
            failures, slow = sum(f for f, _ in ended) + more, sum(s for _, s in ended) + more
            n = self.half_open_calls
            return Fraction(failures, n) >= self.failure_rate or Fraction(slow, n) >= self.slow_rate

        if bad(0):
            self.eras.append(("open", now))
        elif not bad(to_come):
            self.eras.append(("closed", now))

    def acquire(self, now: int) -> _Call | None:
        self.pass_time(now)
        if self.state == "open" or (self.state == "half_open" and len(self.probes()) >= self.half_open_calls):
            return None
        self.calls.append(_Call(now, self.era))
        return self.calls[-1]

    def report(self, call: _Call, now: int, failed: bool) -> None:
        self.pass_time(now)
        if call.ended is not None or call.cancelled or call.era != self.era:
            return
        call.ended = (failed, now - call.taken >= SLOW_AFTER)
        if self.state == "half_open":
            self.judge_probes(now)
            return
        call.result = len(self.results)
        self.results.append((self.era, *call.ended))
        self.judge_window(now)

    def break_off(self, call: _Call, now: int) -> None:
        self.pass_time(now)
        if call.ended is None or call.ended[0] or call.era != self.era:
            return
        call.ended = (True, call.ended[1])
        if self.state == "half_open":
            self.judge_probes(now)
            return
        assert call.result is not None
        here = [index for index, (era, _, _) in enumerate(self.results) if era == self.era]
        if call.result in here[-self.window :]:
            self.results[call.result] = (self.era, *call.ended)
        else:
            self.results.append((self.era, True, False))
        self.judge_window(now)

    def judge_window(self, now: int) -> None:
        seen = [(f, s) for era, f, s in self.results if era == self.era][-self.window :]
        failures, slow = sum(f for f, _ in seen), sum(s for _, s in seen)
        if len(seen) >= self.min_calls and (
            Fraction(failures, len(seen)) >= self.failure_rate or Fraction(slow, len(seen)) >= self.slow_rate
        ):
            self.eras.append(("open", now))

    def cancel(self, call: _Call, now: int) -> None:
        self.pass_time(now)
        if call.ended is None:
            call.cancelled = True


# What a caller does, how long after the step before, and to which of the calls under way, the oldest being 0.
# To lose is to let the time of a probe pass, to rest the time of an open circuit; a trip is a row of failures.
steps = st.lists(
    st.tuples(
        st.sampled_from(
            ["acquire"] * 3 + ["succeed"] * 2 + ["fail"] * 2 + ["cancel", "lose", "rest", "trip"] + ["break off"] * 2
        ),
        st.one_of(st.integers(0, 4), st.integers(0, 60)),
        st.integers(0, 5),
    ),
    max_size=150,
)
percents = st.sampled_from([7, 10, 33, 50, 67, 100])


@settings(max_examples=300)
@given(steps, st.integers(1, 12), st.integers(1, 12), percents, percents, st.integers(1, 5))
def test_it_does_what_the_whole_history_says(
    script: list[tuple[str, int, int]], window: int, min_calls: int, failure: int, slow: int, half_open_calls: int
) -> None:
    min_calls = min(window, min_calls)
    taken: list[tuple[Transition, int]] = []
    breaker = _breaker(
        window=window,
        min_calls=min_calls,
        failure_rate=failure / 100,
        slow_rate=slow / 100,
        slow_after=SLOW_AFTER,
        half_open_calls=half_open_calls,
        observer=lambda row, at, _: taken.append((row, at)),
    )
    oracle = _Oracle(window, min_calls, Fraction(failure, 100), Fraction(slow, 100), half_open_calls)
    under_way: list[tuple[Permit, _Call]] = []
    streaming: list[tuple[Permit, _Call]] = []
    now = 0
    for action, after, which in script:
        now += after + {"lose": LOST_AFTER, "rest": OPEN_FOR}.get(action, 0)
        for _ in range({"acquire": 1, "trip": 12}.get(action, 0)):
            permit, call = breaker.acquire(now), oracle.acquire(now)
            assert (permit is None) == (call is None)
            if permit is not None and call is not None and action == "acquire":
                under_way.append((permit, call))
            elif permit is not None and call is not None:
                breaker.report(permit, now, failed=True)
                oracle.report(call, now, True)
        if under_way and action in ("cancel", "succeed", "fail", "lose"):
            permit, call = under_way.pop(min(which, len(under_way) - 1))
            if action == "cancel":
                breaker.cancel(permit, now)
                oracle.cancel(call, now)
            else:
                breaker.report(permit, now, failed=action == "fail")
                oracle.report(call, now, action == "fail")
                streaming.append((permit, call))
        if streaming and action == "break off":
            permit, call = streaming[which % len(streaming)]  # it stays there: no second time may count
            breaker.broke_off(permit, now)
            oracle.break_off(call, now)
        oracle.pass_time(now)
        assert breaker.state(now).value == oracle.state
    assert [(row.target.value, at) for row, at in taken] == oracle.eras[1:]
    assert {row for row, _ in taken} <= set(TRANSITIONS)


@settings(max_examples=200)
@given(steps, percents, st.integers(1, 5), st.integers(0, 1))
def test_retry_after_is_the_very_nanosecond_if_no_report_comes(
    script: list[tuple[str, int, int]], failure: int, half_open_calls: int, sooner: int
) -> None:
    breaker = _breaker(failure_rate=failure / 100, half_open_calls=half_open_calls)
    under_way: list[Permit] = []
    now = 0
    for action, after, which in script:
        now += after
        permit = breaker.acquire(now) if action == "acquire" else None
        if permit is not None:
            under_way.append(permit)
        elif under_way and action in ("succeed", "fail"):
            breaker.report(under_way.pop(min(which, len(under_way) - 1)), now, failed=action == "fail")
    wait = breaker.retry_after(now)
    assert wait <= LOST_AFTER + OPEN_FOR
    if wait and sooner:
        assert breaker.acquire(now + wait - 1) is None
        assert breaker.retry_after(now + wait - 1) == 1
    assert breaker.acquire(now + wait) is not None


def test_each_transition_of_the_table_can_be_taken() -> None:
    taken: list[tuple[Transition, int]] = []
    breaker = _breaker(observer=lambda row, at, _: taken.append((row, at)))
    _trip(breaker, 100)
    probes = [_take(breaker, 160) for _ in range(3)]
    for probe in probes:
        breaker.report(probe, 165, failed=True)
    for _ in range(2):
        _call(breaker, 220, failed=False)
    assert [(row.event, at) for row, at in taken] == [
        (CircuitEvent.TRIPPED, 100),
        (CircuitEvent.RESTED, 150),
        (CircuitEvent.PROBES_FAILED, 165),
        (CircuitEvent.RESTED, 215),
        (CircuitEvent.PROBES_PASSED, 220),
    ]
    assert {row for row, _ in taken} == set(TRANSITIONS)


def test_too_few_calls_prove_nothing() -> None:
    breaker = _breaker(min_calls=10)
    for _ in range(9):
        _call(breaker, 0, failed=True)
    assert breaker.state(0) is CircuitState.CLOSED
    _call(breaker, 0, failed=False)
    assert breaker.state(0) is CircuitState.OPEN


def test_seven_failures_of_a_hundred_reach_seven_percent() -> None:
    breaker = _breaker(window=100, min_calls=100, failure_rate=0.07)
    for number in range(100):
        assert breaker.state(0) is CircuitState.CLOSED
        _call(breaker, 0, failed=number < 7)
    assert breaker.state(0) is CircuitState.OPEN


def test_slow_calls_trip_it_though_none_fails() -> None:
    breaker = _breaker(slow_after=SLOW_AFTER, slow_rate=0.5)
    for taken, took in ((0, SLOW_AFTER - 1), (0, SLOW_AFTER), (10, 0)):
        breaker.report(_take(breaker, taken), taken + took, failed=False)
    assert breaker.state(10) is CircuitState.CLOSED
    breaker.report(_take(breaker, 20), 20 + SLOW_AFTER, failed=False)
    assert breaker.state(30) is CircuitState.OPEN


def test_failures_that_are_old_do_not_count_in_a_window_by_time() -> None:
    breaker = CircuitBreaker(
        TimeWindow(100, 10), min_calls=4, failure_rate=0.5, open_for=OPEN_FOR, half_open_calls=1, lost_after=LOST_AFTER
    )
    for now in (0, 0, 0, 101, 101, 101):
        _call(breaker, now, failed=True)
    assert breaker.state(101) is CircuitState.CLOSED
    _call(breaker, 101, failed=True)
    assert breaker.state(101) is CircuitState.OPEN


def test_no_more_probes_than_permits_pass_however_many_ask() -> None:
    breaker = _breaker(half_open_calls=3)
    _trip(breaker, 0)
    assert sum(breaker.acquire(OPEN_FOR) is not None for _ in range(100)) == 3


def test_a_cancelled_probe_returns_its_permit_and_is_no_result() -> None:
    breaker = _breaker(half_open_calls=1)
    _trip(breaker, 0)
    for _ in range(10):
        probe = _take(breaker, OPEN_FOR)
        assert breaker.acquire(OPEN_FOR) is None
        breaker.cancel(probe, OPEN_FOR)
        assert breaker.state(OPEN_FOR) is CircuitState.HALF_OPEN
        breaker.cancel(probe, OPEN_FOR)
        breaker.report(probe, OPEN_FOR, failed=True)
    assert sum(breaker.acquire(OPEN_FOR) is not None for _ in range(5)) == 1


def test_a_permit_that_never_comes_back_does_not_lock_the_service_out() -> None:
    breaker = _breaker(half_open_calls=2)
    _trip(breaker, 0)
    now = OPEN_FOR
    for _ in range(5):
        lost = [_take(breaker, now), _take(breaker, now)]
        wait = breaker.retry_after(now)
        assert wait == LOST_AFTER + OPEN_FOR
        assert breaker.state(now + LOST_AFTER - 1) is CircuitState.HALF_OPEN
        assert breaker.state(now + LOST_AFTER) is CircuitState.OPEN
        now += wait
    for _ in range(2):
        _call(breaker, now, failed=False)
    assert breaker.state(now) is CircuitState.CLOSED
    for permit in lost:
        breaker.report(permit, now, failed=True)
    assert breaker.state(now) is CircuitState.CLOSED


def test_a_lost_probe_is_a_failure_and_its_late_success_is_nothing() -> None:
    breaker = _breaker(half_open_calls=5)
    _trip(breaker, 0)
    lost = _take(breaker, OPEN_FOR)
    now = OPEN_FOR + LOST_AFTER
    breaker.report(lost, now, failed=False)
    for failed in (False, False, True):
        _call(breaker, now, failed=failed)
    assert breaker.state(now) is CircuitState.HALF_OPEN
    _call(breaker, now, failed=True)
    assert breaker.state(now) is CircuitState.OPEN


def test_probes_pass_when_neither_rate_can_be_reached_and_not_before() -> None:
    breaker = _breaker(half_open_calls=2, failure_rate=1.0, slow_rate=0.5, slow_after=SLOW_AFTER)
    _trip(breaker, 0)
    _call(breaker, OPEN_FOR, failed=False)
    assert breaker.state(OPEN_FOR) is CircuitState.HALF_OPEN
    breaker.report(_take(breaker, OPEN_FOR), OPEN_FOR + SLOW_AFTER, failed=False)
    assert breaker.state(OPEN_FOR + SLOW_AFTER) is CircuitState.OPEN


def test_a_quiet_half_open_circuit_waits_for_a_probe_for_ever() -> None:
    breaker = _breaker(half_open_calls=2)
    _trip(breaker, 0)
    _call(breaker, OPEN_FOR, failed=False)
    assert breaker.state(10**18) is CircuitState.HALF_OPEN
    assert breaker.acquire(10**18) is not None


def test_results_of_an_earlier_state_neither_open_nor_close_nor_count() -> None:
    breaker = _breaker(half_open_calls=1)
    early = [_take(breaker, 0) for _ in range(20)]
    _trip(breaker, 1)
    breaker.report(early.pop(), 2, failed=False)
    probe = _take(breaker, 1 + OPEN_FOR)
    breaker.report(early.pop(), 1 + OPEN_FOR, failed=False)
    breaker.report(early.pop(), 1 + OPEN_FOR, failed=True)
    assert breaker.state(1 + OPEN_FOR) is CircuitState.HALF_OPEN
    breaker.report(probe, 1 + OPEN_FOR, failed=False)
    for permit in early:
        breaker.report(permit, 2 + OPEN_FOR, failed=True)
    assert breaker.state(2 + OPEN_FOR) is CircuitState.CLOSED


def test_a_service_that_cuts_each_answer_trips_it_though_each_head_was_good() -> None:
    breaker = _breaker(min_calls=4, failure_rate=1.0)
    for _ in range(4):
        assert breaker.state(0) is CircuitState.CLOSED
        permit = _take(breaker, 0)
        breaker.report(permit, 0, failed=False)
        breaker.broke_off(permit, 5)
        breaker.broke_off(permit, 5)
    assert breaker.state(5) is CircuitState.OPEN


def test_an_answer_breaks_off_once_and_one_that_failed_before_not_at_all() -> None:
    breaker = _breaker(window=10, min_calls=4, failure_rate=0.5)
    cut, failed, cancelled = (_take(breaker, 0) for _ in range(3))
    breaker.report(cut, 0, failed=False)
    breaker.cancel(cancelled, 0)
    for _ in range(2):
        _call(breaker, 0, failed=False)
    for _ in range(5):
        breaker.broke_off(cut, 1)
        breaker.broke_off(cancelled, 1)
    _call(breaker, 2, failed=False)
    assert breaker.evidence(2) == {"": (4, 1, 0)}
    breaker.report(failed, 3, failed=True)
    breaker.broke_off(failed, 3)
    assert breaker.evidence(3) == {"": (5, 2, 0)}


def test_an_answer_that_breaks_off_after_it_left_the_window_is_a_new_failure() -> None:
    breaker = _breaker(window=2, min_calls=2, failure_rate=0.5)
    permit = _take(breaker, 0)
    breaker.report(permit, 0, failed=False, place="a")
    for _ in range(5):
        _call(breaker, 1, failed=False)
    breaker.broke_off(permit, 2)
    assert breaker.state(2) is CircuitState.OPEN


def test_a_probe_that_breaks_off_late_does_not_open_the_circuit_it_has_closed() -> None:
    breaker = _breaker(half_open_calls=1, min_calls=1)
    _trip(breaker, 0, calls=1)
    probe = _take(breaker, OPEN_FOR)
    breaker.report(probe, OPEN_FOR, failed=False)
    breaker.broke_off(probe, OPEN_FOR + 1)
    assert breaker.state(OPEN_FOR + 1) is CircuitState.CLOSED


def test_the_observer_is_told_which_outcomes_decided_by_place() -> None:
    told: list[tuple[str, dict[str, Outcomes]]] = []
    breaker = _breaker(
        half_open_calls=2, observer=lambda row, _, evidence: told.append((row.event.name, dict(evidence)))
    )
    for place, failed in (("a", True), ("a", True), ("b", False), ("a", False)):
        breaker.report(_take(breaker, 0), 0, failed=failed, place=place)
    breaker.report(_take(breaker, OPEN_FOR), OPEN_FOR, failed=False, place="b")
    assert breaker.evidence(OPEN_FOR) == {"b": (1, 0, 0)}
    _take(breaker, OPEN_FOR)
    assert breaker.state(OPEN_FOR + LOST_AFTER) is CircuitState.OPEN
    assert breaker.evidence(OPEN_FOR + LOST_AFTER) == {}
    assert told == [
        ("TRIPPED", {"a": (3, 2, 0), "b": (1, 0, 0)}),
        ("RESTED", {}),
        ("PROBES_FAILED", {"b": (1, 0, 0), "": (1, 1, 1)}),
    ]


def test_a_report_counts_once() -> None:
    breaker = _breaker(min_calls=2)
    permit = _take(breaker, 0)
    for _ in range(10):
        breaker.report(permit, 0, failed=True)
    assert breaker.state(0) is CircuitState.CLOSED


def test_a_closed_circuit_begins_with_an_empty_window() -> None:
    breaker = _breaker(half_open_calls=1)
    _trip(breaker, 0)
    _call(breaker, OPEN_FOR, failed=False)
    for _ in range(3):
        _call(breaker, OPEN_FOR, failed=True)
    assert breaker.state(OPEN_FOR) is CircuitState.CLOSED


def test_a_dead_service_gets_its_probes_and_no_more() -> None:
    breaker = _breaker(half_open_calls=3)
    _trip(breaker, 0)
    asked = 0
    for now in range(1, 20 * OPEN_FOR + 1):
        while (permit := breaker.acquire(now)) is not None:
            asked += 1
            breaker.report(permit, now, failed=True)
    assert asked == 20 * 2  # two failures of three are half of them, so the third is not needed


def _outage(breaker: CircuitBreaker | None) -> tuple[int, int]:
    """Calls made and refused in 30 s in which every call takes its timeout of 1 s; 100 calls/s, well before that."""
    made = refused = 0
    ends: list[tuple[int, int, Permit]] = []
    for number in range(4000):
        now = number * SECOND // 100
        while breaker is not None and ends and ends[0][0] <= now:
            end, _, ended = heapq.heappop(ends)
            breaker.report(ended, end, failed=ended.taken >= 10 * SECOND)
        ill = now >= 10 * SECOND
        permit = None if breaker is None else breaker.acquire(now)
        if breaker is not None and permit is None:
            refused += 1
        elif ill:
            made += 1
        if permit is not None:
            heapq.heappush(ends, (now + (SECOND if ill else SECOND // 100), number, permit))
    return made, refused


def test_an_outage_costs_what_was_under_way_and_the_probes() -> None:
    breaker = CircuitBreaker(
        CountWindow(20), min_calls=20, failure_rate=0.5, open_for=5 * SECOND, half_open_calls=5, lost_after=60 * SECOND
    )
    made, refused = _outage(breaker)
    # The tenth of twenty fails 1.09 s into the outage, just before the 110th call; then 5 each 6.02 s.
    assert made == 109 + 4 * 5
    assert made + refused == 3000
    assert _outage(None) == (3000, 0)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: _breaker(min_calls=0), "min_calls must be at least 1, not 0"),
        (lambda: _breaker(min_calls=11), "min_calls must be at most 10, the size of the window, not 11"),
        (lambda: _breaker(half_open_calls=0), "half_open_calls must be at least 1, not 0"),
        (lambda: _breaker(failure_rate=0.0), "failure_rate must be greater than 0 and at most 1"),
        (lambda: _breaker(slow_rate=1.5), "slow_rate must be greater than 0 and at most 1"),
    ],
)
def test_numbers_that_make_no_sense_are_errors(make: Callable[[], CircuitBreaker], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make()
