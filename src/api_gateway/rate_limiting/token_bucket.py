"""Token bucket: tokens drip in at a steady rate, and each request takes some out.

Rule: a bucket holds at most b tokens and starts full; one drips in every T = P / N. Admit if it holds at
least as many as the request costs, and take them out.

Bound: in any half-open time W at most b + ceil(W / T) - 1: what the bucket held, and what dripped in
meanwhile. So with b = N a period sees up to 2N - 1. To promise at most N in any period, drip at
(N - b) / P.
Memory: two numbers a key, the tokens and when they were counted.
Cost: O(1). Nothing drips while nobody looks: the tokens are worked out when a request comes.

Tokens are kept in ticks (`Quota`): one token is worth T, the time it took to drip in, so tokens and
time add up without a fraction.

What it does not do: smooth. A burst passes as a burst; `leaky_bucket_queue.py` spreads it out.

Source: J. Turner, "New directions in communications", IEEE Communications 24(10), 1986 (as a counter with a
leak); RFC 2697 and RFC 2698, which colour packets by token buckets.
"""

from __future__ import annotations

from typing import TypeAlias

from api_gateway.rate_limiting.keyed_rate_limiter import KeyedRateLimiter
from api_gateway.rate_limiting.rate_limiter import Decision, new_decision

Bucket: TypeAlias = tuple[int, int]
"""Tokens, in ticks, and when they were counted, in nanoseconds."""

_new = tuple.__new__


class TokenBucket(KeyedRateLimiter[Bucket]):
    """N per period on average, b at once."""

    __slots__ = ()

    def decide(self, state: Bucket | None, now: int, cost: int = 1) -> tuple[Bucket | None, Decision]:
        """See the base class."""
        if cost < 0:
            raise ValueError(f"cost must not be negative, is {cost}")
        burst, token, scale = self.quota.burst, self.quota.interval, self.quota.scale
        full = burst * token
        tokens = full
        if state is not None:
            # A clock that goes back takes back what it let drip in, so it can never give it twice.
            tokens = state[0] + (now - state[1]) * scale
            if tokens > full:
                tokens = full
        after = tokens - cost * token
        if after < 0:
            retry_after = -(after // scale) if cost <= burst else None
            return state, new_decision(
                (False, burst, max(0, tokens // token), -((tokens - full) // scale), retry_after, 0)
            )
        return (after, now), new_decision((True, burst, after // token, -((after - full) // scale), None, 0))

    def is_idle(self, state: Bucket, now: int) -> bool:
        """See the base class."""
        tokens, counted = state
        return tokens + (now - counted) * self.quota.scale >= self.quota.burst * self.quota.interval

    def acquire(self, key: str, now: int, cost: int = 1) -> Decision:
        """See the base class; the usual case written flat, which takes two thirds of the time."""
        states = self.table.young
        state = states.get(key)
        if state is None:
            states = self.table.old
            state = states.get(key)
        if state is None or cost < 1:
            return KeyedRateLimiter.acquire(self, key, now, cost)
        quota = self.quota
        token, scale, burst = quota.interval, quota.scale, quota.burst
        full = burst * token
        tokens, counted = state
        tokens += now - counted if scale == 1 else (now - counted) * scale
        if tokens > full:
            tokens = full
        tokens -= cost * token
        if tokens < 0:
            return self.decide(state, now, cost)[1]
        states[key] = (tokens, now)
        reset_after = full - tokens if scale == 1 else -((tokens - full) // scale)
        return _new(Decision, (True, burst, tokens // token, reset_after, None, 0))
