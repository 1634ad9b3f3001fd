"""The fix: remember when each of the last N was admitted: the sliding window log.

Why: a promise about *any* period needs to know what was admitted in the period that ends now. The fixed window admits
2N around its border, in an instant. Beginning it at the first request moves the border, and keeps it. The sliding
counter assumes that the last window's requests came evenly; an adversary sends them all at its end and gets nearly 2N
in a period. A token bucket of N and N per period admits N at once and nearly N more while it refills: 2N - 1.

What it costs: N numbers for each key, instead of one or two: 100,000 clients and a limit of 1,000 an hour make 10^8. So
logs are for small limits that must be exact, such as this contract; elsewhere GCRA, one number a key, and say what it
promises. If a bucket shall keep this promise, its rate must be (N - b) / P for a burst of b.
"""

from __future__ import annotations

from collections import deque

from api_gateway.rate_limiting import Decision

NANOSECONDS = 1_000_000_000


class Limiter:
    """A rate limiter: see `api_gateway.rate_limiting.RateLimiter`."""

    def __init__(self, limit: int, period: float) -> None:
        """`limit` requests in `period` seconds."""
        self._limit = limit
        self._period = round(period * NANOSECONDS)
        self._logs: dict[str, deque[int]] = {}

    def acquire(self, key: str, now: int) -> Decision:
        """May `key` do one more at `now`, in monotonic nanoseconds?"""
        log = self._logs.setdefault(key, deque())
        while log and log[0] <= now - self._period:
            log.popleft()
        if len(log) >= self._limit:
            return Decision(False, self._limit, 0, log[-1] + self._period - now, log[0] + self._period - now)
        log.append(now)
        return Decision(True, self._limit, self._limit - len(log), self._period, None)
