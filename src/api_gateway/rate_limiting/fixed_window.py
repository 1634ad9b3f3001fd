"""Fixed window: count requests, begin again every period.

Rule: time is cut into windows of length P, aligned to multiples of P. Admit if the count of this
window and the cost are together at most N.

Bound: N in each aligned window, but a window of your own choosing may lie across a boundary. In any
half-open time W at most N * (ceil(W / P) + 1): 2N within an instant, N just before the boundary and
N just after. That, and every refused client coming back at the same moment, is what is wrong with it.
Memory: two numbers a key, the window's end and its count.
Cost: O(1), and the least of all.

What it does not do: spread anything within the window, or align to the hour. Windows are aligned on
the clock that `now` comes from, and a monotonic clock starts anywhere.

Source: the Redis manual, INCR, "Pattern: Rate limiter 1".
"""

from __future__ import annotations

from typing import TypeAlias

from api_gateway.rate_limiting.keyed_rate_limiter import KeyedRateLimiter
from api_gateway.rate_limiting.rate_limiter import Decision, Quota, new_decision

Window: TypeAlias = tuple[int, int]
"""When it ends, in nanoseconds, and what was admitted in it."""

_new = tuple.__new__


class FixedWindow(KeyedRateLimiter[Window]):
    """N in each aligned window of length P."""

    __slots__ = ()

    @classmethod
    def quota_of(cls, limit: int, period: float, burst: int | None) -> Quota:
        """A window has no burst of its own."""
        return Quota.of_window(limit, period, burst)

    def decide(self, state: Window | None, now: int, cost: int = 1) -> tuple[Window | None, Decision]:
        """See the base class."""
        if cost < 0:
            raise ValueError(f"cost must not be negative, is {cost}")
        limit, period = self.quota.limit, self.quota.period
        end, count = now - now % period + period, 0
        if state is not None and state[0] >= end:  # greater only if the clock went back
            end, count = state
        left = limit - count
        if cost > left:
            reset_after, retry_after = end - now if count else 0, end - now if cost <= limit else None
            return state, new_decision((False, limit, left, reset_after, retry_after, 0))
        count += cost
        return (end, count), new_decision((True, limit, limit - count, end - now if count else 0, None, 0))

    def is_idle(self, state: Window, now: int) -> bool:
        """See the base class."""
        return state[0] <= now

    def acquire(self, key: str, now: int, cost: int = 1) -> Decision:
        """See the base class; the usual case written flat, which takes two thirds of the time."""
        states = self.table.young
        state = states.get(key)
        if state is None:
            states = self.table.old
            state = states.get(key)
        if state is None or cost < 1:
            return KeyedRateLimiter.acquire(self, key, now, cost)
        end, count = state
        if now >= end:
            period = self.quota.period
            end, count = now - now % period + period, 0
        limit = self.quota.limit
        count += cost
        if count > limit:
            return self.decide(state, now, cost)[1]
        states[key] = (end, count)
        return _new(Decision, (True, limit, limit - count, end - now, None, 0))
