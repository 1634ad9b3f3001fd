"""The rate limiters that others use, each as a function that asks for one request.

Rule: each as its own documentation says, in memory, and with the least around it that its public
interface allows. They read the clock themselves, so the time they are handed goes unused.

A full decision says what remains and when it resets, as the headers of an answer need: throttled-py
returns that, `limits` is asked for it after each hit (and without, as `limits hit only`), and
pyrate-limiter does not tell. It has a bucket for each key, and leaves it to its user to keep them; a
dictionary does so here.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import TypeAlias

import pyrate_limiter as pyrate
from limits import RateLimitItemPerSecond
from limits.storage import MemoryStorage
from limits.strategies import (
    FixedWindowRateLimiter,
    MovingWindowRateLimiter,
    RateLimiter,
    SlidingWindowCounterRateLimiter,
)
from throttled import Throttled, rate_limiter, store

_LIMIT = 1_000_000
_ROOM = 200_000  # throttled-py keeps the latest 1024 keys unless told otherwise

Acquire: TypeAlias = Callable[[str, int], object]
"""Asks for one request of a key, at a time in nanoseconds."""


def _limits(strategy: type[RateLimiter]) -> Callable[[], Acquire]:
    def make() -> Acquire:
        limiter = strategy(MemoryStorage())
        hit, statistics = limiter.hit, limiter.get_window_stats
        item = RateLimitItemPerSecond(_LIMIT)
        return lambda key, _now: (hit(item, key), statistics(item, key))

    return make


def _limits_hit_only() -> Acquire:
    hit = FixedWindowRateLimiter(MemoryStorage()).hit
    item = RateLimitItemPerSecond(_LIMIT)
    return lambda key, _now: hit(item, key)


def _throttled(algorithm: str) -> Callable[[], Acquire]:
    def make() -> Acquire:
        quota = rate_limiter.per_duration(timedelta(seconds=1), _LIMIT, burst=_LIMIT)
        memory = store.MemoryStore(options={"MAX_SIZE": _ROOM})
        limit = Throttled(using=algorithm, quota=quota, store=memory).limit
        return lambda key, _now: limit(key)

    return make


class _Buckets(pyrate.BucketFactory):
    """A bucket for each key."""

    def __init__(self) -> None:
        self._buckets: dict[str, pyrate.StateBucket] = {}
        self._clock = pyrate.MonotonicClock()
        self._rate = pyrate.Rate(_LIMIT, pyrate.Duration.SECOND)

    def wrap_item(self, name: str, weight: int = 1) -> pyrate.RateItem:
        return pyrate.RateItem(name, self._clock.now(), weight=weight)

    def get(self, item: pyrate.RateItem) -> pyrate.StateBucket:
        bucket = self._buckets.get(item.name)
        if bucket is None:
            bucket = self._buckets[item.name] = pyrate.StateBucket([self._rate], pyrate.GCRA())
        return bucket


def _pyrate() -> Acquire:
    acquire = pyrate.Limiter(_Buckets()).try_acquire
    return lambda key, _now: acquire(key, blocking=False)


PEERS: Mapping[str, Callable[[], Acquire]] = {
    "limits hit only, fixed_window": _limits_hit_only,
    "limits fixed_window": _limits(FixedWindowRateLimiter),
    "limits sliding_window_log": _limits(MovingWindowRateLimiter),
    "limits sliding_window_counter": _limits(SlidingWindowCounterRateLimiter),
    "throttled fixed_window": _throttled("fixed_window"),
    "throttled sliding_window_counter": _throttled("sliding_window"),
    "throttled token_bucket": _throttled("token_bucket"),
    "throttled leaky_bucket": _throttled("leaking_bucket"),
    "throttled gcra": _throttled("gcra"),
    "pyrate gcra": _pyrate,
}
"""By library and the algorithm of ours that it is."""
