"""Limiters: the algorithms by the names that configurations use, and what a `Limit` says to each.

Rule: there are three kinds. A *window* admits its whole limit at once and has no burst of its own; what a
*bucket* lacks comes back one by one; `concurrency` knows no time. Whoever must tell kinds apart asks here.

What it does not do: keep state of several limits. A store does (`limit_store.py`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TypeAlias

from api_gateway.rate_limiting.concurrency import Concurrency
from api_gateway.rate_limiting.fixed_window import FixedWindow
from api_gateway.rate_limiting.gcra import GCRA
from api_gateway.rate_limiting.keyed_rate_limiter import ReservingRateLimiter
from api_gateway.rate_limiting.leaky_bucket import LeakyBucket
from api_gateway.rate_limiting.leaky_bucket_queue import LeakyBucketQueue
from api_gateway.rate_limiting.limit_store import AlgorithmName, Limit
from api_gateway.rate_limiting.sliding_window_counter import SlidingWindowCounter
from api_gateway.rate_limiting.sliding_window_log import SlidingWindowLog
from api_gateway.rate_limiting.token_bucket import TokenBucket

LimiterFactory: TypeAlias = Callable[[int, float, int | None], ReservingRateLimiter]
"""Makes a limiter in memory of limit, period in seconds, and burst."""
Window: TypeAlias = type[FixedWindow] | type[SlidingWindowLog] | type[SlidingWindowCounter]
Bucket: TypeAlias = type[TokenBucket] | type[LeakyBucket] | type[LeakyBucketQueue] | type[GCRA]

WINDOWS: Mapping[AlgorithmName, Window] = {
    "fixed_window": FixedWindow,
    "sliding_window_log": SlidingWindowLog,
    "sliding_window_counter": SlidingWindowCounter,
}
BUCKETS: Mapping[AlgorithmName, Bucket] = {
    "token_bucket": TokenBucket,
    "leaky_bucket": LeakyBucket,
    "leaky_bucket_queue": LeakyBucketQueue,
    "gcra": GCRA,
}
LIMITERS: Mapping[AlgorithmName, LimiterFactory] = {
    **WINDOWS,
    **BUCKETS,
    "concurrency": lambda limit, _period, _burst: Concurrency(limit),
}


def limiter_of(limit: Limit) -> ReservingRateLimiter:
    """A limiter of `limit` in memory.

    Raises:
        ValueError: a number is not what it may be.
    """
    return LIMITERS[limit.algorithm](limit.limit, limit.period, limit.burst)


def at_once(limit: Limit) -> int:
    """The most that `limit` admits at one instant: `Decision.limit` of its decisions."""
    if limit.algorithm not in BUCKETS:
        return limit.limit
    burst = limit.limit if limit.burst is None else limit.burst
    # A queue has one whose turn it is besides those that wait.
    return burst + 1 if limit.algorithm == "leaky_bucket_queue" else burst
