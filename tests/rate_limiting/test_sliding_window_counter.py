"""The sliding counter by example, with what is right and wrong about it."""

from __future__ import annotations

import pytest

from api_gateway.rate_limiting import SlidingWindowCounter, SlidingWindowLog

SECOND = 10**9


def test_the_previous_window_counts_for_the_share_of_it_that_is_still_in_sight() -> None:
    limiter = SlidingWindowCounter(10, 10)
    limiter.acquire("key", 9 * SECOND, 8)
    assert limiter.acquire("key", 15 * SECOND, 0).remaining == 6
    assert limiter.acquire("key", 15 * SECOND, 7).retry_after == 1_250_000_000  # when 8 weigh 3
    assert limiter.acquire("key", 15 * SECOND, 6).allowed
    assert limiter.acquire("key", 20 * SECOND, 0).remaining == 4


def test_when_this_window_is_full_the_next_one_decides() -> None:
    limiter = SlidingWindowCounter(10, 10)
    limiter.acquire("key", 0, 10)
    refusal = limiter.acquire("key", 0, 4)
    assert (refusal.remaining, refusal.retry_after) == (0, 14 * SECOND)  # at f = 1 - (N - c) / current
    assert limiter.acquire("key", 0, 10).retry_after == 20 * SECOND


def test_a_boundary_lets_no_burst_through() -> None:
    limiter = SlidingWindowCounter(10, 10)
    limiter.acquire("key", 10 * SECOND - 1, 10)
    assert not limiter.acquire("key", 10 * SECOND).allowed


def test_where_the_clock_went_back_the_window_before_weighs_no_more_than_once() -> None:
    limiter = SlidingWindowCounter(10, 10)
    limiter.acquire("key", 9 * SECOND, 5)
    limiter.acquire("key", 19 * SECOND, 1)
    assert limiter.acquire("key", 1 * SECOND, 0).remaining == 4


def test_a_key_that_came_early_is_refused_although_its_period_is_over() -> None:
    counter, log = SlidingWindowCounter(10, 10), SlidingWindowLog(10, 10)
    for limiter in (counter, log):
        limiter.acquire("key", 0, 10)
    assert log.acquire("key", 12 * SECOND, 3).allowed
    assert not counter.acquire("key", 12 * SECOND, 3).allowed


@pytest.mark.parametrize(("limit", "per_two_periods"), [(1, 1), (2, 2), (7, 12), (90, 178)])
def test_a_client_that_never_stops_gets_one_less_than_the_limit(limit: int, per_two_periods: int) -> None:
    limiter = SlidingWindowCounter(limit, 3)
    period = limiter.quota.period
    now, admitted = 0, 0
    while now < 42 * period:
        decision = limiter.acquire("key", now)
        if decision.allowed:
            admitted += now >= 2 * period
        else:
            assert decision.retry_after is not None
            now += decision.retry_after
    assert admitted == pytest.approx(20 * per_two_periods, abs=2)
