"""The token bucket by example."""

from __future__ import annotations

from api_gateway.rate_limiting import TokenBucket

SECOND = 10**9


def test_a_full_bucket_empties_and_a_token_drips_in_every_interval() -> None:
    limiter = TokenBucket(2, 1, 3)
    assert [limiter.acquire("key", 0)[:4] for _ in range(3)] == [
        (True, 3, 2, SECOND // 2),
        (True, 3, 1, SECOND),
        (True, 3, 0, 3 * SECOND // 2),
    ]
    assert limiter.acquire("key", 0) == (False, 3, 0, 3 * SECOND // 2, SECOND // 2, 0)
    assert limiter.acquire("key", SECOND // 4).retry_after == SECOND // 4
    assert limiter.acquire("key", SECOND // 2).allowed


def test_it_holds_no_more_than_the_burst_however_long_it_waits() -> None:
    limiter = TokenBucket(2, 1, 3)
    limiter.acquire("key", 0)
    assert [limiter.acquire("key", 3600 * SECOND).allowed for _ in range(4)] == [True, True, True, False]


def test_a_refused_cost_leaves_the_tokens_that_are_there() -> None:
    limiter = TokenBucket(2, 1, 3)
    assert limiter.acquire("key", 0, 1).allowed
    refusal = limiter.acquire("key", 0, 3)
    assert (refusal.allowed, refusal.remaining, refusal.retry_after) == (False, 2, SECOND // 2)
    assert limiter.acquire("key", 0, 2).allowed


def test_with_a_lower_rate_no_period_sees_more_than_the_limit() -> None:
    """At most N in any P: drip at (N - b) / P."""
    limit, burst = 10, 4
    limiter = TokenBucket(limit - burst, 1, burst)
    times = [now for now in range(0, 5 * SECOND, SECOND // 1000) if limiter.acquire("key", now).allowed]
    worst = max(sum(start <= now < start + SECOND for now in times) for start in times)
    assert worst == limit - 1
