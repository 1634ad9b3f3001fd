"""What a circuit tells an X-ray in each of its states, and that telling moves nothing."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from api_gateway import Request, RequestContext, Response
from api_gateway.core.clock import NANOSECONDS, ManualClock
from api_gateway.core.errors import CircuitOpen
from api_gateway.middleware.circuit_breaking import CircuitBreakingMiddleware
from api_gateway.middleware.circuit_facts import circuit_facts
from api_gateway.resilience.circuit_breaker import CircuitBreaker, Permit
from api_gateway.resilience.outcome_window import CountWindow, OutcomeWindow, TimeWindow

A, B = "http://a", "http://b"


def breaker(window: OutcomeWindow | None = None, *, slow_after: int | None = None) -> CircuitBreaker:
    return CircuitBreaker(
        window or CountWindow(6),
        min_calls=4,
        failure_rate=0.5,
        open_for=30 * NANOSECONDS,
        half_open_calls=2,
        slow_after=slow_after,
        lost_after=9 * NANOSECONDS,
    )


def call(subject: CircuitBreaker, now: int, place: str, *, failed: bool) -> None:
    permit = subject.acquire(now)
    assert permit is not None
    subject.report(permit, now, failed=failed, place=place)


def test_a_closed_circuit_tells_the_window_by_endpoint_and_what_would_open_it() -> None:
    subject = breaker(slow_after=2 * NANOSECONDS)
    call(subject, 0, A, failed=True)
    call(subject, 0, A, failed=False)
    call(subject, 0, B, failed=False)
    assert circuit_facts(subject, 0) == {
        "state": "closed",
        "calls": 3,
        "failed": 1,
        "slow": 0,
        "by endpoint": {A: {"calls": 2, "failed": 1, "slow": 0}, B: {"calls": 1, "failed": 0, "slow": 0}},
        "calls needed": 4,
        "opens at": "50 % failed, or 100 % of 2 s or longer",
    }


def test_a_circuit_that_saw_no_call_yet_has_no_endpoints_to_tell_of() -> None:
    assert circuit_facts(breaker(), 0) == {
        "state": "closed",
        "calls": 0,
        "failed": 0,
        "slow": 0,
        "calls needed": 4,
        "opens at": "50 % failed",
    }


def test_an_open_circuit_tells_how_long_it_stays_so() -> None:
    subject = breaker()
    for _ in range(4):
        call(subject, 0, A, failed=True)
    assert circuit_facts(subject, 12 * NANOSECONDS) == {"state": "open", "half open in": "18 s"}


def test_a_half_open_circuit_tells_of_its_probes() -> None:
    subject = breaker()
    for _ in range(4):
        call(subject, 0, A, failed=True)
    subject.acquire(31 * NANOSECONDS)
    assert circuit_facts(subject, 31 * NANOSECONDS) == {
        "state": "half_open",
        "calls": 0,
        "failed": 0,
        "slow": 0,
        "probes": 2,
        "in flight": 1,
        "opens at": "50 % failed",
    }


async def test_the_middleware_tells_its_breaker_s_facts_as_of_now() -> None:
    clock = ManualClock()
    subject = CircuitBreakingMiddleware("users", breaker(), clock=clock)

    async def broken(request: Request, context: RequestContext) -> Response:
        return Response(500)

    for _ in range(4):
        await subject(Request("GET", "/"), RequestContext(), broken)
    with pytest.raises(CircuitOpen):
        await subject(Request("GET", "/"), RequestContext(), broken)
    clock.advance(10)
    assert await subject.state_for(Request("GET", "/"), RequestContext()) == {"state": "open", "half open in": "20 s"}


_STEPS = st.lists(
    st.tuples(
        st.sampled_from(("acquire", "fail", "succeed", "cancel", "break off")),
        st.sampled_from((0, 1, 5, 31)),
        st.integers(0, 2),
    ),
    max_size=60,
)


@pytest.mark.parametrize("by_time", [False, True], ids=["by-count", "by-time"])
@settings(max_examples=60)
@given(steps=_STEPS)
def test_asking_changes_no_decision(by_time: bool, steps: list[tuple[str, int, int]]) -> None:
    def decisions(*, asked: bool) -> list[object]:
        found: list[object] = []
        subject = breaker(TimeWindow(20 * NANOSECONDS) if by_time else None, slow_after=3 * NANOSECONDS)
        subject.observer = lambda row, at, evidence: found.append((row, at, dict(evidence)))
        permits: list[Permit] = []
        now = 0
        for step, passed, times in steps:
            now += passed * NANOSECONDS
            for _ in range(times if asked else 0):
                circuit_facts(subject, now)
            if step == "acquire":
                permit = subject.acquire(now)
                found.append(permit is None)
                permits += [permit] if permit is not None else []
            elif permits and step == "cancel":
                subject.cancel(permits.pop(0), now)
            elif permits and step == "break off":
                subject.broke_off(permits[0], now)
            elif permits:
                subject.report(permits.pop(0), now, failed=step == "fail", place=A)
        last = subject.state(now)  # which may itself add a transition
        return [*found, last]

    assert decisions(asked=True) == decisions(asked=False)
