"""Delayed synchronisation: every gateway decides by itself, and they tell each other afterwards.

Rule: each gateway has the whole limit in memory. Now and then all admissions since the last time are charged to the
limiters of all others. So nobody waits for anybody, and what is known of the others is old.

Bound: between two synchronisations N gateways may admit N times what one may. A bucket cannot owe, so what it
finds it has given away too much is not paid back.

What it does not do: send anything. The exchange itself takes no time here, which is the best case.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from api_gateway.rate_limiting.limit_store import Ask, Grant, Limit
from api_gateway.rate_limiting.limiters import limiter_of
from api_gateway.rate_limiting.memory_store import MemoryStore
from api_gateway.rate_limiting.rate_limiter import NANOSECONDS


class SynchronisedStore:
    """A `LimitStore` of one gateway, which learns later what the others did."""

    def __init__(self, limit: Limit) -> None:
        self._limiter = limiter_of(limit)
        self._store = MemoryStore({limit: self._limiter})
        self.untold: list[str] = []
        """The keys of admissions that the others do not know of."""

    async def acquire(self, asks: Sequence[Ask], now: int) -> Grant:
        """See `LimitStore.acquire`."""
        grant = await self._store.acquire(asks, now)
        if grant.decision.allowed:
            self.untold += (ask.key for ask in asks for _ in range(ask.cost))
        return grant

    def learn(self, keys: Sequence[str], now: int) -> None:
        """Charge what others admitted."""
        for key in keys:
            self._limiter.acquire(key, now)

    async def close(self) -> None:
        """Nothing is held that must be freed."""


async def synchronise(stores: Sequence[SynchronisedStore], every: float) -> None:
    """Tell each of `stores` what the others did, again and again; ends when it is cancelled."""
    while True:
        await asyncio.sleep(every)
        now = round(asyncio.get_running_loop().time() * NANOSECONDS)
        news = [store.untold for store in stores]
        for store in stores:
            store.untold = []
        for store in stores:
            for other, keys in zip(stores, news, strict=True):
                if other is not store:
                    store.learn(keys, now)
