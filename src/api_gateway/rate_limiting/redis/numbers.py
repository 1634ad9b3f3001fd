"""Numbers: what a limit is in Lua, where time is microseconds and every number a double.

Rule: doubles are exact up to 2^53, so what a script computes has to stay below. Buckets count in ticks, as
`Quota` does: T = interval / scale microseconds, exactly, also where the period is not a whole number of them.
Where exact ticks would be too fine (a million and three per month), they are made coarser and T is rounded
*up*, by less than one part in 2^51 / burst: never more is admitted than was promised. Windows round a period
that is not whole microseconds up.

Against memory: a request counts as having come at the microsecond it came in, rounded down. So in any time W
at most as many are admitted as the algorithm's bound says for W and one microsecond; and what a decision
says of time is rounded up to one.

What it does not do: check counts and periods. `Quota` does.
"""

from __future__ import annotations

import math
from typing import NamedTuple

from api_gateway.rate_limiting.concurrency import Concurrency
from api_gateway.rate_limiting.limit_store import Limit
from api_gateway.rate_limiting.limiters import BUCKETS, WINDOWS, at_once
from api_gateway.rate_limiting.rate_limiter import Quota

EXACT = 2**52
"""The most ticks that a bucket may hold: one bit is left for the sum of two such numbers."""
LONGEST_PERIOD = 2**47
"""Microseconds, four years and a half: the longest period of a window."""


class Numbers(NamedTuple):
    """What a script is told of a limit, and what of that its states depend on."""

    most: int
    """The most that can be admitted at one instant: `Decision.limit`."""
    arguments: tuple[int, int, int]
    units: str
    """Two limits of one algorithm with the same units read each other's states right."""


def numbers_of(limit: Limit, lease: float) -> Numbers:
    """The numbers of `limit`; `lease` is how long a place of `concurrency` is leased for, in seconds.

    Raises:
        ValueError: the algorithm is unknown, or a number not what it may be, or too great for a double.
    """
    if limit.algorithm == "concurrency":
        Concurrency(limit.limit)
        return Numbers(limit.limit, (limit.limit, math.ceil(lease * 1e6), 0), "")
    limiter = WINDOWS.get(limit.algorithm) or BUCKETS.get(limit.algorithm)
    if limiter is None:
        raise ValueError(f"limit {limit.name!r}: no algorithm is named {limit.algorithm!r}")
    quota = limiter.quota_of(limit.limit, limit.period, limit.burst)
    if limit.algorithm in WINDOWS:
        period = -(-quota.period // 1000)
        _check(limit, max(period, quota.limit), LONGEST_PERIOD)
        return Numbers(quota.limit, (quota.limit, period, 0), str(period))
    most = at_once(limit)
    scale, interval = _ticks(quota, most)
    _check(limit, most * interval, EXACT)
    return Numbers(most, (scale, interval, most), f"{interval}-{scale}")


def _ticks(quota: Quota, most: int) -> tuple[int, int]:
    """Ticks in a microsecond, and ticks that one request is worth."""
    requests = 1000 * quota.limit  # in as many microseconds as the period has nanoseconds
    common = math.gcd(requests, quota.period)
    scale, interval = requests // common, quota.period // common
    while most * interval > EXACT and scale > 1:
        scale //= 2
        interval = -(-quota.period * scale // requests)
    return scale, interval


def _check(limit: Limit, number: int, most: int) -> None:
    if number > most:
        raise ValueError(f"limit {limit.name!r}: its numbers are too great for a shared store")
