"""Redis store: answers that all gateways share, in a Redis or Valkey server.

    store = RedisCacheStore("redis://cache.internal:6379/0")

Rule: the variants of a key are one hash, which is read in one round trip and lapses with the variant that lives
longest. An answer comes with the sets of its tags in one script, all or nothing. When there is no server nobody waits
for it (`server.py`).

Bound: `max_entry_size` for all variants of a key together, and `MOST_VARIANTS`; where there would be more, only the
newest stays. How much is kept in all the server says: set its `maxmemory`, and `maxmemory-policy allkeys-lfu`. So it
should not be the server of the limits, which must not forget. While `MOST_UNSENT` bytes wait for it to read, no further
answer is sent: a queue helps nobody.
Cost: one round trip each; `purge_tag` one for each `SOME` answers. `purge_prefix` looks at every key of the server,
`SCANNED` in a round trip, between which others are served: 0.1 s for 100,000 keys.

For /metrics: `hits`, `misses`, `refused`, `unreadable`, and those of the `server`.

What it does not do: follow a cluster's redirections, or know that a variant in a living hash is past its own lifetime:
whoever gets it judges it anyway. A purge by tag may also take an answer that replaced one with the tag.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from importlib import resources
from operator import attrgetter

from api_gateway.caching.cache_store import StoreUnavailable
from api_gateway.caching.redis.keys import Keys
from api_gateway.caching.redis.serialisation import packed, unpacked, variant_id
from api_gateway.caching.redis.server import DEFAULT_TIMEOUT, CacheServer, ServerRefused
from api_gateway.caching.stored_response import StoredResponse
from api_gateway.redis_link.script import Script

DEFAULT_MAX_ENTRY_SIZE = 2**20
"""Bytes."""
MOST_VARIANTS = 32
LONGEST_LIFETIME = 366 * 86400.0
"""Seconds; nothing is kept for longer."""
MOST_UNSENT = 16 * 2**20
"""Bytes of answers that wait for the server to read."""
SOME = 500
"""Answers forgotten in one go: it must not keep the server from others for long."""
SCANNED = 1000

_newness = attrgetter("answered_at")


class RedisCacheStore:
    """A `CacheStore` in a server."""

    def __init__(
        self,
        url: str,
        *,
        max_entry_size: int = DEFAULT_MAX_ENTRY_SIZE,
        timeout: float = DEFAULT_TIMEOUT,
        prefix: str = "api-gateway",
    ) -> None:
        """Connects at the first request. Gateways that share have the same `url` and `prefix`.

        Raises:
            ValueError: one of them is not what it may be.
        """
        if max_entry_size < 1:
            raise ValueError(f"an entry must have some bytes, not {max_entry_size}")
        self.max_entry_size = max_entry_size
        """Bytes of one key with its variants, as they are stored."""
        self.hits = 0
        """How often a key was asked for that is kept."""
        self.misses = 0
        """How often one was that is not."""
        self.refused = 0
        """Answers not kept: too large, too long a key, or too many on their way."""
        self.unreadable = 0
        """Answers found that this version did not write."""
        self._keys = Keys(prefix)
        self.server = CacheServer(url, timeout, self._keys.probe)
        """Where they are kept, with its counters."""

    @property
    def nearby(self) -> None:
        """See `CacheStore.nearby`."""
        return None

    async def get(self, key: str) -> Sequence[StoredResponse]:
        """See `CacheStore.get`."""
        variants, unreadable = await self._read(key)
        self.unreadable += unreadable
        if not variants:
            self.misses += 1
            return ()
        self.hits += 1
        return variants

    async def peek(self, key: str) -> Sequence[StoredResponse]:
        """What `get` would give, not counted."""
        variants, _ = await self._read(key)
        return variants

    async def _read(self, key: str) -> tuple[list[StoredResponse], int]:
        """What is kept under `key`, newest first, and how much there is that nobody can read."""
        name = self._keys.answers(key)
        values: object = None
        unreadable = 0
        try:
            if name is not None:
                values = await self.server.command("HVALS", name)
        except ServerRefused:  # what is there is no hash, or may not be read
            unreadable += 1
        variants = []
        for value in values if isinstance(values, list) else ():
            response = unpacked(value) if isinstance(value, bytes) else None
            if response is None:
                unreadable += 1
            else:
                variants.append(response)
        variants.sort(key=_newness, reverse=True)
        return variants, unreadable

    async def put(self, key: str, response: StoredResponse, lifetime: float) -> None:
        """See `CacheStore.put`."""
        name = self._keys.answers(key)
        if name is None:
            self.refused += 1
            return
        variant = variant_id(response.selecting)
        answer = packed(response)
        fits = len(answer) <= self.max_entry_size and len(answer) + self.server.unsent <= MOST_UNSENT
        if not fits or not lifetime > 0:
            self.refused += not fits
            await self.server.command("HDEL", name, variant)  # what it replaces is out of date
            return
        names = [name, *map(self._keys.tag, response.tags)]
        milliseconds = math.ceil(min(lifetime, LONGEST_LIFETIME) * 1000)
        await self.server.call(_PUT, names, variant, answer, milliseconds, self.max_entry_size, MOST_VARIANTS)

    async def delete(self, key: str) -> int:
        """See `CacheStore.delete`."""
        name = self._keys.answers(key)
        return 0 if name is None else await self.server.call(_DELETE, [name])

    async def purge_prefix(self, prefix: str) -> int:
        """See `CacheStore.purge_prefix`."""
        pattern, cursor, count = self._keys.pattern(prefix), b"0", 0
        while True:
            reply = await self.server.command("SCAN", cursor, "MATCH", pattern, "COUNT", SCANNED)
            cursor, names = _scanned(reply)
            for start in range(0, len(names), SOME):
                count += await self.server.call(_DELETE, names[start : start + SOME])
            if cursor == b"0":
                return count

    async def purge_tag(self, tag: str) -> int:
        """See `CacheStore.purge_tag`."""
        name, count = self._keys.tag(tag), 0
        length = len(variant_id(()))
        while True:
            reply = await self.server.command("ZRANGE", name, 0, SOME - 1)
            members = [member for member in reply if isinstance(member, bytes)] if isinstance(reply, list) else []
            if not members:
                return count
            variants = [member[:length] for member in members]
            count += await self.server.call(_DELETE_TAGGED, [name, *(member[length:] for member in members)], *variants)

    async def close(self) -> None:
        """Close the connection; the answers stay. Again is fine."""
        await self.server.close()


def _scanned(reply: object) -> tuple[bytes, list[bytes]]:
    """The cursor to go on from, and the keys found."""
    match reply:
        case [bytes() as cursor, list() as names]:
            return cursor, [name for name in names if isinstance(name, bytes)]
    raise StoreUnavailable("the server does not know how to SCAN")


def _script(name: str) -> Script:
    return Script(resources.files(__package__).joinpath(f"{name}.lua").read_text(encoding="utf-8"))


_PUT = _script("put")
_DELETE = _script("delete")
_DELETE_TAGGED = _script("delete_tagged")
