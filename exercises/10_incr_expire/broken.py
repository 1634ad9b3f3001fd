"""A fixed window in a store that all gateways share: INCR, and EXPIRE when the key is new."""

from __future__ import annotations

from collections.abc import Awaitable, Sequence
from typing import Protocol, TypeAlias

Command: TypeAlias = Sequence[str | int]


class Store(Protocol):
    """What we need of Redis.

    It knows these commands, with the meaning of the real ones:

    GET key; SET key value [EX seconds] [NX]; INCR key; EXPIRE key seconds [NX]; TTL key (-1: never, -2: no such key)
    """

    def execute(self, *commands: Command) -> Awaitable[list[int | None]]:
        """A reply for each command; all are carried out in one go, with no other client's in between (MULTI)."""
        ...


class RedisLimiter:
    """At most `limit` in a window of `period` seconds, which begins with the first request."""

    def __init__(self, store: Store, limit: int, period: int) -> None:
        self._store = store
        self._limit = limit
        self._period = period

    async def acquire(self, key: str) -> bool:
        """May `key` do one more now?"""
        [count] = await self._store.execute(("INCR", key))
        if count == 1:
            await self._store.execute(("EXPIRE", key, self._period))
        return count is not None and count <= self._limit
