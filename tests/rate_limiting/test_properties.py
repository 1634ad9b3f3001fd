"""What every algorithm promises, whatever it is asked: the properties of a rate limiter."""

from __future__ import annotations

import asyncio
from itertools import accumulate

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from api_gateway.rate_limiting import (
    GCRA,
    Decision,
    FixedWindow,
    LeakyBucketQueue,
    SlidingWindowCounter,
    SlidingWindowLog,
)
from tests.support.rate_limiters import (
    ALGORITHMS,
    BUCKETS,
    Ask,
    FractionBucket,
    Limiter,
    disordered,
    limiter,
    quotas,
    traces,
)

each_algorithm = pytest.mark.parametrize("algorithm", ALGORITHMS, ids=lambda algorithm: algorithm.__name__)
each_bucket = pytest.mark.parametrize("algorithm", BUCKETS, ids=lambda algorithm: algorithm.__name__)
clocks = st.binary(min_size=30, max_size=30)  # much cheaper to draw than a list of integers
many = settings(max_examples=30)


def decisions(subject: Limiter, trace: list[Ask]) -> list[Decision]:
    return [subject.acquire(ask.key, ask.now, ask.cost) for ask in trace]


@each_bucket
@many
@given(quotas(), traces())
def test_buckets_admit_at_most_the_burst_and_what_drips_in(
    algorithm: type[Limiter], quota: tuple[int, int, int], trace: list[Ask]
) -> None:
    limit, period, burst = quota
    granted = [ask for ask, decision in zip(trace, decisions(limiter(algorithm, *quota), trace), strict=True)
               if decision.allowed]  # fmt: skip
    for first in range(len(granted)):
        total = 0
        for last in range(first, len(granted)):
            total += granted[last].cost
            assert (total - burst) * period <= (granted[last].now - granted[first].now) * limit


@each_bucket
@many
@given(quotas(), traces())
def test_buckets_decide_as_the_definition_in_fractions(
    algorithm: type[Limiter], quota: tuple[int, int, int], trace: list[Ask]
) -> None:
    subject, oracle = limiter(algorithm, *quota), FractionBucket(*quota)
    for ask in trace:
        assert subject.acquire(ask.key, ask.now, ask.cost) == oracle.acquire(ask.now, ask.cost)


@many
@given(quotas(), traces(), clocks)
def test_the_three_buckets_decide_alike_whatever_the_clock_does(
    quota: tuple[int, int, int], trace: list[Ask], order: bytes
) -> None:
    asked = disordered(trace, order)
    first, *others = (decisions(limiter(algorithm, *quota), asked) for algorithm in BUCKETS)
    assert all(other == first for other in others)


@many
@given(quotas(), traces())
def test_a_queue_admits_what_gcra_with_one_more_admits(quota: tuple[int, int, int], trace: list[Ask]) -> None:
    limit, period, burst = quota
    queue, meter = limiter(LeakyBucketQueue, *quota), limiter(GCRA, limit, period, burst + 1)
    for ask in trace:
        assert queue.acquire(ask.key, ask.now, ask.cost)._replace(wait=0) == meter.acquire(ask.key, ask.now, ask.cost)


@each_algorithm
@many
@given(quotas(), traces(), clocks, st.booleans())
def test_acquire_decides_as_the_pure_rule(
    algorithm: type[Limiter], quota: tuple[int, int, int], trace: list[Ask], order: bytes, jumps: bool
) -> None:
    subject = limiter(algorithm, *quota)
    state: object = None
    for ask in disordered(trace, order) if jumps else trace:
        after, decision = subject.decide(state, ask.now, ask.cost)
        assert subject.acquire("key", ask.now, ask.cost) == decision
        if decision.allowed and ask.cost:
            state = after
        assert subject.table.get("key") == state


@each_algorithm
@many
@given(quotas(), traces(), clocks, st.booleans())
def test_remaining_is_exactly_what_would_be_admitted_now(
    algorithm: type[Limiter], quota: tuple[int, int, int], trace: list[Ask], order: bytes, jumps: bool
) -> None:
    subject = limiter(algorithm, *quota)
    for ask in disordered(trace, order) if jumps else trace:
        decision = subject.acquire("key", ask.now, ask.cost)
        state = subject.table.get("key")
        if decision.remaining or not jumps:  # behind its own time, a key may be refused even nothing
            assert subject.decide(state, ask.now, decision.remaining)[1].allowed
        assert not subject.decide(state, ask.now, decision.remaining + 1)[1].allowed


@each_algorithm
@many
@given(quotas(), traces(), clocks, st.booleans())
def test_reset_after_is_exactly_when_the_key_is_as_good_as_new(
    algorithm: type[Limiter], quota: tuple[int, int, int], trace: list[Ask], order: bytes, jumps: bool
) -> None:
    subject = limiter(algorithm, *quota)
    for ask in disordered(trace, order) if jumps else trace:
        decision = subject.acquire("key", ask.now, ask.cost)
        state = subject.table.get("key")
        if state is None:
            assert decision.reset_after == 0
            continue
        reset = ask.now + decision.reset_after
        assert subject.is_idle(state, reset)
        assert decision.reset_after == 0 or not subject.is_idle(state, reset - 1)
        for cost in range(decision.limit + 2):
            assert subject.decide(state, reset, cost)[1] == subject.decide(None, reset, cost)[1]


@each_algorithm
@many
@given(quotas(), traces(), clocks, st.booleans())
def test_an_idle_key_is_treated_as_a_new_one_for_ever_after(
    algorithm: type[Limiter], quota: tuple[int, int, int], trace: list[Ask], later: bytes, jumps: bool
) -> None:
    subject = limiter(algorithm, *quota)
    state: object = None
    for ask in trace:
        state = subject.decide(state, ask.now, ask.cost)[0]
    assume(state is not None)
    for now in range(trace[-1].now, trace[-1].now + 100, 7):
        if subject.is_idle(state, now):
            for wait in later[:5]:
                for cost in range(4):
                    assert subject.decide(state, now + wait, cost)[1] == subject.decide(None, now + wait, cost)[1]


@each_algorithm
@many
@given(quotas(), traces(), clocks, st.booleans())
def test_retry_after_is_tight(
    algorithm: type[Limiter], quota: tuple[int, int, int], trace: list[Ask], order: bytes, jumps: bool
) -> None:
    subject = limiter(algorithm, *quota)
    for ask in disordered(trace, order) if jumps else trace:
        decision = subject.acquire("key", ask.now, ask.cost)
        if decision.allowed or ask.cost > decision.limit:
            assert decision.retry_after is None
        else:
            assert decision.retry_after is not None
            state = subject.table.get("key")
            retry = ask.now + decision.retry_after
            assert not subject.decide(state, retry - 1, ask.cost)[1].allowed
            assert subject.decide(state, retry, ask.cost)[1].allowed


@each_algorithm
@many
@given(quotas(), traces())
def test_a_refusal_changes_nothing(algorithm: type[Limiter], quota: tuple[int, int, int], trace: list[Ask]) -> None:
    """Those who were refused can be left out of the trace, and nothing else changes."""
    subject = limiter(algorithm, *quota)
    granted = [
        (ask, decision) for ask, decision in zip(trace, decisions(subject, trace), strict=True) if decision.allowed
    ]
    assert decisions(limiter(algorithm, *quota), [ask for ask, _ in granted]) == [decision for _, decision in granted]


@each_algorithm
def test_what_costs_more_than_the_limit_is_never_admitted_and_has_no_retry(algorithm: type[Limiter]) -> None:
    subject = limiter(algorithm, 3, 7, 3)
    most = subject.acquire("key", 0, 0).limit
    for now in range(0, 1000, 13):
        refusal = subject.acquire("key", now, most + 1)
        assert (refusal.allowed, refusal.retry_after, refusal.remaining) == (False, None, most)
    assert len(subject.table) == 0
    assert subject.acquire("key", 1000, most).allowed


@each_algorithm
def test_a_cost_of_nothing_asks_without_taking(algorithm: type[Limiter]) -> None:
    subject = limiter(algorithm, 3, 7, 3)
    fresh = subject.acquire("key", 0, 0)
    assert (fresh.allowed, fresh.remaining, fresh.reset_after, fresh.wait) == (True, fresh.limit, 0, 0)
    assert len(subject.table) == 0
    used = subject.acquire("key", 0)
    assert subject.acquire("key", 0, 0) == used._replace(wait=0)
    while subject.acquire("key", 0).allowed:
        pass
    assert subject.acquire("key", 0, 0).allowed


@each_algorithm
def test_a_negative_cost_is_an_error_and_gives_nothing_back(algorithm: type[Limiter]) -> None:
    subject = limiter(algorithm, 3, 7, 3)
    for _ in range(2):
        before = subject.acquire("key", 0, 0)
        with pytest.raises(ValueError, match="negative"):
            subject.acquire("key", 0, -1)
        assert subject.acquire("key", 0, 0) == before
        subject.acquire("key", 0)


@pytest.mark.parametrize("algorithm", [each for each in ALGORITHMS if each is not SlidingWindowCounter])
@pytest.mark.parametrize(("limit", "seconds"), [(90, 60), (7, 3), (100, 1), (1, 3)])
def test_saturated_throughput_tends_to_the_rate(algorithm: type[Limiter], limit: int, seconds: int) -> None:
    periods = 40
    subject = algorithm(limit, seconds)
    now = admitted = 0
    end = periods * subject.quota.period
    while now < end:
        decision = subject.acquire("key", now)
        if decision.allowed:
            admitted += 1
        else:
            assert decision.retry_after is not None
            now += decision.retry_after
    assert limit * (periods - 1) <= admitted <= limit * (periods + 1) + 1


@each_algorithm
@many
@given(quotas(), traces(keys=3))
def test_keys_are_independent(algorithm: type[Limiter], quota: tuple[int, int, int], trace: list[Ask]) -> None:
    subject = limiter(algorithm, *quota)
    together = decisions(subject, trace)
    for key in {ask.key for ask in trace}:
        alone = decisions(limiter(algorithm, *quota), [ask for ask in trace if ask.key == key])
        assert alone == [decision for ask, decision in zip(trace, together, strict=True) if ask.key == key]


@each_algorithm
@many
@given(quotas(), traces(), clocks)
def test_a_clock_that_goes_back_never_admits_more(
    algorithm: type[Limiter], quota: tuple[int, int, int], trace: list[Ask], order: bytes
) -> None:
    """What a jumping clock admitted would have been admitted under one that stands still instead of going back."""
    asked = disordered(trace, order)
    granted = [ask for ask, decision in zip(asked, decisions(limiter(algorithm, *quota), asked), strict=True)
               if decision.allowed and ask.cost]  # fmt: skip
    steady = accumulate((ask.now for ask in granted), max)
    again = [ask._replace(now=now) for ask, now in zip(granted, steady, strict=True)]
    assert all(decision.allowed for decision in decisions(limiter(algorithm, *quota), again))


@each_algorithm
@pytest.mark.parametrize("jumps", [False, True])
@many
@given(quotas(), traces(keys=8, most=60), clocks, st.integers(1, 6))
def test_a_full_table_never_admits_more(
    algorithm: type[Limiter], jumps: bool, quota: tuple[int, int, int], trace: list[Ask], order: bytes, room: int
) -> None:
    """What a table with little room admits, one with room for all admits too, key by key."""
    small, large = limiter(algorithm, *quota, max_keys=room), limiter(algorithm, *quota)
    latest = 0
    for ask in disordered(trace, order) if jumps else trace:
        latest = max(latest, ask.now)
        new = small.table.get(ask.key) is None
        # As a clock that stands still where the real one goes back behind what the table has dropped.
        now = max(ask.now, small.table.latest_sweep) if new else ask.now
        assert now <= latest
        if small.acquire(ask.key, ask.now, ask.cost).allowed:
            assert large.acquire(ask.key, now, ask.cost).allowed
        assert len(small.table) <= room


@each_algorithm
async def test_concurrent_tasks_admit_exactly_the_limit(algorithm: type[Limiter]) -> None:
    subject = limiter(algorithm, 50, 10**9, 50)
    start = asyncio.Event()

    async def ask() -> bool:
        await start.wait()
        return subject.acquire("key", 0).allowed

    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(ask()) for _ in range(500)]
        start.set()
    assert sum(task.result() for task in tasks) == subject.acquire("key", 0, 0).limit


@pytest.mark.parametrize("algorithm", [FixedWindow, SlidingWindowLog, GCRA])
def test_a_year_of_uptime_and_an_awkward_ratio_lose_nothing(algorithm: type[Limiter]) -> None:
    subject = algorithm(7, 3)
    start = 366 * 24 * 3600 * 10**9 + 1
    start -= start % subject.quota.period
    assert [subject.acquire("key", start).remaining for _ in range(7)] == [6, 5, 4, 3, 2, 1, 0]
    refusal = subject.acquire("key", start)
    assert refusal.retry_after is not None
    assert not subject.acquire("key", start + refusal.retry_after - 1).allowed
    assert subject.acquire("key", start + refusal.retry_after).allowed
