"""At most N in each minute of the clock: the fixed window of every first interview answer."""

from __future__ import annotations

from api_gateway.rate_limiting import Decision

NANOSECONDS = 1_000_000_000


class Limiter:
    """A rate limiter: see `api_gateway.rate_limiting.RateLimiter`."""

    def __init__(self, limit: int, period: float) -> None:
        """`limit` requests in `period` seconds."""
        self._limit = limit
        self._period = round(period * NANOSECONDS)
        self._windows: dict[str, tuple[int, int]] = {}

    def acquire(self, key: str, now: int) -> Decision:
        """May `key` do one more at `now`, in monotonic nanoseconds?"""
        window, count = self._windows.get(key, (0, 0))
        if window != now // self._period:
            window, count = now // self._period, 0
        until_next = self._period - now % self._period
        if count >= self._limit:
            return Decision(False, self._limit, 0, until_next, until_next)
        self._windows[key] = (window, count + 1)
        return Decision(True, self._limit, self._limit - count - 1, until_next, None)
