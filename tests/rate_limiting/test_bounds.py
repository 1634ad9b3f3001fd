"""The worst window of every algorithm, by exhaustive search: each proven bound is kept, and reached.

A tick is a nanosecond here, and the search goes over every pattern of arrivals at whole ticks. The
formulas of the docstrings are for any real time; on ticks a window across a boundary has at least one
tick on each side, so there the bounds of the two counters are a little lower.
"""

from __future__ import annotations

from itertools import pairwise, product

import pytest

from api_gateway.rate_limiting import FixedWindow, LeakyBucketQueue, SlidingWindowCounter, SlidingWindowLog
from tests.support.rate_limiters import BUCKETS, Limiter, limiter, worst_window


def ceil_div(numerator: int, denominator: int) -> int:
    return -(-numerator // denominator)


@pytest.mark.parametrize("algorithm", BUCKETS)
@pytest.mark.parametrize(
    ("limit", "period", "burst"), [(2, 6, 2), (3, 6, 3), (2, 6, 1), (1, 3, 3), (2, 5, 2), (3, 7, 2)]
)
def test_a_bucket_admits_its_burst_and_one_less_than_drips_in(
    algorithm: type[Limiter], limit: int, period: int, burst: int
) -> None:
    subject = limiter(algorithm, limit, period, burst)
    for window in range(1, period + 4):
        bound = burst + ceil_div(window * limit, period) - 1
        worst = worst_window(subject, window, 2 * period + 2)
        assert worst <= bound
        if period % limit == 0 or window == period:  # else the bound lies between ticks
            assert worst == bound


@pytest.mark.parametrize(("limit", "period"), [(2, 4), (3, 5), (3, 4)])
def test_a_fixed_window_admits_twice_its_limit_within_two_ticks(limit: int, period: int) -> None:
    subject = limiter(FixedWindow, limit, period)
    assert worst_window(subject, 2, 3 * period) == 2 * limit
    for window in range(1, 2 * period + 1):
        worst = worst_window(subject, window, 4 * period)
        assert worst <= limit * (ceil_div(window, period) + 1)
        assert worst == limit * (ceil_div(window - 1, period) + 1)


@pytest.mark.parametrize(("limit", "period"), [(2, 4), (3, 5), (3, 4)])
def test_a_log_admits_its_limit_in_every_period(limit: int, period: int) -> None:
    subject = limiter(SlidingWindowLog, limit, period)
    for window in range(1, 2 * period + 1):
        assert worst_window(subject, window, 3 * period) == limit * ceil_div(window, period)


@pytest.mark.parametrize(("limit", "period"), [(2, 4), (3, 6), (3, 5), (2, 6)])
def test_a_sliding_counter_admits_up_to_one_less_than_twice_its_limit_in_a_period(limit: int, period: int) -> None:
    subject = limiter(SlidingWindowCounter, limit, period)
    for window in range(2, period + 1):
        worst = worst_window(subject, window, 4 * period)
        assert worst < limit + limit * window / period
        assert worst == limit + limit * (window - 2) // period
    assert worst_window(subject, 1, 4 * period) == limit


def test_a_sliding_counter_of_ten_reaches_nineteen() -> None:
    """As the search for smaller ones says: ten at the end of a window, then one at each tenth of the next."""
    subject = limiter(SlidingWindowCounter, 10, 1000)
    late = [subject.acquire("key", 999).allowed for _ in range(10)]
    following = [subject.acquire("key", 1000 + tick).allowed for tick in range(999)]
    assert sum(late) + sum(following) == 19


@pytest.mark.parametrize(("limit", "period", "queue"), [(2, 4, 2), (1, 3, 1), (2, 4, 0), (3, 6, 2), (2, 3, 1)])
def test_a_queue_lets_out_one_at_a_time_however_they_come(limit: int, period: int, queue: int) -> None:
    fullest: dict[int, int] = {}
    for pattern in product(range(queue + 2), repeat=6):
        subject = limiter(LeakyBucketQueue, limit, period, queue)
        out = []
        for now, arrivals in enumerate(pattern):
            for _ in range(arrivals):
                decision = subject.acquire("key", now)
                if decision.allowed:
                    assert decision.wait * limit < queue * period + limit  # at most q * T, rounded up
                    out.append(now + decision.wait)
        assert all(earlier < later for earlier, later in pairwise(out))
        for window in range(1, 2 * period):
            worst = max((sum(start <= left < start + window for left in out) for start in out), default=0)
            fullest[window] = max(fullest.get(window, 0), worst)
    for window, worst in fullest.items():
        assert worst <= ceil_div(window * limit, period)
    if queue:
        assert fullest[period] == limit
