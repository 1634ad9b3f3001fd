"""Fleet: N gateways, one limit, and what they answer to the same requests.

Rule: a *way* says how the gateways share: it makes a store for each, of the package's own classes. Each request
comes at its time to the gateway that a load balancer chose for it, and its answer is kept with the time it took.

Run it under virtual time (`simulation/virtual_time.py`): then it takes as long as its decisions, and comes out the same
each time.

What it does not do: forward anything. A request ends with the limiter's answer.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from typing import NamedTuple, TypeAlias, cast

from api_gateway.plotting.fleet.distant_store import DistantStore, Network
from api_gateway.plotting.fleet.synchronised import SynchronisedStore, synchronise
from api_gateway.rate_limiting.limit_store import Ask, Limit, LimitStore
from api_gateway.rate_limiting.limiters import limiter_of
from api_gateway.rate_limiting.memory_store import MemoryStore
from api_gateway.rate_limiting.rate_limiter import NANOSECONDS
from api_gateway.rate_limiting.redis import LeaseStore, RedisStore
from api_gateway.rate_limiting.redis.fallback import OnStoreError, limit_of_one

Way: TypeAlias = Callable[[Limit, int], Sequence[LimitStore]]
"""The stores of so many gateways that enforce a limit."""


class Answer(NamedTuple):
    """What became of one request."""

    gateway: int
    asked: int
    """Nanoseconds; likewise the next."""
    answered: int
    allowed: bool

    @property
    def waited(self) -> int:
        """What the limit added to the request's time, in nanoseconds."""
        return self.answered - self.asked


def whole_limit_each(limit: Limit, gateways: int) -> Sequence[LimitStore]:
    """Each gateway counts for itself, as if it were alone."""
    return [MemoryStore({limit: limiter_of(limit)}) for _ in range(gateways)]


def a_share_each(limit: Limit, gateways: int) -> Sequence[LimitStore]:
    """Each gateway counts for itself, and has one part in N of the limit."""
    return [MemoryStore({limit: limiter_of(limit_of_one(limit, gateways))}) for _ in range(gateways)]


def shared(network: Network, on_store_error: OnStoreError = "admit") -> Way:
    """All ask one store for each request."""

    def way(limit: Limit, gateways: int) -> Sequence[LimitStore]:
        server = MemoryStore({limit: limiter_of(limit)})
        return [DistantStore(server, network, on_store_error, gateways) for _ in range(gateways)]

    return way


def leased(network: Network, lease: int, lasts: float = 1.0) -> Way:
    """All take so many at once from one store, and spend them alone."""

    def way(limit: Limit, gateways: int) -> Sequence[LimitStore]:
        server = MemoryStore({limit: limiter_of(limit)})
        # A lease needs of the shared store what `DistantStore` has.
        distant = [cast("RedisStore", DistantStore(server, network)) for _ in range(gateways)]
        return [LeaseStore(store, lease, lasts=lasts) for store in distant]

    return way


def synchronised(limit: Limit, gateways: int) -> Sequence[LimitStore]:
    """Each gateway has the whole limit, and learns later what the others admitted."""
    return [SynchronisedStore(limit) for _ in range(gateways)]


def spread(arrivals: Sequence[int], weights: Sequence[float], seed: int = 1) -> list[tuple[int, int]]:
    """Each arrival with the gateway that a load balancer sends it to, at random by `weights`."""
    chosen = random.Random(seed).choices(range(len(weights)), weights, k=len(arrivals))
    return list(zip(chosen, arrivals, strict=True))


async def answers(
    way: Way, limit: Limit, gateways: int, requests: Sequence[tuple[int, int]], sync_every: float = 0.1
) -> list[Answer]:
    """Send `requests`, each a gateway and a time, and give the answers in the order in which they were given."""
    stores = way(limit, gateways)
    told = [store for store in stores if isinstance(store, SynchronisedStore)]
    async with AsyncExitStack() as stack:
        if told:
            telling = asyncio.create_task(synchronise(told, sync_every))
            stack.callback(telling.cancel)
        asked = (_ask(stores[gateway], limit, gateway, now) for gateway, now in requests)
        given = await asyncio.gather(*asked)
        for store in stores:
            await store.close()
    return sorted(given, key=lambda answer: answer.answered)


async def _ask(store: LimitStore, limit: Limit, gateway: int, now: int) -> Answer:
    loop = asyncio.get_running_loop()
    await asyncio.sleep(now / NANOSECONDS - loop.time())
    grant = await store.acquire((Ask(limit, "client"),), now)
    return Answer(gateway, now, round(loop.time() * NANOSECONDS), grant.decision.allowed)
