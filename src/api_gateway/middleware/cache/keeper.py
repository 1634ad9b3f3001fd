"""Cache keeper: the store as a cache's middleware sees it: never down, and never behind an invalidation.

Rule: a store that is out of reach holds nothing: a look is a miss, what should be kept is not. That is logged when it
begins and when it ends, and counted. An answer that was asked for before its key was invalidated, or before anything
was purged, is not kept: it may be what the change has made untrue. A distant store is written to in the background,
so that no client waits for it.

What it does not do: decide what is kept, or for how long.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Sequence

from api_gateway.caching.cache_store import CacheStore, NearbyStore, StoreUnavailable
from api_gateway.caching.stored_response import StoredResponse
from api_gateway.core.clock import Clock
from api_gateway.middleware.cache.background import Background
from api_gateway.middleware.cache.known import Known

_REMEMBERED = 120.0
"""Seconds for which an invalidation is remembered: as long as an answer may be under way."""

_log = logging.getLogger("api_gateway.cache")


class Keeper:
    """What a cache keeps, in a store."""

    __slots__ = (
        "_background",
        "_invalidated",
        "_purged_at",
        "_wall",
        "errors",
        "nearby",
        "outdated",
        "reachable",
        "store",
        "stored",
        "stored_bytes",
    )

    nearby: NearbyStore | None
    """The store, if it needs no waiting for."""
    reachable: bool
    """Whether the store could be asked the last time."""
    errors: int
    """How often it could not."""
    stored: int
    """Answers handed to it."""
    stored_bytes: int
    """Bytes of their bodies."""
    outdated: int
    """Answers not kept because something was invalidated while they were under way."""

    def __init__(self, store: CacheStore, clock: Clock, background: Background) -> None:
        self.store = store
        self._wall = clock.wall
        self._background = background
        self.nearby = store.nearby
        self._invalidated = Known(_REMEMBERED, clock)
        self._purged_at = float("-inf")
        self.reachable = True
        self.errors = self.stored = self.stored_bytes = self.outdated = 0

    async def look_up(self, key: str) -> Sequence[StoredResponse]:
        """What is kept under `key`; nothing if the store is out of reach."""
        try:
            variants = await self.store.get(key)
        except StoreUnavailable as error:
            self._failed(error)
            return ()
        if not self.reachable:
            self._recovered()
        return variants

    def keep(self, key: str, stored: StoredResponse, lifetime: float, then: Callable[[], None] | None) -> None:
        """Keep `stored`, and call `then` when that is done, or has failed."""
        invalidated = self._invalidated.since(key)
        if stored.asked_at <= self._purged_at or (invalidated is not None and stored.asked_at <= invalidated):
            self.outdated += 1
            if then is not None:
                then()
            return
        self.stored += 1
        self.stored_bytes += len(stored.body)
        if self.nearby is not None:
            self.nearby.keep(key, stored, lifetime)
            if then is not None:
                then()
        else:
            self._background.start(self._put(key, stored, lifetime, then), "cache write")

    async def _put(self, key: str, stored: StoredResponse, lifetime: float, then: Callable[[], None] | None) -> None:
        try:
            await self.store.put(key, stored, lifetime)
        except StoreUnavailable as error:
            self._failed(error)
        finally:
            if then is not None:
                then()

    async def forget(self, keys: Iterable[str], tags: Iterable[str] = ()) -> None:
        """Forget what is under `keys` and `tags`, and what is on its way there."""
        keys = tuple(keys)
        for key in keys:
            self._invalidated.add(key)
        try:
            for key in keys:
                await self.store.delete(key)
            for tag in tags:
                await self.store.purge_tag(tag)
        except StoreUnavailable as error:
            self._failed(error)

    async def purge(self, *, keys: Iterable[str] = (), prefix: str = "", tags: Iterable[str] = ()) -> int:
        """Forget what an operator names; how many answers there were.

        Raises:
            StoreUnavailable: the store cannot be asked.
        """
        self._purged_at = self._wall()
        count = sum([await self.store.delete(key) for key in keys])
        count += sum([await self.store.purge_tag(tag) for tag in tags])
        return count + (await self.store.purge_prefix(prefix) if prefix else 0)

    def _failed(self, error: StoreUnavailable) -> None:
        self.errors += 1
        if self.reachable:
            self.reachable = False
            _log.warning("the cache's store is out of reach, everything is a miss: %s", error)

    def _recovered(self) -> None:
        self.reachable = True
        _log.info("the cache's store is in reach again")
