"""MemoryStore: limits kept in this process, which is all there is to share them with.

Rule: one limiter for each limit, made before the first request; all or nothing over them
(`all_or_nothing.py`).
Bound: N gateways with a memory store each admit N times the limit. That is what `redis/` is for.
Cost: a decision in memory, no I/O.

What it does not do: survive a restart.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from api_gateway.rate_limiting.all_or_nothing import Claim, acquire_all
from api_gateway.rate_limiting.concurrency import Concurrency
from api_gateway.rate_limiting.keyed_rate_limiter import ReservingRateLimiter
from api_gateway.rate_limiting.limit_store import Ask, Grant, Limit


class MemoryStore:
    """The states of some limits, in this process."""

    __slots__ = ("limiters",)

    limiters: Mapping[Limit, ReservingRateLimiter]
    """The limiter of each limit, to look at."""

    def __init__(self, limiters: Mapping[Limit, ReservingRateLimiter]) -> None:
        self.limiters = dict(limiters)

    async def acquire(self, asks: Sequence[Ask], now: int) -> Grant:
        """See `LimitStore.acquire`."""
        decision, decisions = acquire_all([Claim(self.limiters[limit], key, cost) for limit, key, cost in asks], now)
        return Grant(decision, decisions, self._release_of(asks) if decision.allowed else None)

    async def close(self) -> None:
        """Nothing is held that must be freed."""

    def _release_of(self, asks: Sequence[Ask]) -> Callable[[], None] | None:
        held = [ask for ask in asks if ask.limit.algorithm == "concurrency"]
        if not held:
            return None

        def release() -> None:
            for limit, key, cost in held:
                limiter = self.limiters[limit]
                assert isinstance(limiter, Concurrency), "of that name"
                limiter.release(key, cost)

        return release
