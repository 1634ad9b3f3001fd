"""How many, how fast: every limiter by the name the field gives it. Pure, and of the standard library only.

    limiter = GCRA(limit=100, period=60, burst=20)
    decision = limiter.acquire("192.0.2.7", now=clock.monotonic())

Reading order: `rate_limiter.py` (the words), `fixed_window.py` (the simplest, and what is wrong
with it), `sliding_window_log.py`, `sliding_window_counter.py`, `token_bucket.py`, `leaky_bucket.py`,
`gcra.py` (the same again in one number), `leaky_bucket_queue.py`, `concurrency.py`; then
`keyed_rate_limiter.py`, `keyed_state.py` and `all_or_nothing.py` for what they share.
"""

from api_gateway.rate_limiting.all_or_nothing import Claim, acquire_all
from api_gateway.rate_limiting.concurrency import Concurrency
from api_gateway.rate_limiting.fixed_window import FixedWindow
from api_gateway.rate_limiting.gcra import GCRA
from api_gateway.rate_limiting.leaky_bucket import LeakyBucket
from api_gateway.rate_limiting.leaky_bucket_queue import LeakyBucketQueue
from api_gateway.rate_limiting.rate_limiter import Decision, Quota, RateLimiter
from api_gateway.rate_limiting.sliding_window_counter import SlidingWindowCounter
from api_gateway.rate_limiting.sliding_window_log import SlidingWindowLog
from api_gateway.rate_limiting.token_bucket import TokenBucket

__all__ = [
    "GCRA",
    "Claim",
    "Concurrency",
    "Decision",
    "FixedWindow",
    "LeakyBucket",
    "LeakyBucketQueue",
    "Quota",
    "RateLimiter",
    "SlidingWindowCounter",
    "SlidingWindowLog",
    "TokenBucket",
    "acquire_all",
]
