"""Leaky bucket as a queue: a shaper. It delays instead of refusing, and lets requests out evenly.

Rule: one request leaves every T = P / N, the first at once. A request that comes early waits for its turn;
one that would have to wait longer than q * T, because q are before it, is refused. The caller does the
waiting: `Decision.wait` says how long. A request of cost c takes c turns and leaves at the last of them.

Bound: what leaves, in any half-open time W, is at most ceil(W / T), of cost 1: no bursts at all. A wait is
at most q * T.
Memory: one number a key, when the last turn given away is over; and whatever the caller needs to hold
up to q requests.
Cost: O(1).

It admits exactly what GCRA with a burst of q + 1 admits, and `next turn` is its TAT: the two differ in that
here the burst is spread out. That costs latency and held connections, and is worth it for a service
that suffers from bursts more than from waiting.

What it does not do: wait, keep requests, or let one overtake another.

Source: A. Tanenbaum, "Computer Networks", 3rd edition, 1996, chapter 5, "The leaky bucket algorithm"; nginx
`limit_req` without `nodelay`.
"""

from __future__ import annotations

from api_gateway.rate_limiting.keyed_rate_limiter import KeyedRateLimiter
from api_gateway.rate_limiting.rate_limiter import Decision, Quota, new_decision


class LeakyBucketQueue(KeyedRateLimiter[int]):
    """One every P / N, with at most `burst` waiting (0 or more). The state is the next turn, in ticks."""

    __slots__ = ()

    @classmethod
    def quota_of(cls, limit: int, period: float, burst: int | None) -> Quota:
        """The burst is the length of the queue, which may be 0."""
        return Quota.of(limit, period, burst, least_burst=0)

    def decide(self, state: int | None, now: int, cost: int = 1) -> tuple[int | None, Decision]:
        """See the base class."""
        if cost < 0:
            raise ValueError(f"cost must not be negative, is {cost}")
        interval, scale = self.quota.interval, self.quota.scale
        most = self.quota.burst + 1  # those that wait, and the one whose turn it is
        arrival = now * scale
        ahead = state - arrival if state is not None and state > arrival else 0
        after = ahead + cost * interval
        if after > most * interval:
            retry_after = -((most * interval - after) // scale) if cost <= most else None
            remaining = max(0, most - -(-ahead // interval))
            return state, new_decision((False, most, remaining, -(-ahead // scale), retry_after, 0))
        remaining = most - -(-after // interval)
        wait = -((interval - after) // scale) if cost else 0
        return arrival + after, new_decision((True, most, remaining, -(-after // scale), None, wait))

    def is_idle(self, state: int, now: int) -> bool:
        """See the base class."""
        return state <= now * self.quota.scale
