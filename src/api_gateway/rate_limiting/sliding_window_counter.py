"""Sliding window counter: guess the sliding window from two aligned ones.

Rule: with f the elapsed share of this window, the last P is taken to hold previous * (1 - f) + current,
as if the previous window's requests had come evenly. Admit if that and the cost are at most N.

Bound: in a half-open time W <= P less than N + N * W / P, as a token bucket: N in an instant, but 2N - 1 in a whole
period, N at the end of one window and N - 1 spread over the next. "It fixes the boundary burst" is true of the
instant and false of the period, where the worst case is the fixed window's. It errs the other way
too: requests that came early in the previous window still count after they are a period old.
Real traffic is kinder than an adversary: Cloudflare counted 0.003 % wrong decisions.
Under a client that never stops it gives N - 1 per period, and 1 per *two* periods where N is 1, because
the last one never fits before f reaches 1. With few requests per period take another algorithm.
Memory: three numbers a key.
Cost: O(1).

What it does not do: know when anything happened. That is what makes it small.

Source: J. Desgats, "How we built rate limiting capable of scaling to millions of domains", Cloudflare,
2017.
"""

from __future__ import annotations

from typing import TypeAlias

from api_gateway.rate_limiting.keyed_rate_limiter import KeyedRateLimiter
from api_gateway.rate_limiting.rate_limiter import Decision, Quota, new_decision

Windows: TypeAlias = tuple[int, int, int]
"""When the current window ends, in nanoseconds, what was admitted in it, and what in the one before."""

_new = tuple.__new__


class SlidingWindowCounter(KeyedRateLimiter[Windows]):
    """About N in a sliding window of length P."""

    __slots__ = ()

    @classmethod
    def quota_of(cls, limit: int, period: float, burst: int | None) -> Quota:
        """A window has no burst of its own."""
        return Quota.of_window(limit, period, burst)

    def decide(self, state: Windows | None, now: int, cost: int = 1) -> tuple[Windows | None, Decision]:
        """See the base class."""
        if cost < 0:
            raise ValueError(f"cost must not be negative, is {cost}")
        limit, period = self.quota.limit, self.quota.period
        end, current, previous = self._at(state, now)
        # All counts times the period, so that no share is ever rounded.
        free = (limit - current) * period
        if previous:
            free -= previous * min(end - now, period)  # the period is less only if the clock went back
        if cost * period > free:
            retry_after = self._admitted_at(end, current, previous, cost) - now if cost <= limit else None
            reset_after = self._reset_after(end, current, previous, now)
            return state, new_decision((False, limit, max(0, free // period), reset_after, retry_after, 0))
        current += cost
        reset_after = self._reset_after(end, current, previous, now)
        return (end, current, previous), new_decision((True, limit, free // period - cost, reset_after, None, 0))

    def acquire(self, key: str, now: int, cost: int = 1) -> Decision:
        """See the base class; the usual case, in the window of the state, written flat in two thirds of the time."""
        states = self.table.young
        state = states.get(key)
        if state is None:
            states = self.table.old
            state = states.get(key)
        if state is None or cost < 1:
            return KeyedRateLimiter.acquire(self, key, now, cost)
        end, current, previous = state
        limit, period = self.quota.limit, self.quota.period
        left = end - now
        if left > period:
            return KeyedRateLimiter.acquire(self, key, now, cost)
        if left <= 0:
            end, current, previous = self._at(state, now)
            left = end - now
        current += cost
        remaining = limit - current
        if previous:
            remaining -= -(-previous * left // period)
        if remaining < 0:
            return self.decide(state, now, cost)[1]
        states[key] = (end, current, previous)
        return _new(Decision, (True, limit, remaining, left + period, None, 0))

    def is_idle(self, state: Windows, now: int) -> bool:
        """See the base class."""
        return self._at(state, now)[1:] == (0, 0)

    def _at(self, state: Windows | None, now: int) -> Windows:
        """The two windows as they stand at `now`."""
        period = self.quota.period
        if state is not None:
            end, current, _ = state
            if now < end:  # by more than a period only if the clock went back
                return state
            if now < end + period:
                return end + period, 0, current
        return now - now % period + period, 0, 0

    def _reset_after(self, end: int, current: int, previous: int, now: int) -> int:
        """Until neither window counts any more."""
        return end + self.quota.period - now if current else end - now if previous else 0

    def _admitted_at(self, end: int, current: int, previous: int, cost: int) -> int:
        """The first time at which `cost`, at most the limit, is admitted."""
        free = self.quota.limit - cost - current
        if free > 0:  # in this window, where the share of the previous one falls to what is free
            return end - self._weighing(free, previous)
        # In the next one, where the current one is the previous.
        return end + self.quota.period - self._weighing(free + current, current)

    def _weighing(self, share: int, count: int) -> int:
        """How long before the end of a window `count` of the one before weighs `share`, which is no more."""
        period = self.quota.period
        return share * period // count if count else period
