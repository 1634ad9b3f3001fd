"""DistantStore: stands where `RedisStore` stands, in a simulation: limits behind a network, with no server.

Rule: a question takes `delay` to the server and its answer as much back; the limits there are a `MemoryStore`,
asked at the time at which the question arrives. While the network is cut, requests are decided by the package's own
`Fallback`, at once; those of the first moments wait for `timeout`, which is how a gateway finds out.

Time is the event loop's, so under a virtual one nothing waits (`simulation/virtual_time.py`).

What it does not do: lose an answer of a question that arrived, or fail in any other way. The real one does, and is
tested with a real server.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import NamedTuple

from api_gateway.rate_limiting.limit_store import Ask, Grant, Limit
from api_gateway.rate_limiting.memory_store import MemoryStore
from api_gateway.rate_limiting.rate_limiter import NANOSECONDS
from api_gateway.rate_limiting.redis.fallback import Fallback, OnStoreError


class Network(NamedTuple):
    """What lies between the gateways and the store. All are seconds."""

    delay: float = 0.001
    """One way."""
    cut_from: float = float("inf")
    cut_until: float = float("inf")
    timeout: float = 0.25

    def is_cut(self, now: float) -> bool:
        """Whether nothing passes."""
        return self.cut_from <= now < self.cut_until


class DistantStore:
    """A `LimitStore` of one gateway, before a server that it shares with others."""

    def __init__(
        self, server: MemoryStore, network: Network, on_store_error: OnStoreError = "admit", gateways: int = 1
    ) -> None:
        """See `RedisStore` for the policy and the number of gateways."""
        self._server = server
        self._network = network
        self._most = {limit: limiter.acquire("", 0, 0).limit for limit, limiter in server.limiters.items()}
        self._fallback = Fallback(on_store_error, self._most, gateways)

    async def acquire(self, asks: Sequence[Ask], now: int) -> Grant:
        """See `LimitStore.acquire`."""
        network = self._network
        second = asyncio.get_running_loop().time()
        if network.is_cut(second):
            await asyncio.sleep(network.cut_from + network.timeout - second)
            return await self._fallback.acquire(asks, _nanoseconds())
        await asyncio.sleep(network.delay)
        grant = await self._server.acquire(asks, _nanoseconds())
        await asyncio.sleep(network.delay)
        return grant

    def most(self, limit: Limit) -> int:
        """See `RedisStore.most`."""
        return self._most[limit]

    @property
    def reachable(self) -> bool:
        """Whether this gateway takes the server to be there."""
        network, second = self._network, asyncio.get_running_loop().time()
        return not network.is_cut(second) or second < network.cut_from + network.timeout

    async def close(self) -> None:
        """Nothing is held that must be freed."""


def _nanoseconds() -> int:
    return round(asyncio.get_running_loop().time() * NANOSECONDS)
