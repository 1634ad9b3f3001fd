"""Leaky bucket as a meter: requests pour in, and the bucket leaks at a steady rate.

Rule: a bucket of depth b starts empty and leaks one every T = P / N. Admit if what the request pours in
does not make it overflow.

Bound, memory and cost: the token bucket's, because it is the token bucket, looked at from the other
side: level = b - tokens. They decide alike, always; which name one uses is a matter of taste. What
many call *the* leaky bucket, which holds requests back and lets them out evenly, is another thing:
`leaky_bucket_queue.py`.

The level is kept in ticks (`Quota`): one request fills T, the time it takes to leak out.

What it does not do: delay. It measures; it does not shape.

Source: ITU-T I.371 annex A and ATM Forum Traffic Management 4.0, 1996, "continuous-state leaky bucket";
J. Turner, "New directions in communications", IEEE Communications 24(10), 1986.
"""

from __future__ import annotations

from typing import TypeAlias

from api_gateway.rate_limiting.keyed_rate_limiter import KeyedRateLimiter
from api_gateway.rate_limiting.rate_limiter import Decision, new_decision

Level: TypeAlias = tuple[int, int]
"""Level, in ticks, and when it was measured, in nanoseconds."""

_new = tuple.__new__


class LeakyBucket(KeyedRateLimiter[Level]):
    """N per period on average, b at once."""

    __slots__ = ()

    def decide(self, state: Level | None, now: int, cost: int = 1) -> tuple[Level | None, Decision]:
        """See the base class."""
        if cost < 0:
            raise ValueError(f"cost must not be negative, is {cost}")
        burst, drop, scale = self.quota.burst, self.quota.interval, self.quota.scale
        depth = burst * drop
        level = 0
        if state is not None:
            # A clock that goes back pours back what leaked out, so nothing leaks out twice.
            level = state[0] - (now - state[1]) * scale
            if level < 0:
                level = 0
        after = level + cost * drop
        if after > depth:
            retry_after = -((depth - after) // scale) if cost <= burst else None
            return state, new_decision(
                (False, burst, max(0, (depth - level) // drop), -(-level // scale), retry_after, 0)
            )
        return (after, now), new_decision((True, burst, (depth - after) // drop, -(-after // scale), None, 0))

    def is_idle(self, state: Level, now: int) -> bool:
        """See the base class."""
        level, measured = state
        return level <= (now - measured) * self.quota.scale

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
        drop, scale, burst = quota.interval, quota.scale, quota.burst
        level, measured = state
        level -= now - measured if scale == 1 else (now - measured) * scale
        if level < 0:
            level = 0
        level += cost * drop
        spare = burst * drop - level
        if spare < 0:
            return self.decide(state, now, cost)[1]
        states[key] = (level, now)
        reset_after = level if scale == 1 else -(-level // scale)
        return _new(Decision, (True, burst, spare // drop, reset_after, None, 0))
