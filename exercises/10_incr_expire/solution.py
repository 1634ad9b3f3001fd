"""The fix: the key is born with its expiry, in the same go as it is counted.

Why: between two round trips the process can die, the connection can break, the caller can leave. After INCR without
EXPIRE there is a counter that nothing ever takes away, and a full one blocks for ever. `SET key 0 EX 60 NX` makes the
key only if there is none, so the window begins once and no request prolongs it; INCR leaves an expiry alone. Both in
one MULTI are one step for everybody else, and one round trip instead of two.

What it costs: nothing but the habit. Where the decision needs what is stored (a token bucket has to read before it
writes), MULTI is not enough, and a Lua script is: it runs as one step on the server, with the server's clock. And every
such limit asks the question of what to do when the store does not answer: admit, refuse, or count locally.
"""

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
        _, count = await self._store.execute(("SET", key, 0, "EX", self._period, "NX"), ("INCR", key))
        return count is not None and count <= self._limit
