"""Redis peers: what the shared limits of other libraries look like to the benchmark: a key, asked for one request.

Each is used as its manual shows it for asyncio, with the redis library, and decides only: `limits` can
tell what remains only in a second round trip, which would make it twice as slow.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import timedelta
from typing import TYPE_CHECKING, TypeAlias

from limits import RateLimitItemPerSecond
from limits.aio import strategies
from limits.aio.storage import RedisStorage
from redis.asyncio import Redis
from throttled import asyncio as throttled

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

LIMIT = 1_000_000
"""Per second and at once: more than anybody can ask for."""

Acquire: TypeAlias = Callable[[str], Awaitable[object]]
"""Asks for one request of a key."""
Open: TypeAlias = Callable[[str], AbstractAsyncContextManager[Acquire]]
"""Of a URL."""


async def _close(client: object) -> None:
    if isinstance(client, Redis):
        await client.aclose(close_connection_pool=True)


def _limits(strategy: type[strategies.RateLimiter]) -> Open:
    @asynccontextmanager
    async def opened(url: str) -> AsyncIterator[Acquire]:
        storage = RedisStorage(f"async+{url}", implementation="redispy")
        hit, item = strategy(storage).hit, RateLimitItemPerSecond(LIMIT)
        try:
            yield lambda key: hit(item, key)
        finally:
            await _close(vars(storage.bridge).get("storage"))

    return opened


def _throttled(algorithm: str) -> Open:
    @asynccontextmanager
    async def opened(url: str) -> AsyncIterator[Acquire]:
        store = throttled.RedisStore(server=url)
        quota = throttled.per_duration(timedelta(seconds=1), LIMIT, burst=LIMIT)
        try:
            yield throttled.Throttled(using=algorithm, quota=quota, store=store).limit
        finally:
            await _close(store._backend.get_client())  # it has no way to close itself

    return opened


PEERS: Mapping[str, Open] = {
    "limits fixed_window": _limits(strategies.FixedWindowRateLimiter),
    "limits sliding_window_log": _limits(strategies.MovingWindowRateLimiter),
    "limits sliding_window_counter": _limits(strategies.SlidingWindowCounterRateLimiter),
    "throttled fixed_window": _throttled("fixed_window"),
    "throttled token_bucket": _throttled("token_bucket"),
    "throttled gcra": _throttled("gcra"),
}
"""By library and the algorithm of ours that it is."""
