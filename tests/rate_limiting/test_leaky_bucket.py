"""The leaky bucket as a meter: the token bucket's mirror image."""

from __future__ import annotations

from api_gateway.rate_limiting import LeakyBucket, TokenBucket

SECOND = 10**9


def test_it_fills_and_leaks() -> None:
    limiter = LeakyBucket(2, 1, 3)
    assert limiter.acquire("key", 0, 3) == (True, 3, 0, 3 * SECOND // 2, None, 0)
    assert limiter.acquire("key", 0, 2).retry_after == SECOND
    assert limiter.acquire("key", SECOND, 2).allowed


def test_its_level_is_what_is_missing_in_a_token_bucket() -> None:
    leaky, tokens = LeakyBucket(7, 3, 5), TokenBucket(7, 3, 5)
    for now in range(0, 3 * SECOND, SECOND // 7):
        assert leaky.acquire("key", now) == tokens.acquire("key", now)
        level, bucket = leaky.table.get("key"), tokens.table.get("key")
        assert level is not None
        assert bucket is not None
        assert level[0] == leaky.quota.burst * leaky.quota.interval - bucket[0]
